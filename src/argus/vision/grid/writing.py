"""The grid in a file: one picture that is always new, or a video at a fixed rate."""

from __future__ import annotations

import contextlib
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from argus.core.detections import Detections
from argus.core.errors import OutputError, SpecError
from argus.core.frame import Frame, Image
from argus.vision.pictures import ArrayPicture
from argus.vision.results import FrameResult
from argus.vision.sinks.pictures import PICTURE_SUFFIXES, encode_picture
from argus.vision.sinks.video import AnnotatedVideo

VIDEO_SUFFIXES: Final = frozenset({".mp4", ".mkv", ".mov", ".avi", ".webm"})
_PICTURE_EVERY_S: Final = 1.0


class GridFile:
    """Writes grids to a file whose suffix says how. For one thread.

    A picture (.jpg, .png, …) is replaced at once or not at all, at most once a second: whoever reads it
    sees a whole one. A video (.mp4, …) has `fps` places a second; where no grid came in time for one,
    players hold the one before.
    """

    def __init__(self, path: Path, *, fps: float = 5.0) -> None:
        """Begin a video, or make sure that a picture has a folder.

        Raises:
            SpecError: the suffix is of no picture and no video, or the rate is not above 0.
            OutputError: the file cannot be written there.
        """
        self.path = path
        suffix = path.suffix.lower()
        if fps <= 0:
            raise SpecError(f"cannot write {path} at {fps} pictures per second: use more than 0")
        if suffix not in VIDEO_SUFFIXES | PICTURE_SUFFIXES:
            known = ", ".join(sorted(VIDEO_SUFFIXES | PICTURE_SUFFIXES))
            raise SpecError(f"cannot write a grid to {path}: its name must end in one of {known}")
        self._video: AnnotatedVideo | None = None
        self._fps = fps
        if suffix in VIDEO_SUFFIXES:
            self._video = AnnotatedVideo(path, lambda result: result.frame.bgr, fps=fps)
        else:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise OutputError(path, error.strerror or error) from error
        self._first_s = 0.0
        self._last_s = float("-inf")
        self._count = 0

    def due(self, now_s: float) -> bool:
        """Return whether a grid of this moment would be written: it need not be painted otherwise."""
        if self._count == 0:
            return True
        if self._video is None:
            return now_s - self._last_s >= _PICTURE_EVERY_S
        return self._place(now_s) > self._place(self._last_s)

    def write(self, picture: Image, now_s: float) -> None:
        """Write a grid, (H, W, 3) BGR, if one is due; it must not be changed afterwards.

        Raises:
            OutputError: the disk is full, or the folder gone; a later picture may be written again.
        """
        if not self.due(now_s):
            return
        if self._count == 0:
            self._first_s = now_s
        self._count += 1
        self._last_s = now_s
        if self._video is None:
            self._replace(encode_picture(picture, self.path.suffix.lower()))
            return
        time_s = self._place(now_s) / self._fps
        pixels = ArrayPicture(picture)
        frame = Frame(pixels, "grid", self._count - 1, time_s, datetime.now(UTC), received_s=now_s)
        self._video.write(FrameResult(frame, Detections.empty()))

    def close(self) -> None:
        """Finish the file; idempotent."""
        if self._video is not None:
            self._video.close()

    def _place(self, now_s: float) -> int:
        """Return which picture of the video belongs to a moment; the first is 0."""
        # A thousandth of a place of leave: moments are sums of many floats.
        return int((now_s - self._first_s) * self._fps + 1e-3)

    def _replace(self, data: bytes) -> None:
        part = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        try:
            part.write_bytes(data)
            part.replace(self.path)
        except OSError as error:
            raise OutputError(self.path, error.strerror or error) from error
        finally:
            with contextlib.suppress(OSError):
                part.unlink()
