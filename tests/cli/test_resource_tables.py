"""How resources and results look in a terminal: plain dictionaries in, texts out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from argus.cli.resource_tables import COLUMNS, age, clock, counted, duration, table
from argus.core.resources.kinds import kinds

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def resource(name: str = "gate", **parts: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "creationTimestamp": NOW.isoformat()},
        "spec": {},
        "status": {},
    } | parts


def row(kind: str, item: dict[str, Any], *, wide: bool = False) -> dict[str, str]:
    headers, (cells,) = table(kind, [item], wide=wide)
    return dict(zip(headers, cells, strict=True))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (119.9, "119s"), (120, "2m"), (7199, "119m"), (7200, "2h0m"), (172_800, "2d"), (None, "–")],
)
def test_a_duration_has_one_or_two_units(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_an_age_is_how_long_ago_it_was() -> None:
    assert age((NOW - timedelta(minutes=12)).isoformat(), NOW) == "12m"


def test_an_age_is_never_negative_where_clocks_differ() -> None:
    assert age((NOW + timedelta(minutes=12)).isoformat(), NOW) == "0s"


def test_what_has_no_time_yet_has_no_age() -> None:
    assert age(None) == "–"
    assert clock(None) == "–"


def test_a_moment_of_today_is_a_time_of_day() -> None:
    assert clock(datetime.now(UTC).isoformat()).count(":") == 2
    assert "-" not in clock(datetime.now(UTC).isoformat())


def test_a_moment_of_another_day_has_its_date() -> None:
    assert clock("2020-02-03T12:00:00+00:00").startswith("2020-02-03")


def test_every_kind_has_columns() -> None:
    assert {kind.plural for kind in kinds()} <= set(COLUMNS)


@pytest.mark.parametrize("kind", [kind.plural for kind in kinds()])
def test_a_resource_nobody_has_looked_at_has_a_row(kind: str) -> None:
    assert row(kind, resource(), wide=True)["NAME"] == "gate"


@pytest.mark.parametrize("kind", ["events", "alerts", "tracks", "detections"])
def test_a_result_of_which_little_is_known_has_a_row(kind: str) -> None:
    assert set(row(kind, {}, wide=True).values()) <= {"–", "none"}


@pytest.mark.parametrize("kind", ["events", "alerts"])
def test_what_is_said_of_a_clip_is_shown_where_there_is_something_to_say(kind: str) -> None:
    assert "CLIP NOTE" not in row(kind, {"clip": "c.mp4", "clip_note": None})
    assert row(kind, {"clip_note": "missing: stopped"})["CLIP NOTE"] == "missing: stopped"


def test_a_password_in_an_address_is_not_shown() -> None:
    shown = row("cameras", resource(spec={"url": "rtsp://viewer:s3cret@10.0.0.5/1"}))
    assert "s3cret" not in shown["URL"]
    assert "10.0.0.5" in shown["URL"]


def test_a_pipeline_that_does_less_than_it_should_says_why() -> None:
    conditions = [
        {"type": "Accepted", "status": "True", "reason": "Resolved", "message": "all is there"},
        {"type": "Ready", "status": "True", "reason": "ServiceReduced", "message": "too much to do"},
    ]
    item = resource(status={"phase": "Degraded", "conditions": conditions})
    shown = row("pipelines", item, wide=True)
    assert (shown["PHASE"], shown["REASON"], shown["MESSAGE"]) == (
        "Degraded",
        "ServiceReduced",
        "too much to do",
    )
    assert row("pipelines", item)["MESSAGE"] == "too much to do"


def test_a_pipeline_that_runs_has_nothing_to_say() -> None:
    ready = {"type": "Ready", "status": "True", "reason": "Running", "message": "worker-0 looks at gate"}
    assert "MESSAGE" not in row("pipelines", resource(status={"phase": "Running", "conditions": [ready]}))


def test_a_camera_that_no_pipeline_uses_is_unused() -> None:
    assert row("cameras", resource())["STATE"] == "unused"


def test_the_message_is_that_of_what_is_wrong() -> None:
    conditions = [
        {"type": "Accepted", "status": "True", "message": "all is there"},
        {"type": "Ready", "status": "False", "message": "camera gate is missing"},
    ]
    assert (
        row("pipelines", resource(status={"conditions": conditions}))["MESSAGE"] == "camera gate is missing"
    )


def test_where_nothing_is_wrong_there_is_no_column_for_it() -> None:
    assert "MESSAGE" not in row("pipelines", resource())


def test_what_is_being_deleted_says_so() -> None:
    item = resource(status={"phase": "Running"})
    item["metadata"]["deletionTimestamp"] = NOW.isoformat()
    assert row("pipelines", item)["PHASE"] == "Deleting"


def test_a_model_written_out_in_a_pipeline_is_named_by_its_weights() -> None:
    assert row("pipelines", resource(spec={"detect": {"model": {"path": "a.onnx"}}}))["MODEL"] == "a.onnx"


def test_labels_are_shown_in_wide_tables_alone() -> None:
    item = resource()
    item["metadata"]["labels"] = {"site": "north", "floor": "2"}
    assert row("cameras", item, wide=True)["LABELS"] == "floor=2,site=north"
    assert "LABELS" not in row("cameras", item)


def test_the_progress_of_a_job_is_a_percentage() -> None:
    shown = row("jobs", resource(status={"progress": 0.256, "leftSeconds": 90}))
    assert (shown["PROGRESS"], shown["LEFT"]) == ("26 %", "90s")


def test_an_event_that_goes_on_says_so() -> None:
    assert row("events", {"open": True, "start_s": 1.0})["LASTED"] == "goes on"
    assert row("events", {"start_s": 1.0, "end_s": 3.5})["LASTED"] == "2.5 s"


def test_an_object_is_its_class_and_its_number() -> None:
    assert row("alerts", {"class_name": "person", "object_id": 0})["OBJECT"] == "person 0"
    assert row("alerts", {"class_name": "person"})["OBJECT"] == "person"


def test_a_workload_shows_what_its_status_says() -> None:
    status = {"kind": "service", "state": "running", "ready": True, "pid": 7, "restarts": 2, "cpu_s": 1.4}
    shown = row("workloads", {"metadata": {"name": "worker-a-0"}, "status": status})
    assert (shown["NAME"], shown["READY"], shown["PID"], shown["RESTARTS"]) == ("worker-a-0", "yes", "7", "2")


def test_objects_of_a_frame_are_counted_by_class() -> None:
    objects = [{"class": "person"}, {"class": "car"}, {"class": "person"}]
    assert counted(objects) == "2 person, 1 car"
    assert counted(()) == "none"
