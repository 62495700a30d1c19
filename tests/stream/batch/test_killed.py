"""The program itself, ended in the middle of its work in every way there is."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest

from argus.stream import batch
from argus.stream.config import CONFIG_VARIABLE, JobConfig, written
from tests.processes.parts import Heard, spec
from tests.stream.batch.scenes import asked, contents, job_config, record, run_of

_PATIENCE_S: Final = 60.0


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    for seed in (1, 2, 3):
        record(folder / f"{seed}.mp4", seed=seed, frames=250)
    return folder


def start(config: JobConfig, home: Path) -> subprocess.Popen[bytes]:
    home.mkdir(parents=True, exist_ok=True)
    file = home / "job.json"
    file.write_text(written(config))
    with (home / "log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "argus.stream.batch"],
            env=os.environ | {CONFIG_VARIABLE: str(file)},
            stdout=log,
            stderr=log,
        )


def ended(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(_PATIENCE_S)
    finally:
        process.kill()
        process.wait()


def wait_until_begun(config: JobConfig, process: subprocess.Popen[bytes], attempt: int) -> None:
    """Wait until an attempt has told that it works."""
    until = time.monotonic() + _PATIENCE_S
    path = Path(config.storage.results.removeprefix("sqlite:///"))
    while time.monotonic() < until and process.poll() is None:
        if path.exists():
            run = asked(config, lambda store: store.run(config.run))
            if run is not None and run.attempt >= attempt:
                return
        time.sleep(0.02)


def kill_and_compare(config: JobConfig, home: Path, undisturbed: JobConfig, kills: int) -> None:
    """Kill a job so often, at any moment; then what it has found is what it finds undisturbed."""
    chance = random.Random(kills)
    killed = 0
    for attempt in range(1, 10 * kills):
        process = start(config, home)
        if killed < kills:
            wait_until_begun(config, process, attempt)
            time.sleep(chance.uniform(0.0, 0.5))  # the moment is what is tried here
            killed += process.poll() is None
            process.kill()
            process.wait()
        else:
            assert ended(process) == batch.DONE, (home / "log").read_text()
            break
    assert killed == kills
    assert contents(config) == contents(undisturbed)


@pytest.fixture(scope="module")
def undisturbed(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> JobConfig:
    home = tmp_path_factory.mktemp("undisturbed")
    config = job_config(home, videos)
    process = start(config, home)
    assert ended(process) == batch.DONE, (home / "log").read_text()
    return config


def test_a_job_that_is_killed_again_and_again_finds_what_it_finds_undisturbed(
    videos: Path, undisturbed: JobConfig, tmp_path: Path
) -> None:
    kill_and_compare(job_config(tmp_path, videos), tmp_path, undisturbed, kills=2)
    assert run_of(undisturbed).events > 20


@pytest.mark.soak
def test_a_job_that_is_killed_thirty_times_finds_what_it_finds_undisturbed(
    videos: Path, undisturbed: JobConfig, tmp_path: Path
) -> None:
    kill_and_compare(job_config(tmp_path, videos), tmp_path, undisturbed, kills=30)


def test_a_job_that_is_told_to_end_ends_soon_and_goes_on_another_time(
    videos: Path, undisturbed: JobConfig, tmp_path: Path
) -> None:
    config = job_config(tmp_path, videos)
    process = start(config, tmp_path)
    wait_until_begun(config, process, 1)
    process.send_signal(signal.SIGTERM)
    code = ended(process)
    if code != batch.DONE:  # it may have been faster
        assert code == batch.STOPPED
        assert run_of(config).state == "running"
        assert ended(start(config, tmp_path)) == batch.DONE
    assert contents(config) == contents(undisturbed)


def test_a_supervised_job_tells_how_far_it_is_and_ends_well(videos: Path, tmp_path: Path) -> None:
    config = job_config(tmp_path, videos / "1.mp4")
    (tmp_path / "job.json").write_text(written(config))
    heard = Heard()
    with heard.supervisor as supervisor:
        supervisor.add(
            spec(
                (sys.executable, "-m", "argus.stream.batch"),
                env={CONFIG_VARIABLE: str(tmp_path / "job.json")},
                log=str(tmp_path / "log"),
            )
        )
        assert heard.comes_to("finished", within_s=_PATIENCE_S), (tmp_path / "log").read_text()
    assert heard.told("progress")[-1] == 1.0
    assert heard.told("run")[-1] == "u-1"
    assert heard.status().restarts == 0


def test_a_config_that_is_none_ends_with_2_and_one_line(tmp_path: Path) -> None:
    file = tmp_path / "job.json"
    file.write_text('{"job": "x", "source": ')
    done = subprocess.run(
        [sys.executable, "-m", "argus.stream.batch"],
        env=os.environ | {CONFIG_VARIABLE: str(file)},
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )
    assert done.returncode == batch.IMPOSSIBLE
    assert done.stderr.startswith("argus.stream.batch: ")
    assert len(done.stderr.splitlines()) == 1
