"""Results drawn on pictures: boxes, trails, zones, lines, crowds and alerts.

Draws what the results say and decides nothing. Where things stand in the picture is in `stage`, how
they are drawn in `strokes`, texts in `chips`, colours in `palette`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from argus.core.detections import Detections
from argus.core.frame import Image
from argus.core.geometry import anchor_points
from argus.core.resources.pipeline import PipelineSpec
from argus.vision.branches.finding import Finding
from argus.vision.palette import CROWD, INK, SEVERITIES, Color, class_color, track_color
from argus.vision.results import Alert, FrameResult
from argus.vision.stage import Stage
from argus.vision.strokes import draw_box, draw_line, draw_masks, draw_trail

ALERT_S: Final = 4.0
FLASH_S: Final = 0.8
CAPTION: Final = 48
"""Characters of what branches found out that are written beside an object."""


@dataclass(frozen=True, slots=True)
class Style:
    """What is drawn, and how."""

    color_by: Literal["class", "track"] = "class"
    trail_s: float = 2.0
    """Seconds of each track's way that stay visible; 0: none."""
    labels: bool = True
    confidence: bool = True
    findings: bool = True
    """What branches found out, beside the label; their boxes in the frame that they looked at."""
    regions: bool = True
    """Zones, lines and crowds."""
    alerts: bool = True
    clock: bool = True
    """Time and number of objects in the lower left corner."""


def draw(
    image: Image, result: FrameResult, spec: PipelineSpec | None = None, style: Style | None = None
) -> Image:
    """Draw one result on `image`, (H, W, 3) BGR, in place, and return it.

    It knows of no other frame, so nothing has a trail. For a stream use an `Annotator`, which remembers.
    """
    return Annotator(spec, style).draw_on(image, result)


