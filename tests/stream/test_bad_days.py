"""A database that is stopped, a disk that is full: the cameras go on, and nothing that matters is lost."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from argus.stream.config import WorkerConfig
from tests.conftest import need
from tests.services.postgres import PostgresServer
from tests.stream.parts import ZONE, config, plan, until
from tests.stream.processes import Worker


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk on which a few small pictures have room."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    mounted = os.geteuid() == 0 and subprocess.run(mounting, capture_output=True, check=False).returncode == 0
    need(mounted, "a small disk can only be mounted by root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def _with(config: WorkerConfig, **storage: str) -> WorkerConfig:
    return config.model_copy(update={"storage": config.storage.model_copy(update=storage)})


@pytest.mark.soak
def test_a_database_that_is_stopped_for_a_while_costs_nothing(
    tmp_path: Path, postgres_server: PostgresServer, postgres_url: str
) -> None:
    settled = _with(config(tmp_path, p=plan(zones={"z": ZONE})), results=postgres_url)
    worker = Worker(tmp_path, settled).start()
    try:
        until(lambda: worker.pipeline().events)
        until(lambda: worker.report().backlog == 0)
        postgres_server.stop()
        before = worker.pipeline().events
        until(lambda: worker.report().storage_problem and worker.pipeline().events > before)
        assert worker.report().healthy
        told = worker.pipeline().events
        postgres_server.start()
        until(lambda: not worker.report().storage_problem)
        assert worker.end() == 0
        assert len([event for event in worker.events() if event.pipeline == "p"]) >= told
    finally:
        postgres_server.start()
        worker.close()


def test_a_full_disk_costs_pictures_alone(tmp_path: Path, small_disk: Path) -> None:
    settled = _with(config(tmp_path, p=plan(zones={"z": ZONE})), blobs=str(small_disk / "blobs"))
    worker = Worker(tmp_path, settled).start()
    try:
        until(lambda: "picture.not_stored" in worker.log.read_text())
        before = worker.pipeline().events
        until(lambda: worker.pipeline().events > before + 2)
        told = worker.pipeline().events
        assert worker.report().healthy
        assert worker.end() == 0
        events = [event for event in worker.events() if event.pipeline == "p"]
        assert len(events) >= told
        pictures = [event.snapshot for event in events if event.snapshot is not None]
        assert all((small_disk / "blobs" / key).stat().st_size for key in pictures)
    finally:
        worker.close()
