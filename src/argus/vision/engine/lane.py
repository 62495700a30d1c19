"""One model and all who want it to look: frames of many cameras in, in turn and in batches.

A lane has one thread, which gathers, submits and hands results on; the engine works beside it in
threads of its own. A lane has one model for all its life: another model is another lane, to which
feeds move between two batches, so no batch ever mixes two. When a batch goes is `batching`, how many
are under way `flight`; how frames wait is `feed`; what is done with detections is the member's.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from argus.core.detections import Detections
from argus.core.errors import ModelUnavailable
from argus.vision.engine.batching import Batching
from argus.vision.engine.feed import Taken
from argus.vision.engine.flight import Done, Flight, Member, Room, frames_of, moment_s
from argus.vision.models.doubts import FLOOR, Doubting
from argus.vision.models.protocols import AsyncDetector, Detector, Pending

_AGELESS: Final = 10.0
"""What counts as the freshness budget of recordings, in seconds."""


@dataclass(slots=True)
class LaneCounts:
    """What a lane did; grows in its thread."""

    batches: int = 0
    frames: int = 0
    busy_s: float = 0.0
    """Seconds in which at least one inference was under way."""
    submit_s: float = 0.0
    """Seconds spent preparing frames and handing them to the engine."""
    wait_s: float = 0.0
    """Seconds spent waiting for the engine's answers."""

    @property
    def occupancy(self) -> float:
        """Frames per inference, mean."""
        return self.frames / self.batches if self.batches else 0.0


