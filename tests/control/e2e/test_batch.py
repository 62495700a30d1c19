"""Recordings go through pipelines: uploaded, suspended, cancelled, expired, killed in the middle."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from argus.control.client.errors import NotThere
from tests.control.e2e.lives_seen import LivesSeen
from tests.control.e2e.machine import Json, Machine, kill, until
from tests.control.e2e.scenes import envelope, watched


@pytest.fixture
def recordings(tmp_path: Path, plaza_film: Path) -> Path:
    """A folder of four films."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    for number in range(4):
        shutil.copy(plaza_film, folder / f"film-{number}.mp4")
    return folder


def job(name: str, source: str, **spec: Any) -> Json:
    return envelope("BatchJob", name, {"source": source, "pipeline": "watch", **spec})


def phase(machine: Machine, name: str, *phases: str, within_s: float = 90.0) -> Json:
    """Wait for a job to be in one of these phases; return its status."""

    def there() -> Json | None:
        status: Json = machine.client.get("job", name).get("status", {})
        return status if status.get("phase") in phases else None

    return until(
        there, within_s, told=lambda: (machine.client.get("job", name).get("status"), machine.said())
    )


def told(machine: Machine, name: str) -> list[Json]:
    """Return a job's events without what must differ."""
    events = machine.client.events(job=name)
    differ = {"id", "seq", "job", "run", "started_at", "ended_at", "snapshot", "clip"}
    return [{key: value for key, value in event.items() if key not in differ} for event in events]


def recorded_only(machine: Machine) -> None:
    """Declare a pipeline that nobody runs live: its camera is not there."""
    machine.client.apply(watched()[1:])


@pytest.mark.soak
def test_an_upload_becomes_a_job_that_succeeds_with_events_and_expires(
    machine: Machine, plaza_film: Path
) -> None:
    machine.start()
    recorded_only(machine)
    upload = machine.client.upload(plaza_film, pipeline="watch", ttl="2s")
    name = f"upload-{upload['id']}"
    status = phase(machine, name, "Succeeded", "Failed")
    assert status["phase"] == "Succeeded", status
    events = list(machine.client.events(job=name))
    alerts = list(machine.client.alerts(job=name))
    assert events
    assert alerts
    assert status["events"] == len(events)
    assert status["alerts"] == len(alerts)
    assert status["frames"] == 80
    assert all(alert["snapshot"] for alert in alerts)
    assert b"".join(machine.client.blob(alerts[0]["snapshot"])).startswith(b"\xff\xd8")
    key = events[0]["snapshot"] or alerts[0]["snapshot"]

    def expired() -> bool:
        try:
            machine.client.get("job", name)
        except NotThere:
            return True
        return False

    until(expired, 30, told=machine.said)
    assert list(machine.client.events(job=name)) == []
    until(lambda: not machine.client.delete_blob(key), 30)


@pytest.mark.soak
def test_a_job_that_is_killed_in_the_middle_tells_what_an_undisturbed_one_tells(
    machine: Machine, recordings: Path
) -> None:
    machine.start()
    recorded_only(machine)
    machine.client.apply([job("calm", str(recordings))])
    assert phase(machine, "calm", "Succeeded", "Failed")["phase"] == "Succeeded"
    machine.client.apply([job("stormy", str(recordings), retries=10)])
    killed: list[int] = []
    for more in (0.1, 0.4, 0.7):

        def running(more: float = more) -> int | None:
            status = machine.client.get("job", "stormy").get("status", {})
            pids = [
                w["status"]["pid"]
                for w in machine.client.workloads()
                if w["metadata"]["name"].startswith("job-") and w["status"]["pid"] not in (None, *killed)
            ]
            return pids[0] if pids and (status.get("progress") or 0) >= more else None

        killed.append(until(running, 60, told=lambda: (machine.client.get("job", "stormy"), machine.said())))
        kill(killed[-1])
    assert phase(machine, "stormy", "Succeeded", "Failed")["phase"] == "Succeeded"
    assert told(machine, "stormy") == told(machine, "calm")
    calm, stormy = (machine.client.get("job", name)["status"] for name in ("calm", "stormy"))
    print(
        {
            name: (s["startTime"], s["completionTime"], s["attempt"])
            for name, s in (("calm", calm), ("stormy", stormy))
        }
    )
    for what in ("events", "alerts", "files", "filesDone", "frames"):
        assert stormy[what] == calm[what], what


@pytest.mark.soak
def test_a_job_is_suspended_goes_on_and_is_cancelled(machine: Machine, recordings: Path) -> None:
    machine.start()
    recorded_only(machine)
    machine.client.apply([job("night", str(recordings))])
    until(
        lambda: (machine.client.get("job", "night")["status"].get("progress") or 0) > 0.1, told=machine.said
    )
    machine.client.job("suspend", "night")
    suspended = phase(machine, "night", "Suspended")
    assert 0 < suspended["progress"] < 1
    until(lambda: machine.client.workloads() == [], told=machine.said)
    # It outlives the control plane.
    machine.kill()
    machine.start()
    assert phase(machine, "night", "Suspended")["run"] == suspended["run"]
    machine.client.job("resume", "night")
    done = phase(machine, "night", "Succeeded", "Failed")
    assert (done["phase"], done["run"]) == ("Succeeded", suspended["run"])
    machine.client.job("run", "night")
    until(lambda: machine.client.get("job", "night")["status"]["run"] == suspended["run"] + 1)
    machine.client.job("cancel", "night")
    phase(machine, "night", "Cancelled")
    assert [run["state"] for run in machine.client.runs("night")][-1] == "finished"


@pytest.mark.soak
def test_all_that_is_killed_in_the_middle_of_a_job_begins_again_and_ends_once(
    machine: Machine, recordings: Path
) -> None:
    machine.start()
    recorded_only(machine)
    machine.client.apply([job("calm", str(recordings)), job("stormy", str(recordings))])
    until(
        lambda: (machine.client.get("job", "stormy")["status"].get("progress") or 0) > 0.1, told=machine.said
    )
    with LivesSeen(machine.home) as lives:
        machine.kill_all()
        machine.start()
        for name in ("calm", "stormy"):
            assert phase(machine, name, "Succeeded", "Failed")["phase"] == "Succeeded"
    assert len(lives.processes) == 2
    assert lives.doubled == []
    assert told(machine, "stormy") == told(machine, "calm")
    assert len(machine.client.runs("stormy")) == 1


@pytest.mark.soak
def test_a_job_that_cannot_be_is_not_tried_again_and_says_why(machine: Machine) -> None:
    machine.start()
    recorded_only(machine)
    machine.client.apply([job("nothing", "/nowhere/at/all.mp4")])
    status = phase(machine, "nothing", "Failed")
    assert "/nowhere/at/all.mp4" in str(status["conditions"])
    assert status.get("attempt", 1) == 1
