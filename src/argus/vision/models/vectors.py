"""Classifiers and embedders that are networks: pictures in, one row each out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import structlog
from numpy.typing import NDArray

from argus.core.frame import Image
from argus.vision.models.crops import draw_crop
from argus.vision.models.engines.protocol import Network, Slot
from argus.vision.models.layouts.layout import VectorLayout, softmax
from argus.vision.models.network_model import NetworkModel
from argus.vision.models.protocols import Classification


class RowNetwork(NetworkModel):
    """What classifiers and embedders share: as many inferences at once as the engine likes."""

    def __init__(
        self,
        *,
        name: str,
        labels: tuple[str, ...],
        network: Network,
        layout: VectorLayout,
        canvas: tuple[int, int, int],
    ) -> None:
        """Read `network`, whose every inference takes a (B, H, W) `canvas`, by its `layout`."""
        super().__init__(name, labels, network, layout, canvas)
        self._layout = layout
        self._warned = False

    def rows(self, pictures: Sequence[Image]) -> NDArray[np.float32]:
        """Return (N, size) outputs, all finite."""
        rows = np.zeros((len(pictures), self._layout.size), np.float32)
        step, most = self._canvas[0], self._network.depth
        running: list[tuple[int, Slot]] = []
        try:
            for first in range(0, len(pictures), step):
                if len(running) == most:
                    self._collect(running, rows)
                slot = self._network.acquire(self._canvas)
                running.append((first, slot))
                for picture, canvas in zip(pictures[first : first + step], slot.pictures, strict=False):
                    draw_crop(picture, self._layout.preparation, canvas)
                slot.start()
            while running:
                self._collect(running, rows)
        finally:
            for _, slot in running:
                slot.release()
        broken = ~np.isfinite(rows)
        if broken.any():
            if not self._warned:
                self._warned = True
                structlog.get_logger().warning(
                    "model.not_finite",
                    model=self._name,
                    count=int(np.count_nonzero(broken)),
                    engine=self.description,
                    consequence="these values are taken as 0; try `precision: f32`",
                )
            rows[broken] = 0
        return rows

    @staticmethod
    def _collect(running: list[tuple[int, Slot]], rows: NDArray[np.float32]) -> None:
        first, slot = running[0]
        values = slot.outputs()[0]
        count = min(len(values), len(rows) - first)
        rows[first : first + count] = values[:count].reshape(count, -1)
        slot.release()
        del running[0]


class NetworkClassifier(RowNetwork):
    """Says what a picture shows, by one network."""

    def classify(self, pictures: Sequence[Image]) -> list[Classification]:
        """Return one `Classification` per (H, W, 3) BGR picture.

        Raises:
            ModelUnavailable: the engine failed, or the model was closed.
        """
        return [Classification(row, self._labels) for row in probabilities(self.rows(pictures))]


class NetworkEmbedder(RowNetwork):
    """Turns crops into vectors of appearance, by one network."""

    def embed(self, pictures: Sequence[Image]) -> NDArray[np.float32]:
        """Return (N, D) unit vectors, one per (H, W, 3) BGR crop.

        Raises:
            ModelUnavailable: the engine failed, or the model was closed.
        """
        return unit_vectors(self.rows(pictures))


def probabilities(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (N, C) probabilities for logits, or the rows themselves where they are that already."""
    if not len(rows) or (rows.min() >= 0 and bool(np.allclose(rows.sum(axis=1), 1, atol=1e-2))):
        return rows
    return softmax(rows)


def unit_vectors(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the rows scaled to length 1; a row of zeros stays as it is."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    result: NDArray[np.float32] = rows / np.maximum(length, np.float32(1e-12))
    return result
