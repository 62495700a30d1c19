"""A Grafana dashboard, made of the declared metrics: a row for each area, a panel for each title.

For Grafana 10 and later, with Prometheus as its source. What a panel shows follows from the metric's kind,
labels and unit, so a metric that is declared with a title is on the dashboard.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from argus.control.monitoring.promql import ADDED, quantile, rate, series, summed
from argus.core.metric_registry import METRICS, Metric

_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_CHOSEN: Final = {"camera": "=~$camera", "pipeline": "=~$pipeline"}
_QUANTILES: Final = (0.5, 0.95, 0.99)
_WINDOW: Final = "$__rate_interval"
_WIDTH, _HEIGHT, _COLUMNS = 8, 8, 24
_OF_WORKERS: Final = frozenset({"models", "storage"})
"""Areas in which several workers may say the same; they are told apart."""
_UNITS: Final = {"cores": "none"}
_GOOD: Final = frozenset({"argus_workload_ready", "argus_workload_healthy", "argus_database_up"})
"""Of these, 1 is what is hoped for."""


def dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana imports it."""
    return {
        "uid": "argus",
        "title": "Argus",
        "description": "Cameras, pipelines, models, storage, workloads, jobs and the control plane.",
        "tags": ["argus", "vision"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": []},
        "links": [],
        "templating": {"list": _variables()},
        "panels": list(_panels()),
    }


def _variables() -> list[dict[str, Any]]:
    source = {"name": "datasource", "label": "Source", "type": "datasource", "query": "prometheus"}
    cameras = f"label_values({series('argus_camera_state')}, camera)"
    pipelines = f"label_values({series('argus_frames_total', {'camera': '=~$camera'})}, pipeline)"
    return [
        {**source, "hide": 0, "includeAll": False, "multi": False, "refresh": 1, "regex": "", "options": []},
        _variable("camera", "Camera", cameras),
        _variable("pipeline", "Pipeline", pipelines),
    ]


def _variable(name: str, label: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": _SOURCE,
        "definition": query,
        "query": {"query": query, "refId": f"{name}-values"},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",  # events of a camera's health have an empty pipeline
        "current": {"text": ["All"], "value": ["$__all"]},
        "hide": 0,
        "options": [],
        "regex": "",
    }


def _panels() -> Iterator[dict[str, Any]]:
    number, top = 0, 0
    for area in dict.fromkeys(one.area for one in METRICS):
        titles = dict.fromkeys(one.panel for one in METRICS if one.area == area and one.panel is not None)
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": area.capitalize(),
            "collapsed": False,
            "gridPos": {"x": 0, "y": top, "w": _COLUMNS, "h": 1},
            "panels": [],
        }
        top += 1
        for place, title in enumerate(titles):
            number += 1
            column, row = place % (_COLUMNS // _WIDTH), place // (_COLUMNS // _WIDTH)
            at = {"x": column * _WIDTH, "y": top + row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT}
            shown = [one for one in METRICS if one.panel == title and one.area == area]
            yield {"id": number, "gridPos": at, **_panel(title, shown)}
        top += -(-len(titles) * _WIDTH // _COLUMNS) * _HEIGHT


def _panel(title: str, shown: list[Metric]) -> dict[str, Any]:
    first = shown[0]
    targets = [
        {"datasource": _SOURCE, "editorMode": "code", "refId": _reference(number), **target}
        for number, target in enumerate(target for one in shown for target in _targets(one, len(shown) > 1))
    ]
    kind, options, custom = _look(first)
    return {
        "type": kind,
        "title": title,
        "description": "\n".join(one.help for one in shown),
        "datasource": _SOURCE,
        "targets": targets,
        "fieldConfig": {
            "defaults": {"unit": _UNITS.get(first.unit, first.unit), "custom": custom, **_marks(first)},
            "overrides": [],
        },
        "options": options,
    }


def _look(one: Metric) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Return type, options and style of a panel."""
    if one.unit == "bool":
        return (
            "state-timeline",
            {"mergeValues": True, "showValue": "never", "rowHeight": 0.8},
            {"lineWidth": 0},
        )
    if one.unit == "percentunit":
        return "bargauge", {"orientation": "horizontal", "displayMode": "basic", **_last()}, {}
    if one.name == "argus_uptime_seconds":
        return "stat", {"graphMode": "none", "colorMode": "none", **_last()}, {}
    legend = {"displayMode": "list", "placement": "bottom", "showLegend": True}
    stacked = one.kind == "counter" and "outcome" in one.labels
    custom = {
        "drawStyle": "line",
        "fillOpacity": 20 if stacked else 5,
        "lineWidth": 1,
        "showPoints": "never",
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
    }
    return "timeseries", {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}, custom


def _last() -> dict[str, Any]:
    return {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}


def _marks(one: Metric) -> dict[str, Any]:
    if one.unit == "percentunit":
        return {"min": 0, "max": 1}
    if one.unit != "bool":
        return {"min": 0}
    no, yes = ("red", "green") if one.name in _GOOD or "state" in one.labels else ("green", "red")
    shown = {"0": {"text": "no", "color": no, "index": 0}, "1": {"text": "yes", "color": yes, "index": 1}}
    return {"mappings": [{"type": "value", "options": shown}]}


def _targets(one: Metric, several: bool) -> Iterator[dict[str, Any]]:
    labels = [*one.written_labels, *([ADDED] if one.area in _OF_WORKERS else [])]
    where = {label: matcher for label, matcher in _CHOSEN.items() if label in labels}
    legend = " ".join(f"{{{{{label}}}}}" for label in labels)
    named = " ".join(filter(None, [legend, _short(one.name) if several else ""])) or _short(one.name)
    if one.kind == "counter":
        yield {"expr": summed(rate(one.name, _WINDOW, where), labels), "legendFormat": named}
    elif one.kind == "histogram":
        for q in _QUANTILES:
            expression = quantile(q, one.name, _WINDOW, labels, where)
            yield {"expr": expression, "legendFormat": f"{legend} p{q * 100:g}".strip()}
    elif "state" in labels:
        yield {"expr": f"{series(one.name, where)} == 1", "legendFormat": named}
    else:
        # What has no labels of its own may be said by workers too.
        told = named if labels else f"{named} {{{{{ADDED}}}}}"
        yield {"expr": series(one.name, where), "legendFormat": told}


def _short(name: str) -> str:
    return name.removeprefix("argus_").removesuffix("_total").replace("_", " ")


def _reference(number: int) -> str:
    return chr(ord("A") + number)
