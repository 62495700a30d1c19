"""Charts as plain SVG: curves over time, a timeline of what happened, bars.

Pure functions from numbers to text. Colours are classes (`s0` … `s7` for series, others by
name), which the page's style sheet fills in, for light and dark. What does not fit is said
by the caller; nothing is cut here but names that are too long.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from argus.vision.sinks.report.svg import el, picture
from argus.vision.sinks.report.ticks import clock, nice_ticks, number, time_ticks

COLOURS = 8
"""How many series have a colour of their own."""
_HOVER_COLUMNS = 96
_LETTER = 6.6
"""About the width of a letter at the size of labels."""


@dataclass(frozen=True, slots=True)
class Size:
    """How large a chart is drawn; the page shows one drawing to wide windows, another to narrow ones."""

    name: str
    width: float
    height: float
    narrow: bool = False


WIDE = Size("wide", 880, 250)
NARROW = Size("narrow", 400, 240, narrow=True)


@dataclass(frozen=True, slots=True)
class Curve:
    """One series: (time s, value) points in order of time."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened: at one instant (`end_s` is None) or from a start to an end."""

    start_s: float
    end_s: float | None
    look: str
    """Name of the CSS class that colours it."""
    text: str
    """What a pointer that rests on it is told."""


@dataclass(frozen=True, slots=True)
class Row:
    """All that one rule saw."""

    name: str
    marks: Sequence[Mark]


def curves_chart(
    name: str, title: str, curves: Sequence[Curve], span_s: tuple[float, float], size: Size
) -> str:
    """Return curves over time with axes; at most `COLOURS` of them are told apart by colour.

    Points that are not finite are left out. The value of every curve is told where the pointer rests.
    """
    curves = [Curve(c.name, [p for p in c.points if all(map(math.isfinite, p))]) for c in curves]
    top = max((value for curve in curves for _, value in curve.points), default=0.0)
    ticks = nice_ticks(0.0, max(top, 1.0), 4 if size.narrow else 6, whole=True)
    left = 12 + _LETTER * max(len(number(tick)) for tick in ticks)
    plot = _Plot(left, 10, size.width - 14, size.height - 26, span_s=span_s, highest=ticks[-1])
    parts = plot.axes(ticks, 4 if size.narrow else 9)
    for i, curve in enumerate(curves):
        if curve.points:
            parts += plot.curve(curve, f"s{i % COLOURS}", filled=len(curves) == 1)
    parts += plot.hover(curves)
    said = "; ".join(
        f"{c.name}: at most {number(round(max(v for _, v in c.points), 1))}" for c in curves if c.points
    )
    description = f"From {clock(span_s[0])} to {clock(span_s[1])}. {said or 'Nothing was seen'}."
    return picture(size.width, size.height, f"{name}-{size.name}", title, description, *parts, look=size.name)


def timeline_chart(
    name: str, title: str, rows: Sequence[Row], span_s: tuple[float, float], size: Size
) -> str:
    """Return one row per rule: bars for what lasted, ticks for instants, overlapping ones in lanes."""
    left, lane, gap, most_lanes = (8.0, 9.0, 30.0, 5) if size.narrow else (180.0, 9.0, 14.0, 6)
    plot = _Plot(left, 0, size.width - 14, 0, span_s=span_s)
    y = 22.0 if size.narrow else 8.0
    body: list[Element] = []
    for row in rows:
        lanes = lanes_of(row.marks, most_lanes, least_s=plot.seconds(5))
        used = max(lanes, default=0) + 1
        height = max(used * (lane + 2), 14.0)
        body.append(
            el("rect", {"class": "band", "x": left, "y": y, "width": plot.width, "height": height, "rx": 3})
        )
        place = (left, y - 6, "start") if size.narrow else (left - 12, y + height / 2 + 4, "end")
        room = int((size.width - 20 if size.narrow else left - 22) / _LETTER)
        body.append(_label(row.name, *place, room))
        inset = (height - used * (lane + 2)) / 2 + 1
        for mark, at in zip(row.marks, lanes, strict=True):
            body.append(_mark(mark, plot, y + inset + at * (lane + 2), lane, size.width - 14))
        y += height + gap
    bottom = y - (gap - 6)
    plot = _Plot(left, 4 if not size.narrow else 18, size.width - 14, bottom, span_s=span_s)
    axis = plot.time_axis(4 if size.narrow else 9, grid=True)
    total = sum(len(row.marks) for row in rows)
    description = f"{total} events in {len(rows)} rows, from {clock(span_s[0])} to {clock(span_s[1])}."
    return picture(
        size.width, bottom + 24, f"{name}-{size.name}", title, description, *axis, *body, look=size.name
    )


