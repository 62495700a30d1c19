"""What several processes say of themselves, as one text that cannot be broken by any of them.

Each line is read on its own and written again in our words. What is not declared, cut off in the middle, said
twice or makes no sense is left out: one worker that has lost its mind must not cost the others' metrics.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

from argus.core.errors import UnknownName
from argus.core.metric_declarations import METRICS, Metric
from argus.core.metric_exposition import exposed, histogram_lines
from argus.core.metric_text import (
    Labels,
    clean,
    in_order,
    is_label,
    read_labels,
    read_number,
    sample,
    split_le,
    split_sample,
)

MOST_BYTES: Final = 16 << 20
"""Of one process; what is beyond is left out."""
_BY_NAME: Final = {one.name: one for one in METRICS}
_OF_HISTOGRAMS: Final = {
    f"{one.name}_{part}": (one, part)
    for one in METRICS
    if one.kind == "histogram"
    for part in ("bucket", "sum", "count")
}


class _Histogram:
    """The lines of one histogram of one process, as they come in."""

    __slots__ = ("buckets", "count", "sum")

    def __init__(self) -> None:
        self.buckets: dict[float, float] = {}
        self.sum = math.nan
        self.count = math.nan

    def sound(self) -> list[tuple[float, float]] | None:
        """Return its buckets; None where lines are missing or contradict each other."""
        buckets = sorted(self.buckets.items())
        counts = [count for _, count in buckets]
        if not buckets or buckets[-1] != (math.inf, self.count) or not math.isfinite(self.sum):
            return None
        return buckets if counts == sorted(counts) and counts[0] >= 0 and counts[-1] < math.inf else None


def merged(texts: Iterable[tuple[Mapping[str, str], bytes]]) -> bytes:
    """Return the text of several processes as one, each sample with the labels given beside its text.

    A label that is given replaces what a process says of itself under the same name. Of samples that are
    equal but for their values, the first stays.

    Raises:
        UnknownName: a label that is given cannot be called so.
    """
    values: dict[str, dict[Labels, float]] = {}
    histograms: dict[str, dict[Labels, list[str]]] = {}
    for given, text in texts:
        extra = {name: clean(value) for name, value in given.items()}
        for name in extra:
            if not is_label(name):
                raise UnknownName("label for metrics", name, ["workload"])
        _read(text, extra, values, histograms)
    lines = {
        name: [sample(name, labels, value) for labels, value in found.items()]
        for name, found in values.items()
    }
    lines |= {name: [line for one in found.values() for line in one] for name, found in histograms.items()}
    return exposed(lines)


def _read(
    text: bytes,
    extra: Mapping[str, str],
    values: dict[str, dict[Labels, float]],
    histograms: dict[str, dict[Labels, list[str]]],
) -> None:
    own: dict[tuple[Metric, Labels], _Histogram] = {}
    keys: dict[tuple[str, str], Labels | None] = {}  # lines of one histogram differ in `le` alone

    def key_of(declared: Metric, inner: str) -> Labels | None:
        where = (declared.name, inner)
        if where not in keys:
            keys[where] = _key(declared, read_labels(inner), extra)
        return keys[where]

    # What follows the last line's end has been cut off: 12 may have been the beginning of 123.
    for line in text[:MOST_BYTES].rpartition(b"\n")[0].decode("utf-8", "replace").split("\n"):
        if line.startswith("#") or (said := split_sample(line)) is None:
            continue
        name, inner, value = said
        if name in _OF_HISTOGRAMS:
            declared, part = _OF_HISTOGRAMS[name]
            inner, le = split_le(inner) if part == "bucket" else (inner, None)
            if (key := key_of(declared, inner)) is not None:
                _note(own.setdefault((declared, key), _Histogram()), part, le, value)
        elif (found := _BY_NAME.get(name)) is not None and found.kind != "histogram":
            key = key_of(found, inner)
            if key is not None and (found.kind == "gauge" or 0 <= value < math.inf):
                values.setdefault(name, {}).setdefault(key, value)
    for (declared, key), histogram in own.items():
        if (buckets := histogram.sound()) is not None:
            lines = histogram_lines(declared.name, key, buckets, histogram.sum)
            histograms.setdefault(declared.name, {}).setdefault(key, lines)


def _note(histogram: _Histogram, part: str, le: str | None, value: float) -> None:
    if part == "sum":
        histogram.sum = value
    elif part == "count":
        histogram.count = value
    elif le is not None and (limit := read_number(le)) is not None and not math.isnan(limit):
        histogram.buckets.setdefault(limit, value)


def _key(declared: Metric, labels: Mapping[str, str] | None, extra: Mapping[str, str]) -> Labels | None:
    """Return the labels as they are written; None where they are not those that are declared."""
    if labels is None:
        return None
    written = declared.written_labels
    own = {name: value for name, value in labels.items() if name not in extra or name in written}
    if own.keys() != set(written):
        return None
    return in_order({name: clean(value) for name, value in own.items()} | dict(extra), written)
