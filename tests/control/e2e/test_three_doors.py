"""One resource model, three doors: a file in its short form, REST and the envelope mean the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from argus.control.client.errors import Overtaken
from tests.control.e2e.machine import Json, Machine, until

SHORT = """
cameras:
  plaza: "synthetic:plaza?width=320&height=240&fps=10&people=6&vehicles=0"
models:
  people: {path: "builtin:plaza", precision: f32, classes: person}
pipelines:
  watch:
    camera: plaza
    detect: people
    track: bytetrack
    zones:
      left: {polygon: [[0, 0], [0.5, 0], [0.5, 1], [0, 1]], dwell: 500ms, severity: high}
    lines:
      middle: {from: [0.5, 0], to: [0.5, 1]}
    cooldown: 1s
    store: {detections: every 2s}
jobs:
  recorded: {source: "FILM", pipeline: watch}
"""
ENVELOPES = """
apiVersion: argus.dev/v1
kind: Camera
metadata: {name: plaza}
spec: {url: "synthetic:plaza?width=320&height=240&fps=10&people=6&vehicles=0"}
---
apiVersion: argus.dev/v1
kind: Model
metadata: {name: people}
spec: {path: "builtin:plaza", precision: f32, classes: [person]}
---
apiVersion: argus.dev/v1
kind: Pipeline
metadata: {name: watch}
spec:
  camera: plaza
  detect: {model: people}
  track: {algorithm: bytetrack}
  zones:
    left: {polygon: [[0, 0], [0.5, 0], [0.5, 1], [0, 1]], dwell: 0.5, severity: high}
  lines:
    middle: {from: [0.5, 0], to: [0.5, 1]}
  cooldown: 1
  store: {detections: every 2s}
---
apiVersion: argus.dev/v1
kind: BatchJob
metadata: {name: recorded}
spec: {source: "FILM", pipeline: watch}
"""
REST: list[Json] = [
    {
        "kind": "Camera",
        "metadata": {"name": "plaza"},
        "spec": {"url": "synthetic:plaza?width=320&height=240&fps=10&people=6&vehicles=0"},
    },
    {
        "kind": "Model",
        "metadata": {"name": "people"},
        "spec": {"path": "builtin:plaza", "precision": "f32", "classes": ["person"]},
    },
    {
        "kind": "Pipeline",
        "metadata": {"name": "watch"},
        "spec": {
            "camera": "plaza",
            "detect": {"model": "people"},
            "track": {"algorithm": "bytetrack"},
            "zones": {
                "left": {
                    "polygon": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]],
                    "dwell": "500ms",
                    "severity": "high",
                }
            },
            "lines": {"middle": {"from": [0.5, 0], "to": [0.5, 1]}},
            "cooldown": "1s",
            "store": {"detections": "every 2s"},
        },
    },
    {
        "kind": "BatchJob",
        "metadata": {"name": "recorded"},
        "spec": {"source": "FILM", "pipeline": "watch"},
    },
]


def came_of(machine: Machine) -> dict[str, Any]:
    """Wait until the job is done; return all that is to be the same whichever door was taken."""

    def over() -> Json | None:
        job = machine.client.get("job", "recorded")
        return job if job["status"].get("phase") in {"Succeeded", "Failed"} else None

    job = until(over, 90.0, told=machine.said)
    assert job["status"]["phase"] == "Succeeded", job["status"]
    machine.runs("watch")
    home = str(machine.home)
    config = machine.home / "run" / "workloads" / "worker-people-0" / "config.json"
    return {
        "specs": {(r["kind"], r["metadata"]["name"]): r["spec"] for r in machine.client.list()},
        "config": msgspec.json.decode(config.read_text().replace(home, "HOME")),
        "events": [
            {
                key: value
                for key, value in event.items()
                if key not in {"id", "seq", "run", "started_at", "ended_at", "snapshot", "clip"}
            }
            for event in machine.client.events(job="recorded")
        ],
        "alerts": [
            {key: alert[key] for key in ("type", "rule", "severity", "object_id", "class_name", "confidence")}
            for alert in machine.client.alerts(job="recorded")
        ],
        "detections": [
            (seen["frame"], seen["time_s"], seen["objects"])
            for seen in machine.client.detections(job="recorded")
        ],
        "job": {key: job["status"][key] for key in ("phase", "frames", "events", "alerts", "filesDone")},
    }


def declare(machine: Machine, door: str, film: Path) -> None:
    """Declare all of it through one door."""
    if door == "rest":
        for one in REST:
            told = msgspec.json.encode(one).replace(b"FILM", str(film).encode())
            machine.client.create(msgspec.json.decode(told))
    else:
        text = (SHORT if door == "file" else ENVELOPES).replace("FILM", str(film))
        (machine.home / "argus.yaml").write_text(text)
        machine.command("apply", "-f", "argus.yaml")


def clear(machine: Machine) -> None:
    """Delete all of it, with what it has found."""
    for one in machine.client.list():
        machine.client.delete(one["kind"], one["metadata"]["name"])
    until(lambda: not machine.client.list() and not machine.client.workloads(), told=machine.said)
    assert list(machine.client.events(job="recorded")) == []


def test_file_rest_and_envelope_give_identical_results(machine: Machine, short_film: Path) -> None:
    machine.start()
    came = []
    for door in ("file", "envelope", "rest"):
        declare(machine, door, short_film)
        came.append(came_of(machine))
        clear(machine)
    by_file, by_envelope, by_rest = came
    assert by_file["events"]
    assert by_file["alerts"]
    assert by_file["detections"]
    for part in by_file:
        assert by_envelope[part] == by_file[part], part
        assert by_rest[part] == by_file[part], part
    print(by_file["job"])


@pytest.mark.soak
def test_what_get_tells_can_be_applied_again_and_changes_nothing(machine: Machine) -> None:
    machine.start()
    (machine.home / "argus.yaml").write_text(SHORT.replace("FILM", "/nowhere/film.mp4"))
    machine.command("apply", "-f", "argus.yaml")
    # A version in a file means "only if it still is that one"; statuses make new ones all the time.
    told = machine.command("get", "all", "-o", "yaml").stdout
    (machine.home / "again.yaml").write_text(re.sub(r" *resourceVersion: .*\n", "", told))
    again = machine.command("apply", "-f", "again.yaml")
    words = [line.split()[-1] for line in (again.stdout + again.stderr).splitlines() if "/" in line]
    assert words == ["unchanged"] * 4


def test_a_file_of_an_older_version_is_refused_with_its_remedy_once(machine: Machine) -> None:
    machine.start()
    made = machine.client.create(REST[0])
    machine.client.patch("camera", "plaza", {"spec": {"fps": 5}})
    with pytest.raises(Overtaken) as refused:
        machine.client.apply([made])
    assert str(refused.value).count("read it again") == 1
