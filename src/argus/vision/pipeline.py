"""What is done with the detections of each frame: filter, track, branches, zones, lines, crowds, alerts.

Steps in order over values; nothing is decoded, inferred, drawn or written here. What feeds a
pipeline with frames is `argus.vision.runner`; the rules themselves are in `argus.vision.rules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import structlog

from argus.core.detections import Detections
from argus.core.errors import did_you_mean
from argus.core.frame import Frame
from argus.core.resources.pipeline import DetectSpec, PipelineSpec
from argus.vision.branches.finding import Finding
from argus.vision.branches.runner import Branches
from argus.vision.results import Event, FrameResult
from argus.vision.rules import Rules
from argus.vision.tracking import Tracker, load_tracker
from argus.vision.vocabulary import Vocabulary

LOST_MARGIN_S = 0.1
"""Objects are given up this long after the tracker has, so that who it finds again never left."""


class Pipeline:
    """The steps of one camera's pipeline, and all that they remember from frame to frame.

    Not safe from several threads at once. Frames must come in order.
    """

    def __init__(
        self,
        spec: PipelineSpec,
        camera: str = "camera",
        *,
        stream: str = "",
        branches: Branches | None = None,
    ) -> None:
        """Begin without memory.

        Args:
            spec: What to do. `detect` is looked at for its filter only; the model is the caller's.
            camera: Stands in every event.
            stream: Tells runs of a live stream apart, so that no two facts share an id: the time of
                connection, say. Empty for files, whose events have the same ids at every run.
            branches: Further models that look at what was detected, as `spec.branches` says; they stay
                open. None: none do.

        Raises:
            UnknownName: no such tracker.
        """
        self.spec = spec
        self.camera = camera
        self._vocabulary = Vocabulary()
        self._tracker: Tracker | None = None if spec.track is None else load_tracker(spec.track)
        self._branches = branches
        self._stream = stream
        self._labels_known = False
        self._rules = self._new_rules()

    @property
    def rules(self) -> Rules:
        """Its rules, to be looked at by the thread that processes."""
        return self._rules

    @property
    def followed(self) -> int:
        """How many objects are being followed, those included that are out of sight and not given up."""
        return 0 if self._tracker is None else len(self._tracker.tracks)

    def process(self, frame: Frame, detections: Detections, *, model: str = "") -> FrameResult:
        """Return what the steps make of one frame.

        Whoever keeps pictures of events cuts them out of this frame for each event in the result whose
        `snapshot_frame` is the frame's index.

        Args:
            frame: The next frame of the source.
            detections: All that the detector gave for it.
            model: Who looked, for the result.

        Raises:
            SpecError: a region given in pixels does not lie in this picture.
        """
        if not self._labels_known:
            self._labels_known = True
            self._warn_of_unknown(detections.labels)
        detections = self._vocabulary.translate(detections)
        if self.spec.detect is not None:
            detections = filtered(detections, self.spec.detect)
        if self._tracker is not None:
            detections = self._tracker.update(detections, frame.time_s, frame)
        elif detections.track_id is not None:
            detections = replace(detections, track_id=None)
        findings = {} if self._branches is None else self._look(self._branches, frame, detections)
        events, alerts, counts = self._rules.step(frame, detections)
        if self._branches is not None and (events or alerts):
            events = self._with_findings(events)
            alerts = tuple(replace(alert, event=self._with_finding(alert.event)) for alert in alerts)
        return FrameResult(frame, detections, events, alerts, counts, model=model, findings=findings)

    def finish(self) -> tuple[Event, ...]:
        """Return the last state of every event that is still open; call it when the source has ended.

        Each has `phase` end and no `end_s`: the stream ended, nobody left. A second call returns nothing.
        """
        if self._branches is not None:
            self._branches.finish()
        return self._with_findings(self._rules.finish())

    def break_off(self, why: str) -> tuple[Event, ...]:
        """End every open event with the last frame, for no other may come; return their last state.

        Whoever is seen after that, if anybody is, appears anew.

        Args:
            why: What each of them says of it.
        """
        ended = self._with_findings(self._rules.finish(why))
        self._rules = self._new_rules(after=self._rules)
        return ended

    def _new_rules(self, *, after: Rules | None = None) -> Rules:
        track = self.spec.track
        lost_after_s = 0.0 if track is None else track.lost_after + LOST_MARGIN_S
        return Rules(self.spec, self.camera, stream=self._stream, lost_after_s=lost_after_s, after=after)

    def _warn_of_unknown(self, labels: tuple[str, ...]) -> None:
        """Say which classes rules name that the model does not know; another model may come to know them."""
        spec = self.spec
        named = {
            **{f"zone {name}": zone.classes for name, zone in spec.zones.items()},
            **{f"line {name}": line.classes for name, line in spec.lines.items()},
            **{f"crowd {name}": crowd.classes for name, crowd in spec.crowds.items()},
            **{f"alert {number}": alert.classes for number, alert in enumerate(spec.alerts, 1)},
        }
        for rule, classes in named.items():
            for name in classes or ():
                if labels and name not in labels:
                    structlog.get_logger().warning(
                        "rule.no_such_class",
                        camera=self.camera,
                        rule=rule,
                        consequence=f"the model knows no class {name!r}{did_you_mean(name, labels)}",
                    )

    def _look(
        self, branches: Branches, frame: Frame, detections: Detections
    ) -> Mapping[int, tuple[Finding, ...]]:
        if self.spec.track is None:
            return branches.step(frame, detections)
        return branches.step(frame, detections, lost_after_s=self.spec.track.lost_after)

    def _with_findings(self, events: tuple[Event, ...]) -> tuple[Event, ...]:
        return tuple(self._with_finding(event) for event in events)

    def _with_finding(self, event: Event) -> Event:
        """Return the event with what is known of its object by now."""
        if self._branches is None or event.object_id is None:
            return event
        findings = self._branches.known(event.object_id)
        return replace(event, findings=findings) if findings else event


def filtered(detections: Detections, spec: DetectSpec) -> Detections:
    """Return the detections of the classes and the confidence that `spec` asks for."""
    if spec.classes is None and spec.confidence is None:
        return detections
    keep = np.ones(len(detections), np.bool_)
    if spec.classes is not None:
        wanted = np.array([label in spec.classes for label in detections.labels], np.bool_)
        keep &= wanted[detections.class_id]
    if spec.confidence is not None:
        keep &= detections.confidence >= spec.confidence
    return detections if keep.all() else detections.take(keep)
