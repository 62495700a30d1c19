"""What is done with the detections of each frame: filter, track, zones, lines, crowds, alerts.

Steps in order over values; nothing is decoded, inferred, drawn or written here. What feeds a
pipeline with frames is `argus.vision.runner`; the rules themselves are in `argus.vision.rules`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from argus.core.detections import Detections
from argus.core.frame import Frame
from argus.core.resources.pipeline import DetectSpec, PipelineSpec
from argus.vision.results import Event, FrameResult
from argus.vision.rules import Rules
from argus.vision.tracking import Tracker, load_tracker

LOST_MARGIN_S = 0.1
"""Objects are given up this long after the tracker has, so that who it finds again never left."""


class Pipeline:
    """The steps of one camera's pipeline, and all that they remember from frame to frame.

    Not safe from several threads at once. Frames must come in order.
    """

    def __init__(self, spec: PipelineSpec, camera: str = "camera", *, stream: str = "") -> None:
        """Begin without memory.

        Args:
            spec: What to do. `detect` is looked at for its filter only; the model is the caller's.
            camera: Stands in every event.
            stream: Tells runs of a live stream apart, so that no two facts share an id: the time of
                connection, say. Empty for files, whose events have the same ids at every run.

        Raises:
            UnknownName: no such tracker.
        """
        self.spec = spec
        self.camera = camera
        self._tracker: Tracker | None = None if spec.track is None else load_tracker(spec.track)
        lost_after_s = 0.0 if spec.track is None else spec.track.lost_after + LOST_MARGIN_S
        self._rules = Rules(spec, camera, stream=stream, lost_after_s=lost_after_s)

    def process(self, frame: Frame, detections: Detections) -> FrameResult:
        """Return what the steps make of one frame.

        Whoever keeps pictures of events cuts them out of this frame for each event in the result whose
        `snapshot_frame` is the frame's index.

        Args:
            frame: The next frame of the source.
            detections: All that the detector gave for it.

        Raises:
            SpecError: a region given in pixels does not lie in this picture.
        """
        if self.spec.detect is not None:
            detections = filtered(detections, self.spec.detect)
        if self._tracker is not None:
            detections = self._tracker.update(detections, frame.time_s, frame)
        elif detections.track_id is not None:
            detections = replace(detections, track_id=None)
        events, alerts, counts = self._rules.step(frame, detections)
        return FrameResult(frame, detections, events, alerts, counts)

    def finish(self) -> tuple[Event, ...]:
        """Return the last state of every event that is still open; call it when the source has ended.

        Each has `phase` end and no `end_s`: the stream ended, nobody left. A second call returns nothing.
        """
        return self._rules.finish()


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
