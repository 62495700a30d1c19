"""How objects are followed from frame to frame.

Settings only; who follows is `argus.vision.tracking`.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from argus.core.durations import Duration
from argus.core.resources.model import ModelSpec
from argus.core.resources.spec import Spec

_Share = Annotated[float, Field(gt=0, le=1)]


class TrackSpec(Spec):
    """Settings of a tracker; the defaults were measured (docs/decisions/0005-our-own-tracker.md)."""

    algorithm: str = "bytetrack"
    """Which tracker: a built-in name or one of the entry-point group `argus.trackers`."""
    high_confidence: _Share = 0.4
    """Detections from here on are matched first, and with every track. Higher keeps weak detections from
    stealing a track; lower lets a weak detector find lost objects again."""
    low_confidence: _Share = 0.1
    """Detections below are not looked at. Between here and `high_confidence` they only carry on a track that
    found nothing better. Lower follows objects further into an occlusion; higher ignores more clutter."""
    new_confidence: _Share = 0.5
    """Confidence at which an unmatched detection begins a track; never below `high_confidence`. Higher gives
    fewer false tracks; lower follows objects of which the detector is never sure."""
    match_iou: _Share = 0.1
    """Overlap (intersection over union) that a confirmed track needs with a detection. Higher mixes up fewer
    neighbours; lower follows fast objects and low frame rates."""
    weak_match_iou: _Share = 0.5
    """The same for a detection of low confidence, which is doubtful itself. Higher makes weak detections
    matter less."""
    new_match_iou: _Share = 0.3
    """The same for a track that is not confirmed yet, whose motion is not known. Higher confirms fewer false
    tracks; lower confirms fast objects."""
    confirm_hits: Annotated[int, Field(ge=1, le=100)] = 2
    """Frames in a row in which an object must be seen before its track counts; those of the first frame count
    at once. Higher gives fewer false tracks; 1 believes every detection."""
    lost_after: Annotated[Duration, Field(gt=0)] = 2.0
    """Time without a detection after which a track is given up. Longer keeps the id through longer
    occlusions; shorter mixes up fewer objects that come to the same place. It must be longer than the time
    between two frames, or nothing is followed: raise it for sources that give a picture every few seconds.
    Where `fps` asks for few frames, it is three of them at least."""
    class_agnostic: bool = False
    """Whether a track may go on with a detection of another class, for detectors that waver between two."""
    appearance: bool = False
    """Whether embeddings of the detections, where they carry some, help to match (re-identification)."""
    appearance_model: str | ModelSpec | None = None
    """The re-identification network that looks at the crop of every detection: a file or a name.
    Naming one sets `appearance`; it costs one inference per object and frame."""
    appearance_similarity: _Share = 0.75
    """Cosine from which two embeddings show the same object. Higher trusts fewer looks; lower bridges changes
    of light and pose, and takes people in the same clothes for one."""
    camera_motion: bool = False
    """Whether tracks are moved with the picture, for cameras that pan or shake. Costs a few ms per frame."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low_confidence > self.high_confidence:
            raise ValueError(
                f"low_confidence {self.low_confidence} is above high_confidence {self.high_confidence}: "
                "lower the one or raise the other"
            )
        return self
