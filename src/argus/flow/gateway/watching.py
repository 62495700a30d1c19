"""Those who look all the time: each gets the newest when it can take more, and nobody waits for another.

Lives in the event loop of the web interface; what wakes it comes from the node's thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from argus.flow.gateway.hub import Hub
from argus.flow.gateway.problems import Problem
from argus.flow.gateway.topic import Jpeg, Topic


class Watcher:
    """One who looks: at one topic, or at all."""

    def __init__(self, topic: str | None) -> None:
        """Look at `topic`; None: at all."""
        self.topic = topic
        self.closed = False
        self._woken = asyncio.Event()
        self._new: dict[str, None] = {}

    async def news(self) -> list[str]:
        """Wait for news; return the topics they are of, the longest waiting first; empty: it is over."""
        await self._woken.wait()
        self._woken.clear()
        new, self._new = list(self._new), {}
        return [] if self.closed else new

    def wake(self, topic: str) -> None:
        """Hear that a message came."""
        if self.topic is None or self.topic == topic:
            self._new[topic] = None
            self._woken.set()

    def close(self) -> None:
        """Hear that it is over."""
        self.closed = True
        self._woken.set()


class Watchers:
    """All who look. Made in the event loop; `close` is safe from any thread."""

    def __init__(self, hub: Hub, *, most: int) -> None:
        """Begin without one; `most` may be there at once."""
        self._hub = hub
        self._most = most
        self._loop = asyncio.get_running_loop()
        self._all: set[Watcher] = set()
        self._locks: dict[str, asyncio.Lock] = {}
        self._closed = False
        self._leave = hub.listen(self._came)

    @property
    def closed(self) -> bool:
        """True when the gateway is ending."""
        return self._closed

    @contextmanager
    def watching(self, topic: Topic | None, *, pictures: bool = False) -> Iterator[Watcher]:
        """Look at a topic, or at all, for a while.

        Raises:
            Problem: too many look already, or the gateway is ending.
        """
        if len(self._all) >= self._most or self._closed:
            raise Problem(
                503,
                "too-many-viewers",
                "Too many viewers",
                f"{self._most} watch already: close a page, or raise the gateway's `viewers`",
            )
        watcher = Watcher(None if topic is None else topic.name)
        self._all.add(watcher)
        if topic is not None and pictures:
            topic.watch(1)
        try:
            yield watcher
        finally:
            self._all.discard(watcher)
            if topic is not None and pictures:
                topic.watch(-1)

    async def jpeg(self, topic: Topic, after: int) -> Jpeg | None:
        """Return the newest picture above `after`, None where there is none; encoded once for all who ask."""
        if topic.kept <= after:
            return None
        lock = self._locks.setdefault(topic.name, asyncio.Lock())
        async with lock:
            return await asyncio.to_thread(topic.jpeg, self._hub.settings.quality, after)

    def close(self) -> None:
        """Let all go. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._leave()
        self._soon(self._let_go)

    def _came(self, topic: str) -> None:
        if self._all:
            self._soon(self._wake, topic)

    def _soon(self, function: object, *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)  # type: ignore[arg-type]
        except RuntimeError:
            return  # the loop has ended, and with it whoever looked

    def _wake(self, topic: str) -> None:
        for watcher in self._all:
            watcher.wake(topic)

    def _let_go(self) -> None:
        for watcher in self._all:
            watcher.close()
