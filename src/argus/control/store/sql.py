"""Resources in a database of SQL: the protocol of stores over `argus.control.store.database`.

Every call is one transaction. The rules are `transitions`, the statements `rows`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Final

from sqlalchemy import Connection

from argus.control.store import rows, transitions
from argus.control.store.database import Database, Writing
from argus.control.store.protocol import Applied, Change, ChangeType, Page
from argus.core.resources.resource import Draft, Resource, utc_now
from argus.core.resources.selectors import Selector

KEEP_CHANGES: Final = 10_000
"""Changes that are remembered for those who watch, about. Higher bears longer absences; lower keeps less."""
LOOK_EVERY_S: Final = 0.5
"""Seconds between two looks for changes that other processes made; our own are told at once."""
_AT_ONCE: Final = 500
_Written = tuple[Resource | None, tuple[Change, ...]]


class SqlResourceStore:
    """Keeps resources in SQLite or PostgreSQL. `argus.control.store.opening` opens one."""

    def __init__(self, database: Database, *, keep_changes: int = KEEP_CHANGES) -> None:
        self._database = database
        self._keep = keep_changes
        self._changed = asyncio.Event()

    @property
    def restored(self) -> str | None:
        """What had to be restored, and why, in a sentence for people; None: nothing."""
        return self._database.restored

    @property
    def where(self) -> str:
        """The database as people may see it."""
        return self._database.where

    async def apply(
        self, drafts: Sequence[Draft], *, dry_run: bool = False, create: bool = False
    ) -> tuple[Applied, ...]:
        """Make resources as the drafts say: all of them, or none."""

        def work(connection: Connection) -> tuple[tuple[Applied, ...], list[Change]]:
            version, _ = rows.versions(connection, lock=not dry_run)
            there = rows.read(connection, ((draft.kind, draft.name) for draft in drafts))
            now = utc_now()
            done: list[Applied] = []
            changes: list[Change] = []
            for draft in drafts:
                key = (draft.kind, draft.name)
                outcome, after = transitions.applied(there.get(key), draft, now, create=create)
                if outcome != "unchanged" and not dry_run:
                    version += 1
                    after = transitions.versioned(after, version)
                    changes.append(_change("ADDED" if outcome == "created" else "MODIFIED", after))
                there[key] = after
                done.append(Applied(outcome=outcome, resource=after))
            if not dry_run:
                rows.write(connection, changes, keep=self._keep)
            return tuple(done), changes

        if dry_run:
            return (await self._database.read(work))[0]
        done = await self._database.write(work)
        self._wake()
        return done

    async def get(self, kind: str, name: str) -> Resource:
        """Return one."""
        if not transitions.may_be_named(kind, name):
            raise transitions.missing(kind, name, ())

        def work(connection: Connection) -> Resource:
            found = rows.read(connection, [(kind, name)]).get((kind, name))
            if found is None:
                raise transitions.missing(kind, name, rows.names_like(connection, kind, name))
            return found

        return await self._database.read(work)

    async def list(
        self,
        kind: str | None = None,
        *,
        selector: Selector | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> Page:
        """Return those of a kind, or all, by kind and name."""
        place = transitions.place_after(after)
        return await self._database.read(
            lambda connection: rows.page(connection, kind, selector, limit, place)
        )

    async def set_status(self, kind: str, name: str, uid: str, status: dict[str, object]) -> Resource | None:
        """Write what became of a resource."""

        def work(connection: Connection) -> _Written:
            version, before = _locked(connection, kind, name, uid)
            if before is None:
                return None, ()
            after = transitions.with_status(before, status)
            return self._written(connection, version, before, after)

        return await self._write(work, weighty=False)

    async def set_finalizers(
        self, kind: str, name: str, uid: str, finalizers: Sequence[str]
    ) -> Resource | None:
        """Write who must put something in order before it may go."""

        def work(connection: Connection) -> _Written:
            version, before = _locked(connection, kind, name, uid)
            if before is None:
                return None, ()
            after = transitions.with_finalizers(before, finalizers)
            if transitions.may_go(after):
                _, changes = self._removed(connection, version, after)
                return None, changes
            return self._written(connection, version, before, after)

        return await self._write(work)

    async def delete(self, kind: str, name: str, *, resource_version: str | None = None) -> Resource:
        """Ask for a resource to go."""
        if not transitions.may_be_named(kind, name):
            raise transitions.missing(kind, name, ())

        def work(connection: Connection) -> _Written:
            version, before = _locked(connection, kind, name, None)
            if before is None:
                raise transitions.missing(kind, name, rows.names_like(connection, kind, name))
            transitions.expect_version(before, resource_version)
            after = transitions.marked(before, utc_now())
            if transitions.may_go(after):
                return self._removed(connection, version, after)
            return self._written(connection, version, before, after)

        gone = await self._write(work)
        assert gone is not None
        return gone

    async def watch(self, since: str, *, kind: str | None = None) -> AsyncIterator[Change]:
        """Yield changes after a version, as they come."""
        at = transitions.version_number(since)

        def work(connection: Connection) -> list[Change]:
            version, forgotten = rows.versions(connection)
            if not forgotten <= at <= version:
                raise transitions.forgotten(since)
            return rows.changes_after(connection, at, _AT_ONCE) if version > at else []

        while True:
            changed = self._changed
            changes = await self._database.read(work)
            for change in changes:
                at = int(change.resource_version)
                if kind is None or change.resource.kind == kind:
                    yield change
            if not changes:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY_S):
                        await changed.wait()

    async def version(self) -> str:
        """Return the version of the whole store."""
        return str((await self._database.read(rows.versions))[0])

    async def close(self) -> None:
        """Let the database go; idempotent."""
        await self._database.close()
        self._wake()

    async def _write(self, work: Writing[Resource | None], *, weighty: bool = True) -> Resource | None:
        written = await self._database.write(work, weighty=weighty)
        self._wake()
        return written

    def _written(
        self, connection: Connection, version: int, before: Resource, after: Resource
    ) -> tuple[Resource, tuple[Change, ...]]:
        if after is before:
            return before, ()
        after = transitions.versioned(after, version + 1)
        changes = (_change("MODIFIED", after),)
        rows.write(connection, changes, keep=self._keep)
        return after, changes

    def _removed(
        self, connection: Connection, version: int, resource: Resource
    ) -> tuple[Resource, tuple[Change, ...]]:
        gone = transitions.versioned(resource, version + 1)
        changes = (_change("DELETED", gone),)
        rows.write(connection, changes, keep=self._keep)
        return gone, changes

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _locked(connection: Connection, kind: str, name: str, uid: str | None) -> tuple[int, Resource | None]:
    """Return the version of the store, held until the end, and a resource if it is there and that one."""
    version, _ = rows.versions(connection, lock=True)
    found = rows.read(connection, [(kind, name)]).get((kind, name))
    same = found is not None and (uid is None or found.metadata.uid == uid)
    return version, found if same else None


def _change(type_: ChangeType, resource: Resource) -> Change:
    return Change(type=type_, resource=resource, resource_version=resource.metadata.resource_version)
