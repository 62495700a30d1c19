"""Logs that are read while they are written and put aside."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import pytest

from argus.control.runtime.logs import LogReader
from argus.processes.logfile import LogFile


def read(path: Path, tail: int | None = None) -> bytes:
    with LogReader(path, tail) as reader:
        return all_of(reader) + reader.rest()


def all_of(reader: LogReader) -> bytes:
    pieces = []
    while lines := reader.more():
        assert lines.endswith(b"\n")
        pieces.append(lines)
    return b"".join(pieces)


@pytest.mark.parametrize("tail", [0, 1, 2, 3, 5, 6, 7, None])
def test_the_last_lines_are_found_over_all_files(tmp_path: Path, tail: int | None) -> None:
    path = tmp_path / "one.log"
    (tmp_path / "one.log.2").write_bytes(b"1\n2\n")
    (tmp_path / "one.log.1").write_bytes(b"3\n4\n")
    path.write_bytes(b"5\n6")
    lines = [b"1\n", b"2\n", b"3\n", b"4\n", b"5\n", b"6"]
    assert read(path, tail) == b"".join(lines[len(lines) - min(tail, 6) :] if tail is not None else lines)


def test_the_last_lines_of_a_large_file_are_found(tmp_path: Path) -> None:
    path = tmp_path / "one.log"
    path.write_bytes(b"".join(b"%d %s\n" % (number, b"x" * 997) for number in range(2000)))
    lines = read(path, 150).splitlines()
    assert (len(lines), lines[0][:5]) == (150, b"1850 ")


def test_a_line_is_told_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "one.log"
    path.write_bytes(b"one\ntw")
    with LogReader(path, None) as reader:
        assert all_of(reader) == b"one\n"
        with path.open("ab") as file:
            file.write(b"o\nthr")
        assert all_of(reader) == b"two\n"
        assert reader.rest() == b"thr"


def test_nothing_is_lost_or_told_twice_while_logs_are_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "one.log"
    log = LogFile(path, most_bytes=300, keep=3)
    seen = b""
    with LogReader(path, None) as reader:
        for number in range(1000):
            # In two pieces: a file may end in the middle of a line.
            log.write(b"line ")
            log.write(b"%d\n" % number)
            if number % 20 == 0:
                seen += all_of(reader)
        seen += all_of(reader)
    log.close()
    assert seen.splitlines() == [b"line %d" % number for number in range(1000)]


def test_who_reads_too_slowly_goes_on_with_the_oldest_that_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "one.log"
    log = LogFile(path, most_bytes=100, keep=2)
    with LogReader(path, None) as reader:
        log.write(b"first\n")
        assert all_of(reader) == b"first\n"
        for number in range(500):
            log.write(b"line %d\n" % number)
        numbers = [int(line.split()[1]) for line in all_of(reader).splitlines()]
    log.close()
    assert numbers[-1] == 499
    skipped = [after for before, after in pairwise(numbers) if after != before + 1]
    assert len(skipped) <= 1


def test_a_log_that_does_not_exist_yet_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "one.log"
    with LogReader(path, 10) as reader:
        assert reader.more() == b""
        path.write_bytes(b"there\n")
        assert reader.more() == b"there\n"


def test_a_line_without_end_is_told_in_parts(tmp_path: Path) -> None:
    path = tmp_path / "one.log"
    path.write_bytes(b"x" * 3_000_000)
    with LogReader(path, None) as reader:
        assert len(reader.more()) >= 1024 * 1024


def test_reading_leaves_no_file_open(tmp_path: Path) -> None:
    path = tmp_path / "one.log"
    for name in ("one.log", "one.log.1", "one.log.2"):
        (tmp_path / name).write_bytes(b"a\n")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for tail in (None, 1, 2, 5):
        read(path, tail)
    assert len(list(Path(f"/proc/{os.getpid()}/fd").iterdir())) == before
