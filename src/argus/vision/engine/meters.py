"""How long frames take, stage by stage, from the camera's glass to the event. Histograms only."""

from __future__ import annotations

from typing import Any

from argus.core.metrics import Histogram

_QUANTILES = (0.5, 0.95, 0.99)


class Meters:
    """The latencies of one pipeline, in seconds. Written by its lane's thread, read by any."""

    def __init__(self) -> None:
        self.wait = Histogram()
        """From a frame's arrival until a lane took it: decoding, gate and waiting."""
        self.infer = Histogram()
        """Until the model's outputs were there."""
        self.steps = Histogram()
        """Tracking, rules, branches and handing on."""
        self.age = Histogram()
        """From arrival until the result was handed on."""
        self.event = Histogram()
        """The same for frames that raised an event: glass to event."""

    def to_json(self) -> dict[str, Any]:
        """Return count and quantiles of each, in milliseconds."""
        return {
            name: {"count": h.count}
            | {f"p{round(100 * q)}_ms": round(1000 * h.quantile(q), 2) for q in _QUANTILES if h.count}
            for name, h in vars(self).items()
        }
