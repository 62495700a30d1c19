"""Resources as a client asks for them. A kind may be called as people call it: `Camera`, `cameras`, `cam`."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from argus.control.client.calls import PAGE, Calls, Items, Json, part
from argus.control.client.events import Place, follow
from argus.core.resources.kinds import kind_called


class Change(NamedTuple):
    """Something that happened to a resource, or `BOOKMARK`: all there was has been told."""

    type: str
    resource: Json


class ResourceCalls(Calls):
    """See the module."""

    def list(self, kind: str | None = None, *, selector: str | None = None) -> Items:
        """Return all resources of a kind; None: of all kinds."""
        return list(self.iterate(kind, selector=selector))

    def iterate(self, kind: str | None = None, *, selector: str | None = None) -> Iterator[Json]:
        """Yield them, a page at a time."""
        after: str | None = None
        while True:
            params = {"labelSelector": selector, "limit": PAGE, "continue": after}
            page = self._asker.json("GET", _collection(kind), params=params)
            yield from page["items"]
            after = page["metadata"].get("continue")
            if after is None:
                return

    def get(self, kind: str, name: str) -> Json:
        """Return one resource."""
        return self._object("GET", _single(kind, name))

    def create(self, resource: Mapping[str, Any], *, dry_run: bool = False) -> Json:
        """Create a resource, in its envelope."""
        path = _collection(str(resource.get("kind", "")))
        return self._object("POST", path, json=resource, params={"dryRun": dry_run})

    def put(self, resource: Mapping[str, Any], *, match: str | None = None, dry_run: bool = False) -> Json:
        """Create or replace a resource; `match`: only if it still is that version."""
        path = _single(str(resource.get("kind", "")), str(resource.get("metadata", {}).get("name", "")))
        return self._object("PUT", path, json=resource, params={"dryRun": dry_run}, headers=_matching(match))

    def patch(
        self,
        kind: str,
        name: str,
        patch: Mapping[str, Any],
        *,
        match: str | None = None,
        dry_run: bool = False,
    ) -> Json:
        """Change parts of a resource by a merge patch."""
        headers = {"Content-Type": "application/merge-patch+json", **_matching(match)}
        return self._object(
            "PATCH", _single(kind, name), json=patch, params={"dryRun": dry_run}, headers=headers
        )

    def delete(self, kind: str, name: str, *, match: str | None = None, dry_run: bool = False) -> Json:
        """Ask for a resource to go; it may take a moment (`deletionTimestamp`)."""
        params = {"dryRun": dry_run}
        return self._object("DELETE", _single(kind, name), params=params, headers=_matching(match))

    def apply(self, documents: Sequence[Any], *, dry_run: bool = False) -> Items:
        """Make resources as documents say, all or none; return `outcome`, `resource` and `before` of each."""
        told = {"documents": list(documents)}
        answer = self._asker.json(
            "POST", "/api/v1/apply", json=told, params={"dryRun": dry_run}, timeout_s=120.0
        )
        return list(answer["items"])

    def apply_text(self, text: str, *, dry_run: bool = False) -> Items:
        """Do the same with a text in YAML."""
        answer = self._asker.json(
            "POST",
            "/api/v1/apply",
            content=text.encode(),
            headers={"Content-Type": "application/yaml"},
            params={"dryRun": dry_run},
            timeout_s=120.0,
        )
        return list(answer["items"])

    def watch(
        self, kind: str | None = None, *, selector: str | None = None, since: str | None = None
    ) -> Generator[Change, None, None]:
        """Yield what there is as `ADDED`, a `BOOKMARK`, then changes; outlives a server's restart.

        Args:
            kind: None: all.
            selector: Only those whose labels fit.
            since: Version to begin after; None: tell what there is first.
        """
        place = Place(since or "")
        while True:
            params = {"watch": True, "labelSelector": selector}
            for event in follow(self._asker, _collection(kind), params, place):
                if event.name == "GONE":
                    place = Place()  # what there is comes once more
                    break
                yield Change(event.name, msgspec.json.decode(event.data))

    def schema(self, kind: str | None = None) -> Json:
        """Return the JSON Schema of a kind; None: of files of resources."""
        return self._object("GET", "/api/v1/schema" + (f"/{_plural(kind)}" if kind else ""))


def _plural(kind: str) -> str:
    return kind_called(kind).plural


def _collection(kind: str | None) -> str:
    return f"/api/v1/{'resources' if kind is None else _plural(kind)}"


def _single(kind: str, name: str) -> str:
    return f"{_collection(kind)}/{part(name)}"


def _matching(version: str | None) -> dict[str, str]:
    return {} if version is None else {"If-Match": f'"{version}"'}
