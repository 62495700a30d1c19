"""What a node sent, as JSON can say it: for people and programs that look on, not for nodes.

One way only, and lossy: arrays are told by their shape. What travels between nodes is `codec`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any, Final

import numpy as np

from argus.core.detections import Detections
from argus.core.frame import Frame
from argus.flow.nodes.frame_detections import relative, size_of

_LISTED: Final = 64
"""Arrays of up to so many numbers are told whole."""
_DEEP: Final = 32


def is_picture(value: Any) -> bool:
    """Return whether it is an array of pixels: `uint8`, (H, W, 3) BGR or (H, W) grey."""
    return (
        isinstance(value, np.ndarray)
        and value.dtype == np.uint8
        and value.size > 0
        and ((value.ndim == 3 and value.shape[2] == 3) or (value.ndim == 2 and min(value.shape) >= 16))
    )


def plain(value: Any, *, deep: int = 0) -> Any:
    """Return a value as dicts, lists, text, numbers and None; whatever it is, this does not fail."""
    if isinstance(value, Enum):
        return plain(value.value, deep=deep + 1)
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if deep >= _DEEP:
        return "…"
    if isinstance(value, Detections):
        return objects(value)
    if isinstance(value, Frame):
        facts = {"source": value.source, "index": value.index, "time_s": value.time_s}
        return {**facts, "width": value.width, "height": value.height}
    if isinstance(value, np.generic):
        return plain(value.item(), deep=deep)
    if isinstance(value, np.ndarray):
        if value.size <= _LISTED and value.dtype.kind in "biuf":
            return plain(value.tolist(), deep=deep)
        return {"dtype": str(value.dtype), "shape": list(value.shape)}
    if isinstance(value, bytes | bytearray | memoryview):
        return {"bytes": len(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item, deep=deep + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item, deep=deep + 1) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: getattr(value, f.name, None) for f in dataclasses.fields(value)}
        return {name: plain(item, deep=deep + 1) for name, item in fields.items()}
    return str(value)


def objects(found: Detections, size: tuple[int, int] | None = None) -> list[dict[str, Any]]:
    """Return one dict per object: class, confidence, corners in pixels and, where they can be told, in parts.

    Args:
        found: The objects.
        size: Width and height of their frame, where they do not say.
    """
    rows = found.to_json()
    size = size_of(found) or size
    if size is not None:
        for row, box in zip(rows, relative(found.xyxy, *size).tolist(), strict=True):
            row["relative"] = [round(v, 5) if math.isfinite(v) else None for v in box]
    return rows
