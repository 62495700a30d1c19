"""Clips of a real camera's packets when a real worker ends, and when it is killed before they are whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from argus.storage.records import AlertRecord
from tests.stream.parts import ZONE, config, plan, until
from tests.stream.processes import Worker

KILLED = "missing: the worker was killed before it was made"


@pytest.fixture
def worker(tmp_path: Path, shared_data: Path) -> Iterator[Worker]:
    """A worker on a recording in H.264 whose clips want half a minute after each event."""
    film = str(shared_data / "video" / "car_traffic_small.mp4")
    spec = plan(zones={"z": ZONE}, store={"clips": {"before": "1s", "after": "30s"}})
    worker = Worker(tmp_path, config(tmp_path, {"gate": film}, p=spec)).start()
    yield worker
    worker.close()


def _alert(worker: Worker) -> AlertRecord:
    """Wait for an alert whose clip waits for what comes after it."""
    until(worker.alerts, within_s=30)
    alert = worker.alerts()[-1]
    assert alert.clip is None
    return alert


def _length_s(path: Path) -> float:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        pictures = [frame.time for frame in container.decode(stream)]
        return max(pictures) - min(pictures)


def test_a_worker_that_is_asked_to_end_cuts_what_there_is_of_a_clip(worker: Worker) -> None:
    waiting = _alert(worker)
    looked = worker.pipeline().frames["processed"]
    until(lambda: worker.pipeline().frames["processed"] > looked + 20)
    assert worker.end() == 0
    alert = next(alert for alert in worker.alerts() if alert.id == waiting.id)
    event = next(event for event in worker.events() if event.id == waiting.event)
    assert alert.clip == event.clip
    assert _length_s(worker.folder / "blobs" / str(alert.clip)) > 0.5
    assert alert.clip_note == event.clip_note
    assert str(alert.clip_note).startswith("not whole: ends")
    assert str(alert.clip_note).endswith("the worker was asked to end")
    assert alert.message is None
    promised = [alert for alert in worker.alerts() if alert.clip is None and alert.clip_note is None]
    assert promised == []
    assert list((worker.folder / "spool" / "clips").iterdir()) == []


def test_a_clip_that_a_killed_worker_did_not_make_is_said_to_be_missing_by_the_next(worker: Worker) -> None:
    waiting = _alert(worker)
    before = {alert.id for alert in worker.alerts()}
    worker.kill()
    worker.change(config(worker.folder))
    worker.start()
    until(lambda: all(alert.clip_note for alert in worker.alerts()))
    alerts = worker.alerts()
    assert {alert.id for alert in alerts} >= before
    assert {(alert.clip, alert.clip_note) for alert in alerts} == {(None, KILLED)}
    event = next(event for event in worker.events() if event.id == waiting.event)
    assert (event.clip, event.open, event.clip_note) == (None, False, KILLED)
    assert f"argus_clips_lost_total {len(alerts)}" in worker.get("/metrics").text
    assert waiting.event in worker.log.read_text()
    assert worker.end() == 0
    assert list((worker.folder / "spool" / "clips").iterdir()) == []
