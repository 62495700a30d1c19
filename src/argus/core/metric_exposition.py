"""Samples of declared metrics as one text: each metric once, in the order of declarations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from argus.core.metric_declarations import METRICS
from argus.core.metric_text import Labels, help_line, joined, number, sample


def histogram_lines(
    name: str, labels: Labels, buckets: Sequence[tuple[float, float]], total: float
) -> list[str]:
    """Return the lines of one histogram; its last bucket is infinity and counts everything."""
    inner = joined(labels)
    start = f"{name}_bucket{{{inner}," if inner else f"{name}_bucket{{"
    return [
        *[f'{start}le="{_limit(le)}"}} {number(count)}' for le, count in buckets],
        sample(f"{name}_sum", labels, total),
        sample(f"{name}_count", labels, buckets[-1][1]),
    ]


def _limit(le: float) -> str:
    return "+Inf" if le == math.inf else repr(le)


def exposed(lines: Mapping[str, list[str]]) -> bytes:
    """Return samples' lines as one text, each metric once, with its help and type before it.

    Args:
        lines: The lines of samples by declared metric; others are left out.
    """
    text: list[str] = []
    for one in METRICS:
        if lines.get(one.name):
            text += [help_line(one.name, one.help), f"# TYPE {one.name} {one.kind}", *lines[one.name]]
    return "".join(f"{line}\n" for line in text).encode()
