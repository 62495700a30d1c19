"""The `Pipeline` resource: what is done with the frames of a camera, as one spec for every door."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from argus.core.durations import Duration, parse_duration_s
from argus.core.errors import did_you_mean
from argus.core.resources.model import ModelSpec, Side
from argus.core.resources.regions import CrowdSpec, FinitePoint, LineSpec, Severity, ZoneSpec
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
    "camera.covered",
    "camera.moved",
    "pipeline.degraded",
    "pipeline.restored",
    "model.swapped",
    "model.failed",
]

EventTypes = Annotated[
    tuple[EventType, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)
]


class ShadowSpec(Spec):
    """A candidate that looks at a share of the live frames beside the model, to be compared with it."""

    model: str | ModelSpec
    """The candidate: a name, a path or a model written out here."""
    share: float = Field(default=0.05, gt=0, le=1)
    """Part of the frames that it sees. Higher knows sooner; lower leaves more of the machine to the model."""


class GateSpec(Spec):
    """When a frame is looked at although nothing moves, and what counts as moving."""

    sensitivity: float = Field(default=0.5, ge=0, le=1)
    """Higher sees smaller and fainter movement; lower bears noise, rain and leaves."""
    ignore: tuple[tuple[FinitePoint, ...], ...] = ()
    """Polygons in relative coordinates in which nothing counts as movement: a road, a tree, a clock."""
    hold: Duration = 2.0
    """Seconds that the gate stays open after the last movement."""
    look_at_objects_every: Duration = Field(default=0.5, gt=0)
    """Seconds between two looks while objects are followed that do not move. It must be shorter than the
    tracker's `lost_after`, or who stands still is lost."""
    look_every: Duration = Field(default=10.0, gt=0)
    """Seconds between two looks at a still and empty scene. Lower finds sooner what the gate overlooked."""


class DegradeSpec(Spec):
    """One step down a ladder: what is given up when the worker cannot keep what it promised."""

    fps: float | None = Field(default=None, gt=0, le=240)
    """Frames per second at most."""
    input_size: tuple[Side, Side] | None = None
    """Width and height that the model sees; for a network that accepts any size."""
    model: str | ModelSpec | None = None
    """A lighter model."""
    motion_only: bool = False
    """No model: only what moves is told, by `builtin:motion`."""

    @model_validator(mode="after")
    def _one_thing(self) -> DegradeSpec:
        given = [self.fps, self.input_size, self.model, self.motion_only or None]
        if sum(value is not None for value in given) != 1:
            raise ValueError("a step gives up one thing: `fps`, `input_size`, `model` or `motion_only`")
        return self


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
    shadow: ShadowSpec | None = None
    """A candidate that is tried beside the model on live frames; None: none."""


class BranchSpec(Spec):
    """A model run on the crop of a detection that matched, with branches of its own."""

    model: str | ModelSpec
    """Name of a `Model`, a path, or a model written out here: a classifier, a detector or an embedder."""
    name: str | None = Field(default=None, min_length=1, max_length=63, pattern=r"^[^/]+$")
    """What its findings are called; None: the model's name. A branch of a branch is called `plate/text`."""
    classes: Names | None = None
    """Detections of these classes are looked at; None: all. Below a classifier: the classes it must name."""
    min_confidence: float = Field(default=0.0, ge=0, le=1)
    """Detections below this score are not looked at."""
    min_size: int = Field(default=4, ge=1, le=8192)
    """Detections whose shorter side has fewer pixels are not looked at. Higher spares work on what cannot be
    made out; lower sees objects that are further away."""
    crop: bool = True
    """Look at the detection's crop; False: at the whole frame, once for all its detections."""
    margin: float = Field(default=0.0, ge=0, le=2)
    """Part of the box's width and height that is added to the crop on each side. Higher shows what is around
    the object; 0 is what networks are trained on, most of them."""
    every: int | None = Field(default=None, ge=1)
    """Look at an object again in every so many frames; None: once per track, at its best crop, and again
    where a much better one comes. Without tracks every so many frames are looked at, or all. In a branch of
    a branch: at every so many looks of the one above."""
    branches: tuple[BranchSpec, ...] = ()
    """Models run on what this one saw: on the crops of what a detector found, or on the same crop where a
    classifier named one of their classes."""

    @property
    def title(self) -> str:
        """What its findings are called: its name, or that of its model."""
        if self.name is not None:
            return self.name
        path = self.model if isinstance(self.model, str) else self.model.path
        last = path.removeprefix("builtin:").replace("\\", "/").rstrip("/").rpartition("/")[2]
        stem, _, suffix = last.rpartition(".")
        return stem if stem and suffix.isalpha() else last


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


class PlacementSpec(Spec):
    """With whom a pipeline shares a worker, under the control plane."""

    pack: int = Field(default=16, ge=1, le=1024)
    """Cameras with a model in common that share one worker, at most. Higher saves memory and fills batches;
    lower loses fewer cameras for a moment where a worker dies. 1: a worker of its own."""


class PipelineSpec(Spec):
    """Source → (motion gate) → detect → track → zones, lines, crowds → branches → actions."""

    camera: str | None = None
    """Name of a `Camera`; None where the source is given otherwise, as for `argus run`."""
    fps: float | None = Field(default=None, gt=0, le=240)
    """Frames per second at most; other pipelines of the camera may take more. None: as the camera says."""
    crop: tuple[float, float, float, float] | None = None
    """Left, top, right, bottom of the part to look at, 0..1 of the picture; boxes, zones and lines are then
    those of that part. None: all of it."""
    max_age: Duration = Field(default=1.0, gt=0)
    """Seconds after which a live frame is too old to be looked at. Higher loses fewer frames under load;
    lower keeps events nearer to what happens."""
    motion_gate: GateSpec | None = None
    """Look only at frames in which something moves; `true` is the gate with its defaults."""
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
    degrade: tuple[DegradeSpec, ...] = ()
    """What is given up, step by step, while frames come to be too old; taken back in the same way."""

    placement: PlacementSpec = PlacementSpec()
    """With whom it shares a worker."""

    @field_validator("motion_gate", mode="before")
    @classmethod
    def _gate_switch(cls, value: Any) -> Any:
        if value is True:
            return {}
        return None if value is False or value in ("off", "none") else value

    @field_validator("crop")
    @classmethod
    def _some_of_it(
        cls, value: tuple[float, float, float, float] | None
    ) -> tuple[float, float, float, float] | None:
        if value is not None:
            left, top, right, bottom = value
            if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
                raise ValueError(
                    "a crop is [left, top, right, bottom]: 0 <= left < right <= 1 and 0 <= top < bottom <= 1"
                )
        return value

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
