"""A network that answers from memory: everything but inference can then be measured by itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from argus.core.errors import ModelUnreadable
from argus.core.resources.model import ModelSpec
from argus.vision.models.detector import NetworkDetector
from argus.vision.models.engines.choose import engine_for
from argus.vision.models.engines.protocol import Arrays, Network, Slot
from argus.vision.models.labels import class_ids
from argus.vision.models.layouts.layout import BoxLayout, VectorLayout
from argus.vision.models.opening import plan
from argus.vision.models.precision import open_at_best
from argus.vision.models.reading import Thresholds


class Recording:
    """A network that remembers what the real one gives, in order."""

    def __init__(self, network: Network) -> None:
        self.outputs: list[Arrays] = []
        self._network = network
        self.depth = 1
        self.description = network.description

    def acquire(self, shape: tuple[int, int, int]) -> Slot:
        """Return room in the real network."""
        return _Recorded(self._network.acquire(shape), self.outputs)

    def close(self) -> None:
        """Free the real one."""
        self._network.close()


class _Recorded:
    def __init__(self, slot: Slot, kept: list[Arrays]) -> None:
        self._slot = slot
        self._kept = kept
        self.pictures = slot.pictures
        self.start = slot.start
        self.ready = slot.ready
        self.release = slot.release

    def outputs(self) -> Arrays:
        copies = [np.array(output) for output in self._slot.outputs()]
        self._kept.append(copies)
        return copies


class Replay:
    """A network that gives recorded outputs in order, again and again, at once."""

    depth = 3
    description = "replay"

    def __init__(self, outputs: list[Arrays]) -> None:
        self._outputs = outputs
        self._next = 0
        self._canvases: dict[tuple[int, int, int], NDArray[np.uint8]] = {}

    def acquire(self, shape: tuple[int, int, int]) -> Slot:
        """Return room that needs no engine; one canvas serves all, as nobody reads it."""
        canvas = self._canvases.setdefault(shape, np.empty((*shape, 3), np.uint8))
        outputs = self._outputs[self._next % len(self._outputs)]
        self._next += 1
        return _Replayed(canvas, outputs)

    def close(self) -> None:
        """Nothing is held."""


class _Replayed:
    def __init__(self, pictures: NDArray[np.uint8], outputs: Arrays) -> None:
        self.pictures = pictures
        self._outputs = outputs

    def start(self, extras: Mapping[str, NDArray[Any]] | None = None) -> None:
        """Nothing is computed."""

    def ready(self, timeout_s: float) -> bool:
        return True

    def outputs(self) -> Arrays:
        return self._outputs

    def release(self) -> None:
        """Nothing is lent."""


class Stand:
    """A detector whose engine can be the real one, recorded, or its replay."""

    def __init__(self, file: str) -> None:
        """Read the network in `file`.

        Raises:
            ModelUnreadable: it is no detector.
        """
        self._spec = ModelSpec(path=file)
        self._plan = plan(Path(file), self._spec)
        if isinstance(self._plan.layout, VectorLayout):
            raise ModelUnreadable(f"{file}: `argus bench` measures detectors, and this is none")

    def recording(self) -> tuple[NetworkDetector, Recording]:
        """Return the detector on the real engine, and what it remembers."""
        recording = Recording(open_at_best(engine_for(self._spec), self._plan, self._spec))
        return self._detector(recording), recording

    def replaying(self, outputs: list[Arrays]) -> NetworkDetector:
        """Return the detector on what was recorded."""
        return self._detector(Replay(outputs))

    @property
    def reading(self) -> tuple[BoxLayout, tuple[int, int], Thresholds]:
        """How outputs are read: the layout, width and height of the canvas, and what is kept."""
        planned, spec = self._plan, self._spec
        assert not isinstance(planned.layout, VectorLayout)
        wanted = class_ids(planned.labels, spec.classes)
        thresholds = Thresholds(spec.confidence, spec.iou, spec.max_detections, wanted)
        return planned.layout, (planned.canvas[2], planned.canvas[1]), thresholds

    def _detector(self, network: Network) -> NetworkDetector:
        layout, _, thresholds = self.reading
        return NetworkDetector(
            name=self._plan.name,
            labels=self._plan.labels,
            network=network,
            layout=layout,
            canvas=self._plan.canvas,
            thresholds=thresholds,
        )
