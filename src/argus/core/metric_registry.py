"""Every metric that Argus exposes, declared once: what `/metrics` says, dashboards and alert rules follow.

Declarations and exposition only; nothing is counted here. Names and units follow Prometheus' conventions. The
list itself is `argus.core.metric_declarations`, the text's form `argus.core.metric_text`, and the joining of
several processes' texts `argus.core.metric_merging`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from argus.core.errors import UnknownName
from argus.core.metric_declarations import METRICS, Metric, metric
from argus.core.metric_exposition import exposed, histogram_lines
from argus.core.metric_merging import merged
from argus.core.metric_text import Labels, clean, sample
from argus.core.metrics import HistogramSnapshot

__all__ = ["CONTENT_TYPE", "METRICS", "Metric", "Samples", "merged", "metric"]

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Samples:
    """What a process has to say at one moment. Made, filled and rendered by one thread."""

    def __init__(self) -> None:
        """Begin with nothing said."""
        self._values: dict[str, dict[Labels, float]] = {}
        self._histograms: dict[str, dict[Labels, HistogramSnapshot]] = {}

    def set(self, name: str, value: float, labels: Mapping[str, str] | None = None) -> None:
        """Say the value of a counter or gauge; said again, the last one holds.

        Raises:
            UnknownName: the metric is not declared, is a histogram, or has other labels.
        """
        declared = metric(name)
        if declared.kind == "histogram":
            raise UnknownName("counter or gauge", name, _of_kind("counter", "gauge"))
        self._values.setdefault(name, {})[_checked(declared, labels or {})] = float(value)

    def histogram(self, name: str, value: HistogramSnapshot, labels: Mapping[str, str] | None = None) -> None:
        """Say what a histogram holds; raises likewise."""
        declared = metric(name)
        if declared.kind != "histogram":
            raise UnknownName("histogram", name, _of_kind("histogram"))
        self._histograms.setdefault(name, {})[_checked(declared, labels or {})] = value

    def render(self) -> bytes:
        """Return the text of `/metrics`: metrics in the order of their declaration, those unsaid left out."""
        lines: dict[str, list[str]] = {}
        for name, values in self._values.items():
            lines[name] = [sample(name, labels, value) for labels, value in values.items()]
        for name, histograms in self._histograms.items():
            limits = metric(name).limits
            lines[name] = [
                line
                for labels, held in histograms.items()
                for line in histogram_lines(name, labels, held.buckets(limits), held.sum)
            ]
        return exposed(lines)


def _of_kind(*kinds: str) -> list[str]:
    return [one.name for one in METRICS if one.kind in kinds]


def _checked(declared: Metric, labels: Mapping[str, str]) -> Labels:
    for name in labels:
        if name not in declared.labels:
            raise UnknownName(f"label of metric {declared.name}", name, declared.labels)
    if len(labels) != len(declared.labels):
        raise UnknownName(
            f"set of labels of metric {declared.name}", ",".join(sorted(labels)), [",".join(declared.labels)]
        )
    pairs = zip(declared.labels, declared.written_labels, strict=True)
    return tuple((written, clean(labels[name])) for name, written in pairs)
