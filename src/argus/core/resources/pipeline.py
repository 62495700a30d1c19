"""The `Pipeline` resource: what is done with the frames of a camera, as one spec for every door."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from argus.core.durations import Duration, parse_duration_s
from argus.core.errors import did_you_mean
from argus.core.resources.model import ModelSpec
from argus.core.resources.regions import CrowdSpec, LineSpec, Severity, ZoneSpec
from argus.core.resources.spec import Names, Spec
from argus.core.resources.track import TrackSpec

EventType = Literal[
    "object.appeared",
    "object.left",
    "zone.entered",
    "zone.exited",
    "zone.dwelled",
    "line.crossed",
    "crowd.formed",
    "crowd.dispersed",
    "camera.online",
    "camera.frozen",
    "camera.lost",
    "camera.blurred",
    "camera.dark",
]

EventTypes = Annotated[
    tuple[EventType, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)
]


class DetectSpec(Spec):
    """Which model looks at the frames; what is set here wins over the model's own settings."""

    model: str | ModelSpec
    """Name of a `Model`, a path or `builtin:NAME`, or a model written out here."""
    classes: Names | None = None
    """Keep only objects of these classes; None: as the model says."""
    confidence: float | None = Field(default=None, ge=0, le=1)
    """Objects below this score are left out. Higher gives fewer false objects; lower finds fainter ones."""
    iou: float | None = Field(default=None, ge=0, le=1)
    """Two boxes of one class that overlap more than this are one object; see the model's setting."""


class BranchSpec(Spec):
    """A model run on the crop of a detection that matched, with branches of its own."""

    model: str | ModelSpec
    """Name of a `Model`, a path, or a model written out here."""
    classes: Names | None = None
    """Detections of these classes are looked at; None: all."""
    min_confidence: float = Field(default=0.0, ge=0, le=1)
    """Detections below this score are not looked at."""
    crop: bool = True
    """Look at the detection's crop; False: at the whole frame."""
    branches: tuple[BranchSpec, ...] = ()
    """Models run on what this one saw."""


class ActionSpec(Spec):
    """What happens when an event of one of these types is raised."""

    on: EventTypes = Field(min_length=1)
    """Types of events."""
    webhook: str | None = None
    """Address that the event is posted to as JSON."""
    mqtt: dict[str, Any] | None = None
    """Where to publish it over MQTT."""
    redis_publish: dict[str, Any] | None = None
    """The Redis channel to publish it to: `{channel: NAME}`."""
    snapshot: bool = False
    """Keep the best picture."""
    clip: bool = False
    """Keep the video around it, as `store.clips` says."""


class AlertSpec(Spec):
    """Which events are worth a person's time, and how often at most."""

    on: EventTypes = Field(min_length=1)
    """Types of events."""
    classes: Names | None = None
    """Only objects of these classes; None: all."""
    regions: Names | None = None
    """Only in these zones, lines and crowds; None: everywhere."""
    severity: Severity = "medium"
    """`critical`, `high`, `medium` or `low`."""


class ClipSpec(Spec):
    """How much of the stream is kept around an event."""

    before: Duration = 3.0
    """Seconds before its start."""
    after: Duration = 5.0
    """Seconds after its end."""


class StoreSpec(Spec):
    """What is kept."""

    detections: Literal["all", "none"] | float = "none"
    """`all`, `none`, or one frame's detections every so many seconds (`every 1s`)."""
    events: Literal["all", "none"] = "all"
    """`all` or `none`."""
    clips: ClipSpec | None = None
    """How much video is kept around events; None: none."""

    @field_validator("detections", mode="before")
    @classmethod
    def _every(cls, value: Any) -> Any:
        if isinstance(value, str) and value.startswith("every "):
            return parse_duration_s(value.removeprefix("every "))
        if isinstance(value, str) and value not in {"all", "none"}:
            raise ValueError(f"{value!r} is unknown: write all, none, or how often, such as `every 1s`")
        return value


class PipelineSpec(Spec):
    """Source → (motion gate) → detect → track → zones, lines, crowds → branches → actions."""

    camera: str | None = None
    """Name of a `Camera`; None where the source is given otherwise, as for `argus run`."""
    motion_gate: bool = False
    """Look only at frames in which something moves."""
    detect: DetectSpec | None = None
    """None: whatever model the caller names."""
    track: TrackSpec | None = TrackSpec()
    """How objects are followed; a text is its `algorithm`. `off`: detections of one frame know nothing of
    the last."""
    zones: dict[str, ZoneSpec] = Field(default_factory=dict)
    """Areas by name."""
    lines: dict[str, LineSpec] = Field(default_factory=dict)
    """Lines by name."""
    crowds: dict[str, CrowdSpec] = Field(default_factory=dict)
    """Crowd rules by name."""
    alerts: tuple[AlertSpec, ...] = ()
    """Events that become alerts besides those of regions with a severity of their own."""
    cooldown: Duration = 60.0
    """Seconds in which the same alert (camera, rule, object) is raised once."""
    branches: tuple[BranchSpec, ...] = ()
    """Models run on what was detected."""
    actions: tuple[ActionSpec, ...] = ()
    """What happens on events."""
    store: StoreSpec = StoreSpec()
    """What is kept."""

    @field_validator("detect", mode="before")
    @classmethod
    def _model_alone(cls, value: Any) -> Any:
        return {"model": value} if isinstance(value, str) else value

    @field_validator("track", mode="before")
    @classmethod
    def _switch(cls, value: Any) -> Any:
        if value is True:
            return {}
        if value is False or (isinstance(value, str) and value in {"off", "none"}):
            return None
        return {"algorithm": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _rules_need_tracks(self) -> PipelineSpec:
        if self.track is None and (self.zones or self.lines):
            raise ValueError(
                "zones and lines follow objects from frame to frame: `track` cannot be off beside them"
            )
        names = [*self.zones, *self.lines, *self.crowds]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(f"two regions share one name: {', '.join(twice)}")
        for rule in self.alerts:
            for name in rule.regions or ():
                if name not in names:
                    raise ValueError(
                        f"alerts name a region {name!r} that is none of this pipeline's"
                        f"{did_you_mean(name, names)}"
                    )
        return self
