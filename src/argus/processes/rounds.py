"""A thread that does its rounds: waits for descriptors, for times and for what other threads want of it.

Nothing is polled and nothing here knows of processes; asyncio would do the same with a policy, a loop and
an import of its own for each of the three.
"""

from __future__ import annotations

import heapq
import itertools
import os
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

import structlog

_LATE_S: Final = 1.0
"""A time that is served later than this tells that the whole process, or the machine, stood still."""


class Timer:
    """Something to be done at a time, unless it is cancelled."""

    __slots__ = ("at_s", "do")

    def __init__(self, at_s: float, do: Callable[[], None]) -> None:
        self.at_s = at_s
        self.do: Callable[[], None] | None = do

    def cancel(self) -> None:
        """Let it not be done; idempotent."""
        self.do = None


class Rounds:
    """Calls back in its own thread. Only `post`, `start`, `join` and `is_here` are for other threads."""

    def __init__(self, name: str, *, on_oversleep: Callable[[], None]) -> None:
        """Begin without watching anything.

        Args:
            name: The thread's.
            on_oversleep: Called when it could not look for a while.
        """
        self._selector = selectors.DefaultSelector()
        self._watched: dict[int, Callable[[], None]] = {}
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._posted: deque[Callable[[], None]] = deque()
        self._timers: list[tuple[float, int, Timer]] = []
        self._numbers = itertools.count()
        self._on_oversleep = on_oversleep
        self._stopped = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.watch(self._wake, self._woken)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self) -> None:
        """Wait for the end of the thread; at once where it is itself that asks."""
        if not self.is_here:
            self._thread.join()

    @property
    def is_here(self) -> bool:
        """True in the thread itself."""
        return threading.current_thread() is self._thread

    def post(self, do: Callable[[], None]) -> bool:
        """Let something be done in the thread; False where it has ended. Safe from any thread."""
        with self._lock:
            if self._wake < 0:
                return False
            self._posted.append(do)
            os.eventfd_write(self._wake, 1)
            return True

    def watch(self, fd: int, do: Callable[[], None], *, write: bool = False) -> None:
        """Call back whenever a descriptor can be read, and with `write` also when it can be written."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if write else 0)
        if fd in self._watched:
            self._selector.modify(fd, events)
        else:
            self._selector.register(fd, events)
        self._watched[fd] = do

    def unwatch(self, fd: int) -> None:
        """Watch it no longer; before it is closed."""
        if self._watched.pop(fd, None) is not None:
            self._selector.unregister(fd)

    def at(self, at_s: float, do: Callable[[], None]) -> Timer:
        """Do something at a time in monotonic seconds."""
        timer = Timer(at_s, do)
        heapq.heappush(self._timers, (at_s, next(self._numbers), timer))
        return timer

    def stop(self) -> None:
        """Let the thread end after this round."""
        self._stopped = True

    def _run(self) -> None:
        try:
            while not self._stopped:
                self._round()
        finally:
            with self._lock:
                os.close(self._wake)
                self._wake = -1
            self._selector.close()

    def _round(self) -> None:
        while self._timers and self._timers[0][2].do is None:
            heapq.heappop(self._timers)
        wait_s = max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None
        # What was said comes before what is due: whoever spoke while we slept is not silent.
        for key, _ in self._selector.select(wait_s):
            # Who is called back must bear that there is nothing: a descriptor may have been closed in this
            # very round, and its number given to another.
            do = self._watched.get(key.fd)
            if do is not None:
                self._call(do)
        now_s = time.monotonic()
        if self._timers and now_s > self._timers[0][0] + _LATE_S:
            self._on_oversleep()
        while self._timers and self._timers[0][0] <= now_s:
            _, _, timer = heapq.heappop(self._timers)
            due, timer.do = timer.do, None
            if due is not None:
                self._call(due)

    def _woken(self) -> None:
        os.eventfd_read(self._wake)
        while self._posted:
            self._call(self._posted.popleft())

    def _call(self, do: Callable[[], None]) -> None:
        try:
            do()
        except Exception:  # noqa: BLE001 - one process's trouble must not end the watch over all others
            structlog.get_logger().exception("supervisor.failed")
