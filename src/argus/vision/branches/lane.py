"""One model and the one thread that runs it: crops of all cameras in, answers out, in batches.

A lane never waits for a full batch: it takes what has come while it was busy, by turns from each camera. It
has one model for all its life, so no batch mixes two; where its members have moved to another lane, what
waits goes after them (`sharing`). What an answer leads to is `look`.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from argus.core.errors import ModelUnavailable
from argus.vision.branches.answering import Task, answers_of, branch_task
from argus.vision.branches.asking import Answer, Member, Request
from argus.vision.models.load import AnyModel

AT_ONCE: Final = 8
"""Crops handed to a model in one call at least, if there are so many: an engine works on several at once."""
USUAL_SIDES: Final = (224, 224)
"""Width and height taken for those of a model that does not tell its own."""
REPLACED_S: Final = 30.0
"""How long pictures wait for another model in place of one that failed. Higher loses fewer where models take
long to open; lower lets recordings go on sooner, without."""


@dataclass(frozen=True, slots=True)
class LaneStats:
    """What a lane has done so far."""

    looked: int
    """Pictures that were answered."""
    places: int
    """Places in the batches that ran; `looked / places` is how full they were."""
    failed: int
    """Pictures at which the model failed."""
    queued: int
    """Pictures that wait."""
    busy_s: float
    """Seconds for which the model was at work."""


class Lane:
    """A model with a queue, for its members. The lane owns the model and closes it."""

    def __init__(
        self,
        model: AnyModel,
        on_failure: Callable[[Lane, ModelUnavailable], None] | None = None,
        *,
        replaced_s: float = REPLACED_S,
    ) -> None:
        """Start the thread.

        Args:
            model: Becomes the lane's.
            on_failure: Called once, in the lane's thread, when the engine failed: what the lane has waits
                then for another. None: nobody opens another, so what the engine fails at is left out, and the
                next is tried.
            replaced_s: How long it waits for that at most.
        """
        self._model = model
        self._on_failure = on_failure
        self._replaced_s = replaced_s
        self.name = model.name
        self.labels: tuple[str, ...] = model.labels
        self.failure: ModelUnavailable | None = None
        self.task: Task = branch_task(model)
        self.input_wh: tuple[int, int] = getattr(model, "input_wh", USUAL_SIDES)
        """Width and height that the model looks at."""
        self.batch = max(1, int(getattr(model, "batch", 1)))
        """Pictures per inference at most."""
        self._most = self.batch * max(1, AT_ONCE // self.batch)
        self._members: tuple[Member, ...] = ()
        self._queues: dict[str, deque[Request]] = {}
        self._closed = False
        self._warned = False
        self._looked = self._places = self._failed = 0
        self._busy_s = 0.0
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name=f"argus-branch-{self.name}", daemon=True)
        self._thread.start()

    @property
    def description(self) -> str:
        """Name, engine, precision and device in words."""
        said = getattr(self._model, "description", "")
        return f"{self.name} ({said})" if said else self.name

    @property
    def members(self) -> tuple[Member, ...]:
        """Who asks it."""
        return self._members

    @property
    def stats(self) -> LaneStats:
        """What it has done so far."""
        with self._changed:
            queued = sum(map(len, self._queues.values()))
            return LaneStats(self._looked, self._places, self._failed, queued, self._busy_s)

    def attach(self, member: Member) -> None:
        """Be asked by one more."""
        with self._changed:
            self._members = (*self._members, member)
        member.lane = self

    def detach(self, member: Member) -> None:
        """Be asked by one less; what it has asked is answered, unless this is closed before."""
        with self._changed:
            self._members = tuple(m for m in self._members if m is not member)

    def put(self, requests: Sequence[Request]) -> None:
        """Take requests, all at once; never blocks. After `close` they go where their members are.

        Where those are still here, the answer is None.
        """
        if not self._queue(requests):
            self._send_on(requests)

    def give_up(self) -> None:
        """Take nothing more, and let what waits go where its member is, as in `put`; idempotent."""
        with self._changed:
            self._closed = True
            left = [request for queue in self._queues.values() for request in queue]
            self._queues.clear()
            self._changed.notify()
        self._send_on(left)

    def close(self) -> None:
        """Give up, finish the batch that runs, free the model; idempotent."""
        self.give_up()
        self._thread.join()
        self._model.close()

    def _work(self) -> None:
        while requests := self._next():
            wanted = []
            for request in requests:
                if request.wanted():
                    wanted.append(request)
                else:
                    request.answered(None)
            if wanted:
                self._run(wanted)
        with self._changed:
            replaced = self._changed.wait_for(lambda: self._closed, self._replaced_s)
        if not replaced:
            self.give_up()

    def _next(self) -> list[Request]:
        """Wait for requests; none where it has failed or was closed."""
        with self._changed:
            while not self._queues and not self._closed and self.failure is None:
                self._changed.wait()
            return [] if self._closed or self.failure is not None else self._gather()

    def _queue(self, requests: Sequence[Request], *, first: bool = False) -> bool:
        """Let requests wait, behind others or as the first; return whether they could."""
        with self._changed:
            if self._closed:
                return False
            for request in reversed(requests) if first else requests:
                queue = self._queues.setdefault(request.camera, deque())
                (queue.appendleft if first else queue.append)(request)
            self._changed.notify()
            return True

    def _send_on(self, requests: Sequence[Request]) -> None:
        """Ask where the members are now, or answer None where that is still here."""
        by_lane: dict[Lane, list[Request]] = {}
        for request in requests:
            lane = self if request.member is None else request.member.lane
            by_lane.setdefault(lane, []).append(request)
        for request in by_lane.pop(self, []):
            request.answered(None)
        for lane, moved_on in by_lane.items():
            lane.put(moved_on)

    def _gather(self) -> list[Request]:
        """Take the next requests, one of each camera by turns."""
        chosen: list[Request] = []
        while self._queues and len(chosen) < self._most:
            camera, queue = next(iter(self._queues.items()))
            del self._queues[camera]
            chosen.append(queue.popleft())
            if queue:
                self._queues[camera] = queue  # to the end of the row
        return chosen

    def _run(self, requests: Sequence[Request]) -> None:
        if self.failure is not None:  # at one of its neighbours
            self._put_back(requests)
            return
        began_s = time.perf_counter()
        try:
            answers: Sequence[Answer | None] = answers_of(self._model, requests)
        except Exception as error:  # noqa: BLE001 - models are anybody's, and the thread serves all cameras
            if isinstance(error, ModelUnavailable) and self._on_failure is not None:
                self._fail(error, requests, self._on_failure)
                return
            if len(requests) > 1:
                # One crop that a model cannot bear must not cost its neighbours, which are other cameras'.
                for request in requests:
                    self._run([request])
                return
            self._count(failed=1)
            self._warn(requests[0], error)
            answers = [None]
        else:
            self._count(looked=len(requests), busy_s=time.perf_counter() - began_s)
        for request, answer in zip(requests, answers, strict=True):
            request.answered(answer)

    def _fail(
        self,
        error: ModelUnavailable,
        requests: Sequence[Request],
        on_failure: Callable[[Lane, ModelUnavailable], None],
    ) -> None:
        """Stop, and keep what was asked for another model; but what two were lost at, no third shall see."""
        lost = [request for request in requests if request.tried]
        self._count(failed=len(lost))
        self._put_back([replace(request, tried=True) for request in requests if not request.tried])
        self.failure = error
        for request in lost:
            request.answered(None)
        on_failure(self, error)

    def _put_back(self, requests: Sequence[Request]) -> None:
        if not self._queue(requests, first=True):
            self._send_on(requests)

    def _count(self, *, looked: int = 0, failed: int = 0, busy_s: float = 0.0) -> None:
        with self._changed:
            self._busy_s += busy_s
            self._looked += looked
            self._failed += failed
            self._places += -(-looked // self.batch) * self.batch

    def _warn(self, request: Request, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            structlog.get_logger().warning(
                "branch.failed",
                model=self.name,
                camera=request.camera,
                frame=request.frame.index,
                error=f"{type(error).__name__}: {error}",
                consequence="its findings are left out where it fails; further failures are only counted",
            )
