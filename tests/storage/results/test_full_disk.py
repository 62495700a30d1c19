"""A file of results that is mended while its disk is full: nothing is left out, and it is said what to do."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from argus.storage.protocol import ResultsUnavailable
from argus.storage.records import Record
from argus.storage.results import journal, mending
from argus.storage.results.sql import SqlResults
from tests.conftest import need
from tests.storage.results.examples import event, frame
from tests.storage.results.test_journal import spoil
from tests.storage.results.test_sqlite import copied, go, ids, overwrite, settle


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """A database on a disk of 8 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    mounted = os.geteuid() == 0 and subprocess.run(mounting, capture_output=True, check=False).returncode == 0
    need(mounted, "a small disk can only be mounted by root")
    yield folder / "results.db"
    subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def full(folder: Path, *, but_for: int) -> Iterator[None]:
    """Leave so many KiB of a disk."""
    found = os.statvfs(folder)
    filling = folder / "filling"
    filling.write_bytes(bytes(found.f_bavail * found.f_frsize - but_for * 1024))
    yield
    filling.unlink()


def events(first: int, count: int) -> list[Record]:
    return [event(f"e{n}", n, message="x" * 300) for n in range(first, first + count)]


async def all_ids(store: SqlResults) -> set[str]:
    return await ids(store)


@pytest.mark.parametrize("but_for", [4, 64, 400, 600])
@pytest.mark.parametrize("has_copy", [True, False])
def test_a_file_for_which_there_is_no_room_is_made_when_there_is(
    path: Path, has_copy: bool, but_for: int
) -> None:
    async def filled(store: SqlResults) -> None:
        for first in range(0, 800, 20):
            await store.write(events(first, 20))
            if first == 380 and has_copy:
                await copied(store)

    go(path, filled)
    if not has_copy:
        mending.copy_of(path).unlink(missing_ok=True)
    spoil(path)
    with full(path.parent, but_for=but_for):
        with pytest.raises(ResultsUnavailable, match=r"no room on its disk: free at least \d+ MiB") as caught:
            go(path, all_ids)
        assert "SQL" not in str(caught.value)
        assert not list(path.parent.glob("*.mending*"))
    assert go(path, all_ids) == {f"e{n}" for n in range(800)}


@pytest.mark.parametrize("but_for", [900, 1400])
def test_rows_that_no_journal_has_are_not_left_out_for_want_of_room(path: Path, but_for: int) -> None:
    async def filled(store: SqlResults) -> None:
        await store.write(events(0, 100))
        await copied(store)
        await store.write([frame(n, n, model="m" * 400) for n in range(3000)])

    go(path, filled)
    settle(path)
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT rootpage FROM sqlite_schema WHERE name = 'argus_results_version'"
        [root] = connection.execute(query).fetchone()
    overwrite(path, (root - 1) * 4096, b"\xff" * 4096)
    with full(path.parent, but_for=but_for), pytest.raises(ResultsUnavailable, match="free at least"):
        go(path, all_ids)
    counts = go(path, lambda store: store.counts())
    assert (counts["detections"], counts["event"]) == (3000, 100)


def test_what_a_file_has_lost_is_taken_from_the_journal_when_there_is_room(path: Path) -> None:
    async def work(store: SqlResults) -> None:
        await store.write(events(0, 20))
        settle(path)
        shutil.copyfile(path, path.with_name("aside"))
        for first in range(20, 800, 20):
            await store.write(events(first, 20))

    go(path, work)
    journal_bytes = journal.bytes_of(path)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    mending.copy_of(path).unlink(missing_ok=True)
    path.with_name("aside").replace(path)
    with full(path.parent, but_for=300), pytest.raises(ResultsUnavailable, match="the disk is full"):
        go(path, all_ids)
    assert journal.bytes_of(path) >= journal_bytes
    assert go(path, all_ids) == {f"e{n}" for n in range(800)}
