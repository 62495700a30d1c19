"""One encode for each frame and size, however many look, and none while nobody does.

In one event loop; encoding is done by a few threads. Who looks takes the newest picture whenever he is ready
for one: who is slow misses some, and keeps nobody waiting.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from argus.core.errors import ArgusError
from argus.core.frame import Frame
from argus.stream.views import Scene

MOST_FPS: Final = 60.0
_LOOK_S: Final = 0.01
"""How often it is looked whether there is a newer frame, at most."""
_CHANNELS: Final = 64
"""Scenes and sizes that are remembered while nobody looks at them."""


class NoPicture(ArgusError):
    """There is none yet; the same call may work in a moment."""


class Channel:
    """One scene in one size."""

    def __init__(self, scene: Scene, width: int | None, threads: ThreadPoolExecutor) -> None:
        """Begin without pictures."""
        self.encoded = 0
        """How often a picture was encoded."""
        self.watching = 0
        """How many watch all the time."""
        self._scene = scene
        self._width = width
        self._threads = threads
        self._frame: Frame | None = None
        self._jpeg = b""
        self._number = 0
        self._work: asyncio.Task[None] | None = None

    async def look(self) -> tuple[bytes, Frame]:
        """Return the newest picture as a JPEG.

        Raises:
            NoPicture: there is none yet.
            UnknownName: what was to be looked at is gone.
        """
        try:
            await self._refresh()
        finally:
            if not self.watching:
                self._scene.close()
        if self._frame is None:
            raise NoPicture("there is no picture yet: try again in a moment")
        return self._jpeg, self._frame

    async def watch(self, fps: float) -> AsyncGenerator[bytes]:
        """Yield the newest picture again and again, at most so many per second.

        Raises:
            UnknownName: what was to be looked at is gone.
        """
        interval_s = 1 / min(fps, MOST_FPS)
        seen, due_s = 0, 0.0
        self.watching += 1
        try:
            while True:
                now_s = time.monotonic()
                if now_s < due_s:
                    await asyncio.sleep(due_s - now_s)
                await self._refresh()
                if self._number == seen:
                    await asyncio.sleep(min(interval_s, _LOOK_S))
                    continue
                seen = self._number
                # A little early is on time: frames come with jitter.
                due_s = max(due_s, time.monotonic() - interval_s) + 0.9 * interval_s
                yield self._jpeg
        finally:
            self.watching -= 1
            if not self.watching:
                self._scene.close()

    async def _refresh(self) -> None:
        """Encode the newest frame, unless somebody is at it: then it is waited for."""
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._encode())
        # Who leaves in the middle must not take it from the others.
        await asyncio.shield(self._work)

    async def _encode(self) -> None:
        frame = self._scene.newest()
        if frame is None or frame is self._frame:
            return
        loop = asyncio.get_running_loop()
        self._jpeg = await loop.run_in_executor(self._threads, self._scene.jpeg, self._width)
        self._frame = frame
        self._number += 1
        self.encoded += 1


class Channels:
    """All that is looked at in one worker."""

    def __init__(self, scene_of: Callable[[str, str], Scene]) -> None:
        """Begin without any.

        Args:
            scene_of: Makes a scene of its kind (`camera`, `pipeline`) and name.
        """
        self._scene_of = scene_of
        self._channels: dict[tuple[str, str, int | None], Channel] = {}
        self._threads = ThreadPoolExecutor(2, "argus-views")

    @property
    def watching(self) -> int:
        """How many watch all the time."""
        return sum(channel.watching for channel in self._channels.values())

    @property
    def encoded(self) -> int:
        """How many pictures were encoded for those who look now."""
        return sum(channel.encoded for channel in self._channels.values())

    def channel(self, kind: str, name: str, width: int | None) -> Channel:
        """Return the one channel of a scene in a size."""
        key = kind, name, width
        channel = self._channels.pop(key, None)
        if channel is None:
            channel = Channel(self._scene_of(kind, name), width, self._threads)
        self._channels[key] = channel  # the latest last
        if len(self._channels) > _CHANNELS:
            idle = next((key for key, other in self._channels.items() if not other.watching), None)
            if idle is not None and idle != key:
                del self._channels[idle]
        return channel

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)
