"""The client: a method for everything that the API can be asked. What goes wrong is an `ArgusError`."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import quote

import httpx
import msgspec

from argus.control.client.asking import Asker
from argus.control.client.errors import NotThere, RequestRefused
from argus.control.client.events import Place, follow
from argus.control.client.finding import Address, checked_url, find_server
from argus.control.client.uploading import Progress, send_file
from argus.core.errors import OutputError
from argus.core.resources.kinds import kind_called

Json = dict[str, Any]
Items = list[Json]
_PAGE = 500


class Change(NamedTuple):
    """Something that happened to a resource, or `BOOKMARK`: all there was has been told."""

    type: str
    resource: Json


class Client:
    """See the module. From one thread; close it, or use it as a context."""

    def __init__(self, url: str, key: str | None = None, *, timeout_s: float = 30.0) -> None:
        """Know the server; nothing is asked yet.

        Args:
            url: Its address.
            key: What opens it, where it asks for one.
            timeout_s: How long it may take to answer.
        """
        self._asker = Asker(Address(checked_url(url, "url"), key), timeout_s=timeout_s)

    @classmethod
    def found(cls, *, timeout_s: float = 30.0) -> Self:
        """Return a client of the server that is meant here; see `find_server`.

        Raises:
            ServerMissing: there is none.
        """
        address = find_server()
        return cls(address.url, address.key, timeout_s=timeout_s)

    @property
    def url(self) -> str:
        """Address of the server."""
        return self._asker.address.url

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Let connections go; idempotent."""
        self._asker.close()

    # Resources. A kind may be called as people call it: `Camera`, `cameras`, `cam`.

    def list(self, kind: str | None = None, *, selector: str | None = None) -> Items:
        """Return all resources of a kind; None: of all kinds."""
        return list(self.iterate(kind, selector=selector))

    def iterate(self, kind: str | None = None, *, selector: str | None = None) -> Iterator[Json]:
        """Yield them, a page at a time."""
        after: str | None = None
        while True:
            params = {"labelSelector": selector, "limit": _PAGE, "continue": after}
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

    # What was seen. Filters are those of the API: camera, pipeline, type, zone, class_, severity, since, …

    def events(self, *, most: int | None = None, **filters: Any) -> Iterator[Json]:
        """Yield events, the latest start first."""
        return self._results("events", most, filters)

    def alerts(self, *, most: int | None = None, **filters: Any) -> Iterator[Json]:
        """Yield alerts, the latest first."""
        return self._results("alerts", most, filters)

    def tracks(self, *, most: int | None = None, **filters: Any) -> Iterator[Json]:
        """Yield tracks, the latest first."""
        return self._results("tracks", most, filters)

    def detections(self, *, most: int | None = None, **filters: Any) -> Iterator[Json]:
        """Yield frames with what was seen in them, the latest first."""
        return self._results("detections", most, filters)

    def event(self, id_: str) -> Json:
        """Return one event."""
        return self._object("GET", f"/api/v1/events/{_part(id_)}")

    def alert(self, id_: str) -> Json:
        """Return one alert."""
        return self._object("GET", f"/api/v1/alerts/{_part(id_)}")

    def acknowledge(self, kind: str, id_: str, *, by: str | None = None) -> Json:
        """Say that somebody has seen to an `event` or an `alert`."""
        path = f"/api/v1/{kind.removesuffix('s')}s/{_part(id_)}:ack"
        return self._object("POST", path, json={"by": by} if by else {})

    def stream(self, kind: str, *, after: int | None = None, **filters: Any) -> Generator[Json, None, None]:
        """Yield `events` or `alerts` as they come or change, without end; none is missed by a break.

        Args:
            kind: Which of the two.
            after: `seq` to begin after; None: only what is new.
            filters: Only those that fit.
        """
        place = Place("" if after is None else str(after))
        for event in follow(
            self._asker, f"/api/v1/{kind.removesuffix('s')}s/stream", _filters(filters), place
        ):
            yield msgspec.json.decode(event.data)

    # What runs.

    def workloads(self) -> Items:
        """Return all workloads."""
        return list(self._asker.json("GET", "/api/v1/workloads")["items"])

    def workload(self, name: str) -> Json:
        """Return one workload."""
        return self._object("GET", f"/api/v1/workloads/{_part(name)}")

    def logs(
        self, name: str, *, tail: int | None = None, follow: bool = False
    ) -> Generator[bytes, None, None]:
        """Yield what a workload prints, in portions; with `follow` without end."""
        path, params = f"/api/v1/workloads/{_part(name)}/logs", {"tail": tail, "follow": follow}
        with self._asker.stream(path, params=params, silence_s=None if follow else 30.0) as response:
            try:
                yield from response.iter_bytes()
            except httpx.HTTPError as error:
                raise self._asker.missing(error) from error

    def restart(self, name: str) -> Json:
        """End a workload and start it again."""
        return self._object("POST", f"/api/v1/workloads/{_part(name)}:restart")

    def job(self, verb: str, name: str) -> Json:
        """`suspend`, `resume`, `cancel` or `run` a job."""
        return self._object("POST", f"/api/v1/jobs/{_part(name)}:{verb}")

    def runs(self, name: str) -> Items:
        """Return the runs of a job, the latest first."""
        return list(self._asker.json("GET", f"/api/v1/jobs/{_part(name)}/runs")["items"])

    def swap_model(self, name: str, path: str) -> Json:
        """Run other weights from now on."""
        return self._object("POST", f"/api/v1/models/{_part(name)}:swap", json={"path": path})

    def rollback_model(self, name: str) -> Json:
        """Run the weights again that ran before."""
        return self._object("POST", f"/api/v1/models/{_part(name)}:rollback")

    # Cameras and blobs.

    def snapshot(self, camera: str) -> bytes:
        """Return a camera's newest picture, a JPEG."""
        path = f"/api/v1/cameras/{_part(camera)}/snapshot.jpg"
        return self._asker.ask("GET", path, headers={"Accept": "image/jpeg"}).content

    def camera_health(self, camera: str) -> Json:
        """Return how a camera is."""
        return self._object("GET", f"/api/v1/cameras/{_part(camera)}/health")

    def probe(self, camera: str, url: str | None = None) -> Json:
        """Try a camera's address, or another one in its place."""
        path = f"/api/v1/cameras/{_part(camera)}:probe"
        return self._object("POST", path, json={"url": url} if url else {})

    def blob(self, key: str) -> Generator[bytes, None, None]:
        """Yield the bytes under a key, in portions."""
        with self._asker.stream(f"/api/v1/blobs/{quote(key)}", headers={"Accept": "*/*"}) as response:
            try:
                yield from response.iter_bytes()
            except httpx.HTTPError as error:
                raise self._asker.missing(error) from error

    def save_blob(self, key: str, path: Path) -> None:
        """Write the bytes under a key into a file, which is there whole or not at all.

        Raises:
            OutputError: it cannot be written.
        """
        part = path.with_name(f".{path.name}.part")
        try:
            try:
                with part.open("wb") as file:
                    file.writelines(self.blob(key))
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
        except RequestRefused:
            raise
        except OSError as error:
            if error.errno is None:  # one of ours
                raise
            raise OutputError(path, error.strerror) from error

    def delete_blob(self, key: str) -> bool:
        """Remove what is under a key; return whether it was there."""
        try:
            self._asker.ask("DELETE", f"/api/v1/blobs/{quote(key)}")
        except NotThere:
            return False
        return True

    def upload(
        self,
        path: Path,
        *,
        pipeline: str | None = None,
        ttl: str | None = None,
        on_progress: Progress = lambda *_: None,
        resume: str | None = None,
    ) -> Json:
        """Send a file, which goes through a pipeline then; see `argus.control.client.uploading.send_file`."""
        metadata = {key: value for key, value in (("pipeline", pipeline), ("ttl", ttl)) if value}
        return send_file(self._asker, path, metadata, on_progress=on_progress, resume=resume)

    # The control plane itself.

    def status(self) -> Json:
        """Return version, counts and problems."""
        return self._object("GET", "/api/v1/status")

    def ready(self) -> Json:
        """Return that all parts answer.

        Raises:
            ServerTroubled: one does not.
        """
        return self._object("GET", "/readyz")

    def decisions(self, *, most: int = 100) -> Items:
        """Return what the reconciler did and why, the latest first."""
        return list(self._asker.json("GET", "/api/v1/decisions", params={"limit": most})["items"])

    def explain(
        self, pipeline: str, *, at: str | None = None, window_s: float | None = None, zone: str | None = None
    ) -> Json:
        """Return why no alert came around a moment."""
        params = {"at": at, "window": window_s, "zone": zone}
        return self._object("GET", f"/api/v1/pipelines/{_part(pipeline)}:explain", params=params)

    def metrics(self) -> str:
        """Return the text of `/metrics`."""
        return self._asker.ask("GET", "/metrics", headers={"Accept": "text/plain"}).text

    def _object(self, method: str, path: str, **more: Any) -> Json:
        told: Json = self._asker.json(method, path, **more)
        return told

    def _results(self, plural: str, most: int | None, filters: Mapping[str, Any]) -> Iterator[Json]:
        cursor, left = None, most
        while left is None or left > 0:
            limit = _PAGE if left is None else min(_PAGE, left)
            params = {**_filters(filters), "limit": limit, "cursor": cursor}
            page = self._asker.json("GET", f"/api/v1/{plural}", params=params)
            yield from page["items"]
            cursor = page["cursor"]
            left = None if left is None else left - len(page["items"])
            if cursor is None:
                return


def _plural(kind: str) -> str:
    return kind_called(kind).plural


def _collection(kind: str | None) -> str:
    return f"/api/v1/{'resources' if kind is None else _plural(kind)}"


def _single(kind: str, name: str) -> str:
    return f"{_collection(kind)}/{_part(name)}"


def _part(name: str) -> str:
    return quote(name, safe="")


def _matching(version: str | None) -> dict[str, str]:
    return {} if version is None else {"If-Match": f'"{version}"'}


def _filters(filters: Mapping[str, Any]) -> dict[str, Any]:
    """Return filters by the names that the API has for them: `class_` is `class`."""
    return {key.removesuffix("_"): value for key, value in filters.items()}
