"""The `Camera` resource: where a live picture comes from, and when it counts as ill.

The words only; what opens a camera is `argus.vision.sources`.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from argus.core.durations import Duration
from argus.core.resources.regions import Severity
from argus.core.resources.spec import Spec
from argus.core.urls import mask_url

CameraState = Literal["connecting", "online", "frozen", "lost", "blurred", "dark", "covered", "moved"]
"""What can be said of a camera; every state but `connecting` has an event `camera.STATE`."""
Decoder = Literal["auto", "software", "hardware", "cuda", "vaapi", "gstreamer"]


class HealthSpec(Spec):
    """When a camera that gives pictures counts as ill all the same, and how that is told."""

    check_every: Duration = Field(default=0.5, gt=0)
    """Seconds between two looks at the picture; a third of it while the camera is ill. Higher costs less;
    lower tells sooner."""
    frozen_after: Duration = 10.0
    """Seconds of one unchanged picture before `camera.frozen`; 0: never. Higher bears stillness; lower tells
    sooner."""
    dark_below: float = Field(default=0.06, ge=0, le=1)
    """Mean brightness (0 black, 1 white) below which `camera.dark` is told, unless lamps are lit in it; 0:
    never."""
    blurred_below: float = Field(default=0.25, ge=0, le=1)
    """Part of its usual sharpness below which `camera.blurred` is told; 0: never."""
    covered_above: float = Field(default=0.7, ge=0, le=1)
    """Part of what usually shows detail that shows none from which `camera.covered` is told; 1: never."""
    moved_above: float = Field(default=0.45, ge=0, le=1)
    """Part of the picture's fixed structure that is found elsewhere or nowhere before `camera.moved` is told;
    1: never."""
    ill_for: Duration = 5.0
    """Seconds that darkness, blur, a cover or a move must last. Higher bears passing lorries; lower tells
    sooner."""
    well_for: Duration = 1.0
    """Seconds that all must be well again before that is told. Higher tells less of flicker."""
    settled_after: Duration = 600.0
    """Seconds after which the view of a moved camera counts as its usual one; 0: never."""
    severity: Severity | None = "high"
    """Makes lost, frozen, blurred, dark, covered and moved alerts of this severity; None: events only."""
    cooldown: Duration = 60.0
    """Seconds in which the same alert of this camera is raised once."""


class ReconnectSpec(Spec):
    """When a camera that broke off is called again: after `first`, then twice as long, up to `longest`.

    Each wait is shortened at random to between half and all of it, so that a hundred cameras behind one
    switch do not come back at one moment.
    """

    first: Duration = Field(default=0.25, gt=0)
    """Seconds before the first attempt."""
    longest: Duration = Field(default=0.6, gt=0)
    """Seconds between attempts at most. Higher spares a weak network; lower is back sooner."""
    refused: Duration = Field(default=30.0, gt=0)
    """Seconds between attempts, in the end, where the camera refuses the credentials: cameras lock accounts
    that knock too often."""
    max_retries: int = Field(default=-1, ge=-1)
    """Attempts in a row before the camera is given up; -1: never."""


class CameraSpec(Spec):
    """A live source of frames. A text alone is its `url`."""

    url: str = Field(min_length=1, repr=False)
    """`rtsp://…`, `http://…` (MJPEG, HLS or JPEG snapshots), `/dev/video0` or `synthetic:plaza`."""
    fps: float | None = Field(default=None, gt=0, le=240)
    """Frames per second at most. Higher catches faster motion; lower frees the machine. None: all."""
    decoder: Decoder = "auto"
    """What decodes: `software`; `cuda` or `vaapi` through FFmpeg; `hardware` whichever of them is there;
    `gstreamer` (extra `gstreamer`); `auto` takes hardware where it is there and works."""
    transport: Literal["tcp", "udp"] = "tcp"
    """How RTSP carries the picture: `tcp` loses nothing, `udp` waits for nothing."""
    verify_tls: bool = True
    """False takes an `https://` camera at its word that signed its certificate itself. Of `rtsps://` and HLS
    no certificate is looked at."""
    lost_after: Duration = Field(default=5.0, gt=0)
    """Seconds of silence after which the camera is opened again. Higher rides out bad Wi-Fi; lower reacts
    sooner."""
    reconnect: ReconnectSpec = ReconnectSpec()
    """When it is called again after it broke off."""
    loop: bool = False
    """True plays a recording again when it has ended; False: once. Either way at its own speed."""
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
