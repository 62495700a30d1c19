"""What is changed while it runs is taken up by the worker that runs, without a restart."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from tests.control.e2e.machine import Json, Machine, until
from tests.control.e2e.scenes import EVERYWHERE, PLAZA, STRIPS, camera, model, pipeline, watched


def seen(machine: Machine, at: datetime) -> list[Json]:
    """Return frames that were looked at since, the latest first."""
    return list(machine.client.detections(pipeline="watch", since=at.isoformat(), most=50))


def test_zones_thresholds_cameras_and_models_change_without_a_restart(machine: Machine) -> None:
    machine.start()
    machine.client.apply(watched(store={"detections": "all"}))
    worker = machine.worker()
    machine.runs("watch")
    took: dict[str, float] = {}

    @contextmanager
    def changing(what: str) -> Iterator[Callable[[Callable[[datetime], object]], None]]:
        at, began_s = datetime.now(UTC), time.monotonic()

        def shows(effect: Callable[[datetime], object]) -> None:
            until(lambda: effect(at), told=lambda: (machine.client.get("pipeline", "watch"), machine.said()))
            took[what] = time.monotonic() - began_s

        yield shows
        machine.runs("watch")

    until(lambda: [one for one in seen(machine, worker_began(worker)) if one["objects"]])
    with changing("zone") as shows:
        zones = {**dict.fromkeys(STRIPS), "renamed": {"polygon": EVERYWHERE, "severity": "low"}}
        machine.client.patch("pipeline", "watch", {"spec": {"zones": zones}})
        shows(lambda at: list(machine.client.alerts(since=at.isoformat(), zone="renamed", severity="low")))
    with changing("confidence") as shows:
        machine.client.patch("pipeline", "watch", {"spec": {"detect": {"confidence": 1.0}}})
        shows(lambda at: (f := seen(machine, at)) and not f[0]["objects"])
    with changing("confidence back") as shows:
        machine.client.patch("pipeline", "watch", {"spec": {"detect": {"confidence": None}}})
        shows(lambda at: (f := seen(machine, at)) and f[0]["objects"])
    with changing("camera") as shows:
        machine.client.patch("camera", "plaza", {"spec": {"url": PLAZA.replace("width=320", "width=352")}})
        shows(lambda _: machine.client.get("camera", "plaza")["status"].get("resolution") == "352x240")
    with changing("model") as shows:
        machine.client.swap_model("people", "builtin:motion")
        shows(lambda at: [one for one in seen(machine, at) for o in one["objects"] if o["class"] == "motion"])
    with changing("model back") as shows:
        machine.client.rollback_model("people")
        shows(lambda at: (f := seen(machine, at)) and any(o["class"] == "person" for o in f[0]["objects"]))
    with changing("another camera and pipeline beside") as shows:
        machine.client.apply([camera("second", f"{PLAZA}&frames=15"), pipeline("beside", "second")])
        shows(lambda _: machine.client.get("pipeline", "beside")["status"].get("phase") == "Running")
    with changing("a recording that ends") as shows:
        shows(lambda _: machine.client.get("pipeline", "beside")["status"].get("phase") == "Ended")
    assert machine.client.get("camera", "second")["status"]["state"] == "ended"
    with changing("to a camera that is not there") as shows:
        machine.client.apply([camera("second", "rtsp://127.0.0.1:9/gone", lost_after="500ms")])
        shows(lambda _: machine.client.get("pipeline", "beside")["status"].get("phase") == "Degraded")
        # A status of its own, written by itself: it may come a moment later.
        shows(lambda _: machine.client.get("camera", "second")["status"]["state"] == "lost")
    assert "beside" in next(s for s in machine.command("status").stdout.splitlines() if "Degraded" in s)
    with changing("gone again") as shows:
        machine.client.delete("pipeline", "beside")
        shows(lambda _: [p["metadata"]["name"] for p in machine.client.list("pipeline")] == ["watch"])
    now = machine.worker()
    print({what: round(seconds, 2) for what, seconds in took.items()})
    assert (now["pid"], now["starts"]) == (worker["pid"], worker["starts"])


def worker_began(worker: Json) -> datetime:
    return datetime.fromisoformat(worker["last_start"])


@pytest.mark.soak
def test_a_model_that_cannot_be_had_leaves_the_former_one_running(machine: Machine) -> None:
    machine.start()
    machine.client.apply(watched(store={"detections": "all"}))
    worker = machine.worker()
    machine.runs("watch")
    machine.client.swap_model("people", "/nowhere/at-all.onnx")
    said = until(
        lambda: (c := machine.condition("pipeline", "watch", "Ready"))["status"] == "False" and c,
        told=lambda: machine.client.get("pipeline", "watch"),
    )
    assert "at-all.onnx" in said["message"]
    at = datetime.now(UTC)
    until(lambda: [one for one in seen(machine, at) if one["objects"]], told=machine.said)
    machine.client.rollback_model("people")
    machine.runs("watch")
    assert machine.worker()["pid"] == worker["pid"]


@pytest.mark.soak
def test_a_model_that_a_branch_looks_with_is_swapped_by_the_same_command(machine: Machine) -> None:
    machine.start()
    branches = [{"model": "closer", "classes": ["person"]}]
    machine.client.apply([*watched(branches=branches), model("closer", "builtin:people")])
    worker = machine.worker()
    machine.runs("watch")
    print(machine.command("models", "swap", "closer", "builtin:plaza").stdout)

    def told(type_: str) -> list[str]:
        events = machine.client.events(type=type_, most=10)
        return [event["message"] for event in events if event["message"].startswith("branch closer: ")]

    (said,) = until(lambda: told("model.swapped"), told=machine.said)
    assert said.startswith("branch closer: builtin:plaza")
    machine.runs("watch")
    now = machine.worker()
    assert (now["pid"], now["starts"]) == (worker["pid"], worker["starts"])


@pytest.mark.soak
def test_a_pipeline_waits_for_what_is_missing_and_says_so(machine: Machine) -> None:
    machine.start()
    plaza, people, watch = watched()
    machine.client.apply([people, watch])
    said = machine.comes_to("pipeline", "watch", "Ready", "CameraMissing")
    assert "plaza" in said["message"]
    assert machine.client.workloads() == []
    machine.client.apply([plaza])
    machine.runs("watch")
    machine.client.delete("camera", "plaza")
    machine.comes_to("pipeline", "watch", "Ready", "CameraMissing")
    until(lambda: machine.client.workloads() == [])
    assert [event["type"] for event in machine.client.events(open=True)] == []


@pytest.mark.soak
def test_a_camera_whose_address_makes_no_sense_says_why(machine: Machine) -> None:
    machine.start()
    machine.client.apply([camera("plaza", "synthetic:plaza?colour=red"), *watched()[1:]])

    def said() -> bool:
        condition = machine.condition("camera", "plaza", "Online")
        return condition.get("status") == "False" and "colour" in condition["message"]

    until(said, told=lambda: (machine.client.get("camera", "plaza"), machine.said()))
    assert "Traceback" not in machine.said()
