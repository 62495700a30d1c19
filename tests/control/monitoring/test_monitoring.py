"""The dashboard and the rules ask for declared metrics only, and for all that says so."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, get_args

import pytest

from argus.control.monitoring.grafana import dashboard
from argus.control.monitoring.promql import quantile, rate, series
from argus.control.monitoring.rules import every_rule, rules
from argus.core.errors import UnknownName
from argus.core.metric_registry import METRICS, metric
from argus.core.resources.camera import CameraState

NAME = re.compile(r"argus_[a-z_]+")
SAID = {
    f"{one.name}{part}": one
    for one in METRICS
    for part in (("_bucket", "_sum", "_count") if one.kind == "histogram" else ("",))
}
PANELS: list[dict[str, Any]] = dashboard()["panels"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel.get("targets", ())]
EXPRESSIONS += [rule.expression for rule in every_rule()]


def plain(expression: str) -> str:
    """Return an expression of the dashboard as Prometheus gets it."""
    return expression.replace("$__rate_interval", "5m").replace("$camera", ".*").replace("$pipeline", ".*")


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_expression_asks_for_declared_metrics_and_their_labels(expression: str) -> None:
    names = NAME.findall(expression)
    assert names
    for name in names:
        assert name in SAID
    known = {label for name in names for label in SAID[name].written_labels} | {"le", "workload"}
    for grouped in re.findall(r"(?:by|on) \(([^)]*)\)", expression):
        assert set(grouped.split(", ")) <= known
    for selector in re.findall(r"\{([^}]*)\}", expression):
        assert set(re.findall(r'(\w+)(?:=~|!~|!=|=)"', selector)) <= known


@pytest.mark.parametrize("one", METRICS, ids=lambda one: one.name)
def test_every_metric_with_a_panel_is_on_the_dashboard(one: Any) -> None:
    shown = [
        panel["title"]
        for panel in PANELS
        for target in panel.get("targets", ())
        if one in {SAID[name] for name in NAME.findall(target["expr"])}
    ]
    assert set(shown) == ({one.panel} if one.panel is not None else set())


def test_rules_read_what_metrics_say_they_read() -> None:
    read = {rule.name: {SAID[name].name for name in NAME.findall(rule.expression)} for rule in every_rule()}
    told = {rule: {one.name for one in METRICS if rule in one.rules} for one in METRICS for rule in one.rules}
    assert read == told


def test_somebody_is_called_for_everything_that_is_lost_on_its_way_to_a_store() -> None:
    lost = {one.name: one.rules for one in METRICS if re.search("_(lost|dropped)_.*total", one.name)}
    assert lost == {
        "argus_storage_dropped_records_total": ("RecordsDropped",),
        "argus_clips_lost_total": ("ClipsLost",),
    }


def test_counters_are_never_shown_as_they_are() -> None:
    for expression in EXPRESSIONS:
        for name in NAME.findall(expression):
            if SAID[name].kind != "gauge":
                assert re.search(rf"(rate|increase)\({name}", expression)


def test_rules_are_a_file_of_prometheus() -> None:
    found = json.loads(json.dumps(rules()))
    alerts = [rule for group in found["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in alerts}) == len(alerts) == len(every_rule())
    for rule in alerts:
        assert re.fullmatch(r"Argus[A-Z][A-Za-z]+", rule["alert"])
        assert re.fullmatch(r"\d+[sm]", rule["for"])
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"].endswith(".")


@pytest.mark.parametrize("rule", every_rule(), ids=lambda rule: rule.name)
def test_what_a_summary_names_is_left_in_the_expression(rule: Any) -> None:
    labels = set(re.findall(r"\$labels\.(\w+)", rule.summary + rule.description))
    if grouped := re.findall(r"sum by \(([^)]*)\)", rule.expression):
        assert labels <= set(grouped[0].split(", "))
    else:
        known = {label for name in NAME.findall(rule.expression) for label in SAID[name].written_labels}
        assert labels <= known | {"workload"}


def test_states_that_rules_look_for_exist() -> None:
    asked = {
        state
        for rule in every_rule()
        if "argus_camera_state{" in rule.expression
        for states in re.findall(r'state=~?"([^"]*)"', rule.expression)
        for state in states.split("|")
    }
    assert asked <= set(get_args(CameraState))
    assert asked == set(get_args(CameraState)) - {"connecting", "online"}


def test_the_dashboard_can_be_imported() -> None:
    found = json.loads(json.dumps(dashboard()))
    assert [one["name"] for one in found["templating"]["list"]] == ["datasource", "camera", "pipeline"]
    assert len({panel["id"] for panel in found["panels"]}) == len(found["panels"])
    for panel in found["panels"]:
        references = [target["refId"] for target in panel.get("targets", ())]
        assert len(set(references)) == len(references)
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel.get("targets", ()))


def test_no_panel_covers_another() -> None:
    places = [(panel["title"], panel["gridPos"]) for panel in PANELS]
    assert all(at["x"] + at["w"] <= 24 for _, at in places)
    for (one, a), (other, b) in itertools.combinations(places, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        assert beside or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"], f"{one} and {other}"


def test_what_is_not_declared_cannot_be_asked_for() -> None:
    with pytest.raises(UnknownName, match="unknown metric 'argus_none'"):
        series("argus_none")
    with pytest.raises(UnknownName, match="unknown label of metric argus_camera_state 'pipeline'"):
        series("argus_camera_state", {"pipeline": "=x"})
    with pytest.raises(UnknownName, match="unknown histogram"):
        quantile(0.5, "argus_camera_state", "5m", [])


def test_values_of_labels_are_quoted() -> None:
    assert series("argus_camera_state", {"camera": '="a"\\'}) == 'argus_camera_state{camera="\\"a\\"\\\\"}'
    assert rate("argus_frames_total", "5m", {"outcome": "!~a|b"}) == (
        'rate(argus_frames_total{outcome!~"a|b"}[5m])'
    )


def test_every_expression_can_be_parsed() -> None:
    parser = pytest.importorskip("promql_parser", reason="promql-parser is not installed")
    for expression in EXPRESSIONS:
        assert parser.parse(plain(expression)) is not None


NEEDS_PROMTOOL = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")


def promtool(*words: str) -> None:
    done = subprocess.run(["promtool", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@NEEDS_PROMTOOL
def test_prometheus_own_tool_takes_the_rules_and_all_expressions(tmp_path: Path) -> None:
    recorded = [{"record": f"argus:{n}", "expr": plain(text)} for n, text in enumerate(EXPRESSIONS)]
    (tmp_path / "rules.yml").write_text(json.dumps(rules()))
    (tmp_path / "all.yml").write_text(json.dumps({"groups": [{"name": "all", "rules": recorded}]}))
    promtool("check", "rules", str(tmp_path / "rules.yml"), str(tmp_path / "all.yml"))


FIRING = {
    "ArgusCameraLost": ('argus_camera_state{camera="gate",state="lost"}', "1x60"),
    "ArgusCameraFrozen": ('argus_camera_state{camera="gate",state="frozen"}', "1x60"),
    "ArgusCameraPictureBad": ('argus_camera_state{camera="gate",state="dark"}', "1x60"),
    "ArgusCameraReconnecting": ('argus_camera_reconnects_total{camera="gate"}', "0+1x60"),
    "ArgusPipelineFailed": ('argus_pipeline_failed{camera="gate",pipeline="p"}', "1x60"),
    "ArgusStorageBacklogGrowing": ('argus_storage_backlog_records{workload="w"}', "900+100x60"),
    "ArgusRecordsDropped": ('argus_storage_dropped_records_total{workload="w"}', "0+1x60"),
    "ArgusClipsLost": ('argus_clips_lost_total{workload="w"}', "0+1x60"),
    "ArgusWorkloadRestarting": ('argus_workload_restarts_total{workload="w"}', "0+1x60"),
    "ArgusWorkloadBackingOff": ('argus_workload_state{workload="w",state="backing-off"}', "1x60"),
    "ArgusJobFailed": ('argus_job_state{job_name="nightly",state="failed"}', "1x60"),
    "ArgusDatabaseDown": ('argus_database_up{database="results"}', "0x60"),
}


@NEEDS_PROMTOOL
def test_rules_fire_for_what_they_are_for_and_for_nothing_else(tmp_path: Path) -> None:
    tests = [
        {
            "interval": "1m",
            "input_series": [
                {"series": text, "values": values},
                {"series": 'argus_info{version="1"}', "values": "1x60"},
            ],
            "promql_expr_test": [
                {
                    "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                    "eval_time": "40m",
                    "exp_samples": [{"labels": f'{{alertname="{alert}"}}', "value": 1}],
                }
            ],
        }
        for alert, (text, values) in FIRING.items()
    ]
    tested = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": tests}
    (tmp_path / "rules.yml").write_text(json.dumps(rules()))
    (tmp_path / "test.yml").write_text(json.dumps(tested))
    promtool("test", "rules", str(tmp_path / "test.yml"))


def test_metrics_that_are_shown_have_a_unit_that_grafana_knows() -> None:
    units = {"short", "s", "bool", "fps", "ops", "bytes", "cores", "percentunit", "reqps", "Bps"}
    assert {metric(one.name).unit for one in METRICS} <= units


PAGE = Path(__file__).parents[3] / "docs" / "reference" / "metrics.md"


def test_the_reference_names_every_metric_with_its_labels_and_every_rule() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = {
        row[0].strip("` "): row for line in text.splitlines() if (row := line.strip("| ").split(" | "))[1:]
    }
    for one in METRICS:
        _, kind, labels, meaning = rows[one.name]
        assert (kind, labels) == (one.kind, ", ".join(f"`{label}`" for label in one.written_labels) or "–")
        assert meaning == one.help
    assert {name for name in rows if name.startswith("argus_")} == {one.name for one in METRICS}
    for rule in every_rule():
        assert f"| `Argus{rule.name}` | {rule.lasts} | {rule.severity} |" in text
