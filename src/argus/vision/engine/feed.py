"""What one pipeline takes of its camera: rate, gate, waiting frames, and the account of them.

A camera's decode thread offers frames, a lane's thread takes them. The lane looks at them;
`accounting` says what the counts mean.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

import structlog

from argus.core.frame import Frame
from argus.vision.engine.accounting import Fate, FrameCounts
from argus.vision.engine.boxes import Box, Newest, Waiting
from argus.vision.engine.rate import Rate


class Gate(Protocol):
    """Decides whether a frame is worth an inference; see `argus.vision.gate.MotionGate`."""

    def passes(self, frame: Frame, now_s: float) -> bool:
        """Return whether to look at it."""
        ...

    def saw(self, followed: int) -> None:
        """Hear how many objects are being followed after a look."""
        ...


class Taker(Protocol):
    """Takes frames from feeds when it is told that there are some."""

    def notify(self) -> None:
        """Hear that a frame waits."""
        ...


class Taken(NamedTuple):
    """A frame on its way through a lane."""

    feed: Feed
    frame: Frame
    born_s: float
    taken_s: float


class Feed:
    """The frames of one pipeline on their way from its camera to its lane. Safe from any thread.

    Frames are taken in order and by one lane at a time: after `move`, the new lane gets none before
    the old one has finished those it took.
    """

    def __init__(
        self,
        name: str,
        *,
        box: Box | None = None,
        fps: float | None = None,
        max_age_s: float | None = None,
        gate: Gate | None = None,
        view: Callable[[Frame], Frame] | None = None,
        patient: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin empty, open and without a lane.

        Args:
            name: The pipeline's.
            box: Where frames wait; None is a single slot.
            fps: Frames per second at most; None takes all.
            max_age_s: A frame older than this is never given to a lane; None: recordings do not age.
            gate: Asked for every frame at the rate; None lets all through.
            view: What the pipeline sees of a frame, a crop say; None: all of it.
            patient: True makes `offer` wait while the box is full, for sources that can wait.
            clock: Monotonic seconds.
        """
        self.name = name
        self.gate = gate
        self._box: Box = Newest() if box is None else box
        self._rate = Rate(fps)
        self._max_age_s = max_age_s
        self._view = view
        self._patient = patient
        self._clock = clock
        self._counts = FrameCounts()
        self._lock = threading.Lock()
        self._room = threading.Condition(self._lock)
        self._ended = threading.Condition(self._lock)
        self._taker: Taker | None = None
        self._holder: Taker | None = None
        self._flying = 0
        self._offered = 0
        """Frames that are counted, and of which it is being decided whether they shall wait."""
        self._closed = False
        self._complete = False
        self._log = structlog.get_logger()

    @property
    def counts(self) -> FrameCounts:
        """What became of the frames so far; a copy."""
        with self._lock:
            return self._counts.copy()

    @property
    def waiting(self) -> int:
        """How many frames wait."""
        return len(self._box)

    @property
    def room(self) -> int:
        """How many frames can wait at once; 0 when none will come."""
        return 0 if self._complete or self._closed else self._box.capacity

    @property
    def over(self) -> bool:
        """True when no frame waits, none is being looked at, and none will come: the counts stand."""
        with self._lock:
            return self._is_over()

    @property
    def taker(self) -> Taker | None:
        """The lane whose turn it is."""
        return self._taker

    @property
    def fps(self) -> float | None:
        """Frames per second at most."""
        return self._rate.fps

    def wait_over(self, timeout_s: float) -> bool:
        """Wait until `over`; return whether it is."""
        until = time.monotonic() + timeout_s
        with self._lock:
            while not self._is_over():
                left_s = until - time.monotonic()
                if left_s <= 0:
                    return False
                self._ended.wait(left_s)
            return True

    def set_fps(self, fps: float | None) -> None:
        """Change the rate, from the next frame on."""
        with self._lock:
            self._rate = Rate(fps)

    def set_max_age(self, max_age_s: float | None) -> None:
        """Change the freshness budget, from the next frame on."""
        with self._lock:
            self._max_age_s = max_age_s

    def move(self, taker: Taker | None) -> None:
        """Let another lane take the frames, once the one before has finished what it took."""
        with self._lock:
            self._taker = taker
        if taker is not None:
            taker.notify()

    def offer(self, frame: Frame) -> None:
        """Take a frame of the camera, in order; from one thread."""
        with self._lock:
            if self._closed:
                return
            if not self._rate.takes(frame.time_s):
                self._counts.skipped += 1
                return
            self._counts.decoded += 1
            self._offered += 1
        now_s = self._clock()
        try:
            if self._view is not None:
                frame = self._view(frame)
            # Outside of the lock: the gate looks at pixels, and a lane must not wait for that.
            # A recording is read faster than it was taken, so what its gate remembers counts in its own time.
            passes = self.gate is None or self.gate.passes(frame, frame.time_s if self._patient else now_s)
        except Exception:  # noqa: BLE001 - a picture that cannot be cut or compared is no harm to the others
            self._log.exception("frame.not_looked_at", pipeline=self.name)
            with self._lock:
                self._counts.corrupt += 1
                self._decided()
            return
        if not passes:
            with self._lock:
                self._counts.gated += 1
                self._decided()
            return
        self._put(Waiting(frame, now_s if frame.received_s is None else frame.received_s))

    def corrupt(self, count: int) -> None:
        """Count frames that could not be decoded."""
        with self._lock:
            if not self._closed:
                self._counts.decoded += count
                self._counts.corrupt += count

    def take(self, taker: Taker) -> Taken | None:
        """Give the next frame that is young enough, if it is this lane's turn."""
        with self._lock:
            if taker is not self._taker or (self._flying and self._holder is not taker):
                return None
            now_s = self._clock()
            while (item := self._box.take()) is not None:
                # Not for each frame: to wake a decode thread for one costs more than the frame's account.
                if len(self._box) <= self._box.capacity // 2:
                    self._room.notify_all()
                if self._max_age_s is not None and now_s - item.born_s > self._max_age_s:
                    self._counts.dropped_stale += 1
                    continue
                self._holder, self._flying = taker, self._flying + 1
                return Taken(self, item.frame, item.born_s, now_s)
            return None

    def end(self, taken: Taken, fate: Fate) -> None:
        """Note what became of a frame that was taken."""
        with self._lock:
            self._counts.end(fate)
            waits = self._landed()
        if waits is not None:
            waits.notify()

    def put_back(self, taken: Taken) -> None:
        """Take a frame back that its lane could not look at; it waits again unless a newer one does."""
        with self._lock:
            if self._closed or not self._box.put_back(Waiting(taken.frame, taken.born_s)):
                self._counts.dropped_stale += 1
            waits = self._landed()
        if waits is not None:
            waits.notify()

    def resume(self) -> None:
        """Hear that frames will be offered again."""
        with self._lock:
            self._complete = False

    def complete(self) -> None:
        """Hear that no further frame will be offered."""
        with self._lock:
            self._complete = True
            self._ended.notify_all()
            taker = self._taker
        if taker is not None:
            taker.notify()

    def close(self) -> None:
        """Take nothing more and let go what waits; what a lane has taken it still finishes. Idempotent."""
        with self._lock:
            self._closed = True
            self._counts.dropped_stale += self._box.empty()
            self._room.notify_all()
            self._ended.notify_all()
            taker = self._taker
        if taker is not None:
            taker.notify()

    def _put(self, item: Waiting) -> None:
        with self._lock:
            while self._patient and self._box.full and not self._closed:
                self._room.wait()
            self._decided()
            if self._closed:
                self._counts.dropped_stale += 1
                return
            gone = self._box.put(item)
            if gone is not None:
                self._counts.end("dropped_full" if gone is item else "dropped_stale")
            taker = self._taker
        if taker is not None:
            taker.notify()

    def _is_over(self) -> bool:
        none_will_come = (self._complete or self._closed) and not self._offered
        return none_will_come and not self._flying and not len(self._box)

    def _decided(self) -> None:
        """Count one frame less of which it is being decided; whoever waits for the end is told at once."""
        self._offered -= 1
        if self._closed and not self._offered:
            self._ended.notify_all()

    def _landed(self) -> Taker | None:
        """Count one frame less with its lane; return the other lane whose turn it is now."""
        self._flying -= 1
        waits = self._taker if not self._flying and self._holder is not self._taker else None
        self._holder = self._holder if self._flying else None
        if self._is_over():
            self._ended.notify_all()
        return waits
