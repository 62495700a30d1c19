"""Resources in memory: a whole `ResourceStore` that keeps nothing when it goes. For tests, ours and yours."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

import msgspec

from argus.control.store.protocol import Applied, Change, ChangeType, Page, StoreUnavailable
from argus.control.store.transitions import (
    applied,
    expect_version,
    forgotten,
    marked,
    may_go,
    missing,
    place_after,
    version_number,
    versioned,
    with_finalizers,
    with_status,
)
from argus.core.resources.resource import Draft, Resource, utc_now
from argus.core.resources.selectors import Selector

_Key = tuple[str, str]
T = TypeVar("T", bound=msgspec.Struct)


class InMemoryResourceStore:
    """Keeps resources in this process, by the same rules as the databases do."""

    def __init__(self, *, keep_changes: int = 10_000) -> None:
        self._resources: dict[_Key, Resource] = {}
        self._changes: deque[Change] = deque(maxlen=keep_changes)
        self._version = 0
        self._forgotten = 0
        self._changed = asyncio.Event()
        self._unavailable: str | None = None

    def fail(self, reason: str | None) -> None:
        """Let every call fail as if the database were gone; None: it is back."""
        self._unavailable = reason

    async def apply(
        self, drafts: Sequence[Draft], *, dry_run: bool = False, create: bool = False
    ) -> tuple[Applied, ...]:
        """Make resources as the drafts say: all of them, or none."""
        self._expect_available()
        now, done = utc_now(), []
        there = dict(self._resources)
        version = self._version
        for draft in drafts:
            key = (draft.kind, draft.name)
            outcome, after = applied(there.get(key), draft, now, create=create)
            if outcome != "unchanged" and not dry_run:
                version += 1
                after = versioned(after, version)
            there[key] = after
            done.append(Applied(outcome=outcome, resource=_copy(after)))
        if not dry_run:
            for one in done:
                if one.outcome != "unchanged":
                    self._put(one.resource, "ADDED" if one.outcome == "created" else "MODIFIED")
        return tuple(done)

    async def get(self, kind: str, name: str) -> Resource:
        """Return one."""
        self._expect_available()
        return _copy(self._there(kind, name))

    async def list(
        self,
        kind: str | None = None,
        *,
        selector: Selector | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> Page:
        """Return those of a kind, or all, by kind and name."""
        self._expect_available()
        begin = place_after(after)
        found = [
            resource
            for key, resource in sorted(self._resources.items())
            if (kind is None or key[0] == kind)
            and (begin is None or key > begin)
            and (selector is None or selector.fits(resource.metadata.labels))
        ]
        items = found if limit is None else found[:limit]
        more = len(items) < len(found)
        return Page(
            items=tuple(_copy(item) for item in items),
            after="/".join(items[-1].key) if more and items else None,
            resource_version=str(self._version),
        )

    async def set_status(self, kind: str, name: str, uid: str, status: dict[str, object]) -> Resource | None:
        """Write what became of a resource."""
        self._expect_available()
        before = self._same(kind, name, uid)
        return None if before is None else self._changed_to(before, with_status(before, status))

    async def set_finalizers(
        self, kind: str, name: str, uid: str, finalizers: Sequence[str]
    ) -> Resource | None:
        """Write who must put something in order before it may go."""
        self._expect_available()
        before = self._same(kind, name, uid)
        if before is None:
            return None
        after = with_finalizers(before, finalizers)
        if may_go(after):
            self._remove(after)
            return None
        return self._changed_to(before, after)

    async def delete(self, kind: str, name: str, *, resource_version: str | None = None) -> Resource:
        """Ask for a resource to go."""
        self._expect_available()
        before = self._there(kind, name)
        expect_version(before, resource_version)
        after = marked(before, utc_now())
        return self._remove(after) if may_go(after) else self._changed_to(before, after)

    async def watch(self, since: str, *, kind: str | None = None) -> AsyncIterator[Change]:
        """Yield changes after a version, as they come."""
        at = version_number(since)
        while True:
            self._expect_available()
            if not self._forgotten <= at <= self._version:
                raise forgotten(since)
            changed = self._changed
            for change in tuple(self._changes):
                if int(change.resource_version) > at:
                    at = int(change.resource_version)
                    if kind is None or change.resource.kind == kind:
                        yield _copy(change)
            if at == self._version:
                await changed.wait()

    async def version(self) -> str:
        """Return the version of the whole store."""
        self._expect_available()
        return str(self._version)

    async def close(self) -> None:
        """Change nothing: memory needs no closing."""

    def _expect_available(self) -> None:
        if self._unavailable is not None:
            raise StoreUnavailable(self._unavailable)

    def _there(self, kind: str, name: str) -> Resource:
        try:
            return self._resources[kind, name]
        except KeyError:
            raise missing(kind, name, (n for k, n in self._resources if k == kind)) from None

    def _same(self, kind: str, name: str, uid: str) -> Resource | None:
        resource = self._resources.get((kind, name))
        return resource if resource is not None and resource.metadata.uid == uid else None

    def _changed_to(self, before: Resource, after: Resource) -> Resource:
        if after is not before:
            self._put(versioned(after, self._version + 1), "MODIFIED")
        return _copy(self._resources[before.key])

    def _put(self, resource: Resource, type_: ChangeType) -> None:
        resource = _copy(resource)
        self._resources[resource.key] = resource
        self._remember(resource, type_)

    def _remove(self, resource: Resource) -> Resource:
        del self._resources[resource.key]
        gone = versioned(resource, self._version + 1)
        self._remember(gone, "DELETED")
        return _copy(gone)

    def _remember(self, resource: Resource, type_: ChangeType) -> None:
        if len(self._changes) == self._changes.maxlen:
            self._forgotten = int(self._changes[0].resource_version)
        self._version = int(resource.metadata.resource_version)
        self._changes.append(
            Change(type=type_, resource=resource, resource_version=resource.metadata.resource_version)
        )
        self._changed.set()
        self._changed = asyncio.Event()


def _copy(value: T) -> T:
    """Return an equal value that shares nothing, as if it had been read from a disk."""
    copied: T = msgspec.json.decode(msgspec.json.encode(value), type=type(value))
    return copied
