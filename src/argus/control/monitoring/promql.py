"""Questions to Prometheus about declared metrics; one that asks for an undeclared name cannot be written.

Text only. Source: the query language of Prometheus 2 and 3.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

from argus.core.errors import UnknownName
from argus.core.metric_registry import Metric, metric

ADDED: Final = "workload"
"""The label that is added to whatever a worker says."""


def series(name: str, where: Mapping[str, str] | None = None, *, part: str = "") -> str:
    """Return a selector.

    Args:
        name: A declared metric.
        where: By label, a matcher with its sign: `="lost"` is written `{"state": "=lost"}`; signs are `=`,
            `!=`, `=~` and `!~`.
        part: Of a histogram: `_bucket`, `_sum` or `_count`.

    Raises:
        UnknownName: the metric, or a label of it, is not declared.
    """
    declared = metric(name)
    conditions = [_condition(declared, label, matcher) for label, matcher in (where or {}).items()]
    return f"{name}{part}" + (f"{{{','.join(conditions)}}}" if conditions else "")


def rate(name: str, window: str, where: Mapping[str, str] | None = None, *, part: str = "") -> str:
    """Return how fast a counter rises, per second; raises likewise."""
    return f"rate({series(name, where, part=part)}[{window}])"


def increase(name: str, window: str, where: Mapping[str, str] | None = None) -> str:
    """Return how much a counter rose within a window; raises likewise."""
    return f"increase({series(name, where)}[{window}])"


def summed(expression: str, by: Sequence[str]) -> str:
    """Return sums, one for each combination of labels."""
    return f"sum by ({', '.join(by)}) ({expression})" if by else f"sum({expression})"


def quantile(
    q: float, name: str, window: str, by: Sequence[str], where: Mapping[str, str] | None = None
) -> str:
    """Return a quantile of a histogram over a window; raises likewise."""
    if metric(name).kind != "histogram":
        raise UnknownName("histogram", name, ())
    return f"histogram_quantile({q}, {summed(rate(name, window, where, part='_bucket'), ['le', *by])})"


def _condition(declared: Metric, label: str, matcher: str) -> str:
    known = (*declared.written_labels, ADDED)
    if label not in known:
        raise UnknownName(f"label of metric {declared.name}", label, known)
    sign = next(sign for sign in ("!=", "!~", "=~", "=") if matcher.startswith(sign))
    return f"{label}{sign}{json.dumps(matcher.removeprefix(sign), ensure_ascii=False)}"
