"""How far a candidate model agrees with the live one: the figures, as JSON and as a page.

Values and their presentation; the counting is `agreement`.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

from markupsafe import Markup

from argus.core.metrics import HistogramSnapshot
from argus.core.version import __version__
from argus.vision.engine.agreement_matching import agreement_of
from argus.vision.sinks.pictures import write_file
from argus.vision.sinks.report.thumbnails import data_uri


@dataclass(frozen=True, slots=True)
class Latency:
    """How long a model took for a frame, in seconds; 0 where it saw none."""

    mean_s: float
    p50_s: float
    p95_s: float
    max_s: float

    @classmethod
    def of(cls, took: HistogramSnapshot) -> Latency:
        """Return the figures of what was observed."""
        return cls(took.mean, took.quantile(0.5), took.quantile(0.95), took.max)

    def to_json(self) -> dict[str, float]:
        """Return the same in milliseconds."""
        return {
            "mean_ms": round(1000 * self.mean_s, 3),
            "p50_ms": round(1000 * self.p50_s, 3),
            "p95_ms": round(1000 * self.p95_s, 3),
            "max_ms": round(1000 * self.max_s, 3),
        }


@dataclass(frozen=True, slots=True)
class ClassAgreement:
    """How far the two agree about one class."""

    name: str
    matched: int
    """Objects that both saw."""
    only_live: int
    only_candidate: int
    confidence_gain: float
    """How much surer the candidate was of what both saw, mean; negative: less sure."""
    confidence_difference: float
    """How far apart the two confidences were, mean."""
    overlap: float
    """Intersection over union of the two boxes of what both saw, mean."""
    live_knows: bool = True
    """Whether the live model has a label of this name."""
    candidate_knows: bool = True
    """Whether the candidate has: where not, it could not agree."""

    @property
    def seen(self) -> int:
        """Objects that were seen by either."""
        return self.matched + self.only_live + self.only_candidate

    @property
    def agreement(self) -> float:
        """F1 of what both saw, 0..1."""
        return agreement_of(self.matched, self.only_live, self.only_candidate)

    def to_json(self) -> dict[str, Any]:
        """Return the figures by name."""
        return {
            "class": self.name,
            "matched": self.matched,
            "only_live": self.only_live,
            "only_candidate": self.only_candidate,
            "agreement": round(self.agreement, 4),
            "confidence_gain": round(self.confidence_gain, 4),
            "confidence_difference": round(self.confidence_difference, 4),
            "overlap": round(self.overlap, 4),
            "live_knows": self.live_knows,
            "candidate_knows": self.candidate_knows,
        }


@dataclass(frozen=True, slots=True)
class Confusion:
    """One object, two names."""

    live: str
    candidate: str
    count: int


@dataclass(frozen=True, slots=True, eq=False)
class Disagreement:
    """A frame in which the two saw different things, with its picture."""

    source: str
    index: int
    time_s: float
    captured_at: datetime
    file: str | None
    agreement: float
    weight: float
    """How sure the two were, summed, of what the other did not see."""
    only_live: tuple[tuple[str, float], ...]
    """Class and confidence, the surest first."""
    only_candidate: tuple[tuple[str, float], ...]
    jpeg: bytes
    """The live model's view left, the candidate's right; at most 1,284 pixels wide."""

    @property
    def place(self) -> str:
        """Which frame it is, for people."""
        return (
            f"{self.source}, {self.file}"
            if self.file
            else f"{self.source}, frame {self.index} at {self.time_s:.1f} s"
        )

    def to_json(self, picture: str) -> dict[str, Any]:
        """Return all but the picture, whose file name is given."""
        return {
            "source": self.source,
            "frame": self.index,
            "time": round(self.time_s, 3),
            "captured_at": self.captured_at.isoformat(timespec="milliseconds"),
            "file": self.file,
            "agreement": round(self.agreement, 4),
            "weight": round(self.weight, 4),
            "only_live": [{"class": name, "confidence": round(score, 4)} for name, score in self.only_live],
            "only_candidate": [
                {"class": name, "confidence": round(score, 4)} for name, score in self.only_candidate
            ],
            "picture": picture,
        }


@dataclass(frozen=True, slots=True)
class AgreementReport:
    """What a comparison of two models gave so far."""

    live: str
    candidate: str
    iou: float
    frames: int
    """Frames that both looked at; everything else is worth little while this is small."""
    equal_frames: int
    """Those in which the two saw exactly the same objects."""
    matched: int
    only_live: int
    only_candidate: int
    confidence_gain: float
    """How much surer the candidate was of what both saw, mean; negative: less sure."""
    confidence_difference: float
    """How far apart the two confidences were, mean."""
    overlap: float
    """Intersection over union of the two boxes of what both saw, mean."""
    classes: tuple[ClassAgreement, ...]
    """The most often seen first."""
    confused: tuple[Confusion, ...]
    """The 20 most frequent."""
    live_latency: Latency
    candidate_latency: Latency
    worst: tuple[Disagreement, ...]
    """The worst first."""

    @property
    def agreement(self) -> float:
        """F1 of all objects of all frames together (micro), 0..1; 1 where nothing was seen."""
        return agreement_of(self.matched, self.only_live, self.only_candidate)

    def to_json(self) -> dict[str, Any]:
        """Return everything but the pictures."""
        return {
            "live": self.live,
            "candidate": self.candidate,
            "iou": self.iou,
            "frames": self.frames,
            "equal_frames": self.equal_frames,
            "matched": self.matched,
            "only_live": self.only_live,
            "only_candidate": self.only_candidate,
            "agreement": round(self.agreement, 4),
            "confidence_gain": round(self.confidence_gain, 4),
            "confidence_difference": round(self.confidence_difference, 4),
            "overlap": round(self.overlap, 4),
            "latency": {"live": self.live_latency.to_json(), "candidate": self.candidate_latency.to_json()},
            "classes": [row.to_json() for row in self.classes],
            "confused": [
                {"live": row.live, "candidate": row.candidate, "count": row.count} for row in self.confused
            ],
            "worst": [shown.to_json(picture_name(number)) for number, shown in enumerate(self.worst, 1)],
        }


def picture_name(number: int) -> str:
    """Return the file of a disagreement; 1 is the worst."""
    return f"disagreement-{number:02}.jpg"


def write_agreement(folder: Path, report: AgreementReport) -> None:
    """Write the figures, the page and the pictures into a folder, which is made if need be.

    Raises:
        OutputError: a file cannot be written there.
    """
    for number, shown in enumerate(report.worst, 1):
        write_file(folder / picture_name(number), shown.jpeg)
    write_file(folder / "report.json", (json.dumps(report.to_json(), indent=2) + "\n").encode())
    write_file(folder / "report.html", render_agreement(report).encode("utf-8", "replace"))


def render_agreement(report: AgreementReport, *, written_at: datetime | None = None) -> str:
    """Return the page, dated `written_at` or now; it holds its pictures and loads nothing."""
    import jinja2  # here, as nearly every run starts without a page to write

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters |= {"percent": _percent, "ms": _ms, "signed": _signed, "said": _said}
    template = resources.files(__package__) / "templates" / "agreement.html.j2"
    style = resources.files("argus.vision.sinks.report") / "templates" / "page.css"
    return environment.from_string(template.read_text(encoding="utf-8")).render(
        report=report,
        pictures=[(shown, data_uri(shown.jpeg)) for shown in report.worst],
        written_at=written_at or datetime.now(UTC),
        version=__version__,
        style=Markup(style.read_text(encoding="utf-8")),  # noqa: S704  a file of ours
    )


def _percent(share: float) -> str:
    # 99.96 % is no full agreement, and should not look like it.
    return "100 %" if share == 1.0 else f"{min(100 * share, 99.9):.1f} %"


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.1f} ms" if seconds < 0.1 else f"{1000 * seconds:.0f} ms"


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def _said(objects: tuple[tuple[str, float], ...]) -> str:
    """Return what was seen in words: `3 person (0.91), 1 car (0.55)`, with the surest of each class."""
    counts = Counter(name for name, _ in objects)
    surest = dict(reversed(objects))
    return ", ".join(f"{count} {name} ({surest[name]:.2f})" for name, count in counts.most_common())
