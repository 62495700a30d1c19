"""A candidate model beside the live one: what both see in the same frames, summed up.

Called by whoever runs the two; no model is known here. How objects are matched is `agreement_matching`, how
disagreements are drawn `agreement_pictures`, what is told of it all `agreement_report`.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from argus.core.detections import Detections
from argus.core.frame import Frame
from argus.core.metrics import Histogram
from argus.vision.engine.agreement_matching import Comparison, compare
from argus.vision.engine.agreement_pictures import draw_comparison
from argus.vision.engine.agreement_report import (
    AgreementReport,
    ClassAgreement,
    Confusion,
    Disagreement,
    Latency,
    write_agreement,
)
from argus.vision.sinks.pictures import encode_picture


@dataclass(slots=True)
class _Tally:
    """What was seen of one class."""

    matched: int = 0
    only_live: int = 0
    only_candidate: int = 0
    overlap: float = 0.0
    gain: float = 0.0
    """Confidence of the candidate minus that of the live model, summed over matches."""
    difference: float = 0.0
    """The same without its sign."""


@dataclass(slots=True)
class _Known:
    """Labels that the two models know."""

    live: set[str] = field(default_factory=set)
    candidate: set[str] = field(default_factory=set)


class Agreement:
    """Compares frame by frame and remembers the sums and the worst disagreements.

    Safe to use from several threads; memory does not grow with the number of frames.
    """

    def __init__(
        self,
        *,
        iou: float = 0.5,
        keep: int = 20,
        apart_s: float = 2.0,
        names: tuple[str, str] = ("live model", "candidate"),
    ) -> None:
        """Begin without frames.

        Args:
            iou: The least overlap (intersection over union) at which two boxes are one object. Higher asks
                for tighter agreement; lower bears boxes that are drawn otherwise.
            keep: How many of the worst disagreements are kept as pictures. Each takes about 100 kB.
            apart_s: Of frames of one video that are nearer than this only the worst is kept, or one parked
                car would fill the list; pictures of a folder stand alone.
            names: The live model and the candidate, as people call them.

        Raises:
            ValueError: `iou` is not within 0..1, or 0; `keep` is negative.
        """
        if not 0.0 < iou <= 1.0:
            raise ValueError(f"iou {iou}: it must be above 0 and at most 1")
        if keep < 0:
            raise ValueError(f"keep {keep}: it must not be negative")
        self._iou, self._keep, self._apart_s, self._names = iou, keep, apart_s, names
        self._lock = threading.Lock()
        self._frames = 0
        self._equal_frames = 0
        self._classes: dict[str, _Tally] = {}
        self._confused: Counter[tuple[str, str]] = Counter()
        self._known = _Known()
        self._labels: tuple[tuple[str, ...], tuple[str, ...]] | None = None
        self._worst: list[Disagreement] = []
        self._live_s, self._candidate_s = Histogram(), Histogram()

    @property
    def pictures(self) -> tuple[Disagreement, ...]:
        """The worst disagreements with their pictures, the worst first."""
        with self._lock:
            return tuple(self._worst)

    def compare(
        self, frame: Frame, live: Detections, candidate: Detections, live_s: float, candidate_s: float
    ) -> float:
        """Take note of what the two models saw in one frame.

        The picture is looked at only where the frame is among the worst; that takes 5 to 30 ms.

        Args:
            frame: The frame that both looked at.
            live: What the live model saw.
            candidate: What the candidate saw; labels are compared by name.
            live_s: Seconds that the live model took.
            candidate_s: Seconds that the candidate took.

        Returns:
            The agreement of this frame: F1 of the objects that both saw, 1 where neither saw anything.
        """
        found = compare(live, candidate, self._iou)
        self._live_s.observe(live_s)
        self._candidate_s.observe(candidate_s)
        weight = found.weight
        with self._lock:
            self._count(found)
            worth_it = self._replaced_by(frame, weight) is not None
        if worth_it:
            # Outside of the lock: drawing takes a hundred times as long as counting.
            shown = self._draw(frame, found, weight)
            with self._lock:
                self._remember(frame, shown)
        return found.agreement

    def report(self) -> AgreementReport:
        """Return what is known so far, as a value."""
        with self._lock:
            classes = [self._class(name, tally) for name, tally in self._classes.items()]
            return AgreementReport(
                live=self._names[0],
                candidate=self._names[1],
                iou=self._iou,
                frames=self._frames,
                equal_frames=self._equal_frames,
                matched=sum(row.matched for row in classes),
                only_live=sum(row.only_live for row in classes),
                only_candidate=sum(row.only_candidate for row in classes),
                confidence_gain=_mean(sum(t.gain for t in self._classes.values()), classes),
                confidence_difference=_mean(sum(t.difference for t in self._classes.values()), classes),
                overlap=_mean(sum(t.overlap for t in self._classes.values()), classes),
                classes=tuple(sorted(classes, key=lambda row: (-row.seen, row.name))),
                confused=tuple(Confusion(*pair, count) for pair, count in self._confused.most_common(20)),
                live_latency=Latency.of(self._live_s.snapshot()),
                candidate_latency=Latency.of(self._candidate_s.snapshot()),
                worst=tuple(self._worst),
            )

    def save(self, folder: Path) -> None:
        """Write `report.json`, `report.html`, which needs no other file, and `disagreement-NN.jpg`.

        Raises:
            OutputError: a file cannot be written there.
        """
        write_agreement(folder, self.report())

    def _count(self, found: Comparison) -> None:
        self._frames += 1
        self._equal_frames += not len(found.only_live) and not len(found.only_candidate)
        labels = (found.live.labels, found.candidate.labels)
        if labels != self._labels:
            self._labels = labels
            self._known.live.update(labels[0])
            self._known.candidate.update(labels[1])
        live, candidate = found.live.class_name, found.candidate.class_name
        gains = found.candidate.confidence[found.matched[1]] - found.live.confidence[found.matched[0]]
        for i, gain, overlap in zip(
            found.matched[0].tolist(), gains.tolist(), found.overlap.tolist(), strict=True
        ):
            tally = self._tally(live[i])
            tally.matched += 1
            tally.gain += gain
            tally.difference += abs(gain)
            tally.overlap += overlap
        for i in found.only_live.tolist():
            self._tally(live[i]).only_live += 1
        for i in found.only_candidate.tolist():
            self._tally(candidate[i]).only_candidate += 1
        self._confused.update((live[i], candidate[j]) for i, j in found.confused.T.tolist())

    def _tally(self, name: str) -> _Tally:
        return self._classes.setdefault(name, _Tally())

    def _class(self, name: str, tally: _Tally) -> ClassAgreement:
        matches = tally.matched or 1
        return ClassAgreement(
            name,
            tally.matched,
            tally.only_live,
            tally.only_candidate,
            tally.gain / matches,
            tally.difference / matches,
            tally.overlap / matches,
            name in self._known.live,
            name in self._known.candidate,
        )

    def _replaced_by(self, frame: Frame, weight: float) -> list[Disagreement] | None:
        """Return which pictures would go if this frame came among the worst; None where it does not."""
        if weight <= 0.0 or not self._keep:
            return None
        near = [d for d in self._worst if frame.file is None and self._same_moment(d, frame)]
        if near:
            return near if weight > max(d.weight for d in near) else None
        if len(self._worst) < self._keep:
            return []
        return self._worst[-1:] if weight > self._worst[-1].weight else None

    def _same_moment(self, shown: Disagreement, frame: Frame) -> bool:
        return shown.source == frame.source and abs(shown.time_s - frame.time_s) < self._apart_s

    def _remember(self, frame: Frame, shown: Disagreement) -> None:
        gone = self._replaced_by(frame, shown.weight)
        if gone is None:  # another thread had a worse one meanwhile
            return
        kept = [d for d in self._worst if not any(d is g for g in gone)]
        self._worst = sorted([*kept, shown], key=lambda d: -d.weight)

    def _draw(self, frame: Frame, found: Comparison, weight: float) -> Disagreement:
        sheet = draw_comparison(frame, found, self._names)
        return Disagreement(
            source=frame.source,
            index=frame.index,
            time_s=frame.time_s,
            captured_at=frame.captured_at,
            file=frame.file,
            agreement=found.agreement,
            weight=weight,
            only_live=_said(found.live, found.only_live.tolist()),
            only_candidate=_said(found.candidate, found.only_candidate.tolist()),
            jpeg=encode_picture(sheet, quality=82),
        )


def _said(detections: Detections, index: list[int]) -> tuple[tuple[str, float], ...]:
    """Return names and confidences of the objects at `index`, the surest first."""
    names, scores = detections.class_name, detections.confidence.tolist()
    return tuple(sorted(((names[i], scores[i]) for i in index), key=lambda said: -said[1]))


def _mean(total: float, classes: list[ClassAgreement]) -> float:
    return total / (sum(row.matched for row in classes) or 1)
