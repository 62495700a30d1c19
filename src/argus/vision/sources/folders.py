"""Pictures as files: one, or a folder of them in order of name, each by itself.

Pictures are decoded by OpenCV, which keeps to the orientation that a camera noted (EXIF), leaves
out transparency and brings 16 bits down to 8. A folder of videos is not a source.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from argus.core.errors import SourceRefused, SourceUnreadable
from argus.vision.pictures import ArrayPicture
from argus.vision.sources.options import SourceOptions
from argus.vision.sources.protocol import SourceCounters, SourceInfo
from argus.vision.sources.reading import ReadSource, Shot, note_problem

PICTURES: Final = frozenset(
    {".bmp", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
"""Suffixes taken for pictures. An animated GIF is a video."""

_FOLDER_FPS: Final = 1.0

# What OpenCV says of a damaged picture is said again, with the file's name, in the source's counters.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def open_image(path: Path, options: SourceOptions) -> ReadSource:
    """Open one picture.

    Raises:
        SourceUnreadable: it is damaged.
    """
    return _open([path], "image", options, path)


def open_folder(folder: Path, options: SourceOptions) -> ReadSource:
    """Open the pictures that lie directly in a folder; a damaged one is counted and passed over.

    They follow each other at `options.fps`, 1 per second unless told; 2.jpg comes before 10.jpg.

    Raises:
        SourceUnreadable: there is no picture, or none that can be decoded.
        SourceRefused: the folder may not be listed.
    """
    try:
        files = [entry for entry in folder.iterdir() if entry.is_file() and not entry.name.startswith(".")]
    except PermissionError as error:
        raise SourceRefused(f"{folder} may not be listed by this user: check its permissions") from error
    pictures = sorted((f for f in files if f.suffix.lower() in PICTURES), key=_natural)
    if not pictures:
        others = f"; of its {len(files)} other files, name the one to read" if files else ""
        raise SourceUnreadable(f"{folder} holds no picture (looked for {' '.join(sorted(PICTURES))}){others}")
    return _open(pictures, "folder", options, folder)


def decode_picture(data: bytes, name: str) -> ArrayPicture:
    """Return the picture that the bytes of a file hold.

    Raises:
        SourceUnreadable: they are cut off, damaged or of an unknown kind.
    """
    if not data:
        raise SourceUnreadable(f"{name} is empty (0 bytes): copy it again")
    if is_cut_off(data):
        raise SourceUnreadable(f"{name} is cut off: its end is missing; copy it again")
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise SourceUnreadable(f"{name} cannot be decoded ({str(error.err or 'OpenCV').strip()})") from error
    if pixels is None:
        raise SourceUnreadable(f"{name} is damaged, or of a kind that OpenCV cannot read")
    return ArrayPicture(pixels.astype(np.uint8, copy=False))


def is_cut_off(data: bytes) -> bool:
    """Return whether the end of a JPEG or PNG is missing; OpenCV would fill the rest with grey."""
    if data.startswith(b"\xff\xd8"):
        # The last scan must be closed; an earlier end mark may be that of a thumbnail.
        return data.rfind(b"\xff\xd9") <= data.rfind(b"\xff\xda")
    return data.startswith(b"\x89PNG") and b"IEND" not in data[-64:]


def _natural(path: Path) -> list[tuple[int, int | str]]:
    """Return a key under which numbers in names count as numbers."""
    parts = re.split(r"(\d+)", path.name)
    return [(0, int(p)) if p.isdecimal() else (1, p.casefold()) for p in parts if p]


def _open(files: Sequence[Path], kind: str, options: SourceOptions, where: Path) -> ReadSource:
    counters = SourceCounters()
    reader = _PictureReader(files, counters, options)
    first: Sequence[Shot] | None = []
    while not first:
        first = reader.read()
        if first is None:
            if kind == "image":
                raise SourceUnreadable(counters.problems[0])
            raise SourceUnreadable(
                f"none of the {len(files)} pictures in {where} can be decoded: {counters.problems[0]}"
            )
    info = SourceInfo(
        name=options.name or where.name or str(where),
        kind=kind,
        live=False,
        width=first[0].picture.width,
        height=first[0].picture.height,
        frame_count=None if options.loop else len(files),
    )
    # The rate says here how pictures follow each other; none is left out.
    every = SourceOptions(name=options.name)
    return ReadSource(reader, info, counters, every, first)


class _PictureReader:
    def __init__(self, files: Sequence[Path], counters: SourceCounters, options: SourceOptions) -> None:
        self._files = files
        self._counters = counters
        self._interval_s = 1.0 / (options.fps or _FOLDER_FPS)
        self._loop = options.loop
        self._position = 0
        self._given = 0

    def read(self) -> Sequence[Shot] | None:
        if self._position == len(self._files) and self._loop and self._given:
            self._position = 0
        if self._position == len(self._files):
            return None
        file = self._files[self._position]
        self._position += 1
        try:
            picture = decode_picture(file.read_bytes(), file.name)
            taken = datetime.fromtimestamp(file.stat().st_mtime, UTC)
        except SourceUnreadable as error:
            note_problem(self._counters, str(error))
            return []
        except OSError as error:
            note_problem(self._counters, f"{file.name} cannot be read ({error.strerror})")
            return []
        shot = Shot(picture, self._given * self._interval_s, taken, file.name)
        self._given += 1
        return [shot]

    def interrupt(self) -> None:
        """A picture is read without waiting."""

    def free(self) -> None:
        """Nothing is held between two pictures."""
