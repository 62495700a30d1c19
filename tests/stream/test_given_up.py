"""A real worker whose camera is switched off for good: what is stored of it, and what the worker says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from argus.core.resources.camera import CameraSpec
from argus.stream.report import CameraReport
from argus.vision.lab import RtspCamera, rtsp_camera_problem
from tests.conftest import need
from tests.stream.parts import ZONE, config, plan, until
from tests.stream.processes import Worker


@pytest.fixture(scope="module")
def given_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Worker, CameraReport]]:
    """A worker that has seen an intrusion when its camera was switched off, and what it said of that."""
    need(rtsp_camera_problem() is None, rtsp_camera_problem() or "")
    folder = tmp_path_factory.mktemp("given-up")
    with RtspCamera(width=480, height=272, fps=12, people=14) as camera:
        reconnect = {"max_retries": 2, "first": 0.1, "longest": 0.1}
        gate = CameraSpec.read({"url": camera.url, "lost_after": 1, "reconnect": reconnect}, "camera")
        clips = {"before": "1s", "after": "5s"}
        spec = plan(zones={"z": {**ZONE, "exit_after": 60}}, store={"clips": clips})
        worker = Worker(folder, config(folder, {"gate": gate}, p=spec)).start()
        try:
            until(lambda: any(e.type == "zone.entered" and e.open for e in worker.events()), within_s=30)
            camera.begin("kill")
            until(lambda: worker.camera().given_up, within_s=30)
            until(lambda: not any(e.open for e in worker.events() if e.pipeline), within_s=30)
            until(lambda: any(alert.clip for alert in worker.alerts()), within_s=30)
            yield worker, worker.camera()
        finally:
            worker.close()


def test_the_worker_says_that_its_camera_was_given_up(given_up: tuple[Worker, CameraReport]) -> None:
    worker, camera = given_up
    assert (camera.given_up, camera.over, camera.state, camera.retries) == (True, True, "lost", 2)
    assert camera.reason.startswith("given up after 2 retries: ")
    [ill] = worker.report().unhealthy
    assert ill.startswith("camera gate was given up after 2 retries: ")


def test_what_was_open_has_ended_while_the_worker_runs_on(given_up: tuple[Worker, CameraReport]) -> None:
    worker, _ = given_up
    told = [event for event in worker.events() if str(event.message).startswith("camera gate was given up")]
    assert {"object.appeared", "zone.entered"} <= {event.type for event in told}
    assert len({event.end_s for event in told}) == 1
    assert all(event.ended_at is not None and event.ended_at >= event.started_at for event in told)
    assert [track.id for track in worker.tracks() if track.open] == []


def test_a_clip_that_was_under_way_holds_what_there_was(given_up: tuple[Worker, CameraReport]) -> None:
    worker, _ = given_up
    kept = [alert.clip for alert in worker.alerts() if alert.clip]
    assert all((worker.folder / "blobs" / key).stat().st_size for key in kept)


def test_the_cameras_own_loss_goes_on(given_up: tuple[Worker, CameraReport]) -> None:
    worker, _ = given_up
    until(lambda: [e for e in worker.events() if e.type == "camera.lost" and e.open])
