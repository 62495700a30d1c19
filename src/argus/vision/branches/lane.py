"""One model and the one thread that runs it: crops of all cameras in, answers out, in batches.

A lane never waits for a full batch: it takes what has come while it was busy, by turns from each camera.
It knows nothing of branches; what an answer leads to is `look`.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, cast

import numpy as np
import structlog
from numpy.typing import NDArray

from argus.core.detections import Detections
from argus.core.frame import Frame, Image, Picture
from argus.vision.branches.finding import Box
from argus.vision.crop_view import Divisible
from argus.vision.models.load import AnyModel, task_of
from argus.vision.models.protocols import Classification, Classifier, Detector, Embedder
from argus.vision.pictures import ArrayPicture


@dataclass(frozen=True, slots=True)
class Named:
    """What a classifier thinks likeliest of one picture."""

    label: str
    confidence: float


Cut = tuple[int, int, int, int]
"""Left, right, top and bottom of a part of a picture, in whole pixels."""

Answer = Named | Detections | NDArray[np.float32]
"""What a classifier, a detector or an embedder says of one picture; boxes in pixels of the full frame."""

AT_ONCE: Final = 8
"""Crops handed to a model in one call at least, if there are so many: an engine works on several at once."""
USUAL_SIDES: Final = (224, 224)
"""Width and height taken for those of a model that does not tell its own."""


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """One picture to look at. Its pixels are cut out when its turn has come."""

    camera: str
    frame: Frame
    xyxy: Box | None
    """The box to look at; None: the whole frame."""
    margin: float
    answered: Callable[[Answer | None], None]
    """Called once, with None where there is no answer; mostly in the lane's thread, so it must be quick."""
    wanted: Callable[[], bool]
    """Asked when its turn has come; False: nobody waits for the answer any more."""


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


