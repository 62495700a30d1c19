"""Why no alert came, asked of a real camera and real workers: a different answer for each cause."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from argus.testing.rtsp import RtspServer
from tests.control.e2e.machine import Machine, until

CAUSES = {
    "cooldown": """
      detect: people
      crowds: {pavement: {polygon: [[0.3, 0], [0.6, 0], [0.6, 1], [0.3, 1]], count: 2, formed_after: 0s,
        dispersed_after: 0s, severity: high}}
      cooldown: 1h""",
    "dwell_too_short": """
      detect: people
      zones: {street: {polygon: [[0, 0], [1, 0], [1, 1], [0, 1]], dwell: 10m}}
      alerts: [{on: zone.dwelled, severity: high}]""",
    "outside_zone": """
      detect: people
      zones: {sky: {polygon: [[0, 0], [0.02, 0], [0.02, 0.02], [0, 0.02]], severity: high}}""",
    "wrong_class": """
      detect: {model: people, classes: [bicycle]}
      zones: {street: {polygon: [[0, 0], [1, 0], [1, 1], [0, 1]], severity: high}}""",
    "below_confidence": """
      detect: {model: people, confidence: 0.99}
      zones: {street: {polygon: [[0, 0], [1, 0], [1, 1], [0, 1]], severity: high}}""",
    "no_rule": """
      detect: people
      zones: {street: {polygon: [[0, 0], [1, 0], [1, 1], [0, 1]]}}""",
}
"""What a pipeline is made of, by the reason it gives."""
NOBODY_THERE = "no_frame"


def declared(url: str, gone: str, model: Path) -> str:
    """Return one camera with a pipeline for each cause, and one that nobody answers for."""
    pipelines = "".join(
        f"\n  {cause.replace('_', '-')}:\n      camera: street{rules}" for cause, rules in CAUSES.items()
    )
    return f"""
cameras:
  street: {{url: {url}, loop: true, fps: 3}}
  away: {{url: {gone}, lost_after: 1s}}
models:
  people: {{path: {model}, precision: f32}}
pipelines:{pipelines}
  no-frame:
      camera: away
      detect: people
      zones: {{street: {{polygon: [[0, 0], [1, 0], [1, 1], [0, 1]], severity: high}}}}
"""


def test_each_cause_of_silence_is_told_by_its_name_with_what_to_change(
    machine: Machine, street: RtspServer, shared_data: Path, silent_port: int
) -> None:
    model = shared_data / "models" / "yolov8n_int8_320.onnx"
    gone = f"rtsp://127.0.0.1:{silent_port}/away"
    (machine.home / "argus.yaml").write_text(declared(street.url(), gone, model))
    machine.command("up", "-d", "-f", "argus.yaml", "--port", "0")
    machine.adopt()

    def told(cause: str) -> dict[str, Any]:
        # Not longer ago: the one alert that came would be told first.
        return machine.client.explain(cause.replace("_", "-"), window_s=4)

    def first(cause: str) -> dict[str, Any] | None:
        reason: dict[str, Any] = told(cause)["reasons"][0]
        return reason if reason["code"] == cause else None

    until(lambda: machine.client.alerts(pipeline="cooldown"), 60.0, told=machine.said)
    for cause in (*CAUSES, NOBODY_THERE):
        reason = until(partial(first, cause), 90.0, told=partial(told, cause))
        assert reason["message"]
        assert reason["remedy"]
    said = machine.command("explain", "below-confidence").stdout
    assert "below_confidence" in said
    assert "and 0.99 is needed" in said
    assert "lower `detect.confidence`" in said


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port on which nobody listens, and nobody else will."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])
