"""A recording as a job reads it: until somebody says stop, with times that are the recording's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from argus.core.detections import Detections
from argus.core.errors import SpecError
from argus.core.frame import Frame
from argus.core.resources.pipeline import PipelineSpec
from argus.core.resources.track import TrackSpec
from argus.vision.engine.assembly import followed_at, lower
from argus.vision.models.protocols import AsyncDetector, Detector, Pending
from argus.vision.runner.outputs import STILL
from argus.vision.sources.around import Around
from argus.vision.sources.protocol import Source, SourceInfo


class Reread(Around):
    """Another source's frames, dated from when it was recorded, not from when it is read."""

    def __init__(self, source: Source, began: datetime | None, stopped: Callable[[], bool]) -> None:
        """Take a source over.

        Args:
            source: An opened recording.
            began: When its first frame was taken; None: its frames know.
            stopped: Asked before each frame; True ends the reading.
        """
        super().__init__(source)
        self._began = began
        self._stopped = stopped

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames in order."""
        began = self._began
        for frame in super().__iter__():
            if self._stopped():
                return
            if began is None:
                yield frame
            else:
                at = began + timedelta(milliseconds=round(1000 * frame.time_s))
                yield Frame(frame.picture, frame.source, frame.index, frame.time_s, at, frame.file)


class Lent:
    """A detector that is used for one recording after another: who closes it closes nothing."""

    def __init__(self, detector: Detector) -> None:
        """Lend a detector; it stays the caller's."""
        self.name, self.labels = detector.name, detector.labels
        self.batch = max(1, int(getattr(detector, "batch", 1)))
        self.description = cast("str", getattr(detector, "description", ""))
        self._detector = detector

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Return one `Detections` per frame, in the order given."""
        return self._detector.detect(frames)

    def close(self) -> None:
        """Leave it open."""


class LentAsync(Lent):
    """The same of one that works while the caller goes on."""

    def __init__(self, detector: AsyncDetector) -> None:
        """Lend a detector; it stays the caller's."""
        super().__init__(detector)
        self.depth = detector.depth
        self._async = detector

    def submit(self, frames: Sequence[Frame]) -> Pending[list[Detections]]:
        """Start looking at the frames, and return at once."""
        return self._async.submit(frames)


def lent(detector: Detector) -> Detector:
    """Return a detector that its user cannot close."""
    return LentAsync(detector) if isinstance(detector, AsyncDetector) else Lent(detector)


def fitted(spec: PipelineSpec, info: SourceInfo) -> PipelineSpec:
    """Return a pipeline as it can run on a recording: pictures that stand by themselves are not tracked.

    Raises:
        SpecError: its zones or lines follow objects over time, and there is none.
    """
    if info.kind in STILL:
        if spec.zones or spec.lines:
            raise SpecError(
                f"{info.name}: zones and lines follow objects over time, and pictures stand each by itself: "
                "take a pipeline without them"
            )
        return without_shadow(spec).model_copy(update={"track": None})
    if spec.track is None:
        return without_shadow(spec)
    wanted: TrackSpec = spec.track
    return without_shadow(spec).model_copy(update={"track": followed_at(wanted, lower(info.fps, spec.fps))})


def without_shadow(spec: PipelineSpec) -> PipelineSpec:
    """Return a pipeline without what is for cameras alone: a candidate on trial, giving up under load."""
    changes: dict[str, Any] = {"degrade": ()}
    if spec.detect is not None and spec.detect.shadow is not None:
        changes["detect"] = spec.detect.model_copy(update={"shadow": None})
    return spec.model_copy(update=changes)