class Annotator:
    """Draws the results of one stream, in order: trails, counts and alerts need the past."""

    def __init__(self, spec: PipelineSpec | None = None, style: Style | None = None) -> None:
        """Begin without memory; `spec` says where the zones and lines are."""
        self._spec = spec or PipelineSpec()
        self._style = style or Style()
        self._stage: Stage | None = None
        self._trails: dict[int, deque[tuple[float, float, float]]] = {}
        self._crossed: dict[str, dict[str, int]] = {n: {"in": 0, "out": 0} for n in self._spec.lines}
        self._flash: dict[str, float] = {}
        self._crowds: dict[str, int] = {}
        self._alerts: deque[tuple[float, Alert]] = deque(maxlen=3)

    def draw(self, result: FrameResult) -> Image:
        """Return a copy of the result's picture, (H, W, 3) BGR, drawn on."""
        return self.draw_on(result.frame.bgr.copy(), result)

    def draw_on(self, image: Image, result: FrameResult) -> Image:
        """Draw on `image`, (H, W, 3) BGR of any size, in place, and return it."""
        height, width = image.shape[:2]
        frame = result.frame
        stage = self._stage
        if stage is None or stage.size != (width, height):
            stage = self._stage = Stage(self._spec, width, height, (frame.width, frame.height))
        self._remember(result)
        scale = np.array((width / frame.width, height / frame.height) * 2, np.float32)
        boxes = result.detections.xyxy * scale
        if self._style.regions:
            self._draw_regions(image, result, stage)
        if result.detections.masks is not None:
            draw_masks(image, result.detections, boxes, self._colors(result.detections))
        if self._style.trail_s > 0:
            self._draw_trails(image, result, stage)
        self._draw_boxes(image, result, boxes, stage)
        if self._style.alerts:
            self._draw_alerts(image, frame.time_s, stage)
        if self._style.clock:
            self._draw_clock(image, result, stage)
        return image

    def _remember(self, result: FrameResult) -> None:
        time_s = result.frame.time_s
        for event in result.events:
            if event.type == "line.crossed" and event.region in self._crossed and event.direction:
                self._crossed[event.region][event.direction] += 1
                self._flash[event.region] = time_s
            elif event.type == "crowd.formed" and event.region is not None:
                self._crowds[event.region] = event.count or 0
                if event.phase == "end":
                    del self._crowds[event.region]
        self._alerts.extend((time_s, alert) for alert in result.alerts)
        while self._alerts and time_s - self._alerts[0][0] > ALERT_S:
            self._alerts.popleft()

    def _draw_regions(self, image: Image, result: FrameResult, stage: Stage) -> None:
        for name, area in stage.areas.items():
            crowd = name in self._spec.crowds
            count = result.zone_counts.get(name, 0)
            busy = name in self._crowds if crowd else count > 0
            color = area.busy_color if busy else area.color
            area.fill(image, color, 0.18 * busy if crowd else (0.3 if busy else 0.1))
            thick = stage.thick + 1 if busy else stage.thick
            cv2.polylines(image, [area.corners], True, color, thick, cv2.LINE_AA)
        for name, area in stage.areas.items():
            count = result.zone_counts.get(name, 0)
            busy = name in self._crowds if name in self._spec.crowds else count > 0
            text = f"{name}  {count}" if count else name
            color = area.busy_color if busy else area.color
            x, y = area.label_at
            x = min(x, image.shape[1] - stage.chips.width(text, color))
            stage.chips.paste(image, text, (x, y), color, 0.85)
        for name, line in stage.lines.items():
            lit = result.frame.time_s - self._flash.get(name, -FLASH_S) < FLASH_S
            draw_line(image, line, stage.thick + (2 if lit else 0), stage.unit)
            counts = self._crossed[name]
            text = f"{name}  in {counts['in']}  out {counts['out']}"
            x = min(max(line.label_at[0], 0), image.shape[1] - stage.chips.width(text, line.color))
            y = min(max(line.label_at[1], 0), image.shape[0] - stage.chips.height)
            stage.chips.paste(image, text, (x, y), line.color, 0.85)

    def _draw_trails(self, image: Image, result: FrameResult, stage: Stage) -> None:
        detections, time_s = result.detections, result.frame.time_s
        if detections.track_id is None:
            return
        width, height = stage.size
        points = anchor_points(detections.xyxy) / (result.frame.width, result.frame.height)
        for track, (x, y) in zip(detections.track_id.tolist(), points.tolist(), strict=True):
            if track > 0:
                trail = self._trails.setdefault(track, deque(maxlen=256))
                trail.append((time_s, x * width, y * height))
        colors = dict(zip(detections.track_id.tolist(), self._colors(detections), strict=True))
        for track in list(self._trails):
            trail = self._trails[track]
            while trail and time_s - trail[0][0] > self._style.trail_s:
                trail.popleft()
            if not trail:
                del self._trails[track]
            elif track in colors and len(trail) > 1:
                draw_trail(image, np.array(trail)[:, 1:], colors[track], stage.thick)

    def _draw_boxes(
        self, image: Image, result: FrameResult, boxes: NDArray[np.float32], stage: Stage
    ) -> None:
        detections = result.detections
        alarmed = {a.event.object_id: a.severity for t, a in self._alerts if a.event.object_id is not None}
        ids = detections.track_id.tolist() if detections.track_id is not None else [0] * len(boxes)
        names, scores = detections.class_name, detections.confidence.tolist()
        colors = self._colors(detections)
        corners = np.round(np.nan_to_num(boxes)).astype(np.int32).tolist()
        # The nearest last: their labels lie above those of who stands behind.
        for i in np.argsort(boxes[:, 3], kind="stable").tolist():
            x1, y1, x2, y2 = corners[i]
            severity = alarmed.get(ids[i]) if ids[i] else None
            color = colors[i] if severity is None else SEVERITIES[severity]
            thick = stage.thick if severity is None else stage.thick + 1
            draw_box(image, (x1, y1, x2, y2), color, thick)
            if not self._style.labels:
                continue
            text = f"{names[i]} {ids[i]}" if ids[i] else names[i]
            percent = f"{scores[i]:.2f}"[-3:] if scores[i] < 0.995 else "1.0"
            left = max(0, x1 - thick // 2)
            top = y1 - stage.small.height
            if top < 0:
                top = max(0, y1)
            wide = stage.small.width(text, color)
            left = max(0, min(left, image.shape[1] - wide))
            after = stage.small.paste(image, text, (left, top), color)
            if self._style.confidence and after + wide // 2 < image.shape[1]:
                after = stage.small.paste(image, percent, (after, top), INK, 0.8)
            if self._style.findings and i in result.findings:
                self._draw_findings(image, result, result.findings[i], (after, top), stage, color)

    def _draw_findings(
        self,
        image: Image,
        result: FrameResult,
        findings: tuple[Finding, ...],
        at: tuple[int, int],
        stage: Stage,
        color: Color,
    ) -> None:
        """Write what is known of an object behind its label, or below where there is no room."""
        frame = result.frame
        x, y = at
        for finding in findings:
            found = finding.detections
            if found is not None and finding.frame == frame.index:
                scale = (image.shape[1] / frame.width, image.shape[0] / frame.height) * 2
                for box, class_id in zip(found.xyxy, found.class_id.tolist(), strict=True):
                    x1, y1, x2, y2 = np.round(box * scale).astype(int).tolist()
                    cv2.rectangle(image, (x1, y1), (x2, y2), class_color(class_id), stage.thick)
        text = "  ".join(filter(None, (finding.caption for finding in findings)))
        if text:
            text = text if len(text) <= CAPTION else text[: CAPTION - 3] + "..."
            wide = stage.small.width(text, color)
            if x + wide > image.shape[1]:
                x, y = max(0, image.shape[1] - wide), y + stage.small.height
            stage.small.paste(image, text, (x, y), color)

    def _draw_alerts(self, image: Image, time_s: float, stage: Stage) -> None:
        y = stage.margin
        for raised_s, alert in reversed(self._alerts):
            age = time_s - raised_s
            color = SEVERITIES[alert.severity]
            who = alert.event.class_name or ""
            if alert.event.object_id is not None:
                who = f"{who} {alert.event.object_id}"
            if alert.event.type == "crowd.formed":
                who = f"{alert.event.count} objects"
            text = "   ".join(filter(None, (alert.severity.upper(), alert.rule, who.strip())))
            fade = min(1.0, (ALERT_S - age) / 0.6)
            stage.chips.paste(image, text, (stage.margin, y), color, 0.92 * fade)
            y += stage.chips.height + stage.margin // 2
            if age < FLASH_S:
                border = stage.thick * 2
                h, w = image.shape[:2]
                cv2.rectangle(image, (0, 0), (w - 1, h - 1), color, border)
        y = stage.margin
        for name, count in self._crowds.items():
            text = f"crowd {name}: {count}"
            x = image.shape[1] - stage.chips.width(text, CROWD) - stage.margin
            stage.chips.paste(image, text, (x, y), CROWD, 0.9)
            y += stage.chips.height + stage.margin // 2

    def _draw_clock(self, image: Image, result: FrameResult, stage: Stage) -> None:
        minutes, seconds = divmod(result.frame.time_s, 60.0)
        count = len(result.detections)
        text = f"{int(minutes)}:{seconds:04.1f}   {count} object{'' if count == 1 else 's'}"
        if result.frame.file is not None:
            text = f"{result.frame.file}   {count} object{'' if count == 1 else 's'}"
        y = image.shape[0] - stage.small.height - stage.margin // 2
        stage.small.paste(image, text, (stage.margin // 2, y), INK, 0.6)

    def _colors(self, detections: Detections) -> list[Color]:
        if self._style.color_by == "track" and detections.track_id is not None:
            return [track_color(t) for t in detections.track_id.tolist()]
        return [class_color(c) for c in detections.class_id.tolist()]
