"""The branches of one camera's pipeline: what is known of its objects, and what is asked next.

Thin around the decisions: whose turn it is says `choosing`, what waits while models are busy `waiting`,
where an answer leads `look`. The models belong to all pipelines: `lanes`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from argus.core.detections import Detections
from argus.core.frame import Frame
from argus.core.resources.model import ModelSpec
from argus.core.resources.pipeline import BranchSpec
from argus.vision.branches.choosing import (
    RETRY_S,
    Candidate,
    Chooser,
    goodness,
    hidden_share,
)
from argus.vision.branches.finding import Finding
from argus.vision.branches.lanes import BranchLanes
from argus.vision.branches.look import Look, candidate_of, clip, row_of
from argus.vision.branches.memory import Memory
from argus.vision.branches.plan import Branch, close_branches, open_branches
from argus.vision.branches.waiting import Waiting

REMEMBER_S: Final = 0.5
"""What is known of an object is kept so much longer than its tracker keeps it, for its last event."""
Findings = Mapping[int, tuple[Finding, ...]]
"""Row of a frame's detections → what is known of that object; rows of which nothing is known are left out."""


@dataclass(slots=True)
class BranchCounts:
    """What became of the looks of one camera's branches."""

    looks: int = 0
    """Objects looked at, by all branches together; a branch below another counts with it."""
    findings: int = 0
    dropped: int = 0
    """Crops that gave way to a better or newer one, and findings whose object was gone."""
    lost: int = 0
    """Answers that did not come because a model failed, and objects that were too many for one look."""


class _Root:
    """A branch at the top, with whose turn it is."""

    def __init__(self, branch: Branch) -> None:
        self.branch = branch
        self.chooser = Chooser(branch.spec.every)
        self.waiting = Waiting()
        self.looks_at: dict[int, int] = {}
        """How often each track was looked at; kept only where a branch below counts them."""
        self.counts_looks = any(one.spec.every is not None for child in branch.children for one in child)


