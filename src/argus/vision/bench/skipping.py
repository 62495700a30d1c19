"""What a camera costs of which only some frames per second are wanted, beside decoding and converting all."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

import av
import cv2

from argus.core.frame import Image
from argus.vision.sources import open_source
from argus.vision.sources.containers import open_video
from argus.vision.sources.decoding import Decoder, packets
from argus.vision.sources.protocol import SourceCounters
from argus.vision.sources.timing import FrameClock, Thinner, lead_s
from argus.vision.synthetic import Plaza, PlazaOptions

_WIDTH, _HEIGHT, _RATE = 1920, 1080, 30

_STREAMS: Final = {
    "H.264, B-frames": ("libx264", "yuv420p", {}),
    "H.264, every frame needed, key frame each 2 s": (
        "libx264",
        "yuv420p",
        {"tune": "zerolatency", "preset": "veryfast", "g": "60", "b": "4000000"},
    ),
    "MJPEG": ("mjpeg", "yuvj420p", {"qmin": "3", "qmax": "6"}),
}
"""Encoder, pixel format and options: x264's defaults, what most cameras send, and each picture by itself."""


@dataclass(frozen=True, slots=True)
class SkippingCost:
    """CPU seconds that one second of a 1080p30 camera costs; medians."""

    stream: str
    wanted_fps: float
    all_s: float
    """Decoding every frame and converting it to BGR."""
    wanted_s: float
    """Our way: what is wanted is decoded, of the rest no more than it needs, and made as large as a network
    sees it (640 x 360, RGB)."""
    wanted_bgr_s: float
    """The same with the whole picture as BGR."""
    decoded: int
    """Frames that our way decoded of `total`."""
    total: int

    @property
    def ratio(self) -> float:
        """Our way by the usual way."""
        return self.wanted_s / self.all_s


def measure_skipping(
    video: str | Path | None = None, *, wanted_fps: float = 5.0, seconds: float = 8.0, rounds: int = 3
) -> list[SkippingCost]:
    """Return the costs by kind of stream, measured by turns in this thread's process.

    Args:
        video: Whose pictures are scaled and encoded; None draws the plaza.
        wanted_fps: Frames per second that are enough.
        seconds: Length of each encoded stream.
        rounds: How often each way is measured.
    """
    costs = []
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder) / f"{number}.mkv" for number, name in enumerate(_STREAMS)}
        _encode(paths, _pictures(video, round(seconds * _RATE)))
        for name, path in paths.items():
            runs = [
                (
                    _cpu_s(_everything, path),
                    _cpu_s(_wanted, path, wanted_fps, small=True),
                    _cpu_s(_wanted, path, wanted_fps, small=False),
                )
                for _ in range(rounds)
            ]
            (_, total), (_, decoded), _ = runs[0]
            usual, small, whole = (
                statistics.median(run[way][0] for run in runs) * _RATE / total for way in range(3)
            )
            costs.append(
                SkippingCost(
                    name,
                    wanted_fps,
                    all_s=usual,
                    wanted_s=small,
                    wanted_bgr_s=whole,
                    decoded=decoded,
                    total=total,
                )
            )
    return costs


def _pictures(video: str | Path | None, count: int) -> Iterator[Image]:
    if video is None:
        options = PlazaOptions(width=_WIDTH, height=_HEIGHT, fps=_RATE, people=20, vehicles=4)
        plaza = Plaza.from_options(options)
        yield from (plaza.render(index)[0] for index in range(count))
        return
    with open_source(video) as source:
        for frame in islice(source, count):
            yield cv2.resize(frame.bgr, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_CUBIC)


def _encode(paths: dict[str, Path], pictures: Iterator[Image]) -> None:
    """Write all streams side by side: so many large pictures do not fit into memory."""
    with ExitStack() as stack:
        writers: list[tuple[Any, Any]] = []
        for name, path in paths.items():
            codec, pixel_format, options = _STREAMS[name]
            container = stack.enter_context(av.open(str(path), "w"))
            stream: Any = container.add_stream(codec, rate=_RATE)
            stream.width, stream.height, stream.pix_fmt = _WIDTH, _HEIGHT, pixel_format
            stream.options = options
            writers.append((container, stream))
        for pixels in pictures:
            for container, stream in writers:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "bgr24")))
        for container, stream in writers:
            container.mux(stream.encode())


def _cpu_s(run: Callable[..., int], *arguments: object, **named: object) -> tuple[float, int]:
    begin = time.process_time()
    frames = run(*arguments, **named)
    return time.process_time() - begin, frames


def _everything(path: Path) -> int:
    frames = 0
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            frame.to_ndarray(format="bgr24")
            frames += 1
    return frames


def _wanted(path: Path, wanted_fps: float, *, small: bool) -> int:
    """Do what `streams` does for a camera, without a network."""
    counters = SourceCounters()
    video = open_video(str(path), shown=path.name)
    decoder = Decoder(
        video,
        counters,
        FrameClock(1 / _RATE),
        lambda _: datetime.now(UTC),
        threads="SLICE",
        fps=wanted_fps,
    )
    thinner = Thinner(wanted_fps, lead_s(wanted_fps, video.fps))
    decoded = 0
    try:
        for packet in packets(video, counters):
            for shot in decoder.shots(packet):
                decoded += 1
                if not thinner.takes(shot.time_s):
                    continue
                if small:
                    shot.picture.resized(640, 360)
                else:
                    shot.picture.bgr()
    finally:
        video.container.close()
    return decoded
