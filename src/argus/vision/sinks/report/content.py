"""What a report shows, drawn up from the results of a run; how it looks is the template's matter.

Everything is bounded here, and every bound that bites is told to the reader.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from argus.core.resources.pipeline import PipelineSpec
from argus.vision.results import Alert, Event
from argus.vision.runner.summary import RunSummary
from argus.vision.sinks.history import History
from argus.vision.sinks.report.charts import COLOURS
from argus.vision.sinks.report.drawings import by_weight, scene, stages, timeline, values_over_time
from argus.vision.sinks.report.thumbnails import Thumbnails
from argus.vision.sinks.report.ticks import clock, duration, number
from argus.vision.sinks.report.wording import SEVERITIES, look, place, rank, sentence

EVENTS = 1000
"""Rows of the table of events."""
CARDS = 8
"""Alerts shown as cards at once: the gravest."""
MORE_CARDS = 72
"""Alerts shown as cards to those who ask for more."""
CARD_WIDTH = 320
THUMB_WIDTH = 160


@dataclass(frozen=True, slots=True)
class Figure:
    """One key figure."""

    label: str
    value: str
    note: str = ""
    bad: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """One alert."""

    event_id: str
    severity: str
    sentence: str
    rule: str
    at: str
    wall: str
    iso: str
    suppressed: int
    picture: str | None


@dataclass(frozen=True, slots=True)
class EventRow:
    """One row of the table of events; the last fields are what it is sorted by."""

    id: str
    type: str
    sentence: str
    place: str
    at: str
    wall: str
    iso: str
    lasted: str
    severity: str
    look: str
    picture: str | None
    start_s: float
    lasted_s: float
    rank: int


def draw_up(
    summary: RunSummary, history: History, snapshots: Mapping[str, bytes], spec: PipelineSpec | None
) -> dict[str, Any]:
    """Return all that the template needs, by name."""
    events = sorted(history.events.values(), key=lambda e: (e.start_s, e.object_id or 0, e.type, e.id))
    span = (0.0, max(summary.media_s, max((e.end_s or e.start_s for e in events), default=0.0), 1.0))
    classes = by_weight(history.objects)
    colour_of = {name: i for i, name in enumerate(classes[:COLOURS])}
    pictures = Thumbnails(snapshots)
    cards, more_cards = _cards(history.alerts, pictures)
    rows = _event_rows(events, pictures)
    charts = [
        chart
        for chart in (
            values_over_time("objects", "Objects in the picture", classes, history.objects, span),
            values_over_time(
                "regions", "Inside each zone and crowd", by_weight(history.regions), history.regions, span
            ),
            timeline(events, span),
        )
        if chart is not None
    ]
    return {
        "figures": figures(summary, len(events), len(history.alerts)),
        "cards": cards,
        "more_cards": more_cards,
        "cards_left_out": len(history.alerts) - len(cards) - len(more_cards),
        "charts": charts,
        "stages": stages(summary),
        "scene": scene(history, events, spec, summary, colour_of),
        "rows": rows,
        "rows_left_out": len(events) - len(rows),
        "pictures_left_out": pictures.left_out,
        "classes": _classes(summary, colour_of),
        "problems": problems(summary),
    }


def figures(summary: RunSummary, events: int, alerts: int) -> list[Figure]:
    """Return the key figures of a run; what went wrong is there only if it did."""
    of = f"of {summary.decoded:,} decoded" if summary.decoded > summary.processed else ""
    pace = summary.media_s / summary.wall_s if summary.wall_s > 0 else 0.0
    tracked = sum(len(ids) for ids in summary.tracks.values())
    boxes = sum(summary.detections.values())
    tally = ", ".join(f"{summary.alerts[s]} {s}" for s in SEVERITIES if summary.alerts.get(s))
    out = [
        Figure(
            "Frames", f"{summary.processed:,}", of or (duration(summary.media_s) if summary.media_s else "")
        ),
        Figure("Frames per second", number(summary.fps), f"{number(pace)} × real time" if pace else ""),
        Figure("Objects", f"{tracked:,}", f"{boxes:,} boxes")
        if summary.tracks
        else Figure("Boxes", f"{boxes:,}", "over all frames"),
        Figure("Events", f"{events:,}"),
        Figure("Alerts", f"{alerts:,}", tally, bad=alerts > 0),
    ]
    faults = (
        ("Corrupt frames", summary.corrupt, "left out", True),
        ("Dropped frames", summary.dropped_stale, "replaced by newer ones", False),
        ("Skipped frames", summary.skipped, "to keep the rate asked for", False),
    )
    return out + [Figure(label, f"{count:,}", note, bad) for label, count, note, bad in faults if count]


def problems(summary: RunSummary) -> list[str]:
    """Return what the reader should know before trusting the figures."""
    out = (
        ["The run was interrupted: the report covers what was seen until then."]
        if summary.interrupted
        else []
    )
    if summary.processed == 0:
        out.append("No frame was processed.")
    return out + list(summary.problems)


def _cards(alerts: Sequence[Alert], pictures: Thumbnails) -> tuple[list[Card], list[Card]]:
    """Return the cards of the gravest alerts and of the next ones, both in order of time."""
    graver = sorted(range(len(alerts)), key=lambda i: (SEVERITIES.index(alerts[i].severity), i))
    # Nobody is sent to a second list for a handful.
    at_once = CARDS if len(graver) > 1.5 * CARDS else len(graver)
    first, more = sorted(graver[:at_once]), sorted(graver[at_once : at_once + MORE_CARDS])
    return [_card(alerts[i], pictures) for i in first], [_card(alerts[i], pictures) for i in more]


def _card(alert: Alert, pictures: Thumbnails) -> Card:
    event = alert.event
    return Card(
        event_id=event.id,
        severity=alert.severity,
        sentence=sentence(event),
        rule=alert.rule,
        at=clock(event.start_s, tenths=True),
        wall=f"{event.started_at:%Y-%m-%d %H:%M:%S}",
        iso=event.started_at.isoformat(timespec="milliseconds"),
        suppressed=alert.suppressed,
        picture=pictures.take(event.id, CARD_WIDTH),
    )


def _event_rows(events: Sequence[Event], pictures: Thumbnails) -> list[EventRow]:
    shown = events[:EVENTS]
    # The graver an event, the sooner it gets one of the pictures.
    thumbs = {e.id: pictures.take(e.id, THUMB_WIDTH) for e in sorted(shown, key=rank, reverse=True)}
    rows = []
    for event in shown:
        lasted_s = event.end_s - event.start_s if event.end_s is not None else math.inf
        rows.append(
            EventRow(
                id=event.id,
                type=event.type,
                sentence=sentence(event),
                place=place(event),
                at=clock(event.start_s, tenths=True),
                wall=f"{event.started_at:%H:%M:%S}",
                iso=event.started_at.isoformat(timespec="milliseconds"),
                lasted="not over" if event.end_s is None else duration(lasted_s) if lasted_s > 0 else "",
                severity=event.severity or "",
                look=look(event),
                picture=thumbs[event.id],
                start_s=round(event.start_s, 3),
                lasted_s=round(lasted_s, 3) if math.isfinite(lasted_s) else 1e12,
                rank=rank(event),
            )
        )
    return rows


def _classes(summary: RunSummary, colour_of: Mapping[str, int]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "look": f"s{colour_of[name]}" if name in colour_of else "",
            "boxes": count,
            "tracks": len(summary.tracks.get(name, ())) if summary.tracks else None,
        }
        for name, count in summary.detections.most_common(40)
    ]
