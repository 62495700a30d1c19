"""Cameras on this machine, through Video4Linux."""

from __future__ import annotations

from pathlib import Path

from argus.core.errors import SourceNotFound
from argus.vision.sources.options import SourceOptions
from argus.vision.sources.reading import ReadSource
from argus.vision.sources.streams import open_stream


def open_webcam(path: str, options: SourceOptions) -> ReadSource:
    """Open `/dev/videoN`.

    Raises:
        SourceNotFound: there is no such device; the message lists those that are there.
        SourceRefused: this user may not use it.
        SourceUnreadable: it is no camera.
    """
    device = Path(path)
    if not device.exists():
        there = sorted(str(entry) for entry in device.parent.glob("video*"))
        raise SourceNotFound(
            f"{path} does not exist: "
            + (f"cameras here are {', '.join(there)}" if there else "no camera is plugged in")
        )
    return open_stream(path, options, container_format="v4l2", kind="webcam")
