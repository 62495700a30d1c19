"""What one pipeline did within one second, as a small JSON object: for those who ask later why no alert came.

Collected frame by frame in arrays beside those of the rules, and made into words and lists once a second, so
that it can always be on. What follows from it is `explain`; how it is written, field by field, is in
`docs/explanation/explain.md`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from argus.core.detections import Detections
from argus.core.resources.model import ModelSpec
from argus.core.resources.pipeline import PipelineSpec
from argus.vision.engine.accounting import FrameCounts
from argus.vision.models.doubts import DoubtfulDetections
from argus.vision.objects import ObjectTable
from argus.vision.results import FrameResult
from argus.vision.rules import Rules
from argus.vision.trace_events import Told
from argus.vision.zones import Zones

VERSION: Final = 1
"""Of the data; it grows by fields that may be missing, and changes where one comes to mean something else."""

OBJECTS: Final = 20
"""Objects of a second that are told, those in zones first."""
_DOUBTS_S: Final = 0.25
"""Between two frames whose doubts are looked at."""

Tracing = Callable[[datetime, dict[str, Any]], None]
"""Takes the beginning of a second (UTC) and its data; quick, for it is called in the thread that watches the
engine. See `Engine.trace`."""


class Tracer:
    """One pipeline's second. `frame` belongs to the thread that steps the rules, `second` to any.

    `Engine.trace` makes one, feeds it and asks it.
    """

    def __init__(self, spec: PipelineSpec, model: ModelSpec | None = None) -> None:
        """Begin with an empty second.

        Args:
            spec: The pipeline's.
            model: What looks, for its thresholds; None: they are not known.
        """
        self._asked_s = float("-inf")
        self._lock = threading.Lock()
        self._before: FrameCounts | None = None
        self._size: tuple[int, int] | None = None
        self._model = ""
        self._time: list[float] = []
        self._names: list[str] = []
        self._zones: list[str] = []
        self.respec(spec, model)
        self._shape(0, 0)
        self._clear()

    def respec(self, spec: PipelineSpec, model: ModelSpec | None = None) -> None:
        """Go on with another model or filter, within the same second."""
        with self._lock:
            self._set_wanted(spec, model)

    def _set_wanted(self, spec: PipelineSpec, model: ModelSpec | None) -> None:
        self._spec = spec
        wanted = [
            None if model is None else model.confidence,
            None if spec.detect is None else spec.detect.confidence,
        ]
        self._confidence = max((value for value in wanted if value is not None), default=None)
        self._wanted = [
            classes
            for classes in (
                None if model is None else model.classes,
                None if spec.detect is None else spec.detect.classes,
            )
            if classes is not None
        ]

    def asks(self, now_s: float) -> bool:
        """Return whether it wants to know what the model leaves out of the frame at hand.

        A few times a second, for that costs up to 0.2 ms: the outputs are read down to a lower score.

        Args:
            now_s: Monotonic seconds.
        """
        if now_s - self._asked_s < _DOUBTS_S:
            return False
        self._asked_s = now_s
        return True

    def frame(self, seen: Detections, result: FrameResult, rules: Rules | None) -> None:
        """Take one frame.

        Args:
            seen: What the model gave, before the pipeline's filter.
            result: What the pipeline made of it.
            rules: Its rules, after their step; None: there are none to look at.
        """
        frame, found = result.frame, result.detections
        with self._lock:
            self._size, self._model = (frame.width, frame.height), result.model
            self._time = [self._time[0] if self._time else frame.time_s, frame.time_s]
            if isinstance(seen, DoubtfulDetections) and seen.doubts is not None:
                self._note(self._doubts, seen.doubts, said=True)
            if len(seen) != len(found):
                self._note(self._doubts, _left_out(seen, self._spec), said=True)
            if found.track_id is None:
                self._note(self._loose, found)
            elif np.count_nonzero(found.track_id) < len(found):
                self._note(self._loose, found.take(found.track_id == 0))
            if rules is not None and found.track_id is not None:
                self._look(rules.objects, rules.zones)
            if result.zone_counts and self._spec.crowds:
                for name in self._spec.crowds:
                    count = result.zone_counts.get(name, 0)
                    self._crowds[name] = max(count, self._crowds.get(name, 0))
            if result.events:
                self._told.add(result, () if rules is None else rules.held_back)

    def second(
        self, counts: FrameCounts, state: str, reason: str, lasted_s: float, error: str | None = None
    ) -> dict[str, Any]:
        """End the second and return its data.

        Args:
            counts: What became of the pipeline's frames so far.
            state: The camera's, as `CameraPhase` has it.
            reason: Why it is so, in words.
            lasted_s: How long it was, really.
            error: What ended the pipeline, in words.
        """
        with self._lock:
            frames = counts if self._before is None else counts.minus(self._before)
            self._before = counts
            data: dict[str, Any] = {
                "v": VERSION,
                "s": round(lasted_s, 2),
                "camera": {"state": state, "reason": reason},
                "frames": {name: count for name, count in frames.to_json().items() if count},
            }
            if error is not None:
                data["error"] = error
            if self._time:
                data["model"] = self._model
                data["size"] = self._size
                data["time"] = [round(time_s, 3) for time_s in self._time]
                if self._confidence is not None:
                    data["confidence"] = self._confidence
            found = sorted([*self._gone, *self._present()], key=_importance)
            lists = {
                "objects": found[:OBJECTS],
                "more": max(0, len(found) - OBJECTS),
                "loose": list(self._loose.values()),
                "doubts": list(self._doubts.values()),
                "crowds": self._crowds,
                **self._told.to_json(),
            }
            data |= {name: value for name, value in lists.items() if value}
            self._clear()
            return data

    def _look(self, objects: ObjectTable, zones: Zones | None) -> None:
        """Note who is there, and how long in which zone."""
        count = 0 if zones is None else len(zones.names)
        if self._stay.shape != (count, objects.capacity):
            self._gone += self._present()
            self._shape(count, objects.capacity)
        if not np.array_equal(self._id, objects.id):
            self._change(objects)
        seen = objects.seen
        np.maximum(self._best, objects.confidence, out=self._best, where=seen)
        self._count += seen
        np.copyto(self._xyxy, objects.xyxy)
        np.copyto(self._class, objects.class_number)
        np.copyto(self._last_s, objects.last_s)
        self._names = objects.vocabulary.names
        if zones is not None:
            self._zones = zones.names
            # Outside the one is infinite and the other less than nothing, and so is the stay.
            np.subtract(zones.last_s, zones.first_s, out=self._now)
            np.maximum(self._stay, self._now, out=self._stay)
            self._counted |= zones.open

    def _change(self, objects: ObjectTable) -> None:
        """Keep what is known of objects whose place in the table is another's now."""
        other = self._id != objects.id
        self._gone += self._present(other)
        self._id[other] = objects.id[other]
        self._first_s[other] = objects.first_s[other]
        self._best[other], self._count[other] = 0.0, 0
        self._stay[:, other], self._counted[:, other] = -np.inf, False

    def _present(self, which: NDArray[np.bool_] | None = None) -> list[dict[str, Any]]:
        """Return the objects that were seen in this second, as JSON."""
        seen = (self._id > 0) & (self._count > 0)
        slots = np.flatnonzero(seen if which is None else seen & which)
        if not len(slots) or self._size is None:
            return []
        boxes = np.round(self._xyxy[slots] / (self._size * 2), 4).astype(np.float64).round(4).tolist()
        rows = []
        for slot, box in zip(slots.tolist(), boxes, strict=True):
            row: dict[str, Any] = {
                "id": int(self._id[slot]),
                "class": self._names[int(self._class[slot])],
                "best": round(float(self._best[slot]), 3),
                "n": int(self._count[slot]),
                "age": round(float(self._last_s[slot] - self._first_s[slot]), 2),
                "box": box,
            }
            stays = {
                name: [round(float(self._stay[zone, slot]), 2), bool(self._counted[zone, slot])]
                for zone, name in enumerate(self._zones)
                if self._stay[zone, slot] >= 0
            }
            if stays:
                row["zones"] = stays
            rows.append(row)
        return rows

    def _note(self, best: dict[str, dict[str, Any]], seen: Detections, *, said: bool = False) -> None:
        """Keep the best of each class, and say why it was left out."""
        assert self._size is not None
        scores, numbers = seen.confidence.tolist(), seen.class_id.tolist()
        for row, (score, number) in enumerate(zip(scores, numbers, strict=True)):
            name = seen.labels[number]
            known = best.setdefault(name, {"class": name, "best": -1.0, "n": 0})
            known["n"] += 1
            if known["best"] >= score:
                continue
            if said:
                wrong = any(name not in classes for classes in self._wanted)
                known["why"] = "class" if wrong else "confidence"
            width, height = self._size
            x1, y1, x2, y2 = seen.xyxy[row].tolist()
            known["best"] = round(score, 3)
            known["box"] = [round(x1 / width, 4), round(y1 / height, 4)]
            known["box"] += [round(x2 / width, 4), round(y2 / height, 4)]

    def _shape(self, zones: int, capacity: int) -> None:
        """Make room for so many zones and objects."""
        self._id: NDArray[np.int64] = np.zeros(capacity, np.int64)
        self._first_s: NDArray[np.float64] = np.zeros(capacity)
        self._last_s: NDArray[np.float64] = np.zeros(capacity)
        self._best: NDArray[np.float32] = np.zeros(capacity, np.float32)
        self._count: NDArray[np.int64] = np.zeros(capacity, np.int64)
        self._class: NDArray[np.intp] = np.zeros(capacity, np.intp)
        self._xyxy: NDArray[np.float32] = np.zeros((capacity, 4), np.float32)
        self._stay: NDArray[np.float64] = np.full((zones, capacity), -np.inf)
        self._now: NDArray[np.float64] = np.zeros((zones, capacity))
        self._counted: NDArray[np.bool_] = np.zeros((zones, capacity), np.bool_)

    def _clear(self) -> None:
        self._time = []
        self._best[:], self._count[:] = 0.0, 0
        self._stay[:], self._counted[:] = -np.inf, False
        self._gone: list[dict[str, Any]] = []
        self._loose: dict[str, dict[str, Any]] = {}
        self._doubts: dict[str, dict[str, Any]] = {}
        self._crowds: dict[str, int] = {}
        self._told = Told()


def _left_out(seen: Detections, spec: PipelineSpec) -> Detections:
    """Return the detections that the pipeline's own filter leaves out."""
    detect = spec.detect
    if detect is None:
        return seen.take(np.zeros(0, np.intp))
    out = np.zeros(len(seen), np.bool_)
    if detect.confidence is not None:
        out |= seen.confidence < detect.confidence
    if detect.classes is not None:
        out |= ~np.array([name in detect.classes for name in seen.labels], np.bool_)[seen.class_id]
    return seen.take(out)


def _importance(row: dict[str, Any]) -> tuple[float, float]:
    """Return a key under which those in zones come first, and of equals the surest."""
    return -max((stay for stay, _ in row.get("zones", {}).values()), default=-1.0), -row["best"]