class Branches:
    """Looks at the objects of one camera with further models, and remembers what they said.

    With `wait` (recordings) a step ends when all its looks are answered: the same input gives the same
    findings. Without (live) it never waits: what was found out stands beside the object in a later frame,
    and while the models are busy only so many crops wait, the best of them first.

    Used by one thread at a time. With tracks a finding belongs to its track. Without, it belongs to the
    detection of the frame; live, to the detection of the next frame that overlaps it most.
    """

    def __init__(
        self,
        specs: Sequence[BranchSpec],
        lanes: BranchLanes,
        camera: str,
        *,
        wait: bool,
        pipeline: str = "",
        swapped: Mapping[str, ModelSpec] | None = None,
    ) -> None:
        """Open what is not open yet.

        Args:
            specs: The branches of the pipeline.
            lanes: The models, shared with other pipelines.
            camera: Whose turn it is at the models goes by this name.
            wait: True for recordings, False for live cameras.
            pipeline: Whose they are, where a model that changes is told.
            swapped: By path, what looks in place of the spec's model.

        Raises:
            SpecError: names the branch whose model cannot be had, or that cannot do what it is asked to.
        """
        self.camera = camera
        self._lanes = lanes
        self._wait = wait
        opened = open_branches(specs, lanes, camera, pipeline, swapped=swapped)
        self._roots = tuple(_Root(branch) for branch in opened)
        self._memory = Memory([root.branch.path for root in self._roots])
        self._now_s = 0.0
        self._steps = 0
        self._under_way: dict[Look, _Root] = {}
        self._ended: deque[Look] = deque()
        self._counts = BranchCounts()
        self._closed = False

    @property
    def counts(self) -> BranchCounts:
        """What became of the looks so far; a copy."""
        counts = self._counts
        dropped = counts.dropped + sum(root.waiting.dropped for root in self._roots)
        return BranchCounts(counts.looks, counts.findings, dropped, counts.lost)

    def known(self, track: int) -> tuple[Finding, ...]:
        """Return what is known of a track, which may have left the picture a moment ago."""
        return self._memory.told.get(track, ())

    def step(self, frame: Frame, detections: Detections, *, lost_after_s: float = 2.0) -> Findings:
        """Take the next frame into account; return what is known of the objects in it.

        Args:
            frame: Its pixels are asked for only where a crop is looked at.
            detections: What was found in it, with track ids where tracking runs.
            lost_after_s: When the tracker gives an object up; what is known of it is kept a little longer.
        """
        if not self._roots or self._closed:
            return {}
        self._steps += 1
        if detections.track_id is None:
            return self._without_tracks(frame, detections)
        # What was forgotten is what the frame before gave up: the last events of who left are told by now.
        self._forget(lost_after_s + REMEMBER_S)
        self._now_s = frame.time_s
        ids = detections.track_id
        clipped = clip(detections, frame)
        for root in self._roots:
            root.chooser.begin(frame.time_s)
            if len(detections):
                self._choose(root, frame, detections, ids, clipped)
            due = root.chooser.due()
            if due or len(root.waiting):
                self._ask(root, due)
        tracks: list[int] = ids.tolist()
        self._memory.see(tracks, frame.time_s)
        self._take_in()
        told = self._memory.told
        return {row: told[track] for row, track in enumerate(tracks) if track in told} if told else {}

    def finish(self) -> None:
        """Look at what still waits for a better crop; the stream has ended. Live, nothing is waited for."""
        if self._wait and not self._closed:
            for root in self._roots:
                self._ask(root, root.chooser.due(ended=True))
            self._take_in()

    def close(self) -> None:
        """Give the models back; looks under way end without a finding. Idempotent."""
        if not self._closed:
            self._closed = True
            for look in self._under_way:
                look.cancelled = True
            close_branches([root.branch for root in self._roots], self._lanes)

    def _choose(
        self,
        root: _Root,
        frame: Frame,
        detections: Detections,
        ids: NDArray[np.int64],
        clipped: NDArray[np.float32],
    ) -> None:
        """Show a branch the objects that match; what it wants to look at waits in its chooser."""
        rows = root.branch.rows(detections, clipped)
        rows = rows[ids[rows] > 0]
        if not len(rows):
            return
        turns = root.chooser.open(ids[rows].tolist())
        if not turns:
            return
        # One look at the whole frame serves all, so they stay in step.
        together = not root.branch.spec.crop and root.branch.spec.every is not None
        rows = rows if together else rows[turns]
        good = self._goodness(root, frame, detections, clipped, rows)
        wants = root.chooser.wants
        of_interest = [wants(t, g) for t, g in zip(ids[rows].tolist(), good.tolist(), strict=True)]
        if not any(of_interest):
            return
        rows, good = rows[of_interest], good[of_interest]
        if root.branch.spec.crop:
            good *= 1 - np.minimum(hidden_share(rows, clipped), 1)
        for row, value in zip(rows.tolist(), good.tolist(), strict=True):
            root.chooser.offer(candidate_of(detections, frame, row, value))

    def _goodness(
        self,
        root: _Root,
        frame: Frame,
        detections: Detections,
        clipped: NDArray[np.float32],
        rows: NDArray[np.intp],
    ) -> NDArray[np.float32]:
        if not root.branch.spec.crop:
            return np.ones(len(rows), np.float32)
        size = (frame.width, frame.height)
        return goodness(clipped[rows], detections.confidence[rows], size, root.branch.lane.input_wh)

    def _ask(self, root: _Root, due: list[Candidate]) -> None:
        """Send to the models what is due, or let it wait while they are busy."""
        if not self._wait:
            for refused in root.waiting.put(due):
                # It has not been looked at: a crop of the next frame may take its place.
                root.chooser.again(refused)
            due = root.waiting.take()
        if root.branch.spec.crop:
            self._send(root, [[candidate] for candidate in due])
        else:
            by_frame: dict[Frame, list[Candidate]] = {}
            for candidate in due:
                by_frame.setdefault(candidate.frame, []).append(candidate)
            self._send(root, by_frame.values())

    def _send(self, root: _Root, looks: Iterable[list[Candidate]]) -> None:
        started = []
        for candidates in looks:
            number = 0
            if root.counts_looks:
                number = root.looks_at.get(candidates[0].track, 0)
                for candidate in candidates:
                    root.looks_at[candidate.track] = number + 1
            look = Look(root.branch, self.camera, candidates, number=number, ended=self._ended.append)
            self._under_way[look] = root
            started.append(look)
        if started:
            self._counts.looks += len(started)
            root.branch.lane.put([look.first_request() for look in started])

    def _take_in(self) -> None:
        """Remember what was found out since the last step; with `wait` all that was asked."""
        for look in self._answered():
            root = self._under_way.pop(look)
            self._count(look)
            for candidate in look.candidates:
                root.waiting.arrived(candidate)
                track = candidate.track
                if look.failed:
                    root.chooser.again(candidate, self._now_s + RETRY_S)
                elif track not in root.chooser:
                    self._counts.dropped += 1
                else:
                    self._memory.take(track, root.branch.path, look.findings, look.not_due)

    def _answered(self) -> list[Look]:
        if self._wait:
            looks = list(self._under_way)
            for look in looks:
                look.done.wait()
            self._ended.clear()
            return looks
        return [self._ended.popleft() for _ in range(len(self._ended))]

    def _count(self, look: Look) -> None:
        self._counts.findings += len(look.findings)
        self._counts.lost += look.lost

    def _forget(self, unseen_s: float) -> None:
        """Once a second forget who was given up."""
        gone = self._memory.sweep(self._now_s, unseen_s)
        for root in self._roots if gone else ():
            root.chooser.forget(gone)
            for track in gone:
                root.looks_at.pop(track, None)

    def _without_tracks(self, frame: Frame, detections: Detections) -> Findings:
        """Look at the detections of every so-manieth frame, each by itself."""
        clipped = clip(detections, frame)
        for root in self._roots:
            if (self._steps - 1) % (root.branch.spec.every or 1):
                continue
            root.waiting.clear()
            rows = root.branch.rows(detections, clipped)
            if len(rows):
                good = self._goodness(root, frame, detections, clipped, rows)
                pairs = zip(rows.tolist(), good.tolist(), strict=True)
                self._ask(root, [candidate_of(detections, frame, row, g, row) for row, g in pairs])
        found: dict[int, list[Finding]] = {}
        for look in self._answered():
            root = self._under_way.pop(look)
            self._count(look)
            for candidate in look.candidates:
                root.waiting.arrived(candidate)
                row = candidate.track if candidate.frame is frame else row_of(candidate, detections)
                if row is None:
                    self._counts.dropped += 1
                else:
                    found.setdefault(row, []).extend(look.findings)
        return {row: tuple(findings) for row, findings in sorted(found.items()) if findings}
