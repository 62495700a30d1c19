"""The `Camera` resource: where a live picture comes from, and when it counts as ill.

The words only; what opens a camera is `argus.vision.sources`.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from argus.core.durations import Duration
from argus.core.resources.spec import Spec
from argus.core.urls import mask_url


class HealthSpec(Spec):
    """When a camera that gives pictures counts as ill all the same."""

    frozen_after: Duration = 10.0
    """Seconds of one unchanged picture before `camera.frozen`. Higher bears stillness; lower tells sooner."""
    dark_below: float = Field(default=0.06, ge=0, le=1)
    """Mean brightness (0 black, 1 white) below which `camera.dark` is told; 0: never."""
    blurred_below: float = Field(default=0.25, ge=0, le=1)
    """Part of its usual sharpness below which `camera.blurred` is told; 0: never."""
    ill_for: Duration = 5.0
    """Seconds that darkness or blur must last. Higher bears passing lorries; lower tells sooner."""


class CameraSpec(Spec):
    """A live source of frames. A text alone is its `url`."""

    url: str = Field(min_length=1, repr=False)
    """`rtsp://…`, `http://…` (MJPEG, HLS or JPEG snapshots), `/dev/video0` or `synthetic:plaza`."""
    fps: float | None = Field(default=None, gt=0, le=240)
    """Frames per second at most. Higher catches faster motion; lower frees the machine. None: all."""
    decoder: Literal["auto", "software", "hardware"] = "auto"
    """What decodes: `auto` takes hardware where it is there and works."""
    transport: Literal["tcp", "udp"] = "tcp"
    """How RTSP carries the picture: `tcp` loses nothing, `udp` waits for nothing."""
    lost_after: Duration = Field(default=5.0, gt=0)
    """Seconds of silence after which the camera is opened again. Higher rides out bad Wi-Fi; lower reacts
    sooner."""
    health: HealthSpec = HealthSpec()
    """When it counts as ill."""

    @model_validator(mode="before")
    @classmethod
    def _url_alone(cls, value: Any) -> Any:
        return {"url": value} if isinstance(value, str) else value

    @property
    def shown_url(self) -> str:
        """The address as it may be shown: passwords and tokens masked."""
        return mask_url(self.url)

    def __str__(self) -> str:
        return self.shown_url
