"""Small videos made for the tests, and ways to break them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Painter = Callable[[int, int, int], NDArray[np.uint8]]


def grey_steps(index: int, width: int, height: int) -> NDArray[np.uint8]:
    """Return a picture of one grey, 8 levels brighter with every index, from 16."""
    return np.full((height, width, 3), 16 + 8 * (index % 28), np.uint8)


def noisy(index: int, width: int, height: int) -> NDArray[np.uint8]:
    """Return noise, the same for equal arguments; it leaves a codec much to store."""
    return np.random.default_rng(index).integers(0, 255, (height, width, 3), dtype=np.uint8)


def quarters(_: int, width: int, height: int) -> NDArray[np.uint8]:
    """Return a picture with four colours (BGR): red, green above; blue, white below."""
    picture = np.full((height, width, 3), 255, np.uint8)
    picture[: height // 2, : width // 2] = (0, 0, 255)
    picture[: height // 2, width // 2 :] = (0, 255, 0)
    picture[height // 2 :, : width // 2] = (255, 0, 0)
    return picture


def make_video(
    path: Path,
    *,
    frames: int = 20,
    width: int = 64,
    height: int = 48,
    fps: int = 10,
    codec: str = "mpeg4",
    pixel_format: str = "yuv420p",
    paint: Painter = grey_steps,
    stamps: Sequence[int] | None = None,
    rotation: int | None = None,
    options: dict[str, str] | None = None,
    container_format: str | None = None,
) -> Path:
    """Write a video and return its path.

    Args:
        path: Its suffix chooses the container.
        frames: How many.
        width: Columns.
        height: Rows.
        fps: Frames per second.
        codec: FFmpeg's name of the encoder.
        pixel_format: FFmpeg's name.
        paint: Gives the BGR picture of an index.
        stamps: Milliseconds of each frame; None spaces them evenly.
        rotation: Display matrix, in degrees counterclockwise.
        options: Of the encoder.
        container_format: FFmpeg's name, where the suffix does not say it.
    """
    with av.open(str(path), "w", format=container_format) as container:
        stream: Any = container.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        stream.options = {"g": "5", "qmin": "1", "qmax": "2", **(options or {})}
        if stamps is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if rotation is not None:
            stream.set_display_rotation(rotation)
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(paint(index, width, height), "bgr24")
            if stamps is not None:
                frame.pts, frame.time_base = stamps[index], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def make_sound(path: Path) -> Path:
    """Write a second of a tone and return its path."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("pcm_s16le" if path.suffix == ".wav" else "aac", rate=8000)
        stream.layout = "mono"
        tone = (np.sin(np.arange(8000) * 0.3) * 9000).astype(np.int16)[None]
        for start in range(0, 8000, 1000):
            frame = av.AudioFrame.from_ndarray(tone[:, start : start + 1000], "s16", "mono")
            frame.rate, frame.pts = 8000, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def sideways_jpeg() -> bytes:
    """Return a JPEG of 40x30, left half white, with an EXIF note that it stands: 30x40, upper half white."""
    pixels = np.zeros((30, 40, 3), np.uint8)
    pixels[:, :20] = 255
    jpeg = cv2.imencode(".jpg", pixels)[1].tobytes()
    # One entry: orientation (0x0112) is 6, turn a quarter clockwise.
    entry = b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"
    block = b"Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x01" + entry + bytes(4)
    return jpeg[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + jpeg[2:]


def cut(path: Path, share: float) -> Path:
    """Keep only this share of a file, from its beginning."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def flip_bits(path: Path, *, start: float = 0.35, end: float = 0.65, count: int = 40) -> Path:
    """Flip bits between two shares of a file; the same ones for the same size."""
    data = bytearray(path.read_bytes())
    chance = random.Random(len(data))
    for _ in range(count):
        data[chance.randrange(int(len(data) * start), int(len(data) * end))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)
    return path


def make_restart(folder: Path, hours: Sequence[int] = (0, 1)) -> None:
    """Write the endless playlist `restart.m3u8` of files of 2 s, whose stamps are so many hours ahead."""
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:2"]
    for part, ahead in enumerate(hours):
        whole = make_video(folder / f"whole{part}.ts", frames=20, codec="libx264")
        with (
            av.open(str(whole)) as source,
            av.open(str(folder / f"restart{part}.ts"), "w", format="mpegts") as target,
        ):
            stream = target.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if packet.pts is not None and packet.dts is not None:
                    moved = (2 * part + 3600 * ahead) * 90_000
                    packet.pts, packet.dts = packet.pts + moved, packet.dts + moved
                    packet.stream = stream
                    target.mux(packet)
        lines += ["#EXT-X-DISCONTINUITY"] * (ahead > 0) + ["#EXTINF:2.0,", f"restart{part}.ts"]
    (folder / "restart.m3u8").write_text("\n".join([*lines, ""]))
