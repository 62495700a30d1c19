"""What all sources of Argus share: iterating, counting, thinning out and closing from anywhere.

What differs, where the next pictures come from, is `Reader`; one per kind of source lives in the
modules beside this one.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import TracebackType
from typing import Final, Protocol, Self, runtime_checkable

from argus.core.frame import Frame, Picture
from argus.vision.sources.options import SourceOptions
from argus.vision.sources.protocol import SourceCounters, SourceInfo
from argus.vision.sources.timing import Thinner, lead_s

_PROBLEMS_KEPT: Final = 20
_GOODBYE_S: Final = 0.8
"""How long `close` waits for a read that is under way; after it the reader frees what it held."""


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One decoded picture and when it was taken."""

    picture: Picture
    time_s: float
    captured_at: datetime
    file: str | None = None
    received_s: float | None = None
    """`time.monotonic()` when it arrived; None for recordings."""
    passed: int = 0
    """Frames of the source between the last shot and this one that were left out undecoded."""


class Reader(Protocol):
    """Where pictures come from. `read` is never called again after `free`, nor both at once."""

    def read(self) -> Sequence[Shot] | None:
        """Return the next pictures (none of them may be ready yet: an empty list), None at the end.

        Raises:
            SourceUnreachable: a live source broke off.
        """
        ...

    def interrupt(self) -> None:
        """Make a `read` that waits in another thread return soon; may be called at any time."""
        ...

    def free(self) -> None:
        """Give back everything; called once."""
        ...


@runtime_checkable
class PacedReader(Reader, Protocol):
    """A reader that can save work where fewer frames are wanted."""

    def set_fps(self, fps: float | None) -> float | None:
        """Want this rate from the next `read` on; called between reads.

        Returns:
            The rate that is left to keep for whoever reads; None where the reader keeps it by itself.
        """
        ...


class ReadSource:
    """A `Source` over a `Reader`."""

    def __init__(
        self,
        reader: Reader,
        info: SourceInfo,
        counters: SourceCounters,
        options: SourceOptions,
        first: Sequence[Shot] = (),
        *,
        fps_of_source: float | None = None,
    ) -> None:
        """Take over the reader.

        Args:
            reader: Freed when the source is closed.
            info: What it is.
            counters: Those the reader counts its damaged pictures in.
            options: Of them, only the target rate is honoured here.
            first: What was read already, to know the size.
            fps_of_source: Its own rate, before any is left out.
        """
        self._reader = reader
        self._info = info
        self._counters = counters
        self._nominal_fps = fps_of_source
        self._thinner = Thinner(options.fps, lead_s(options.fps, self._nominal_fps))
        self._wish = self._heeded = (options.fps,)  # tuples: their identity tells one wish from another
        self._ready = deque(first)
        self._position = 0
        self._closing = threading.Event()
        self._reading = threading.Lock()
        self._freed = False

    @property
    def info(self) -> SourceInfo:
        """What was known at the opening."""
        return self._info

    @property
    def counters(self) -> SourceCounters:
        """What was met so far."""
        return self._counters

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames in order of presentation; closes the source at the end."""
        try:
            while not self._closing.is_set():
                if not self._ready and not self._fill():
                    return
                while self._ready and not self._closing.is_set():
                    shot = self._ready.popleft()
                    index = self._position + shot.passed
                    self._position = index + 1
                    self._counters.decoded += 1
                    if self._thinner.takes(shot.time_s):
                        yield Frame(
                            shot.picture,
                            self._info.name,
                            index,
                            shot.time_s,
                            shot.captured_at,
                            shot.file,
                            shot.received_s,
                        )
                    else:
                        self._counters.skipped += 1
        finally:
            self.close()

    def set_fps(self, fps: float | None) -> None:
        """Hand on at most so many frames per second from the next one on; None: all."""
        self._wish = (fps,)

    def _heed_wish(self) -> None:
        wish = self._wish
        if wish is not self._heeded:
            self._heeded = wish
            fps = self._reader.set_fps(wish[0]) if isinstance(self._reader, PacedReader) else wish[0]
            self._thinner.retarget(fps, lead_s(fps, self._nominal_fps))

    def _fill(self) -> bool:
        with self._reading:
            if self._freed:
                return False
            self._heed_wish()
            try:
                shots = self._reader.read()
            finally:
                if self._closing.is_set():
                    self._free()
        if shots is None:
            return False
        self._ready.extend(shots)
        return True

    def close(self) -> None:
        """Free the decoder; idempotent, safe from another thread, ends a running iteration soon.

        Where a read is stuck in a call that cannot be interrupted, `close` returns all the same, and the
        decoder is freed when that call comes back.
        """
        self._closing.set()
        self._reader.interrupt()
        if self._reading.acquire(timeout=_GOODBYE_S):
            try:
                self._free()
            finally:
                self._reading.release()

    def _free(self) -> None:
        if not self._freed:
            self._freed = True
            self._reader.free()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()


def note_problem(counters: SourceCounters, message: str) -> None:
    """Count one damaged picture or packet, and remember the message unless it is known already."""
    counters.corrupt += 1
    note_fact(counters, message)


def note_fact(counters: SourceCounters, message: str) -> None:
    """Remember what is wrong with the source as a whole, unless it is known already; count nothing."""
    if message not in counters.problems and len(counters.problems) < _PROBLEMS_KEPT:
        counters.problems.append(message)


def thinned(info: SourceInfo, options: SourceOptions) -> SourceInfo:
    """Return `info` with the rate and number of frames that are left at the rate asked for."""
    if options.fps is None or info.fps is None or info.fps <= options.fps:
        return info
    count = info.frame_count
    if count is not None:
        count = max(1, round(count * options.fps / info.fps))
    return replace(info, fps=options.fps, frame_count=count)