class Lane:
    """The loop around one model. `turn` does a step of it, for whoever has a thread already."""

    def __init__(
        self,
        detector: Detector,
        *,
        name: str | None = None,
        on_failure: Callable[[Lane, ModelUnavailable], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin without members and without a thread.

        Args:
            detector: Becomes the lane's: closed with it.
            name: For people; None is the model's.
            on_failure: Called once, in the lane's thread, when the engine failed; the lane takes nothing
                more, and the frames it had wait again with their feeds.
            clock: Monotonic seconds.
        """
        self.name = name or detector.name
        self.counts = LaneCounts()
        self.failure: ModelUnavailable | None = None
        self._detector = detector
        self._doubting = detector if isinstance(detector, Doubting) else None
        self._asynchronous = detector if isinstance(detector, AsyncDetector) else None
        self._room = Room(1 if self._asynchronous is None else max(1, self._asynchronous.depth))
        self._batching = Batching(max(1, int(getattr(detector, "batch", 1))))
        self._on_failure = on_failure
        self._clock = clock
        self._members: tuple[Member, ...] = ()
        self._changing = threading.Lock()
        self._next = 0
        self._flying: deque[Flight] = deque()
        self._free_since_s = 0.0
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._log = structlog.get_logger().bind(model=self.name)

    @property
    def detector(self) -> Detector:
        """The model; for who asks what it is, not to submit."""
        return self._detector

    @property
    def description(self) -> str:
        """Name, engine, precision and device in words."""
        said = getattr(self._detector, "description", "")
        return f"{self._detector.name} ({said})" if said else self._detector.name

    @property
    def inference_s(self) -> float:
        """What one inference takes, smoothed; seconds."""
        return self._batching.inference_s

    @property
    def batch(self) -> int:
        """Frames per inference at most."""
        return self._batching.size

    @property
    def members(self) -> tuple[Member, ...]:
        """Who is looked at."""
        return self._members

    def attach(self, member: Member) -> None:
        """Look at the frames of one more pipeline, from its next frame on."""
        with self._changing:
            self._members = (*self._members, member)
        member.feed.move(self)

    def detach(self, member: Member) -> None:
        """Look at it no longer; what was taken is finished."""
        with self._changing:
            self._members = tuple(m for m in self._members if m is not member)
        self._wake.set()

    def notify(self) -> None:
        """Hear that a frame waits."""
        self._wake.set()

    def start(self) -> None:
        """Give it its thread."""
        self._thread = threading.Thread(target=self._run, name=f"argus-model-{self.name}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Finish what was taken, end the thread and close the model; idempotent."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        elif self._thread is None:
            while self._flying:
                self._land()
        self._detector.close()

    def turn(self) -> float | None:
        """Do what can be done now: fill the engine, hand on the oldest result.

        An engine with room is not waited for longer than a moment: frames may come meanwhile.

        Returns 0 where something was done, or is under way, else for how long at most there is nothing to
        do; None: until `notify`.
        """
        wait_s = self._fill()
        if not self._flying:
            return wait_s
        if len(self._flying) >= self._at_once():
            self._land()
            return 0.0
        asked_s = self._clock()
        landed = self._flying[0].ready(moment_s(self.inference_s))
        self.counts.wait_s += self._clock() - asked_s
        if landed:
            self._land()
        return 0.0

    def _at_once(self) -> int:
        """Return how many inferences shall be under way at most."""
        if all(member.max_age_s is None for member in self._members):
            return self._room.depth
        return self._room.at_once(self.inference_s)

    def _fill(self) -> float | None:
        """Submit what is due while the engine has room; return for how long nothing more will be, or None."""
        most = self._at_once()
        while len(self._flying) < most and self.failure is None:
            batch, wait_s = self._gather()
            if not batch:
                return wait_s
            self._submit(batch)
        return None

    def _run(self) -> None:
        while True:
            self._wake.clear()
            wait_s = self.turn()
            if self._stopping and not self._flying:
                return
            if wait_s is None or wait_s > 0:
                self._wake.wait(wait_s)

    def _gather(self) -> tuple[list[tuple[Member, Taken]], float | None]:
        """Return the next batch, or nothing and for how long to wait for it."""
        if self._stopping:
            return [], None
        members = self._members
        wait_s = self._due(members)
        if wait_s != 0.0:
            return [], wait_s
        batch: list[tuple[Member, Taken]] = []
        idle = 0
        at = self._next
        # Round robin, going on where the last batch ended: who has frames gets its turn, whoever has more.
        while len(batch) < self._batching.size and idle < len(members):
            member = members[at % len(members)]
            at += 1
            taken = member.feed.take(self)
            if taken is None:
                idle += 1
            else:
                idle = 0
                batch.append((member, taken))
        if members:
            self._next = at % len(members)
        return batch, None

    def _due(self, members: Sequence[Member]) -> float | None:
        """Return 0 where a batch shall go now; see `Batching.wait_s`."""
        waiting = 0
        for member in members:
            waiting += member.feed.waiting
            if waiting >= self._batching.size:
                return self._batching.full()
        age_s = min((m.max_age_s or _AGELESS for m in members), default=_AGELESS)
        room = sum(m.feed.room for m in members)
        return self._batching.wait_s(waiting, room, len(self._flying), self._clock(), age_s)

    def _submit(self, batch: Sequence[tuple[Member, Taken]]) -> None:
        frames = [taken.frame for _, taken in batch]
        began_s = self._clock()
        try:
            pending: Pending[list[Detections]]
            if self._asynchronous is not None:
                pending = self._asynchronous.submit(frames)
            else:
                pending = Done(self._detector.detect(frames))
        except ModelUnavailable as error:
            self._fail(error, batch)
        except Exception as error:  # noqa: BLE001 - one picture that cannot be prepared is no harm to the others
            while self._flying:  # what was submitted before is older, and comes first
                self._land()
            if self.failure is None:
                self._sort_out(batch, error)
            else:
                self._fail(self.failure, batch)
        else:
            submit_s = self._clock() - began_s
            self.counts.submit_s += submit_s
            self._room.prepared(submit_s)
            if not self._flying:
                self._free_since_s = began_s
            self._flying.append(Flight(tuple(batch), pending, began_s))

    def _land(self) -> None:
        """Wait for the oldest inference and hand on what it saw."""
        flight = self._flying.popleft()
        asked_s = self._clock()
        if self._doubting is not None:
            wanted = [_asks(member, asked_s) for member, _ in flight.taken]
            self._doubting.doubts = FLOOR if any(wanted) else None
        try:
            seen = flight.seen()
        except ModelUnavailable as error:
            self._fail(error, flight.taken)
            return
        except Exception as error:  # noqa: BLE001 - as above
            self._sort_out(flight.taken, error)
            return
        now_s = self._clock()
        began_s = max(flight.began_s, self._free_since_s)
        self._free_since_s = now_s
        self.counts.wait_s += now_s - asked_s
        self._batching.landed(began_s, now_s)
        self.counts.batches += 1
        self.counts.frames += len(seen)
        self.counts.busy_s += now_s - began_s
        for (member, taken), detections in zip(flight.taken, seen, strict=True):
            good = member.consume(taken, detections, self, now_s)
            taken.feed.end(taken, "processed" if good else "dropped_stale")
        self._room.handed_on(self._clock() - now_s)

    def _sort_out(self, batch: Sequence[tuple[Member, Taken]], error: Exception) -> None:
        """Look at the frames of a batch one by one, so that the one at fault stands alone."""
        if len(batch) == 1:
            [(_, taken)] = batch
            self._log.warning("frame.not_looked_at", pipeline=taken.feed.name, error=repr(error))
            taken.feed.end(taken, "corrupt")
            return
        behind, self._flying = self._flying, deque()
        for at, one in enumerate(batch):
            self._submit([one])
            while self._flying:
                self._land()
            if self.failure is not None:
                self._fail(self.failure, batch[at + 1 :])
                break
        self._flying = behind
        if self.failure is not None:
            self._fail(self.failure, ())

    def _fail(self, error: ModelUnavailable, batch: Sequence[tuple[Member, Taken]]) -> None:
        """Give everything back and stop."""
        first = self.failure is None
        self.failure = self.failure or error
        back = frames_of(self._flying) + [taken for _, taken in batch]
        # Newest first, so that what is put back stands in its order again.
        for taken in sorted(back, key=lambda taken: -taken.frame.index):
            taken.feed.put_back(taken)
        self._flying.clear()
        if first and self._on_failure is not None:
            self._on_failure(self, error)


def _asks(member: Member, now_s: float) -> bool:
    """Return whether somebody asks what the model leaves out of a pipeline's frames."""
    tracer = getattr(member, "tracer", None)
    return tracer is not None and bool(tracer.asks(now_s))
