"""The picture of the scene: where objects went, drawn on the first frame, under zones and lines.

Paths and heat are pixels (OpenCV); regions and their names are an SVG that lies over them, so
names are sharp, in any script, and can be told by a screen reader.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast
from xml.etree.ElementTree import Element

import cv2
import numpy as np
from numpy.typing import NDArray

from argus.core.frame import Image
from argus.core.resources.pipeline import PipelineSpec
from argus.core.resources.regions import CrowdSpec, LineSpec, Point, Region, ZoneSpec
from argus.vision.results import Event
from argus.vision.sinks.history import PATHS
from argus.vision.sinks.report.charts import Size
from argus.vision.sinks.report.svg import el, picture

WIDTH = 1040
"""Columns of the picture in the report, at most."""
SERIES_BGR = (
    (255, 178, 88), (72, 141, 255), (160, 214, 60), (70, 205, 255),
    (190, 140, 255), (120, 220, 120), (255, 140, 160), (110, 110, 255),
)  # fmt: skip
"""Colours of paths on the picture, by series, bright enough for a darkened frame."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Where one object went."""

    name: str
    """Its class."""
    points: tuple[tuple[float, float], ...]
    """x, y in relative coordinates, in order of time."""


def traces_of(events: Sequence[Event]) -> list[Trace]:
    """Return one trace per object, from the paths of all its events; at most `PATHS`, the latest."""
    paths: dict[tuple[str, int | str], dict[float, tuple[float, float]]] = {}
    names: dict[tuple[str, int | str], str] = {}
    for event in events:
        if event.path:
            key = (event.camera, event.id if event.object_id is None else event.object_id)
            paths.setdefault(key, {}).update({t: (x, y) for t, x, y in event.path})
            names[key] = event.class_name or ""
    out = []
    for key, path in list(paths.items())[-PATHS:]:
        points = [path[t] for t in sorted(path)]
        sound = tuple((x, y) for x, y in points if np.isfinite(x) and np.isfinite(y))
        if sound:
            out.append(Trace(names[key], sound))
    return out


