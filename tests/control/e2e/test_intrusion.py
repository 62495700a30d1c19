"""What Argus is for: somebody walks where nobody should, on a real camera, and it is told, shown and kept."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from argus.core.resources.model import ModelSpec
from argus.testing.rtsp import RtspServer
from argus.vision.models.load import load_detector
from argus.vision.sources.opening import open_source
from tests.clips.reading import Film, payloads
from tests.control.e2e.machine import Machine, kill, until

BEFORE_S, AFTER_S = 2.0, 1.0


def declared(url: str, model: Path) -> str:
    return f"""
cameras:
  street: {{url: {url}, loop: true}}
models:
  people: {{path: {model}, classes: [person], confidence: 0.4}}
pipelines:
  intrusion:
    camera: street
    detect: {{model: people}}
    zones:
      pavement: {{polygon: [[0.4, 0], [0.5, 0], [0.5, 1], [0.4, 1]], classes: [person], severity: high}}
    cooldown: 1s
    store: {{clips: {{before: {BEFORE_S:g}s, after: {AFTER_S:g}s}}}}
"""


def overlap(a: Any, b: Any) -> float:
    """Return the intersection over union of two boxes."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return float(both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both))


def test_an_intrusion_is_told_with_picture_and_film_and_goes_on_being_told_after_a_kill(
    machine: Machine, street: RtspServer, film: Path, shared_data: Path, tmp_path: Path
) -> None:
    model = shared_data / "models" / "yolov8n_int8_320.onnx"
    (machine.home / "argus.yaml").write_text(declared(street.url(), model))
    began_s = time.monotonic()
    machine.command("up", "-d", "-f", "argus.yaml", "--port", "0")
    up_s = time.monotonic() - began_s
    machine.adopt()

    def complete() -> dict[str, Any] | None:
        alerts = machine.json("get", "alerts")["items"]
        return next((a for a in alerts if a["region"] == "pavement" and a["snapshot"] and a["clip"]), None)

    alert = until(complete, 60.0, told=machine.said)
    told_s = time.monotonic() - began_s
    assert (alert["severity"], alert["type"], alert["class_name"]) == ("high", "zone.entered", "person")

    event = machine.client.event(alert["event"])
    picture = tmp_path / "alert.jpg"
    machine.client.save_blob(alert["snapshot"], picture)
    with open_source(picture) as source:
        (frame,) = source
        (people,) = load_detector(ModelSpec(path=str(model), classes=("person",), confidence=0.4)).detect(
            [frame]
        )
    assert frame.bgr.shape == (576, 768, 3)
    assert max(overlap(event["xyxy"], box) for box in people.xyxy) > 0.5

    clip = tmp_path / "clip.mp4"
    machine.client.save_blob(alert["clip"], clip)
    seen = Film.of(clip)
    assert seen.codec == "h264"
    assert seen.damaged == 0
    assert seen.duration_s >= BEFORE_S + AFTER_S - 0.1
    original = {unit for packet in payloads(film) for unit in packet}
    pictures = [u for packet in payloads(clip) for u in packet if u[0] & 0x1F in {1, 5}]
    assert pictures
    assert set(pictures) <= original

    status = machine.command("status").stdout
    assert all(word in status for word in ("street", "online", "intrusion", "Running", "worker-people-0"))

    worker = machine.worker()
    killed_at = datetime.now(UTC)
    killed_s = time.monotonic()
    kill(worker["pid"])
    until(lambda: machine.workload()["status"]["pid"] not in (None, worker["pid"]))
    back_s = time.monotonic() - killed_s
    machine.worker(other_than=worker["pid"])
    ready_s = time.monotonic() - killed_s
    until(
        lambda: [a for a in machine.client.alerts(since=killed_at.isoformat()) if a["region"] == "pavement"],
        60.0,
        told=machine.said,
    )
    print(
        f"`up -d -f` {up_s:.2f} s; first alert with picture and film after {told_s:.1f} s; killed: "
        f"runs again after {back_s:.2f} s, ready after {ready_s:.2f} s, alert after "
        f"{time.monotonic() - killed_s:.1f} s"
    )
    assert machine.workload()["status"]["last_exit"] == "killed by SIGKILL"
    machine.command("down")
    assert machine.processes() == []
