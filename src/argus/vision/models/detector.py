"""Detectors and segmenters that are networks: frames in, detections out, several at once.

Pictures are drawn in the thread of whoever submits, and read in the thread of whoever waits; in
between the engine works alone. What the outputs mean is `layouts`; how a file becomes a network
is `opening`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import structlog

from argus.core.detections import Detections
from argus.core.frame import Frame
from argus.vision.models.engines.protocol import Network, Slot
from argus.vision.models.layouts.layout import BoxLayout
from argus.vision.models.network_model import NetworkModel
from argus.vision.models.preparation import Easel, Geometry, fit
from argus.vision.models.protocols import Waitable
from argus.vision.models.reading import Thresholds, read_outputs


@dataclass(frozen=True, slots=True)
class _Batch:
    """One inference in flight: the room it runs in and where each frame lies on its canvas."""

    slot: Slot
    geometries: tuple[Geometry, ...]


class NetworkDetector(NetworkModel):
    """Finds objects with one network; a segmenter too, where its layout has masks."""

    def __init__(
        self,
        *,
        name: str,
        labels: tuple[str, ...],
        network: Network,
        layout: BoxLayout,
        canvas: tuple[int, int, int],
        thresholds: Thresholds,
    ) -> None:
        """Read `network`, whose every inference takes a (B, H, W) `canvas`, by its `layout`."""
        super().__init__(name, labels, network, layout, canvas)
        self._layout = layout
        self._easel = Easel(layout.preparation)
        self._thresholds = thresholds
        self._log = structlog.get_logger().bind(model=name)
        self._warned = False
        self.doubts: float | None = None
        """Score from which on the best of what is left out is told too; see `argus.vision.models.doubts`."""

    @property
    def task(self) -> Literal["detect", "segment"]:
        """What it gives: boxes, or boxes with masks."""
        return self._layout.task

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Return one `Detections` per frame, in the order given.

        Raises:
            ModelUnavailable: the engine failed, or the model was closed.
        """
        return self.submit(frames).result()

    def submit(self, frames: Sequence[Frame]) -> Waitable[list[Detections]]:
        """Draw the frames, start the inference and return at once; waits only while every slot is in use."""
        size = self._canvas[0]
        batches: list[_Batch] = []
        try:
            for first in range(0, len(frames), size):
                batches.append(self._start(frames[first : first + size]))  # noqa: PERF401 - what was started is freed
        except BaseException:
            for batch in batches:
                batch.slot.release()
            raise
        return _Submission(self, batches)

    def _start(self, frames: Sequence[Frame]) -> _Batch:
        slot = self._network.acquire(self._canvas)
        try:
            geometries = []
            for at, frame in enumerate(frames):
                geometry = fit(self._layout.preparation, (frame.width, frame.height), self.input_wh)
                self._easel.draw(frame, geometry, slot.pictures, at)
                geometries.append(geometry)
            # A batch that is not full keeps what was drawn last; nobody reads its outputs.
            filled = [*geometries, *geometries[-1:] * (len(slot.pictures) - len(geometries))]
            slot.start(self._layout.extras(filled))
        except BaseException:
            slot.release()
            raise
        return _Batch(slot, tuple(geometries))

    def _read(self, batch: _Batch) -> list[Detections]:
        outputs = batch.slot.outputs()
        results = []
        for i, geometry in enumerate(batch.geometries):
            mine = [output[i] for output in outputs]
            seen, strange = read_outputs(
                self._layout, mine, geometry, self._thresholds, self._labels, self.doubts
            )
            if strange and not self._warned:
                self._warned = True
                self._log.warning(
                    "model.not_finite",
                    count=strange,
                    engine=self.description,
                    consequence="these proposals are left out; try `precision: f32`",
                )
            results.append(seen)
        return results


class _Submission:
    """Frames that were handed to the engine; the result is made once, by the first who waits."""

    def __init__(self, detector: NetworkDetector, batches: list[_Batch]) -> None:
        self._detector = detector
        self._batches = batches
        self._result: list[Detections] | None = None

    def ready(self, timeout_s: float) -> bool:
        """Wait so long at most; return whether `result` would return, or raise, at once."""
        until = time.monotonic() + timeout_s
        return self._result is not None or all(
            batch.slot.ready(max(0.0, until - time.monotonic())) for batch in self._batches
        )

    def result(self) -> list[Detections]:
        """Wait for the engine and return one `Detections` per frame."""
        if self._result is None:
            try:
                self._result = [seen for batch in self._batches for seen in self._detector._read(batch)]
            finally:
                for batch in self._batches:
                    batch.slot.release()
        return self._result
