"""From the thread of a model to slow writers: files, encoders, servers.

A pipeline's results go into a queue that another thread works off. Where the writers fall behind a
live camera, pictures without events are left out and counted; no event is ever lost, and no other
camera waits. One recording alone has nobody to keep waiting, and writes straight on.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from argus.vision.results import Event, FrameResult
from argus.vision.sinks.protocol import Sink

_QUEUED: Final = 32
"""Results that wait; then those without events are left out."""


class Way(Protocol):
    """Where a pipeline's results go; see `Listener`."""

    left_out: int
    """Results that no sink saw."""
    error: Exception | None
    """What broke a sink; nothing is written after that."""

    def write(self, result: FrameResult) -> None:
        """Take one frame's result.

        Raises:
            Exception: what broke a sink.
        """
        ...

    def finish(self, still_open: tuple[Event, ...]) -> None:
        """Write what waits, tell the open events and close the sinks; once.

        Raises:
            Exception: what broke a sink.
        """
        ...


class Straight:
    """Gives what a pipeline finds to sinks in the thread that found it."""

    left_out = 0

    def __init__(self, sinks: Sequence[Sink]) -> None:
        """Take the sinks over."""
        self.error: Exception | None = None
        self._sinks = tuple(sinks)

    def write(self, result: FrameResult) -> None:
        """Write one frame's result."""
        try:
            for sink in self._sinks:
                sink.write(result)
        except Exception as error:
            self.error = error
            raise

    def finish(self, still_open: tuple[Event, ...]) -> None:
        """Tell the open events and close the sinks."""
        sinks, self._sinks = self._sinks, ()
        try:
            finish_all(sinks, still_open)
        except Exception as error:
            self.error = self.error or error
            raise


class Outlet:
    """Gives what a pipeline finds to sinks, in order, in a thread of its own; see `Listener`."""

    def __init__(
        self,
        sinks: Sequence[Sink],
        *,
        patient: bool = False,
        on_written: Callable[[FrameResult], None] | None = None,
    ) -> None:
        """Start the thread; the sinks become the outlet's: finished and closed by it.

        Args:
            sinks: Take the results.
            patient: True makes the pipeline wait while the queue is full: for recordings, which can.
            on_written: Called after each result, in the outlet's thread.
        """
        self.left_out = 0
        """Results that no sink saw."""
        self.error: Exception | None = None
        """What broke a sink; nothing is written after that."""
        self._sinks = tuple(sinks)
        self._patient = patient
        self._on_written = on_written
        self._queue: deque[FrameResult] = deque()
        self._changed = threading.Condition()
        self._still_open: tuple[Event, ...] | None = None
        self._thread = threading.Thread(target=self._run, name="argus-outlet", daemon=True)
        self._thread.start()

    def write(self, result: FrameResult) -> None:
        """Take one frame's result.

        Raises:
            Exception: what broke a sink.
        """
        with self._changed:
            while self._patient and len(self._queue) >= _QUEUED and self.error is None:
                self._changed.wait()
            if self.error is not None:
                raise self.error
            if len(self._queue) >= _QUEUED and not (result.events or result.alerts):
                self.left_out += 1
                return
            self._queue.append(result)
            self._changed.notify_all()

    def finish(self, still_open: tuple[Event, ...]) -> None:
        """Write what waits, tell the open events, close the sinks, and end the thread.

        Raises:
            Exception: what broke a sink.
        """
        with self._changed:
            self._still_open = still_open
            self._changed.notify_all()
        self._thread.join()
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        try:
            with contextlib.ExitStack() as ending:
                ending.callback(lambda: finish_all(self._sinks, self._still_open or ()))
                self._work()
        except Exception as error:  # noqa: BLE001 - raised again in `write` and `finish`
            with self._changed:
                self.error = self.error or error
                self._queue.clear()
                self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._queue and self._still_open is None:
                    self._changed.wait()
                if not self._queue:
                    return
                result = self._queue.popleft()
                self._changed.notify_all()
            for sink in self._sinks:
                sink.write(result)
            if self._on_written is not None:
                self._on_written(result)


def finish_all(sinks: Sequence[Sink], still_open: tuple[Event, ...]) -> None:
    """Finish and close sinks; one whose disk is full keeps no other from finishing its file.

    Raises:
        Exception: what broke one, after all were closed.
    """
    with contextlib.ExitStack() as ending:
        for sink in sinks:
            ending.callback(sink.close)
        for sink in reversed(sinks):
            ending.callback(sink.finish, still_open)
