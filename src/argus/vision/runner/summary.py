"""What a run amounted to, for people and programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from argus.vision.results import Alert, Event, FrameResult
from argus.vision.sources.protocol import SourceInfo

if TYPE_CHECKING:  # its page is drawn with the parts of the report on a run, which knows summaries
    from argus.vision.engine.agreement_report import AgreementReport


@dataclass(slots=True)
class RunSummary:
    """The sums of a run; grows while it runs and is complete when the runner returns it."""

    source: SourceInfo
    model: str
    """Name, engine and precision of the model."""
    decoded: int = 0
    processed: int = 0
    dropped_stale: int = 0
    """Frames of a live source that a newer one replaced before the model was free."""
    dropped_full: int = 0
    """Frames for which a bounded queue had no room."""
    gated: int = 0
    """Frames that the motion gate held back."""
    left_out: int = 0
    """Results that files could not keep up with; never one with an event."""
    corrupt: int = 0
    skipped: int = 0
    """Frames left out to honour the target rate."""
    problems: list[str] = field(default_factory=list)
    wall_s: float = 0.0
    """From the first frame asked for to the last result written."""
    media_s: float = 0.0
    """Presentation time of the last frame."""
    stage_s: dict[str, float] = field(default_factory=dict)
    """Seconds spent per stage: decode, submit (preprocess), wait, rules, sinks."""
    detections: Counter[str] = field(default_factory=Counter)
    """Boxes per class over all frames."""
    tracks: dict[str, set[int]] = field(default_factory=dict)
    """Distinct track ids per class."""
    events: Counter[str] = field(default_factory=Counter)
    alerts: Counter[str] = field(default_factory=Counter)
    """Alerts per severity."""
    interrupted: bool = False
    outputs: list[str] = field(default_factory=list)
    """Files written."""
    agreement: AgreementReport | None = None
    """How far a candidate in the shadow of the model agreed with it; None without one."""
    _open: set[str] = field(default_factory=set)
    """Ids of events that have begun and not ended."""

    @property
    def fps(self) -> float:
        """Processed frames per second of wall time."""
        return self.processed / self.wall_s if self.wall_s > 0 else 0.0

    def count(self, result: FrameResult) -> None:
        """Add one frame's result."""
        self.processed += 1
        self.media_s = result.frame.time_s
        detections = result.detections
        if len(detections):
            names = detections.class_name
            self.detections.update(names)
            if detections.track_id is not None:
                for name, track in zip(names, detections.track_id.tolist(), strict=True):
                    if track:
                        self.tracks.setdefault(name, set()).add(track)
        self.count_events(result.events, result.alerts)

    def count_events(self, events: Iterable[Event], alerts: Iterable[Alert]) -> None:
        """Add events, each once however often it is told of, and alerts."""
        for event in events:
            if event.phase == "start":
                self._open.add(event.id)
                self.events[event.type] += 1
            elif event.phase == "end":
                # An instant is told once, by its end alone.
                self.events[event.type] += event.id not in self._open
                self._open.discard(event.id)
        self.alerts.update(alert.severity for alert in alerts)

    def to_json(self) -> dict[str, Any]:
        """Return the summary as one JSON object."""
        said: dict[str, Any] = {
            "source": {
                "name": self.source.name,
                "kind": self.source.kind,
                "width": self.source.width,
                "height": self.source.height,
                "fps": self.source.fps,
                "codec": self.source.codec,
            },
            "model": self.model,
            "frames": {
                "decoded": self.decoded,
                "processed": self.processed,
                "gated": self.gated,
                "dropped_stale": self.dropped_stale,
                "dropped_full": self.dropped_full,
                "corrupt": self.corrupt,
                "skipped": self.skipped,
                "left_out": self.left_out,
            },
            "problems": self.problems,
            "wall_s": round(self.wall_s, 3),
            "media_s": round(self.media_s, 3),
            "fps": round(self.fps, 2),
            "stage_ms_per_frame": {
                name: round(1000 * seconds / max(self.processed, 1), 3)
                for name, seconds in self.stage_s.items()
            },
            "detections": dict(self.detections.most_common()),
            "tracks": {name: len(ids) for name, ids in sorted(self.tracks.items())},
            "events": dict(sorted(self.events.items())),
            "alerts": dict(sorted(self.alerts.items())),
            "interrupted": self.interrupted,
            "outputs": self.outputs,
        }
        if self.agreement is not None:
            said["agreement"] = {k: v for k, v in self.agreement.to_json().items() if k != "worst"}
        return said
