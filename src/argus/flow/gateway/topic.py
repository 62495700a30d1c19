"""The newest message of one topic, and what is made of it for those who look. No socket here.

The node's thread writes; any thread reads. Pixels are copied only for somebody: the memory they came in
belongs to the link again when `loop` has returned.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any, Final, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from argus.core.detections import Detections
from argus.core.frame import Frame
from argus.flow.message import Header
from argus.flow.nodes.frame_detections import size_of
from argus.flow.telling import is_picture, objects, plain

Kind = Literal["picture", "detections", "data"]
LOOKED_S: Final = 2.0
"""One look makes pictures wanted for so long: who asks again and again gets new ones."""
_KEPT_S: Final = 1.0
"""A picture is kept so often while nobody looks, so that who comes then sees something at once."""
_EARLY: Final = 0.25
"""Part of the interval by which a picture may be early."""
_RATE_OVER: Final = 30


class Jpeg(NamedTuple):
    """One picture of a topic, ready to be sent."""

    number: int
    """Which message it was, counted by the gateway."""
    data: bytes
    header: Header


class _Pixels(NamedTuple):
    number: int
    pixels: NDArray[np.uint8]
    header: Header


class Topic:
    """See the module."""

    def __init__(self, name: str) -> None:
        """Begin without a message."""
        self.name = name
        self.kind: Kind = "data"
        self.count = 0
        """Messages so far; the newest has this number."""
        self.encoded = 0
        """JPEGs made so far."""
        self.source = ""
        """Where the newest began: `Origin.source`."""
        self.hops = 0
        """How many nodes it went through."""
        self.size: tuple[int, int] | None = None
        """Width and height of the picture, or of the one that was looked at."""
        self.watching = 0
        """Who looks all the time; changed by the one thread that serves them."""
        self._changed = threading.Condition()
        self._making = threading.Lock()
        self._told: dict[str, Any] = {}
        self._json: tuple[int, bytes] = (0, b"")
        self._pixels: _Pixels | None = None
        self._jpeg: Jpeg | None = None
        self._looked_s = self._kept_s = self._due_s = float("-inf")
        self._came_s: deque[float] = deque(maxlen=_RATE_OVER)

    @property
    def rate(self) -> float:
        """Messages per second, lately; 0 where the last is long ago."""
        came = list(self._came_s)
        if len(came) < 2 or came[-1] <= came[0]:
            return 0.0
        step_s = (came[-1] - came[0]) / (len(came) - 1)
        silent_s = time.monotonic() - came[-1]
        return 0.0 if silent_s > max(2.0, 5 * step_s) else 1.0 / step_s

    @property
    def silent_s(self) -> float:
        """Seconds since the last message."""
        return time.monotonic() - self._came_s[-1] if self._came_s else float("inf")

    def put(self, value: Any, header: Header, fps: float | None, size: tuple[int, int] | None) -> None:
        """Take the next message; by the node's thread, before its memory is the link's again.

        Args:
            value: What it holds.
            header: What is said of it.
            fps: Pictures per second that are kept for viewers at most; None: all.
            size: Width and height of the frame, for detections that do not say.
        """
        now_s = time.monotonic()
        pixels = self._picture(value, now_s, fps)
        if isinstance(value, Frame):
            size = value.width, value.height
        elif is_picture(value):
            size = int(value.shape[1]), int(value.shape[0])
        elif isinstance(value, Detections):
            size = size_of(value) or size
        kind, content = self._content(value, size)
        origin = header.origin
        with self._changed:
            self.count += 1
            self.kind, self.size = kind, size if kind != "data" else None
            self.source, self.hops = origin.source, len(header.hops)
            self._came_s.append(now_s)
            self._told = {
                "topic": self.name,
                "kind": kind,
                "source": origin.source,
                "index": origin.index,
                "time_s": origin.time_s,
                "age_ms": round(header.age_s() * 1000, 2),
                "hops": [hop.node for hop in header.hops],
                "width": size[0] if size and kind != "data" else None,
                "height": size[1] if size and kind != "data" else None,
                **content,
            }
            if pixels is not None:
                self._pixels, self._kept_s = _Pixels(self.count, pixels, header), now_s
            self._changed.notify_all()

    def json(self) -> tuple[int, bytes]:
        """Return the number of the newest message and what is told of it; made once, however many ask."""
        with self._changed:
            number, told = self.count, self._told
        if self._json[0] != number:
            self._json = number, msgspec.json.encode(told)
        return self._json

    def jpeg(self, quality: int, after: int = 0) -> Jpeg | None:
        """Return the newest kept picture with a number above `after`, encoded once, however many ask.

        Blocks while another thread encodes it.
        """
        with self._making:
            kept = self._pixels
            if kept is None or kept.number <= after:
                return None
            if self._jpeg is None or self._jpeg.number != kept.number:
                self._jpeg = Jpeg(kept.number, _encoded(kept.pixels, quality), kept.header)
                self.encoded += 1
            return self._jpeg

    @property
    def kept(self) -> int:
        """Number of the newest message whose picture is kept; 0: none is."""
        return self._pixels.number if self._pixels is not None else 0

    def look(self, quality: int, within_s: float) -> Jpeg | None:
        """Return a picture of now, waiting a while for one; else the last that there was."""
        with self._changed:
            self._looked_s = time.monotonic()
            before = self.count
            if self.kept < before:
                self._changed.wait_for(lambda: self.kept > before, within_s)
        return self.jpeg(quality)

    def watch(self, more: int) -> None:
        """Count those who look all the time: 1 more, or -1 when one has left."""
        self.watching += more

    def _picture(self, value: Any, now_s: float, fps: float | None) -> NDArray[np.uint8] | None:
        """Return a copy of the pixels, where there are some and somebody wants them."""
        if not isinstance(value, Frame) and not is_picture(value):
            return None
        if self.watching > 0 or now_s - self._looked_s < LOOKED_S:
            step_s = 0.0 if fps is None else 1.0 / fps
            if now_s < self._due_s - _EARLY * step_s:
                return None
            # What was late is not made up for.
            self._due_s = max(self._due_s, now_s - step_s) + step_s
        elif now_s - self._kept_s < _KEPT_S:
            return None
        return np.array(value.bgr if isinstance(value, Frame) else value)

    def _content(self, value: Any, size: tuple[int, int] | None) -> tuple[Kind, dict[str, Any]]:
        if isinstance(value, Detections):
            return "detections", {"objects": objects(value, size)}
        if isinstance(value, Frame) or is_picture(value):
            return "picture", {}
        return "data", {"value": plain(value)}


def _encoded(pixels: NDArray[np.uint8], quality: int) -> bytes:
    import cv2

    good, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not good:
        raise ValueError(f"a picture of {pixels.shape} cannot be made a JPEG")
    return bytes(data)