class Lane:
    """A model with a queue. The lane owns the model and closes it."""

    def __init__(self, model: AnyModel) -> None:
        """Start the thread."""
        self._model = model
        self.name = model.name
        self.labels: tuple[str, ...] = model.labels
        kind = task_of(model)
        self.task: Literal["detect", "classify", "embed"] = (
            "classify" if kind == "classify" else "embed" if kind == "embed" else "detect"
        )
        self.input_wh: tuple[int, int] = getattr(model, "input_wh", USUAL_SIDES)
        """Width and height that the model looks at."""
        self._batch = max(1, int(getattr(model, "batch", 1)))
        self._most = self._batch * max(1, AT_ONCE // self._batch)
        self._queues: dict[str, deque[Request]] = {}
        self._closed = False
        self._warned = False
        self._looked = self._places = self._failed = 0
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name=f"argus-branch-{self.name}", daemon=True)
        self._thread.start()

    @property
    def stats(self) -> LaneStats:
        """What it has done so far."""
        with self._changed:
            queued = sum(map(len, self._queues.values()))
            return LaneStats(self._looked, self._places, self._failed, queued)

    def put(self, requests: Sequence[Request]) -> None:
        """Take requests, all at once; never blocks. After `close` they are answered with None."""
        with self._changed:
            if not self._closed:
                for request in requests:
                    self._queues.setdefault(request.camera, deque()).append(request)
                self._changed.notify()
                return
        for request in requests:
            request.answered(None)

    def close(self) -> None:
        """Finish the batch that runs, answer the rest with None, free the model; idempotent."""
        with self._changed:
            self._closed = True
            left = [request for queue in self._queues.values() for request in queue]
            self._queues.clear()
            self._changed.notify()
        for request in left:
            request.answered(None)
        self._thread.join()
        self._model.close()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._queues and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                requests = self._gather()
            wanted = []
            for request in requests:
                if request.wanted():
                    wanted.append(request)
                else:
                    request.answered(None)
            if wanted:
                self._run(wanted)

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
        try:
            answers: Sequence[Answer | None] = self._ask(requests)
        except Exception as error:  # noqa: BLE001 - models are anybody's, and the thread serves all cameras
            if len(requests) > 1:
                # One crop that a model cannot bear must not cost its neighbours, which are other cameras'.
                for request in requests:
                    self._run([request])
                return
            self._count(failed=1)
            self._warn(requests[0], error)
            answers = [None]
        else:
            self._count(looked=len(requests))
        for request, answer in zip(requests, answers, strict=True):
            request.answered(answer)

    def _ask(self, requests: Sequence[Request]) -> Sequence[Answer]:
        if self.task == "detect":
            return self._detect(requests)
        pictures = [_pixels(request) for request in requests]
        if self.task == "classify":
            answers: Sequence[Answer] = [_best(c) for c in cast("Classifier", self._model).classify(pictures)]
        else:
            answers = list(cast("Embedder", self._model).embed(pictures))
        if len(answers) != len(requests):
            raise ValueError(f"{len(answers)} answers for {len(requests)} pictures")
        return answers

    def _detect(self, requests: Sequence[Request]) -> Sequence[Answer]:
        cuts = [cut(r.frame, r.xyxy, r.margin) for r in requests]
        places = [c and evened(r.frame, c) for r, c in zip(requests, cuts, strict=True)]
        frames = [
            r.frame if place is None else replace(r.frame, picture=_part(r.frame, place))
            for r, place in zip(requests, places, strict=True)
        ]
        found = cast("Detector", self._model).detect(frames)
        for seen in found:
            if len(seen) and not 0 <= int(seen.class_id.min()) <= int(seen.class_id.max()) < len(seen.labels):
                raise ValueError(f"class ids {seen.class_id.tolist()} for {len(seen.labels)} labels")
        return [
            seen if place is None else moved(seen, place[0], place[2])
            for seen, place in zip(found, places, strict=True)
        ]

    def _count(self, *, looked: int = 0, failed: int = 0) -> None:
        with self._changed:
            self._looked += looked
            self._failed += failed
            self._places += -(-looked // self._batch) * self._batch

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


def cut(frame: Frame, xyxy: Box | None, margin: float) -> Cut | None:
    """Return the edges that show a box with its margin; None for the whole frame.

    Always inside the picture, and never empty.
    """
    if xyxy is None:
        return None
    x1, y1, x2, y2 = xyxy
    wide, high = (x2 - x1) * margin, (y2 - y1) * margin
    return (*_run(x1 - wide, x2 + wide, frame.width), *_run(y1 - high, y2 + high, frame.height))


def _run(first: float, last: float, size: int) -> tuple[int, int]:
    begin = min(max(0, math.floor(first)), size - 1)
    return begin, min(size, max(begin + 1, math.ceil(last)))


def evened(frame: Frame, place: Cut) -> Cut:
    """Return the same part up to the next even edges, or the picture's own.

    A decoder stores one colour for two pixels: such a part is made without the rest of the picture.
    """
    left, right, top, bottom = place
    return (
        left - left % 2,
        min(right + right % 2, frame.width),
        top - top % 2,
        min(bottom + bottom % 2, frame.height),
    )


def moved(detections: Detections, x: int, y: int) -> Detections:
    """Return what was found in a crop, in coordinates of the frame that the crop was cut from at x, y."""
    masks = detections.masks
    if masks is not None:
        masks = replace(masks, origins=masks.origins + np.array((x, y), masks.origins.dtype))
    return replace(detections, xyxy=detections.xyxy + np.array((x, y, x, y), np.float32), masks=masks)


def _best(classification: Classification) -> Named:
    best = int(np.argmax(classification.probabilities))
    return Named(classification.labels[best], float(classification.probabilities[best]))


def _pixels(request: Request) -> Image:
    frame, place = request.frame, cut(request.frame, request.xyxy, request.margin)
    if place is None:
        return frame.bgr
    left, right, top, bottom = place
    around = evened(frame, place)
    part = _part(frame, around).bgr()
    return part[top - around[2] : bottom - around[2], left - around[0] : right - around[0]]


def _part(frame: Frame, place: Cut) -> Picture:
    left, right, top, bottom = place
    if isinstance(frame.picture, Divisible):
        return frame.picture.part(left, top, right - left, bottom - top)
    return ArrayPicture(frame.bgr[top:bottom, left:right])
