"""How a source is to be read, whatever its kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

from argus.core.errors import SpecError
from argus.core.resources.camera import Decoder
from argus.vision.sources.protocol import Source
from argus.vision.sources.tapping import PacketTap


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """What `open_source` was asked for; a kind of source ignores what means nothing to it.

    Raises:
        SpecError: a value is out of its range.
    """

    fps: float | None = None
    """Frames per second handed on, at most; None hands on all. Lower saves work, higher catches
    faster motion. Pictures of a folder follow each other at this rate, 1 per second unless told."""
    name: str | None = None
    """What people call it; None takes the file's name or the masked address."""
    timeout_s: float = 10.0
    """How long a server may be silent, at the opening and later. Shorter notices sooner that a
    camera is gone; longer rides out bad networks."""
    loop: bool = False
    """Begin again at the end, with time and index going on (files, pictures; for recordings on a server see
    `Hub`)."""
    transport: Literal["tcp", "udp"] = "tcp"
    """How RTSP carries its packets."""
    verify_tls: bool = True
    """See `CameraSpec.verify_tls`."""
    interval_s: float = 1.0
    """Seconds between two requests for a snapshot."""
    decoder: Decoder = "auto"
    """What decodes a stream; see `CameraSpec.decoder`."""
    tap: PacketTap | None = field(default=None, compare=False, repr=False)
    """Hears the compressed pictures; None: nobody does."""

    def __post_init__(self) -> None:
        if self.fps is not None and not 0 < self.fps <= 1000:
            raise SpecError(f"fps {self.fps:g}: give a number above 0 and at most 1000, or leave it out")
        if not 0 < self.timeout_s <= 3600:
            raise SpecError(f"timeout_s {self.timeout_s:g}: give seconds above 0, at most 3600")
        if not 0 < self.interval_s <= 86400:
            raise SpecError(f"interval_s {self.interval_s:g}: give seconds above 0, at most 86400")
        if self.decoder not in get_args(Decoder):
            raise SpecError(f"decoder {self.decoder!r}: known are {', '.join(sorted(get_args(Decoder)))}")
        if self.transport not in {"tcp", "udp"}:
            raise SpecError(f"transport {self.transport!r}: known are tcp and udp")


Opener = Callable[[str, SourceOptions], Source]
"""Opens the address of one scheme; what an entry point in the group `argus.sources` must be."""
