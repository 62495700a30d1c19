"""A real worker process on a real scene: what it stores, and how it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import cv2
import pytest

from argus.storage.protocol import Query
from argus.stream.config import WorkerConfig
from tests.stream.parts import ZONE, config, plan, until
from tests.stream.processes import Worker

Start = Callable[[WorkerConfig], Worker]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    workers: list[Worker] = []

    def started(config: WorkerConfig) -> Worker:
        workers.append(Worker(tmp_path, config))
        return workers[-1].start()

    yield started
    for worker in workers:
        worker.close()


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A worker that has seen an intrusion, cut its clip, and was asked to end."""
    folder = tmp_path_factory.mktemp("ended")
    clips = {"before": "1s", "after": "0.5s"}
    worker = Worker(folder, config(folder, p=plan(zones={"z": ZONE}, store={"clips": clips}))).start()
    try:
        until(lambda: any(alert.clip for alert in worker.alerts()), within_s=30)
        assert worker.end() == 0
        yield worker
    finally:
        worker.close()


def test_an_intrusion_is_stored_with_a_picture_and_a_clip_that_plays(ended: Worker) -> None:
    alert = next(alert for alert in ended.alerts() if alert.clip)
    assert alert.snapshot is not None
    picture = cv2.imread(str(ended.folder / "blobs" / alert.snapshot))
    assert picture is not None
    assert picture.shape == (270, 480, 3)
    clip = cv2.VideoCapture(str(ended.folder / "blobs" / str(alert.clip)))
    assert clip.read()[0]
    clip.release()


def test_what_was_open_was_told_when_the_worker_was_asked_to_end(ended: Worker) -> None:
    assert ended.events()
    assert [event.id for event in ended.events() if event.open] == []
    assert [track.id for track in ended.tracks() if track.open] == []


def test_every_event_of_a_pipeline_has_a_picture(ended: Worker) -> None:
    keys = {event.snapshot for event in ended.events() if event.pipeline == "p"}
    assert None not in keys
    assert all((ended.folder / "blobs" / str(key)).stat().st_size for key in keys)


def test_what_was_done_in_each_second_is_stored(ended: Worker) -> None:
    at = ended.events()[0].started_at
    span = at - timedelta(minutes=1), at + timedelta(minutes=1)
    assert ended.stored(lambda store: store.traces("p", *span))


def test_a_worker_that_was_killed_loses_nothing_and_gives_no_id_twice(start: Start, tmp_path: Path) -> None:
    worker = start(config(tmp_path, p=plan(zones={"z": ZONE}), q=plan()))
    until(lambda: worker.pipeline("p").events >= 4 and worker.pipeline("q").events >= 2)
    told = worker.pipeline("p").events + worker.pipeline("q").events
    worker.kill()
    worker.start()
    until(lambda: worker.pipeline("p").events >= 4 and worker.pipeline("q").events >= 2)
    told += worker.pipeline("p").events + worker.pipeline("q").events
    assert worker.end() == 0
    events = [event for event in worker.events() if event.pipeline is not None]
    # An id that was given twice would be one event.
    assert len(events) >= told
    assert not any(event.open for event in events)


def test_what_a_killed_worker_could_not_store_is_stored_by_the_next(start: Start, tmp_path: Path) -> None:
    (tmp_path / "results.db").mkdir()
    worker = start(config(tmp_path, p=plan(zones={"z": ZONE})))
    until(lambda: worker.report().storage_problem and worker.pipeline().events >= 4)
    told = worker.pipeline().events
    assert worker.report().backlog > 0
    worker.kill()
    (tmp_path / "results.db").rmdir()
    worker.change(config(tmp_path))
    worker.start()
    until(lambda: worker.report().ready and not worker.report().backlog)
    assert worker.end() == 0
    assert len([event for event in worker.events() if event.pipeline == "p"]) >= told


@pytest.mark.soak
def test_another_store_is_taken_up_by_a_new_process(start: Start, tmp_path: Path) -> None:
    worker = start(config(tmp_path, p=plan()))
    other = worker.config.storage.model_copy(update={"blobs": str(tmp_path / "others")})
    worker.change(worker.config.model_copy(update={"storage": other}))
    assert worker.wait() == 3


def test_a_worker_that_is_told_nonsense_says_so_and_ends(tmp_path: Path) -> None:
    worker = Worker(tmp_path, config(tmp_path))
    worker.write('{"worker": 1}')
    with pytest.raises(AssertionError, match=r"config\.json"):
        worker.start()
    assert worker.wait() == 2


def test_a_file_is_played_once_at_its_own_speed_from_its_beginning(
    start: Start, tmp_path: Path, shared_data: Path
) -> None:
    film = str(shared_data / "video" / "vtest.avi")
    spec = plan("film", store={"detections": "all"})
    worker = start(config(tmp_path, {"film": film}, p=spec))
    worker.looks()
    began_s = time.monotonic()
    worker.looks(frames=15)
    assert time.monotonic() - began_s > 1.0
    assert worker.end() == 0
    page = worker.stored(lambda store: store.detections(Query(), limit=1000))
    assert min(record.frame for record in page.items) == 0