def draw_traces(background: Image, traces: Sequence[Trace], colour_of: Mapping[str, int]) -> Image:
    """Return the background, darkened and at most `WIDTH` wide, with heat and paths on it.

    Args:
        background: (H, W, 3) BGR.
        traces: in relative coordinates.
        colour_of: index of the series' colour by class.
    """
    height, width = background.shape[:2]
    # A small picture is enlarged, so that the paths on it are finer than its pixels.
    scale = min(2.0, WIDTH / width)
    shape = (max(round(height * scale), 1), max(round(width * scale), 1))
    canvas = cv2.resize(
        background, (shape[1], shape[0]), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    )
    gray = cv2.cvtColor(cv2.cvtColor(canvas, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    # Half its colour and three quarters of its light: paths stand out and the place is still known.
    canvas = cv2.addWeighted(canvas, 0.42, gray, 0.33, 0)
    pixels = [_pixels(trace.points, shape) for trace in traces]
    canvas = _add_heat(canvas, pixels)
    thick = max(1, round(shape[1] / 700))
    for trace, line in zip(traces, pixels, strict=True):
        colour = SERIES_BGR[colour_of.get(trace.name, len(SERIES_BGR) - 1) % len(SERIES_BGR)]
        cv2.polylines(canvas, [line], False, colour, thick, cv2.LINE_AA, 3)
        end = tuple(int(v) for v in line[-1, 0])
        cv2.circle(canvas, end, (thick + 1) * 8, colour, -1, cv2.LINE_AA, 3)
    return canvas


def blank(width: int, height: int) -> Image:
    """Return a dark picture of the given aspect, for a scene of which no frame is known."""
    tall = round(WIDTH * height / width) if width > 0 and height > 0 else WIDTH * 9 // 16
    return np.full((min(max(tall, 1), 2 * WIDTH), WIDTH, 3), 56, np.uint8)


def overlay(spec: PipelineSpec, width: int, height: int, size: Size) -> str:
    """Return the SVG of all regions, to lie over a picture of the aspect `width` × `height` pixels."""
    tall = size.width * height / width
    space = _Space(size.width, tall, width, height)
    parts: list[Element] = []
    names: list[Element] = []
    for kind, regions in (("crowd", spec.crowds), ("zone", spec.zones), ("line", spec.lines)):
        for name, region in cast("Mapping[str, Region]", regions).items():
            told = f"{kind} {name}" + (f", {region.severity}" if region.severity else "")
            look = f"region {kind} " + (f"sev-{region.severity}" if region.severity else "plain")
            if isinstance(region, LineSpec):
                parts.append(el("g", {"class": look}, el("title", {}, told), *_line(region, space)))
                x, y = space.at(region.start, region)
            elif isinstance(region, (ZoneSpec, CrowdSpec)) and region.polygon:
                corners = [space.at(point, region) for point in region.polygon]
                points = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
                shape = el("polygon", {"points": points})
                parts.append(el("g", {"class": look}, el("title", {}, told), shape))
                x, y = min(corners, key=lambda p: (round(p[1] / 8), p[0]))
            else:
                continue
            names.append(_name_plate(name, x, y, look, space))
    described = ", ".join([*spec.zones, *spec.lines, *(n for n, c in spec.crowds.items() if c.polygon)])
    return picture(
        size.width, tall, f"scene-{size.name}", "Zones and lines", described or "None", *parts, *names,
        look=f"overlay {size.name}",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Space:
    """Turns points of specs into points of the drawing."""

    wide: float
    tall: float
    width: int
    height: int

    def at(self, point: Point, region: Region) -> tuple[float, float]:
        x, y = point
        if region.units == "pixels":
            x, y = x / self.width, y / self.height
        return min(max(x, 0.0), 1.0) * self.wide, min(max(y, 0.0), 1.0) * self.tall


def _line(region: LineSpec, space: _Space) -> list[Element]:
    """Return the line and an arrow from its middle to the side that counts as `in`, its right hand."""
    (x1, y1), (x2, y2) = space.at(region.start, region), space.at(region.end, region)
    long = max(float(np.hypot(x2 - x1, y2 - y1)), 1e-6)
    right = (-(y2 - y1) / long, (x2 - x1) / long)
    along = (right[1], -right[0])
    middle = ((x1 + x2) / 2, (y1 + y2) / 2)
    tip = (middle[0] + 22 * right[0], middle[1] + 22 * right[1])
    wings = [
        (tip[0] - 9 * right[0] + side * 6 * along[0], tip[1] - 9 * right[1] + side * 6 * along[1])
        for side in (1, -1)
    ]
    head = " ".join(f"{x:.1f},{y:.1f}" for x, y in (tip, *wings))
    ends: dict[str, str | float] = {"x1": x1, "y1": y1, "x2": x2, "y2": y2}
    stem: dict[str, str | float] = {"x1": middle[0], "y1": middle[1], "x2": tip[0], "y2": tip[1]}
    return [
        el("line", ends),
        el("line", {"class": "stem", **stem}),
        el("polygon", {"class": "head", "points": head}),
    ]


def _name_plate(name: str, x: float, y: float, look: str, space: _Space) -> Element:
    shown = name if len(name) <= 28 else name[:27] + "…"
    room = 8.0 * len(shown) + 12
    x, y = min(max(x, 2.0), max(space.wide - room - 2, 2.0)), min(max(y - 10, 2.0), max(space.tall - 22, 2.0))
    return el(
        "g",
        {"class": f"plate {look}"},
        el("rect", {"x": x, "y": y, "width": room, "height": 20, "rx": 4}),
        el("text", {"x": x + 6, "y": y + 14.2}, shown),
    )


def _pixels(points: Sequence[tuple[float, float]], shape: tuple[int, int]) -> NDArray[np.int32]:
    """Return relative points as (N, 1, 2) pixels in eighths, which OpenCV draws between pixels."""
    array = np.clip(np.asarray(points, np.float64), -0.5, 1.5) * (shape[1] * 8, shape[0] * 8)
    return np.rint(array).astype(np.int32).reshape(-1, 1, 2)


def _add_heat(canvas: Image, lines: Sequence[NDArray[np.int32]]) -> Image:
    """Return the canvas with a glow where many went; each object counts once at each place."""
    if len(lines) < 3:
        return canvas
    tall, wide = canvas.shape[:2]
    small = (max(tall // 4, 1), max(wide // 4, 1))
    heat = np.zeros(small, np.float32)
    for line in lines:
        once = np.zeros(small, np.uint8)
        cv2.polylines(once, [line // 4], False, 1, max(2, small[1] // 40), cv2.LINE_8, 3)
        heat += once
    heat = cv2.GaussianBlur(heat, (0, 0), max(small[1] / 70, 1.0))
    strong = float(np.percentile(heat[heat > 0.05], 98)) if (heat > 0.05).any() else 1.0
    heat = np.clip(cv2.resize(heat, (wide, tall), interpolation=cv2.INTER_LINEAR) / strong, 0, 1)
    glow = cv2.applyColorMap((heat * 255).astype(np.uint8), cv2.COLORMAP_INFERNO).astype(np.float32)
    alpha = (0.62 * heat)[..., None]
    blended: Image = np.clip(canvas * (1 - alpha) + glow * alpha, 0, 255).astype(np.uint8)
    return blended
