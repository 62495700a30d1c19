"""Which recordings a batch job means, in an order that is always the same, and how long they are.

A recording is a video, a picture, or all the pictures that lie directly in a folder. Its name is where it
lies below the fixed part of the source (`cam1/a.mp4` for `uploads/*/*.mp4`), and stands in its records as the
camera.
"""

from __future__ import annotations

import glob
import os
import re
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from argus.core.errors import ArgusError, SourceNotFound, SourceUnreadable, SpecError
from argus.core.paths import is_folder, is_there
from argus.storage.blobs import Blobs, BlobsUnavailable

BLOB: Final = "blob:"
_VIDEOS: Final = frozenset(
    f".{suffix}"
    for suffix in (
        *("264", "265", "3gp", "asf", "avi", "divx", "flv", "gif", "h264", "h265", "hevc", "m2ts", "m4v"),
        *("mjpeg", "mjpg", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "mxf", "ogv", "ts", "vob", "webm"),
        "wmv",
    )
)
"""Suffixes that are taken for videos in a folder. What somebody names is opened whatever it is called."""
_LOOKING_S: Final = 5.0
"""How long the lengths of files are looked at before the work begins."""
_COPIED: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording of a job."""

    name: str
    """Unique within the job; the same at every attempt."""
    path: Path | None = None
    """None: it lies in a store of blobs."""
    key: str | None = None
    """Of a blob."""
    size: int = 0
    """Bytes; 0 where that is not known."""
    frames: int | None = None
    """How many will be looked at, as well as its container says."""


@dataclass(frozen=True, slots=True)
class Length:
    """What a container says of its length; None: nothing."""

    seconds: float | None = None
    frames: int | None = None
    fps: float | None = None


def recordings_of(source: str, blobs: Blobs) -> tuple[Recording, ...]:
    """Return the recordings that a source means, in order of their names; 2.mp4 comes before 10.mp4.

    Args:
        source: A file, a folder, a pattern with `*`, `?`, `[…]` or `**`, or `blob:KEY`, which may be a
            pattern too.
        blobs: Where `blob:` looks.

    Raises:
        SourceNotFound: there is nothing of the kind.
        SourceUnreadable: a folder holds neither videos nor pictures.
        SpecError: it is an address, not a recording.
    """
    if source.startswith(BLOB):
        found = _blobs(source.removeprefix(BLOB), blobs)
    elif re.match(r"[a-z][a-z0-9+.-]+://", source) and not source.startswith("file://"):
        raise SpecError(
            f"job source {source.split('://', maxsplit=1)[0]}://…: a job reads recordings; "
            "make a Camera of what is live"
        )
    else:
        found = _files(source.removeprefix("file://"))
    return tuple(sorted(found, key=lambda recording: natural(recording.name)))


def _files(source: str) -> list[Recording]:
    text = os.path.expanduser(source)  # noqa: PTH111 - a pattern, which Path would take to pieces
    path = Path(text)
    if is_folder(path):
        return _folder(path)
    if is_there(path):
        return [_at(path, path.name)]
    if not glob.has_magic(text):
        raise SourceNotFound(f"{source} does not exist: check the source of the job")
    fixed = _fixed_part(text)
    matches = sorted(set(glob.glob(text, recursive=True)))  # noqa: PTH207 - `**` as shells know it
    files = [Path(match) for match in matches if Path(match).is_file()]
    if not files:
        raise SourceNotFound(f"no file fits {source}: check the source of the job")
    return [_at(file, file.relative_to(fixed).as_posix()) for file in files]


def _folder(folder: Path) -> list[Recording]:
    """Return the videos of a folder, and its pictures as one recording."""
    from argus.vision.sources.folders import PICTURES

    files = [e for e in folder.iterdir() if e.is_file() and not e.name.startswith(".")]
    found = [_at(file, file.name) for file in files if file.suffix.lower() in _VIDEOS]
    pictures = [file for file in files if file.suffix.lower() in PICTURES]
    if pictures:
        size = sum(file.stat().st_size for file in pictures)
        name = folder.resolve().name or "pictures"
        taken = {recording.name for recording in found}
        name = f"{name}/" if name in taken else name
        found.append(Recording(name, folder, size=size, frames=len(pictures)))
    if not found:
        raise SourceUnreadable(
            f"{folder} holds neither videos nor pictures: name a file, or a pattern such as {folder}/**/*.mp4"
        )
    return found


def _at(path: Path, name: str) -> Recording:
    return Recording(name, path, size=path.stat().st_size)


def _fixed_part(pattern: str) -> Path:
    """Return the folder before the first part of a pattern that has signs of one."""
    fixed: list[str] = []
    for part in Path(pattern).parts:
        if glob.has_magic(part):
            break
        fixed.append(part)
    return Path(*fixed) if fixed else Path()


def _blobs(pattern: str, blobs: Blobs) -> list[Recording]:
    magic = re.search(r"[*?\[]", pattern)
    if magic is None:
        info = blobs.info(pattern)
        return [Recording(pattern.rpartition("/")[2], blobs.local(pattern), pattern, info.size)]
    prefix = pattern[: magic.start()]
    cut = prefix.rfind("/") + 1
    found = [
        Recording(info.key[cut:], blobs.local(info.key), info.key, info.size)
        for info in blobs.list(prefix)
        if fnmatchcase(info.key, pattern)
    ]
    if not found:
        raise SourceNotFound(f"no blob fits {BLOB}{pattern}: check the source of the job")
    return found


def natural(name: str) -> list[tuple[int, int | str]]:
    """Return a key under which numbers in names count as numbers."""
    parts = re.split(r"(\d+)", name)
    key: list[tuple[int, int | str]] = [(0, int(p)) if p.isdecimal() else (1, p) for p in parts if p]
    return key


def with_lengths(recordings: Iterable[Recording], fps: float | None) -> tuple[Recording, ...]:
    """Return recordings with the number of their frames, as far as that can be told in some seconds.

    Args:
        recordings: What is to be looked at.
        fps: Frames per second at most.
    """
    until = time.monotonic() + _LOOKING_S
    return tuple(
        recording if recording.frames is not None or time.monotonic() > until else _measured(recording, fps)
        for recording in recordings
    )


def _measured(recording: Recording, fps: float | None) -> Recording:
    if recording.path is None or _is_picture(recording.path):
        return replace(recording, frames=None if recording.path is None else 1)
    length = length_of(recording.path)
    frames = length.frames
    if frames is not None and fps is not None and length.fps is not None and fps < length.fps:
        frames = max(1, round(frames * fps / length.fps))
    return replace(recording, frames=frames)


def _is_picture(path: Path) -> bool:
    from argus.vision.sources.folders import PICTURES

    return path.suffix.lower() in PICTURES


def length_of(path: Path) -> Length:
    """Return what a video's container says of its length; nothing where it cannot be opened."""
    from argus.vision.sources.containers import open_video

    try:
        video = open_video(str(path.absolute()), shown=str(path))
    except ArgusError:
        return Length()
    with video.container:
        return Length(video.duration_s, video.frame_count, video.fps)


