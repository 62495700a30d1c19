"""The numbered example with a real video and a real network, asked over its gateway while it runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import av
import httpx

from argus.flow.control import Control
from argus.flow.home import last_status
from tests.sources.settling import comes_true

EXAMPLE = Path(__file__).parents[2] / "examples" / "06-flow" / "flow.py"
_FRAMES = 150


def clip_of(video: Path, path: Path) -> Path:
    """Copy the first frames of a video without coding them again."""
    with av.open(str(video)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for count, packet in enumerate(source.demux(source.streams.video[0])):
            if packet.dts is None or count == _FRAMES:
                break
            packet.stream = stream
            target.mux(packet)
    return path


def address() -> str:
    """Return where the gateway is, once it is there and has had detections."""
    found: list[str] = []

    def there() -> bool:
        try:
            status = Control("my-robot").status()
        except Exception:  # noqa: BLE001 - it is starting
            return False
        found[:] = status.urls
        by_id = {link.id: link.counts.delivered for link in status.links}
        return bool(found) and by_id.get("yolo->gateway", 0) > 3

    assert comes_true(there, within_s=60)
    return found[0].rstrip("/")


def test_a_real_video_and_a_real_network_are_watched_and_every_frame_is_logged(
    shared_data: Path, tmp_path: Path
) -> None:
    clip = clip_of(shared_data / "video" / "vtest.avi", tmp_path / "clip.avi")
    model = shared_data / "models" / "yolov8n_fp32_dynamic.onnx"
    command = [sys.executable, str(EXAMPLE), str(clip), str(model)]
    process = subprocess.Popen(command, env=dict(os.environ), stdout=subprocess.DEVNULL)
    try:
        base = address()
        topics = httpx.get(f"{base}/api/topics").json()
        assert "camera" in str(topics)
        picture = httpx.get(f"{base}/snapshot/camera.jpg")
        assert picture.headers["content-type"] == "image/jpeg"
        assert len(picture.content) > 5000
        assert process.wait(90) == 0
    finally:
        process.kill()
        process.wait(10)
    status = last_status("my-robot")
    assert status is not None
    counts = {link.id: link.counts for link in status.links}
    assert counts["camera->logger"].delivered == _FRAMES
    assert counts["camera->logger"].dropped == {}
    assert all(one.closes for one in counts.values())
    assert counts["camera->yolo"].delivered > 10