def bars_chart(
    name: str, title: str, bars: Sequence[tuple[str, float]], unit: str, *, width: float = 430.0
) -> str:
    """Return horizontal bars, one per (name, value); values below zero or not finite count as zero."""
    sane = [(label, value if math.isfinite(value) and value > 0 else 0.0) for label, value in bars]
    top = max((value for _, value in sane), default=0.0) or 1.0
    left = 14 + _LETTER * min(max((len(label) for label, _ in sane), default=0), 18)
    right = width - 12 - _LETTER * max((len(f"{number(v)} {unit}") for _, v in sane), default=0)
    step, thick = 30.0, 16.0
    parts: list[Element] = []
    for i, (label, value) in enumerate(sane):
        y = 6 + i * step
        long = (right - left) * value / top
        parts.append(_label(label, left - 10, y + thick / 2 + 4.5, "end", 18))
        parts.append(
            el("rect", {"class": "band", "x": left, "y": y, "width": right - left, "height": thick, "rx": 3})
        )
        bar: dict[str, str | float] = {"x": left, "y": y, "width": max(long, 1.5), "height": thick, "rx": 3}
        told = f"{label}: {number(value)} {unit}"
        parts.append(el("rect", {"class": "bar s0", **bar}, el("title", {}, told)))
        parts.append(
            el(
                "text",
                {"class": "value", "x": right + 8, "y": y + thick / 2 + 4.5},
                f"{number(value)} {unit}",
            )
        )
    said = ", ".join(f"{label} {number(value)} {unit}" for label, value in sane)
    return picture(width, 12 + len(sane) * step, name, title, f"{said or 'No values'}.", *parts)


def lanes_of(marks: Sequence[Mark], most: int, least_s: float = 0.0) -> list[int]:
    """Return a lane for each mark so that marks of one lane do not overlap, as far as `most` lanes suffice.

    Args:
        marks: in order of their start.
        most: how many lanes there are; when all are taken, the one that is free first takes the mark.
        least_s: time that an instant takes up on the axis.
    """
    free_at: list[float] = []
    lanes = []
    for mark in marks:
        end = max(mark.start_s + least_s, mark.start_s if mark.end_s is None else mark.end_s)
        lane = next((i for i, free in enumerate(free_at) if free <= mark.start_s), len(free_at))
        if lane == len(free_at):
            if lane < most:
                free_at.append(end)
            else:
                lane = min(range(most), key=free_at.__getitem__)
        free_at[lane] = max(free_at[lane], end)
        lanes.append(lane)
    return lanes


