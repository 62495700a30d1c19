"""The charts and the scene of a report, drawn from the results of a run.

What is chosen, named and left out is decided here; lines and rectangles are `charts`' and `scene`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from argus.core.resources.pipeline import PipelineSpec
from argus.vision.results import Event
from argus.vision.runner.summary import RunSummary
from argus.vision.sinks.history import History, Series
from argus.vision.sinks.report.charts import (
    COLOURS,
    NARROW,
    WIDE,
    Curve,
    Mark,
    Row,
    bars_chart,
    curves_chart,
    timeline_chart,
)
from argus.vision.sinks.report.scene import blank, draw_traces, overlay, traces_of
from argus.vision.sinks.report.thumbnails import data_uri, to_jpeg
from argus.vision.sinks.report.ticks import clock, duration, number
from argus.vision.sinks.report.wording import look, rank, rule, sentence

MARKS = 800
"""Marks on the timeline."""
ROWS = 24
"""Rows of the timeline."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart in its drawings, with what its colours mean: (CSS class, name)."""

    name: str
    title: str
    note: str
    drawings: Sequence[str]
    legend: Sequence[tuple[str, str]] = ()


def by_weight(series: Mapping[str, Series]) -> list[str]:
    """Return the names of the series, those with the largest sums first."""
    weight = {name: sum(s.sums.values()) for name, s in series.items()}
    return sorted(weight, key=lambda name: (-weight[name], name))


def values_over_time(
    name: str, title: str, names: Sequence[str], series: Mapping[str, Series], span: tuple[float, float]
) -> Chart | None:
    """Return the chart of the first of `names`, as many as there are colours; None if there is none."""
    if not names:
        return None
    shown, hidden = names[:COLOURS], names[COLOURS:]
    curves = [Curve(n, _from_the_start(series[n].points(), span[0])) for n in shown]
    note = f"{len(hidden)} rarer not drawn: {_some(hidden)}." if hidden else ""
    drawings = [curves_chart(name, title, curves, span, size) for size in (WIDE, NARROW)]
    return Chart(name, title, note, drawings, [(f"s{i}", n) for i, n in enumerate(shown)])


def _from_the_start(points: list[tuple[float, float]], start_s: float) -> list[tuple[float, float]]:
    """Return the points with zeros before the first: a class that came late was absent until then."""
    if points and points[0][0] - start_s > 1.0:
        return [(start_s, 0.0), (points[0][0] - 0.01, 0.0), *points]
    return points


def timeline(events: Sequence[Event], span: tuple[float, float]) -> Chart | None:
    """Return the chart of what happened when, a row per rule; None if nothing did."""
    if not events:
        return None
    rules: dict[str, list[Event]] = {}
    for event in events:
        rules.setdefault(rule(event), []).append(event)
    # Places first, then what has none; in each, the rules that an operator gave a severity come first.
    order = sorted(rules, key=lambda r: (rules[r][0].region is None, -max(rank(e) for e in rules[r]), r))
    kept = {
        e.id
        for r in order[:ROWS]
        for e in sorted(rules[r], key=rank, reverse=True)[: MARKS // min(len(order), ROWS)]
    }
    rows = [Row(r, [_mark(e, span[1]) for e in rules[r] if e.id in kept]) for r in order[:ROWS]]
    left_out = len(events) - len(kept)
    note = f"{left_out:,} of {len(events):,} events not drawn." if left_out else ""
    looks: dict[str, dict[str, None]] = {}
    for event in sorted((e for e in events if e.id in kept), key=lambda e: (-rank(e), e.type)):
        looks.setdefault(look(event), {})[event.severity or event.type] = None
    title = "What happened when"
    drawings = [timeline_chart("timeline", title, rows, span, size) for size in (WIDE, NARROW)]
    return Chart("timeline", title, note, drawings, [(name, ", ".join(said)) for name, said in looks.items()])


def _mark(event: Event, until_s: float) -> Mark:
    end_s = until_s if event.end_s is None else event.end_s
    instant = event.end_s is not None and event.end_s <= event.start_s
    text = f"{clock(event.start_s, tenths=True)}  {sentence(event)}"
    if not instant:
        text += f", {duration(end_s - event.start_s)}" + ("" if event.end_s is not None else " and not over")
    return Mark(event.start_s, None if instant else end_s, look(event), text)


def stages(summary: RunSummary) -> Chart | None:
    """Return the chart of the time each stage took per frame; None if it is not known."""
    if not summary.stage_s or not summary.processed:
        return None
    bars = [(name, round(1000 * seconds / summary.processed, 2)) for name, seconds in summary.stage_s.items()]
    title = "Time per frame"
    each = 1000 * summary.wall_s / summary.processed
    note = f"One frame every {number(each)} ms. Stages run beside each other, so they may add up to more."
    return Chart("stages", title, note, [bars_chart("stages", title, bars, "ms")])


def scene(
    history: History,
    events: Sequence[Event],
    spec: PipelineSpec | None,
    summary: RunSummary,
    colour_of: Mapping[str, int],
) -> dict[str, Any] | None:
    """Return what the template needs to show the place; None if neither a frame nor a region is known."""
    traces = traces_of(events)
    regions = spec is not None and bool(
        spec.zones or spec.lines or any(c.polygon for c in spec.crowds.values())
    )
    background = history.background
    if background is None or min(background.shape[:2]) < 1:
        if not regions:
            return None
        background = blank(summary.source.width, summary.source.height)
        width, height = (
            summary.source.width or background.shape[1],
            summary.source.height or background.shape[0],
        )
    else:
        height, width = background.shape[:2]
    if background.ndim == 2:
        background = cv2.cvtColor(background, cv2.COLOR_GRAY2BGR).astype(np.uint8)
    image = draw_traces(background, traces, colour_of)
    seen = {trace.name for trace in traces}
    return {
        "picture": data_uri(to_jpeg(image, 84)),
        "width": image.shape[1],
        "height": image.shape[0],
        "overlays": [overlay(spec, width, height, size) for size in (WIDE, NARROW)]
        if spec and regions
        else [],
        "paths": len(traces),
        "legend": [(f"p{i}", name) for name, i in colour_of.items() if name in seen],
        "regions": _regions(spec) if spec and regions else [],
    }


def _regions(spec: PipelineSpec) -> list[str]:
    return [
        *(f"zone {name}" for name in spec.zones),
        *(f"line {name}" for name in spec.lines),
        *(f"crowd {name}" for name, crowd in spec.crowds.items() if crowd.polygon),
    ]


def _some(names: Iterable[str], most: int = 6) -> str:
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more
