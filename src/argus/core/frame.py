"""One picture of a source, and how its pixels are asked for.

Only the words live here: what turns a decoder's planes into pixels is `argus.vision.pictures`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""(H, W, 3) or, for grey, (H, W) pixels, `uint8`, C-contiguous, origin top left."""

Channels = Literal["bgr", "rgb", "gray"]


class Picture(Protocol):
    """Pixels that are made only when somebody asks. Safe to use from several threads."""

    @property
    def width(self) -> int:
        """Columns, in pixels, as the picture is meant to be seen (rotation applied)."""
        ...

    @property
    def height(self) -> int:
        """Rows, likewise."""
        ...

    def bgr(self) -> Image:
        """Return the full picture, (H, W, 3); made once, then remembered. Read-only."""
        ...

    def resized(self, width: int, height: int, channels: Channels = "rgb") -> Image:
        """Return a new (height, width, 3) or, for grey, (height, width) picture, bilinear.

        The aspect is not kept, and the full-size BGR is not made when the planes suffice.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)  # two frames are one only if they are the same object
class Frame:
    """One picture with its place in its source. Pixels are made on demand."""

    picture: Picture
    source: str
    """Name of the source, credentials masked."""
    index: int
    """Position in the source, first 0; counts pictures that were decoded."""
    time_s: float
    """Presentation time in seconds from the start of the source; never decreases."""
    captured_at: datetime
    """Wall-clock time (UTC) when the picture was taken, as well as it is known."""
    file: str | None = None
    """For pictures of a folder: the file's name."""
    received_s: float | None = None
    """`time.monotonic()` when it arrived: the age of a live frame is counted from here, for the wall
    clock may jump. None for recordings, which do not age."""

    @property
    def width(self) -> int:
        """Columns of the full picture."""
        return self.picture.width

    @property
    def height(self) -> int:
        """Rows of the full picture."""
        return self.picture.height

    @property
    def bgr(self) -> Image:
        """The full picture, (H, W, 3) BGR; made on the first call. Read-only: copy to draw on it."""
        return self.picture.bgr()

    def resized(self, width: int, height: int, channels: Channels = "rgb") -> Image:
        """Return the picture at another size; see `Picture.resized`."""
        return self.picture.resized(width, height, channels)
