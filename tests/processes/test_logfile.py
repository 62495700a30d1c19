"""Logs grow, are put aside, and cost nobody anything when there is no room."""

from __future__ import annotations

import resource
import signal
from pathlib import Path

import pytest

from argus.processes.logfile import LogFile


def test_lines_are_appended_to_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.log"
    path.parent.mkdir()
    path.write_text("before\n")
    log = LogFile(path, most_bytes=1000, keep=2)
    log.write(b"after\n")
    log.close()
    assert path.read_text() == "before\nafter\n"


def test_the_folder_is_made(tmp_path: Path) -> None:
    LogFile(tmp_path / "a" / "b" / "c.log", most_bytes=10, keep=1).close()
    assert (tmp_path / "a" / "b" / "c.log").exists()


def test_a_log_that_has_grown_is_put_aside_and_so_many_are_kept(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "x.log", most_bytes=100, keep=2)
    for number in range(60):
        log.write(f"line {number:03d}\n".encode())
    log.close()
    files = {path.name: path.read_text().splitlines() for path in tmp_path.iterdir()}
    assert sorted(files) == ["x.log", "x.log.1", "x.log.2"]
    kept = files["x.log.2"] + files["x.log.1"] + files["x.log"]
    assert kept == [f"line {number:03d}" for number in range(60 - len(kept), 60)]
    assert all(path.stat().st_size <= 110 for path in tmp_path.iterdir())


def test_with_none_to_keep_the_old_one_goes(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "x.log", most_bytes=10, keep=0)
    for _ in range(5):
        log.write(b"0123456789")
    log.close()
    assert [path.name for path in tmp_path.iterdir()] == ["x.log"]
    assert (tmp_path / "x.log").read_bytes() == b"0123456789"


def test_a_log_that_somebody_has_deleted_is_no_harm(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "x.log", most_bytes=10, keep=2)
    log.write(b"0123456789")
    (tmp_path / "x.log").unlink()
    log.write(b"more")
    log.close()
    assert (tmp_path / "x.log").read_bytes() == b"more"


def test_where_nothing_can_be_written_lines_are_counted_and_nothing_is_raised(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "x.log", most_bytes=10_000_000, keep=2)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    told = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        log.write(b"x" * 1500)
        log.write(b"x" * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, told)
    assert log.lost == 600
    log.write(b"there is room again")
    log.close()
    assert (tmp_path / "x.log").read_bytes().endswith(b"xthere is room again")


def test_a_log_that_cannot_be_opened_says_so(tmp_path: Path) -> None:
    (tmp_path / "x.log").mkdir()
    with pytest.raises(IsADirectoryError):
        LogFile(tmp_path / "x.log", most_bytes=10, keep=2)
