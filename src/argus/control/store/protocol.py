"""What keeps resources must promise; `argus.control.store.opening` chooses one by URL.

Nothing here knows what a kind means: whoever makes a `Draft` has checked it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Literal, Protocol

import msgspec

from argus.core.errors import ArgusError
from argus.core.resources.resource import Draft, Resource
from argus.core.resources.selectors import Selector

Outcome = Literal["created", "configured", "unchanged"]
ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]


class ResourceNotFound(ArgusError, LookupError):
    """There is no such resource; the message names the nearest."""


class Conflict(ArgusError):
    """Somebody else has changed it meanwhile: read it again and decide again."""


class AlreadyThere(Conflict):
    """It was to be created, and exists: change it, or take another name."""


class StoreUnavailable(ArgusError, ConnectionError):
    """The database does not answer, is locked or full; the same call may work later."""

    def __str__(self) -> str:
        """Return the message alone."""
        return str(self.args[0]) if self.args else ""


class VersionGone(ArgusError):
    """Changes since that version are no longer remembered: list again, and watch from there."""


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one draft."""

    outcome: Outcome
    resource: Resource
    """As it is now; of a dry run, as it would be."""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Some of a list."""

    items: tuple[Resource, ...]
    after: str | None
    """Where the next page begins; None: this is the last."""
    resource_version: str
    """Version of the whole store that the list shows; watching from it misses nothing."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a resource."""

    type: ChangeType
    resource: Resource
    """As it is after the change; deleted, as it was at the end."""
    resource_version: str
    """Version of the store after it."""


class ResourceStore(Protocol):
    """Keeps resources. Safe from any task of one event loop, and from other processes at the same time.

    Every call is one transaction. What a call returned is on the disk. Versions are decimal numbers that
    grow over all resources. Every method may raise `StoreUnavailable`.
    """

    async def apply(
        self, drafts: Sequence[Draft], *, dry_run: bool = False, create: bool = False
    ) -> tuple[Applied, ...]:
        """Make resources as the drafts say: all of them, or none.

        Labels, annotations and spec become those of the draft. A draft that changes nothing is `unchanged`
        and gives no new version. A resource that is being deleted cannot be applied.

        Args:
            drafts: In order; one that is named twice is applied twice.
            dry_run: Say what would be, and change nothing.
            create: None of them may be there before, whoever else creates them at the same moment.

        Raises:
            AlreadyThere: one is, and `create` is asked for; names it.
            Conflict: labels, annotations or spec have changed since the version that a draft was made from,
                or its resource is being deleted; names it. A status that was written since is none.
        """
        ...

    async def get(self, kind: str, name: str) -> Resource:
        """Return one.

        Raises:
            ResourceNotFound: there is none.
        """
        ...

    async def list(
        self,
        kind: str | None = None,
        *,
        selector: Selector | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> Page:
        """Return those of a kind, or all, by kind and name.

        Args:
            kind: None: every kind.
            selector: Only those whose labels fit.
            limit: At most so many; None: all.
            after: `Page.after` of the page before.
        """
        ...

    async def set_status(self, kind: str, name: str, uid: str, status: dict[str, object]) -> Resource | None:
        """Write what became of a resource; None where that one is gone. An equal status changes nothing."""
        ...

    async def set_finalizers(
        self, kind: str, name: str, uid: str, finalizers: Sequence[str]
    ) -> Resource | None:
        """Write who must put something in order before it may go; the last one to leave lets it go.

        Returns:
            The resource, or None where it is gone (now, or before).
        """
        ...

    async def delete(self, kind: str, name: str, *, resource_version: str | None = None) -> Resource:
        """Ask for a resource to go: at once without finalizers, else marked with `deletionTimestamp`.

        Asking again changes nothing.

        Returns:
            It, as it was or is at the end.

        Raises:
            ResourceNotFound: there is none.
            Conflict: somebody has changed it since that version; see `apply`.
        """
        ...

    def watch(self, since: str, *, kind: str | None = None) -> AsyncIterator[Change]:
        """Yield changes after a version, as they come, without end; none is missed, left out or told twice.

        Raises:
            VersionGone: while iterating: too long ago.
        """
        ...

    async def version(self) -> str:
        """Return the version of the whole store."""
        ...

    async def close(self) -> None:
        """Let the database go; idempotent."""
        ...