def recorded_at(path: Path) -> datetime:
    """Return when a video began, UTC: the same whenever it is asked, as long as nobody touches the file.

    A file was last written when its recording ended. What containers say of that is often wrong.
    """
    ended = datetime.fromtimestamp(round(path.stat().st_mtime, 3), UTC)
    with suppress(OverflowError):
        return ended - timedelta(seconds=round(length_of(path).seconds or 0.0, 3))
    return ended


def fetch(recording: Recording, blobs: Blobs, folder: Path) -> Path:
    """Return a file to read a recording from; of a blob in a bucket a copy, made in constant memory.

    Raises:
        BlobNotFound: it is gone.
        BlobsUnavailable: the store does not answer, or the disk is full.
    """
    if recording.path is not None or recording.key is None:
        assert recording.path is not None
        return recording.path
    path = folder / Path(recording.name).name
    info = blobs.info(recording.key)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with blobs.open(recording.key) as theirs, path.open("wb") as ours:
            while piece := theirs.read(_COPIED):
                ours.write(piece)
        at = info.modified_at.timestamp()
        os.utime(path, (at, at))
    except OSError as error:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        if isinstance(error, ArgusError):
            raise
        raise BlobsUnavailable(
            f"{recording.name} cannot be fetched to {folder}: {error.strerror or error}; it has "
            f"{info.size / 1e6:.0f} MB: make room there, or look at the disk and the store of blobs"
        ) from error
    return path


def in_order(names: Sequence[str], recordings: Iterable[Recording]) -> tuple[Recording, ...]:
    """Return the recordings that an earlier attempt began with; one that is gone has neither path nor key."""
    found = {recording.name: recording for recording in recordings}
    return tuple(found.get(name, Recording(name)) for name in names)