class _Plot:
    """The area between the axes, and where a moment and a value stand in it."""

    def __init__(
        self,
        left: float,
        top: float,
        right: float,
        bottom: float,
        *,
        span_s: tuple[float, float],
        highest: float = 1.0,
    ) -> None:
        self.left, self.top, self.right, self.bottom = left, top, right, bottom
        self.start, self.end = span_s[0], max(span_s[1], span_s[0] + 1e-3)
        self.highest = highest
        self.width = right - left

    def x(self, time_s: float) -> float:
        at = (time_s - self.start) / (self.end - self.start)
        return self.left + self.width * min(max(at, 0.0), 1.0)

    def y(self, value: float) -> float:
        return self.bottom - (self.bottom - self.top) * min(max(value / self.highest, 0.0), 1.0)

    def seconds(self, pixels: float) -> float:
        return pixels * (self.end - self.start) / self.width

    def axes(self, ticks: Sequence[float], at_most: int) -> list[Element]:
        parts = []
        for tick in ticks:
            y = self.y(tick)
            look = "axis" if tick == 0 else "grid"
            parts.append(el("line", {"class": look, "x1": self.left, "x2": self.right, "y1": y, "y2": y}))
            at: dict[str, str | float] = {
                "class": "tick",
                "x": self.left - 7,
                "y": y + 4,
                "text-anchor": "end",
            }
            parts.append(el("text", at, number(tick)))
        return parts + self.time_axis(at_most, grid=False)

    def time_axis(self, at_most: int, *, grid: bool) -> list[Element]:
        parts = []
        ticks = time_ticks(self.start, self.end, at_most)
        tenths = any(tick != int(tick) for tick in ticks)
        for tick in ticks:
            x = self.x(tick)
            if grid:
                line: dict[str, str | float] = {"x1": x, "x2": x, "y1": self.top, "y2": self.bottom}
                parts.append(el("line", {"class": "grid", **line}))
            near_edge = "start" if x < self.left + 12 else "end" if x > self.right - 12 else "middle"
            at: dict[str, str | float] = {
                "class": "tick",
                "x": x,
                "y": self.bottom + 18,
                "text-anchor": near_edge,
            }
            parts.append(el("text", at, clock(tick, tenths=tenths)))
        return parts

    def curve(self, curve: Curve, look: str, *, filled: bool) -> list[Element]:
        points = [(self.x(t), self.y(v)) for t, v in curve.points]
        # A single sample would be an invisible line: it becomes as long as a dot.
        if len(points) == 1:
            points = [points[0], (points[0][0] + 3, points[0][1])]
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        parts = []
        if filled:
            area = f"{path}L{points[-1][0]:.1f} {self.bottom:.1f}L{points[0][0]:.1f} {self.bottom:.1f}Z"
            parts.append(el("path", {"class": f"area {look}", "d": area}))
        parts.append(el("path", {"class": f"curve {look}", "d": path}, el("title", {}, curve.name)))
        return parts

    def hover(self, curves: Sequence[Curve]) -> list[Element]:
        moments = sorted({t for curve in curves for t, _ in curve.points})
        if not moments:
            return []
        columns = min(_HOVER_COLUMNS, len(moments))
        step = (self.end - self.start) / columns
        means = [means_over(curve.points, self.start, step, columns) for curve in curves]
        parts = []
        for i in range(columns):
            start = self.start + i * step
            values = ", ".join(
                f"{curve.name} {number(round(mean[i], 1))}" for curve, mean in zip(curves, means, strict=True)
            )
            x, middle = self.x(start), self.x(start + step / 2)
            box: dict[str, str | float] = {
                "x": x, "y": self.top, "width": self.x(start + step) - x, "height": self.bottom - self.top
            }  # fmt: skip
            guide: dict[str, str | float] = {"x1": middle, "x2": middle, "y1": self.top, "y2": self.bottom}
            text = f"{clock(start + step / 2, tenths=step < 2)}: {values}"
            parts.append(el("g", {"class": "hit"}, el("title", {}, text), el("rect", box), el("line", guide)))
        return parts


def means_over(points: Sequence[tuple[float, float]], start: float, step: float, columns: int) -> list[float]:
    """Return the mean of the points in each of `columns` steps of time.

    A step without a point repeats the last value; before the first point it is 0.
    """
    sums, counts = [0.0] * columns, [0] * columns
    for time_s, value in points:
        column = min(max(int((time_s - start) / step), 0), columns - 1)
        sums[column] += value
        counts[column] += 1
    out: list[float] = []
    last = 0.0
    for total, count in zip(sums, counts, strict=True):
        last = total / count if count else last
        out.append(last)
    return out


def _mark(mark: Mark, plot: _Plot, y: float, height: float, right: float) -> Element:
    x = plot.x(mark.start_s)
    long = 3.0 if mark.end_s is None else max(plot.x(mark.end_s) - x, 3.0)
    look = f"mark {mark.look}" + (" instant" if mark.end_s is None else "")
    box: dict[str, str | float] = {
        "x": min(x, right - long),
        "y": y,
        "width": long,
        "height": height,
        "rx": 1.5,
    }
    return el("rect", {"class": look, **box}, el("title", {}, mark.text))


def _label(text: str, x: float, y: float, anchor: str, room: int) -> Element:
    at: dict[str, str | float] = {"class": "label", "x": x, "y": y, "text-anchor": anchor}
    if len(text) <= room:
        return el("text", at, text)
    # The whole name is told on hover, so the text stands in a group beside its title.
    return el("g", {}, el("title", {}, text), el("text", at, text[: max(room - 1, 1)] + "…"))
