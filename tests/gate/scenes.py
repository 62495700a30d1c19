"""What a camera that stands still shows, with the grain of a sensor and the traces of a codec."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import cast

import av
import cv2
import numpy as np
from av.container import InputContainer

from argus.core.frame import Frame, Image
from argus.vision.gate import MotionGate, Reason
from argus.vision.pictures import ArrayPicture, PlanarPicture
from argus.vision.synthetic import Plaza

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FPS = 10


def backdrop(width: int = 640, height: int = 360) -> Image:
    return Plaza(width, height, people=0, vehicles=0).background()


_GRAIN = np.random.default_rng(5).standard_normal((1200, 2000, 3), np.float32)


def grainy(image: Image, index: int, sigma: float = 3.0) -> Image:
    """The same grain shifted: new noise for every picture, for little work."""
    dy, dx = (index * 37) % 61, (index * 23) % 61
    grain = _GRAIN[dy : dy + image.shape[0], dx : dx + image.shape[1]]
    return np.clip(image + grain * sigma, 0, 255).astype(np.uint8)


def with_person(image: Image, x: float, y: float, height: float, shade: int = 40) -> Image:
    """A person of so many pixels, feet at (x, y)."""
    result = image.copy()
    half, top = height * 0.17, y - height
    points = [(x - half, top + height * 0.2), (x + half, y)]
    corners = [(round(px * 16), round(py * 16)) for px, py in points]
    cv2.rectangle(result, corners[0], corners[1], (shade,) * 3, cv2.FILLED, cv2.LINE_AA, 4)
    head = (round(x * 16), round((top + height * 0.1) * 16))
    cv2.circle(result, head, round(height * 1.6), (shade,) * 3, cv2.FILLED, cv2.LINE_AA, 4)
    return result


def frames(pictures: Iterable[Image], fps: float = FPS) -> Iterator[Frame]:
    for index, picture in enumerate(pictures):
        yield Frame(ArrayPicture(picture), "scene", index, index / fps, NOW)


def coded(pictures: Iterable[Image], *, crf: int, key_every: int) -> list[Frame]:
    """The pictures as they come out of H.264."""
    container = io.BytesIO()
    with av.open(container, "w", format="mp4") as writing:
        stream = writing.add_stream("libx264", rate=FPS)
        for index, picture in enumerate(pictures):
            if index == 0:
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt, stream.gop_size = "yuv420p", key_every
                stream.options = {"crf": str(crf), "preset": "veryfast", "threads": "1"}
            writing.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "bgr24")))
        writing.mux(stream.encode())
    container.seek(0)
    with av.open(container) as reading:
        decoded = list(cast("InputContainer", reading).decode(video=0))
    return [Frame(PlanarPicture(frame), "coded", i, i / FPS, NOW) for i, frame in enumerate(decoded)]


def still(count: int, change: Callable[[Image, int], Image] | None = None) -> Iterator[Image]:
    scene = backdrop()
    for index in range(count):
        yield grainy(scene if change is None else change(scene, index), index)


def reasons(gate: MotionGate, seen: Iterable[Frame], *, followed: int = 0) -> list[Reason | None]:
    """Why each frame passed; whoever looks at those that did finds `followed` objects."""
    result = []
    for frame in seen:
        if gate.passes(frame, frame.time_s):
            gate.saw(followed)
        result.append(gate.reason)
    return result
