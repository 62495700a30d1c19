"""A node that turns objects into events: who entered a zone, stayed and left, crossed a line, made a crowd.

What the rules mean is `argus.vision.rules` and `docs/reference/pipeline.md`; one set of them per source.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, model_validator

from argus.core.detections import Detections
from argus.core.durations import Duration
from argus.core.errors import ArgusError
from argus.core.frame import Channels, Frame, Image
from argus.core.resources.pipeline import AlertSpec, PipelineSpec
from argus.core.resources.regions import CrowdSpec, LineSpec, ZoneSpec
from argus.core.resources.spec import Spec
from argus.core.resources.track import TrackSpec
from argus.flow.channels.protocol import ChannelClosed
from argus.flow.node import ConsumerNode
from argus.flow.nodes.frame_detections import size_of

if TYPE_CHECKING:
    from argus.vision.results import Event
    from argus.vision.rules import Rules
    from argus.vision.tracking.protocol import Tracker
    from argus.vision.vocabulary import Vocabulary

_LOST_MARGIN_S = 0.1
"""Objects are given up this long after the tracker has, so that who it finds again never left."""


class Zones(ConsumerNode):
    """Takes `Detections` and sends the events of each frame that has some, as a list of dicts.

    An event that is also an alert says so under `alert`. By `counts` it sends how many objects are in each
    region, for every frame. Detections without track ids are tracked here. Events that go on when the node
    ends, or is told other params, are sent once more: `phase` is `end`, and `end` None, for nobody left.
    """

    outputs: ClassVar[tuple[str, ...]] = ("out", "counts")

    class Params(Spec):
        """Fields as in a pipeline file. Changing them while it runs begins with nobody in view."""

        zones: dict[str, ZoneSpec] = Field(default_factory=dict)
        lines: dict[str, LineSpec] = Field(default_factory=dict)
        crowds: dict[str, CrowdSpec] = Field(default_factory=dict)
        alerts: tuple[AlertSpec, ...] = ()
        cooldown: Duration = 60.0
        """Seconds in which the same alert is raised once."""
        track: TrackSpec = TrackSpec()
        """How objects are followed that come without ids; also tells after how long one has left."""
        camera: str | None = None
        """Stands in every event; None: the source."""
        width: int | None = Field(default=None, ge=1)
        """Columns of the picture, for detections that do not say; None: they do."""
        height: int | None = Field(default=None, ge=1)
        """Rows, likewise."""

        @model_validator(mode="after")
        def _sound(self) -> Zones.Params:
            self.spec()
            return self

        def spec(self) -> PipelineSpec:
            """Return the rules as a pipeline has them."""
            return PipelineSpec(
                zones=self.zones,
                lines=self.lines,
                crowds=self.crowds,
                alerts=self.alerts,
                cooldown=self.cooldown,
                track=self.track,
            )

    params: Params

    def setup(self) -> None:
        """Begin with nobody in view."""
        self._sources: dict[str, _Watched] = {}
        self._began = datetime.now(UTC).isoformat(timespec="milliseconds")

    def loop(self, data: Detections) -> list[dict[str, Any]] | None:
        """Return the events of a frame, None where nothing happened."""
        if not isinstance(data, Detections):
            raise ArgusError(f"{self.name} got a {type(data).__name__}, and looks at Detections")
        assert self.message is not None
        header = self.message.header
        size = size_of(data) or (self.params.width or 0, self.params.height or 0)
        if not all(size):
            raise ArgusError(
                f"{self.name}: these detections do not say how large their picture was: give the node "
                "width=… and height=…, or take argus.flow.nodes.detector"
            )
        origin = header.origin
        at = datetime.now(UTC) - timedelta(seconds=max(0.0, header.age_s()))
        frame = Frame(_Size(*size), origin.source, origin.index, origin.time_s, at)
        watched = self._of(origin.source)
        objects = watched.vocabulary.translate(data)
        if objects.track_id is None:
            objects = watched.tracker.update(objects, origin.time_s)
        events, alerts, counts = watched.rules.step(frame, objects)
        self.send(counts, "counts")
        raised = {id(alert.event): alert for alert in alerts}
        told = []
        for event in events:
            one = _told(event)
            alert = raised.get(id(event))
            if alert is not None:
                one["alert"] = {
                    "severity": alert.severity, "rule": alert.rule, "suppressed": alert.suppressed
                }  # fmt: skip
            told.append(one)
        return told or None

    def on_params(self, changed: frozenset[str]) -> None:
        """Begin anew, with nobody in view."""
        self._finish()

    def teardown(self) -> None:
        """Tell the last of what goes on."""
        self._finish()

    def _finish(self) -> None:
        sources, self._sources = self._sources, {}
        for source, watched in sources.items():
            still_open = watched.rules.finish()
            try:
                if still_open:
                    self.send([_told(event) for event in still_open])
            except ChannelClosed:
                self.log.warning("zones.ends_not_sent", source=source, events=len(still_open))

    def _of(self, source: str) -> _Watched:
        if source not in self._sources:
            from argus.vision.rules import Rules
            from argus.vision.tracking import load_tracker
            from argus.vision.vocabulary import Vocabulary

            track = self.params.track
            rules = Rules(
                self.params.spec(),
                self.params.camera or source,
                stream=f"{source} {self._began}",
                lost_after_s=track.lost_after + _LOST_MARGIN_S,
            )
            self._sources[source] = _Watched(rules, load_tracker(track), Vocabulary())
        return self._sources[source]


def _told(event: Event) -> dict[str, Any]:
    return event.to_json() | {"phase": event.phase}


@dataclass(frozen=True, slots=True)
class _Watched:
    rules: Rules
    tracker: Tracker
    vocabulary: Vocabulary


@dataclass(frozen=True, slots=True)
class _Size:
    """A picture of which only the size is known."""

    width: int
    height: int

    def bgr(self) -> Image:
        raise ArgusError("only detections came here, no picture")

    def resized(self, width: int, height: int, channels: Channels = "rgb") -> Image:
        raise ArgusError("only detections came here, no picture")
