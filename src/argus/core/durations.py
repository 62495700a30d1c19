"""Durations as people write them: `500ms`, `5s`, `2m`, `1h`; kept as seconds."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_TEXT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*")


def parse_duration_s(value: Any) -> Any:
    """Return the seconds that `value` stands for: a text with its unit, or a number of seconds.

    Raises:
        ValueError: the text has no unit, an unknown unit, or is no number.
    """
    if isinstance(value, str):
        match = _TEXT.fullmatch(value)
        if match is None:
            raise ValueError(f"{value!r} is no duration: write a number and a unit, such as 500ms, 5s or 2m")
        return float(match[1]) * _UNITS_S[match[2]]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a duration must be finite")
    return value


Duration = Annotated[float, BeforeValidator(parse_duration_s), Field(ge=0)]
"""Seconds, read from `500ms`, `5s`, `2m`, `1h` or a plain number of seconds."""
