"""One look: an object of one frame carried through a branch and all below it, from answer to answer.

Answers come in the threads of the lanes. A look decides only what an answer leads to; whose turn it is
was decided in `choosing`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from argus.core.detections import Detections
from argus.core.frame import Frame
from argus.core.geometry import iou_matrix
from argus.vision.branches.asking import Answer, Named, Request
from argus.vision.branches.choosing import Candidate
from argus.vision.branches.finding import Box, Finding
from argus.vision.branches.lane import Lane
from argus.vision.branches.plan import Branch

MOST_BELOW = 32
"""Objects that a detector found in one crop and that a branch below it looks at; the surest ones."""

Place = tuple[int, ...]
"""Where a finding stands among those of its look: by turns the number of a branch and of the row it saw."""

_SAME: Final = 0.5
"""Overlap from which a box of a later frame is the object that was looked at, where nothing tracks."""


class Look:
    """What one branch and those below it find out about one crop."""

    def __init__(
        self,
        branch: Branch,
        camera: str,
        candidates: Sequence[Candidate],
        *,
        number: int,
        ended: Callable[[Look], None],
    ) -> None:
        """Ask nothing yet.

        Args:
            branch: Where to begin.
            camera: Whose frame it is.
            candidates: The object; several only where the branch looks at the whole frame.
            number: How often it was looked at before.
            ended: Called with the look when all is answered, mostly in a lane's thread; must be quick.
        """
        self.branch = branch
        self.candidates = tuple(candidates)
        self.frame: Frame = candidates[0].frame
        self.cancelled = False
        """When set, what has not been asked yet is not."""
        self.failed = False
        """True where the first model gave no answer."""
        self.not_due: frozenset[str] = frozenset()
        """Branches below that were not asked because of their `every`."""
        self.lost = 0
        """Answers that did not come, and objects that were too many."""
        self.done = threading.Event()
        self._camera = camera
        self._number = number
        self._ended = ended
        self._found: list[tuple[Place, Finding]] = []
        self._open = 1
        self._lock = threading.Lock()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found out, a branch before those below it; complete when `done`."""
        return tuple(finding for _, finding in sorted(self._found, key=lambda item: item[0]))

    def first_request(self) -> Request:
        """Return what is asked first, of the branch's own lane."""
        return self._request(self.branch, self.candidates[0].xyxy if self.branch.spec.crop else None, ())

    def _request(self, branch: Branch, xyxy: Box | None, place: Place) -> Request:
        return Request(
            self._camera,
            self.frame,
            xyxy,
            branch.spec.margin,
            lambda answer: self._answered(branch, xyxy, place, answer),
            lambda: not self.cancelled,
            branch,
        )

    def _answered(self, branch: Branch, xyxy: Box | None, place: Place, answer: Answer | None) -> None:
        following: list[tuple[Lane, Request]] = []
        if answer is None:
            with self._lock:
                self.lost += 1
                self.failed |= not place
        else:
            finding = self._finding(branch, xyxy, answer)
            with self._lock:
                self._found.append((place, finding))
            if not self.cancelled:
                following = self._below(branch, xyxy, place, answer)
        with self._lock:
            self._open += len(following) - 1
            over = self._open == 0
        by_lane: dict[Lane, list[Request]] = {}
        for lane, request in following:
            by_lane.setdefault(lane, []).append(request)
        for lane, requests in by_lane.items():
            lane.put(requests)
        if over:
            self._ended(self)
            self.done.set()

    def _finding(self, branch: Branch, xyxy: Box | None, answer: Answer) -> Finding:
        index, time_s = self.frame.index, self.frame.time_s
        if isinstance(answer, Detections):
            return Finding(branch.path, index, time_s, xyxy, detections=answer)
        if isinstance(answer, Named):
            return Finding(branch.path, index, time_s, xyxy, label=answer.label, confidence=answer.confidence)
        return Finding(branch.path, index, time_s, xyxy, embedding=answer)

    def _below(
        self, branch: Branch, xyxy: Box | None, place: Place, answer: Answer
    ) -> list[tuple[Lane, Request]]:
        """Return what an answer leads to."""
        following = []
        for turn, child in enumerate(branch.children):
            if child.spec.every is not None and self._number % child.spec.every:
                with self._lock:
                    self.not_due |= {one.path for one in child}
                continue
            boxes: list[tuple[int, Box | None]] = []
            if isinstance(answer, Named):
                if child.matches(answer.label, answer.confidence):
                    boxes = [(0, xyxy)]
            elif isinstance(answer, Detections):
                boxes = self._boxes(child, answer)
            if boxes and not child.spec.crop:
                boxes = [(0, None)]
            following += [(child.lane, self._request(child, box, (*place, turn, row))) for row, box in boxes]
        return following

    def _boxes(self, child: Branch, found: Detections) -> list[tuple[int, Box | None]]:
        clipped = clip(found, self.frame)
        rows = child.rows(found, clipped)
        if len(rows) > MOST_BELOW:
            with self._lock:
                self.lost += len(rows) - MOST_BELOW
            order = np.argsort(-found.confidence[rows], kind="stable")
            rows = np.sort(rows[order[:MOST_BELOW]])
        return [(row, box_at(found, row)) for row in rows.tolist()]


def clip(detections: Detections, frame: Frame) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Return (N, 4) boxes, clipped to the picture."""
    limits = np.array((frame.width, frame.height) * 2, np.float32)
    return np.minimum(np.maximum(detections.xyxy, np.float32(0)), limits)


def box_at(detections: Detections, row: int) -> Box:
    """Return one box as plain numbers."""
    x1, y1, x2, y2 = detections.xyxy[row].tolist()
    return x1, y1, x2, y2


def candidate_of(
    detections: Detections, frame: Frame, row: int, good: float, track: int | None = None
) -> Candidate:
    """Return a detection as what may be looked at; `track` None: by the id that it has."""
    if track is None:
        assert detections.track_id is not None
        track = int(detections.track_id[row])
    return Candidate(track, frame, box_at(detections, row), int(detections.class_id[row]), float(good))


def row_of(candidate: Candidate, detections: Detections) -> int | None:
    """Return the row that shows the object that was looked at in an earlier frame."""
    if not len(detections):
        return None
    overlap = iou_matrix(np.array([candidate.xyxy], np.float32), detections.xyxy)[0]
    overlap[detections.class_id != candidate.class_id] = 0
    best = int(np.argmax(overlap))
    return best if overlap[best] >= _SAME else None
