"""A clip that was cut, and why one could not be. Values only; who cuts is `cutting`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from argus.core.errors import ArgusError


@dataclass(frozen=True, slots=True)
class Clip:
    """A piece of a stream as an MP4 file that plays in a browser."""

    path: Path
    start_s: float
    """Time of its first picture, by the clock of the camera's frames: at or before what was asked for, for a
    stream can be cut at its key frames alone."""
    end_s: float
    """Time of its last picture."""
    codec: str
    """FFmpeg's name: `h264`, `hevc`, …"""
    packets: int
    """Pictures in it."""
    bytes: int
    """Size of the file."""
    encoded: bool = False
    """False: the camera's own packets, not a bit of a picture changed. True: encoded here, for the source
    gives pictures alone or a codec that browsers do not play."""
    missing: str | None = None
    """What of it is not there, and why, in words: the camera broke off, or its beginning was given up."""


class ClipUnavailable(ArgusError):
    """Nothing of what was asked for is kept, or not yet."""

    def __init__(self, message: str, *, come_to_s: float | None = None) -> None:
        super().__init__(message)
        self.come_to_s = come_to_s
        """How far the stream has come where that is short of the clip's end: the same call works later, and
        one up to there now. None: nothing is gained by waiting."""
