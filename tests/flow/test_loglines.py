"""Logs are read from their end, and followed through what happens to log files."""

from __future__ import annotations

from pathlib import Path

import pytest

from argus.core.errors import UnknownName
from argus.flow.loglines import Follower, LogLine, last_lines, log_files
from argus.processes.logfile import LogFile


def test_a_node_has_the_logs_of_all_its_replicas(tmp_path: Path) -> None:
    for name in ("camera", "yolo.0", "yolo.1", "yolo-fast"):
        (tmp_path / f"{name}.log").touch()
    assert [file.stem for file in log_files(tmp_path, "yolo")] == ["yolo.0", "yolo.1"]
    assert [file.stem for file in log_files(tmp_path, "yolo.1")] == ["yolo.1"]
    assert len(log_files(tmp_path)) == 4
    with pytest.raises(UnknownName, match="did you mean 'camera'"):
        log_files(tmp_path, "camra")


def test_the_last_lines_of_a_long_log_are_read_from_its_end(tmp_path: Path) -> None:
    file = tmp_path / "camera.log"
    file.write_text("".join(f"line {i} {'x' * 100}\n" for i in range(5000)))
    lines = last_lines(file, 1000)
    assert [line.text.split()[1] for line in lines] == [str(i) for i in range(4000, 5000)]
    assert last_lines(file, 0) == []
    assert len(last_lines(file, 10_000)) == 5000
    assert last_lines(tmp_path / "none.log", 5) == []


def test_new_lines_are_given_once_and_whole(tmp_path: Path) -> None:
    file = tmp_path / "camera.log"
    file.write_text("old\n")
    follower = Follower(tmp_path)
    assert follower.take() == []
    with file.open("a") as log:
        log.write("one\n\ntw")
        log.flush()
        assert follower.take() == [LogLine("camera", "one"), LogLine("camera", "")]
        log.write("o\n")
        log.flush()
        assert follower.take() == [LogLine("camera", "two")]
    (tmp_path / "yolo.log").write_bytes(b"\xffnew\nend")
    assert follower.take() == [LogLine("yolo", "\ufffdnew")]
    assert follower.rest() == [LogLine("yolo", "end")]
    assert follower.rest() == []


def test_no_line_is_lost_when_a_log_is_put_aside(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "camera.log", most_bytes=200, keep=3)
    follower = Follower(tmp_path, from_start=True)
    lines: list[str] = []
    for i in range(100):
        log.write(f"line {i}\n".encode())
        if i % 3 == 0:
            lines += [line.text for line in follower.take()]
    log.close()
    lines += [line.text for line in follower.rest()]
    assert lines == [f"line {i}" for i in range(100)]


def test_a_log_that_was_emptied_is_read_from_its_beginning(tmp_path: Path) -> None:
    file = tmp_path / "camera.log"
    file.write_text("a long line\n")
    follower = Follower(tmp_path)
    file.write_text("new\n")
    assert follower.take() == [LogLine("camera", "new")]
