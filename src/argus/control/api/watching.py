"""Watching resources: what there is, then every change, as server-sent events.

`ADDED`, `MODIFIED` and `DELETED` carry a resource; `BOOKMARK` says that all there was has been told; `GONE`
says that what happened since the version asked for is no longer remembered, and ends the stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, cast

import msgspec
import structlog

from argus.control.api import sse
from argus.control.api.problems import problem_of
from argus.control.store.protocol import Change, ResourceStore, StoreUnavailable, VersionGone
from argus.core.resources.resource import Resource
from argus.core.resources.selectors import Selector

_AGAIN_S = 1.0


class ResourceWatch:
    """One client's view of the resources."""

    def __init__(
        self, store: ResourceStore, kind: str | None, selector: Selector | None, since: str | None
    ) -> None:
        """Know what is watched.

        Args:
            store: Keeps them.
            kind: None: all.
            selector: Only those whose labels fit.
            since: Version to begin after; None: tell what there is first.
        """
        self._store = store
        self._kind = kind
        self._selector = selector
        self._since = since
        self._told: set[tuple[str, str]] | None = None if since else set()
        """Those that the client knows of; None: it has not said."""

    def heartbeat(self) -> bytes:
        """Return what shows that there is life, and tells the client how far it has come."""
        return sse.comment("alive") + (sse.place(self._since) if self._since else b"")

    async def frames(self) -> AsyncIterator[bytes]:
        """Yield events without end."""
        yield sse.comment("watching")
        while True:
            try:
                if self._since is None:
                    async for frame in self._what_there_is():
                        yield frame
                assert self._since is not None
                # aclosing: its connection is given back at once when the client goes.
                changes = cast("Any", self._store.watch(self._since, kind=self._kind))
                async with aclosing(changes):
                    async for change in changes:
                        self._since = change.resource_version
                        frame_of_it = self._frame(change)
                        if frame_of_it:
                            yield frame_of_it
            except VersionGone as error:
                problem = problem_of(error)
                assert problem is not None
                yield sse.frame(msgspec.json.encode(problem.body), event="GONE")
                return
            except StoreUnavailable as error:
                structlog.get_logger().warning("api.watch_interrupted", reason=str(error))
                yield sse.comment("the store does not answer; this goes on when it does")
                await asyncio.sleep(_AGAIN_S)

    async def _what_there_is(self) -> AsyncIterator[bytes]:
        page = await self._store.list(self._kind, selector=self._selector)
        for resource in page.items:
            if self._told is not None:
                self._told.add(resource.key)
            yield sse.frame(_encoded(resource), event="ADDED")
        self._since = page.resource_version
        data = msgspec.json.encode({"resourceVersion": page.resource_version})
        yield sse.frame(data, event="BOOKMARK", id_=page.resource_version)

    def _frame(self, change: Change) -> bytes:
        """Return what a change is to this client: what no longer fits its selector is gone for it."""
        resource, type_ = change.resource, change.type
        if self._selector is not None:
            fits = self._selector.fits(resource.metadata.labels)
            known = self._told is None or resource.key in self._told
            if not fits and not known:
                return b""
            if not fits:
                type_ = "DELETED"
            elif self._told is not None and not known and type_ == "MODIFIED":
                type_ = "ADDED"
        if self._told is not None:
            if type_ == "DELETED":
                self._told.discard(resource.key)
            else:
                self._told.add(resource.key)
        return sse.frame(_encoded(resource), event=type_, id_=change.resource_version)


def _encoded(resource: Resource) -> bytes:
    return msgspec.json.encode(resource.to_json())
