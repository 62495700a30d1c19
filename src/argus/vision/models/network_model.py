"""What every model is that is a network and a layout by which it is read: its name, labels, size and end."""

from __future__ import annotations

from argus.vision.models.engines.protocol import Network
from argus.vision.models.layouts.layout import BoxLayout, VectorLayout


class NetworkModel:
    """Owns a network; what its outputs mean is said by those who inherit from it."""

    def __init__(
        self,
        name: str,
        labels: tuple[str, ...],
        network: Network,
        layout: BoxLayout | VectorLayout,
        canvas: tuple[int, int, int],
    ) -> None:
        """Take `network`, whose every inference takes a (B, H, W) `canvas`."""
        self._name = name
        self._labels = labels
        self._network = network
        self._layout_name = layout.name
        self._canvas = canvas

    @property
    def name(self) -> str:
        """The name shown to people."""
        return self._name

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels, by class id."""
        return self._labels

    @property
    def layout(self) -> str:
        """Name of the layout by which its outputs are read."""
        return self._layout_name

    @property
    def description(self) -> str:
        """Engine, precision and device in words."""
        return self._network.description

    @property
    def input_wh(self) -> tuple[int, int]:
        """Width and height of the canvas in pixels."""
        return self._canvas[2], self._canvas[1]

    @property
    def batch(self) -> int:
        """Pictures per inference."""
        return self._canvas[0]

    @property
    def depth(self) -> int:
        """How many inferences in flight keep the engine busy."""
        return self._network.depth

    def close(self) -> None:
        """Free the engine; idempotent."""
        self._network.close()
