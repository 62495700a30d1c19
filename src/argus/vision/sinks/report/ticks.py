"""Where the ticks of an axis stand, and what is written beside them. Pure functions over numbers."""

from __future__ import annotations

import math

_TIME_STEPS_S = (
    0.1,
    0.2,
    0.5,
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    10800,
    21600,
    43200,
)


def nice_ticks(low: float, high: float, at_most: int = 6, *, whole: bool = False) -> list[float]:
    """Return evenly spaced round numbers of which the first is <= `low` and the last >= `high`.

    The step is the smallest of 1, 2 and 5 times a power of ten that needs no more ticks than allowed.

    Args:
        low: lowest value to cover.
        high: highest value to cover; where it is not above `low`, one step above it is covered.
        at_most: how many ticks there may be, at least 3.
        whole: only whole numbers, for counts.

    Raises:
        ValueError: a bound is not finite, or fewer than 3 ticks are allowed.

    Source: after Heckbert, "Nice numbers for graph labels", Graphics Gems, 1990.
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"ticks from {low} to {high}: both bounds must be finite")
    if at_most < 3:
        raise ValueError(f"at most {at_most} ticks: at least 3 are needed")
    if high <= low:
        high = low + max(1.0, abs(low) * 1e-3)
    exponent = math.floor(math.log10((high - low) / at_most))
    if whole:
        exponent = max(exponent, 0)
    while True:
        for factor in (1, 2, 5):
            step = factor * 10.0**exponent
            first, last = math.floor(low / step), math.ceil(high / step)
            if last - first < at_most:
                digits = max(0, -exponent)
                return [round(i * step, digits) for i in range(first, last + 1)]
        exponent += 1


def time_ticks(start_s: float, end_s: float, at_most: int = 8) -> list[float]:
    """Return the round moments, in seconds, that lie from `start_s` to `end_s`; steps as on a clock."""
    span = max(end_s - start_s, 1e-3)
    days = math.ceil(span / 86400 / at_most) * 86400.0
    step = next((s for s in _TIME_STEPS_S if span / s < at_most), days)
    return [round(i * step, 1) for i in range(math.ceil(start_s / step), math.floor(end_s / step) + 1)]


def clock(time_s: float, *, tenths: bool = False) -> str:
    """Return a moment of a stream as `m:ss` or `h:mm:ss`, with tenths of a second if asked."""
    units = round(max(time_s, 0.0) * 10) if tenths else round(max(time_s, 0.0)) * 10
    seconds, tenth = divmod(units, 10)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    text = f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
    return f"{text}.{tenth}" if tenths else text


def duration(seconds: float) -> str:
    """Return how long something took, for people: `340 ms`, `4.2 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, second = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {second} s" if second else f"{minutes} min"
    hours, minute = divmod(minutes, 60)
    return f"{hours} h {minute} min" if minute else f"{hours} h"


def number(value: float) -> str:
    """Return a number for people: thousands apart, three digits that matter at most."""
    if abs(value) >= 100 or value == int(value):
        return f"{round(value):,}"
    return f"{value:.3g}"
