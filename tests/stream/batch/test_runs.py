from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from argus.core.errors import SpecError
from argus.storage.protocol import ResultsUnavailable
from argus.storage.records import Run
from argus.stream.batch_runs import RunKeeper
from tests.stream.batch.scenes import asked, job_config

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
RUN = Run(id="u-1", job="nightly", started_at=NOON, updated_at=NOON)


def test_what_was_kept_is_read_by_the_next_attempt(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/results.db"
    with RunKeeper(url) as keeper:
        assert keeper.read("u-1") is None
        keeper.keep(RUN)
    with RunKeeper(url) as keeper:
        assert keeper.read("u-1") == RUN


def test_what_must_be_kept_is_never_overtaken_by_what_was_told_before(tmp_path: Path) -> None:
    config = job_config(tmp_path, "nothing")
    with RunKeeper(config.storage.results) as keeper:
        for frames in range(1, 40):
            keeper.tell(msgspec.structs.replace(RUN, frames=frames))
            keeper.keep(msgspec.structs.replace(RUN, frames=1000 + frames))
    run = asked(config, lambda store: store.run("u-1"))
    assert run is not None
    assert run.frames == 1039


def test_a_store_that_is_away_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "store").touch()  # a file where a folder should be: nothing can be opened in it

    def waited(seconds: float) -> None:
        (tmp_path / "store").unlink(missing_ok=True)
        (tmp_path / "store").mkdir(exist_ok=True)

    with RunKeeper(f"sqlite:///{tmp_path}/store/results.db", sleep=waited) as keeper:
        keeper.keep(RUN)
        assert keeper.read("u-1") == RUN


def test_nobody_waits_for_ever(tmp_path: Path) -> None:
    (tmp_path / "store").touch()
    url = f"sqlite:///{tmp_path}/store/results.db"
    with RunKeeper(url, patience_s=0.0) as keeper, pytest.raises(ResultsUnavailable):
        keeper.keep(RUN)
    with RunKeeper(url, stopped=lambda: True) as keeper, pytest.raises(ResultsUnavailable):
        keeper.read("u-1")
    shutil.rmtree(tmp_path, ignore_errors=True)


def test_a_store_that_nobody_knows_is_refused_at_once() -> None:
    with RunKeeper("carrierpigeon://roof") as keeper, pytest.raises(SpecError, match="carrierpigeon"):
        keeper.read("u-1")
