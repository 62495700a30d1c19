"""Video files: every frame in order, as fast as the reader takes them."""

from __future__ import annotations

import difflib
import stat
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal

import av.error

from argus.core.errors import SourceNotFound, SourceUnreadable
from argus.core.paths import is_there
from argus.core.resources.camera import Decoder as DecoderName
from argus.vision.sources.containers import VideoInput, open_video
from argus.vision.sources.decoding import Decoder, packets
from argus.vision.sources.hardware import accelerator_of
from argus.vision.sources.options import SourceOptions
from argus.vision.sources.protocol import SourceCounters, SourceInfo
from argus.vision.sources.reading import ReadSource, Shot, thinned
from argus.vision.sources.tapping import VideoPacket
from argus.vision.sources.timing import FrameClock

_USUAL_FPS: Final = 25.0
"""Assumed between frames without a timestamp where the container names no rate either."""

_LARGE: Final = 1280 * 720
"""Pixels from which decoding is worth several threads."""


def open_file(path: Path, options: SourceOptions) -> ReadSource:
    """Open a video file of any container that FFmpeg reads.

    The capture time of a frame is the moment of opening plus its time in the file: containers
    seldom say when they were recorded, and then often wrong.

    Raises:
        SourceNotFound: there is no such file; the message names a similar one beside it.
        SourceUnreadable: it is empty, cut off, no video, or of a codec that cannot be decoded.
    """
    expect_file(path)
    counters = SourceCounters()
    reader = _FileReader(path, counters, options)
    try:
        first = reader.read_first()
    except BaseException:
        reader.free()
        raise
    video = reader.video
    info = SourceInfo(
        name=options.name or path.name,
        kind="file",
        live=False,
        width=first[0].picture.width,
        height=first[0].picture.height,
        fps=video.fps,
        frame_count=None if options.loop else video.frame_count,
        codec=video.codec,
    )
    return ReadSource(reader, thinned(info, options), counters, options, first, fps_of_source=video.fps)


def expect_file(path: Path) -> None:
    """Raise unless `path` is a file with something in it.

    Raises:
        SourceNotFound: nothing is there.
        SourceUnreadable: it is empty, or nobody may look there.
    """
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise SourceNotFound(f"{path} does not exist{_similar(path)}: check the path") from None
    except OSError as error:
        raise SourceUnreadable(f"{path}: {error.strerror}: check the path and who may read it") from None
    if stat.S_ISREG(found.st_mode) and found.st_size == 0:
        raise SourceUnreadable(f"{path} is empty (0 bytes): record or copy it again")


class _FileReader:
    def __init__(self, path: Path, counters: SourceCounters, options: SourceOptions) -> None:
        self._path = path
        self._counters = counters
        self._loop = options.loop
        self._fps = options.fps
        self._tap = options.tap
        # A recording is decoded on a card only where that was asked for: small files are read faster without.
        self._decoder_name: DecoderName = "software" if options.decoder == "auto" else options.decoder
        opened_at = datetime.now(UTC)
        self._wall = lambda time_s: opened_at + timedelta(seconds=time_s)
        self.video = self._open()
        self._clock = FrameClock(1.0 / (self.video.fps or _USUAL_FPS))
        if self._tap is not None:
            self._tap.opened(self.video.stream)
        self._start()

    def _open(self) -> VideoInput:
        try:
            # Absolute: FFmpeg would take the colon in a name such as rtsp:1.mkv for that of a protocol.
            return open_video(
                str(self._path.absolute()),
                shown=str(self._path),
                accelerator=accelerator_of(self._decoder_name),
            )
        except SourceUnreadable as error:
            if isinstance(error.__cause__, av.error.InvalidDataError) and _lacks_index(self._path):
                raise SourceUnreadable(
                    f"{self._path} has no index (moov box), so it was cut off before the recording ended: "
                    "copy it again, or record to .mkv or .ts, which survive that"
                ) from error
            raise

    def _start(self, passed: int = 0) -> None:
        self._packets: Iterator[VideoPacket] = packets(self.video, self._counters)
        # Several pictures at once cost a third more processor time; small ones need no second core.
        size = self.video.stream.width * self.video.stream.height
        threads: Literal["AUTO", "SLICE"] = "AUTO" if size >= _LARGE else "SLICE"
        self._decoder = Decoder(
            self.video,
            self._counters,
            self._clock,
            self._wall,
            threads=threads,
            fps=self._fps,
            passed=passed,
            tap=self._tap,
        )
        self._given = 0

    def read_first(self) -> Sequence[Shot]:
        """Return the first pictures.

        Raises:
            SourceUnreadable: there is none in the whole file.
        """
        while (shots := self.read()) is not None:
            if shots:
                return shots
        problem = f" ({self._counters.problems[0]})" if self._counters.problems else ""
        raise SourceUnreadable(
            f"{self._path} holds a {self.video.codec} stream but no picture that can be decoded{problem}"
        )

    def read(self) -> Sequence[Shot] | None:
        packet = next(self._packets, None)
        if packet is not None:
            if self._tap is not None:
                self._tap.packet(packet)
            shots = self._decoder.shots(packet)
            self._given += len(shots)
            return shots
        if not self._loop or not self._given:
            return None
        self.video.container.close()
        self.video = self._open()
        self._clock.begin_again()
        if self._tap is not None:
            self._tap.again()
        self._start(self._decoder.passed)
        return []

    def set_fps(self, fps: float | None) -> float | None:
        self._fps = fps
        self._decoder.set_fps(fps)
        return fps

    def interrupt(self) -> None:
        """A read from a file does not wait."""

    def free(self) -> None:
        self.video.container.close()
        # The codec's threads end with its last reference, and a closed source may be kept for long.
        del self.video, self._decoder, self._packets


def _similar(path: Path) -> str:
    """Return `; did you mean 'x'?` for the file beside it with the nearest name, or nothing."""
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return "" if is_there(path.parent) else f" (nor does the folder {path.parent})"
    near = difflib.get_close_matches(path.name, names, n=1, cutoff=0.6)
    return f"; did you mean {str(path.with_name(near[0]))!r}?" if near else ""


def _lacks_index(path: Path) -> bool:
    """Return whether the file begins as MP4 or MOV and has no `moov` box.

    Source: ISO/IEC 14496-12, 4.2: a box is its size in 4 bytes (1: 8 more follow; 0: to the end of the
    file), then its type in 4.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(12)[4:8] != b"ftyp":
            return False
        at = 0
        while at + 8 <= size:
            file.seek(at)
            head = file.read(16)
            length, kind = int.from_bytes(head[:4], "big"), head[4:8]
            if kind == b"moov" and at + length <= size:
                return False
            if length == 1:
                length = int.from_bytes(head[8:16], "big")
            if length < 8:
                return True
            at += length
    return True
