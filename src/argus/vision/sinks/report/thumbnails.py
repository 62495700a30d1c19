"""Pictures inside the page: made small, counted, and written as text."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

SNAPSHOTS = 200
"""Pictures in the whole report, besides the scene."""


class Thumbnails:
    """Hands out snapshots as data URIs, `SNAPSHOTS` at most."""

    def __init__(self, snapshots: Mapping[str, bytes]) -> None:
        self._snapshots = snapshots
        self._left = SNAPSHOTS
        self.left_out = 0

    def take(self, event_id: str, width: int) -> str | None:
        """Return the snapshot of an event, at most `width` wide and tall; None if there is none to give."""
        data = self._snapshots.get(event_id)
        if data is None:
            return None
        if self._left == 0:
            self.left_out += 1
            return None
        jpeg = _fit(data, width)
        if jpeg is None:
            return None
        self._left -= 1
        return data_uri(jpeg)


def data_uri(jpeg: bytes) -> str:
    """Return a picture as an address that holds the picture itself."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def to_jpeg(image: NDArray[Any], quality: int = 80) -> bytes:
    """Return (H, W, 3) BGR pixels as JPEG."""
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError(f"a picture of shape {image.shape} cannot be written as JPEG")
    return bytes(data)


def _fit(jpeg: bytes, width: int) -> bytes | None:
    """Return the picture no wider than `width` and no taller than that either; None if it is damaged."""
    if not jpeg:
        return None
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        return None
    scale = min(1.0, width / max(image.shape[:2]))
    size = (max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1))
    return to_jpeg(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
