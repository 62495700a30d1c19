"""Annotated pictures and snapshots of events, as files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, cast

import cv2
import numpy as np

from argus.core.errors import OutputError, SpecError
from argus.core.frame import Image
from argus.vision.results import Event, FrameResult

Draw = Callable[[FrameResult], Image]
PICTURE_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})


def encode_picture(picture: Image, suffix: str = ".jpg", quality: int = 90) -> bytes:
    """Return the (H, W, 3) BGR picture as a file's bytes; `suffix` names the format."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if suffix in {".jpg", ".jpeg"} else []
    done, data = cv2.imencode(suffix, picture, options)
    if not done:
        raise SpecError(f"cannot encode a picture of {picture.shape[1]}x{picture.shape[0]} as {suffix}")
    return data.tobytes()


def write_file(path: Path, data: bytes) -> None:
    """Write a file whole; an error names it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise OutputError(path, error.strerror) from error


class AnnotatedPictures:
    """One annotated picture per frame: a single file, or a folder of them named like their originals."""

    def __init__(self, path: Path, draw: Draw) -> None:
        self.path = path
        self._draw = draw
        self._written: set[str] = set()

    def write(self, result: FrameResult) -> None:
        """Draw and write one picture; of `a.png` beside an `a.jpg` it is `a.png.jpg`."""
        frame = result.frame
        path = self.path
        if path.suffix.lower() not in PICTURE_SUFFIXES:
            original = Path(frame.file or f"{frame.index:06d}")
            name = original.with_suffix(".jpg").name
            if name in self._written:
                name = f"{original.name}.jpg"
            self._written.add(name)
            path = path / name
        write_file(path, encode_picture(self._draw(result), path.suffix.lower()))

    def finish(self, still_open: Sequence[Event]) -> None:
        """Nothing is left to do."""

    def close(self) -> None:
        """Nothing is held open."""


class Snapshots:
    """Keeps the best picture of every event: the object's surroundings, with its box.

    In memory while the run goes on, at most `limit`; the newest are kept. In a folder all of them are.
    """

    def __init__(self, folder: Path | None = None, *, limit: int = 500) -> None:
        """Begin without pictures.

        Args:
            folder: Also write each as `<event id>.jpg` when its event is over, or when there is no more room
                for it in memory; None: in memory only.
            limit: How many to hold in memory at most.
        """
        self.jpeg: dict[str, bytes] = {}
        """JPEG bytes by event id."""
        self._folder = folder
        self._limit = limit
        self._unsaved: set[str] = set()
        """Of those in memory, what the folder lacks."""

    def write(self, result: FrameResult) -> None:
        """Cut out the objects of events whose best picture is this frame."""
        for event in result.events:
            if event.snapshot_frame == result.frame.index:
                self.jpeg.pop(event.id, None)
                self.jpeg[event.id] = encode_picture(crop_around(result.frame.bgr, event.xyxy), quality=85)
                self._unsaved.add(event.id)
            if event.phase == "end":
                self._save(event.id)
        while len(self.jpeg) > self._limit:
            oldest = next(iter(self.jpeg))
            if oldest in self._unsaved:
                self._save(oldest)
            del self.jpeg[oldest]

    def finish(self, still_open: Sequence[Event]) -> None:
        """Write the pictures of events without an end."""
        for event in still_open:
            self._save(event.id)

    def close(self) -> None:
        """Nothing is held open."""

    def _save(self, event_id: str) -> None:
        if self._folder is not None and event_id in self.jpeg:
            write_file(self._folder / f"{event_id}.jpg", self.jpeg[event_id])
        self._unsaved.discard(event_id)


def crop_around(picture: Image, xyxy: tuple[float, float, float, float] | None, widest: int = 480) -> Image:
    """Return a copy of the surroundings of a box, the box drawn; the whole picture where there is no box.

    Args:
        picture: (H, W, 3) BGR.
        xyxy: Corners in pixels.
        widest: The longer side of what is returned is at most so many pixels.
    """
    height, width = picture.shape[:2]
    if xyxy is None:
        cut = picture.copy()
    else:
        x1, y1, x2, y2 = xyxy
        side = 1.6 * max(x2 - x1, y2 - y1, 48.0)
        cx, cy = (x1 + x2) / 2, (y1 + y2) / 2
        left, top = int(np.clip(cx - side / 2, 0, width - 1)), int(np.clip(cy - side / 2, 0, height - 1))
        right, bottom = (
            int(np.clip(cx + side / 2, left + 1, width)),
            int(np.clip(cy + side / 2, top + 1, height)),
        )
        cut = picture[top:bottom, left:right].copy()
        corners = [round(v) for v in (x1 - left, y1 - top, x2 - left, y2 - top)]
        cv2.rectangle(cut, corners[:2], corners[2:], (0, 200, 255), max(1, round(side / 200)), cv2.LINE_AA)
    scale = widest / max(cut.shape[:2])
    if scale < 1:
        cut = cast("Image", cv2.resize(cut, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
    return cut
