"""What of a pipeline's results is kept: events, pictures, clips, frames of detections. Pure decisions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from argus.core.resources.pipeline import ClipSpec, EventType, PipelineSpec
from argus.vision.results import Event

LONGEST_CLIP_S: Final = 60.0
"""Seconds; what goes on for longer is cut there."""

_SPARE_S: Final = 10.0
"""Kept beyond that: a clip begins at a key frame, and is cut a little later than it could be."""
_PLACES: Final = ("zone.entered", "zone.dwelled", "line.crossed", "crowd.formed")


@dataclass(frozen=True, slots=True)
class Keeping:
    """What one pipeline's spec asks for."""

    events: bool
    """False keeps alerts alone."""
    every_s: float | None
    """Seconds between two frames whose detections are kept; 0: all; None: none."""
    pictures_of: frozenset[EventType] | None
    """Types of events that get a picture; None: all that are kept."""
    clips_of: frozenset[EventType]
    """Types of events that get a clip, whoever is alerted."""
    clip: ClipSpec | None
    """How much of the stream a clip holds; None: nothing gets one."""

    @classmethod
    def of(cls, spec: PipelineSpec) -> Keeping:
        """Return what a spec asks for.

        Where an action names the events that get pictures (or clips), those get one, and alerts besides.
        Where none does, every event gets a picture. Clips come with `store.clips`: of alerts; in a pipeline
        that raises none, of whatever happens in a zone, at a line or in a crowd.
        """
        store = spec.store
        pictures = frozenset(type_ for action in spec.actions if action.snapshot for type_ in action.on)
        clips = frozenset(type_ for action in spec.actions if action.clip for type_ in action.on)
        clip = store.clips or (ClipSpec() if clips else None)
        if clip is not None and not clips and not _alerts(spec):
            clips = frozenset(_PLACES)
        every_s = None if store.detections == "none" else store.detections
        return cls(
            events=store.events == "all",
            every_s=0.0 if every_s == "all" else every_s,
            pictures_of=pictures or None,
            clips_of=clips,
            clip=clip,
        )

    @property
    def packets_s(self) -> float:
        """Seconds of the camera's packets that clips need at hand; 0: none."""
        return 0.0 if self.clip is None else LONGEST_CLIP_S + _SPARE_S

    def wants_picture(self, event: Event, *, alerted: bool) -> bool:
        """Return whether an event gets a picture; `alerted`: it has raised an alert."""
        if alerted:
            return True
        return self.events and (self.pictures_of is None or event.type in self.pictures_of)

    def wants_clip(self, event: Event, *, alerted: bool) -> bool:
        """Return whether an event gets a clip, likewise."""
        return self.clip is not None and (alerted or (self.events and event.type in self.clips_of))


def _alerts(spec: PipelineSpec) -> bool:
    regions = (*spec.zones.values(), *spec.lines.values(), *spec.crowds.values())
    return bool(spec.alerts) or any(region.severity for region in regions)
