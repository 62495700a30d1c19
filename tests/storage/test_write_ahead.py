"""The log of a file that several open at the same moment."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from argus.storage.write_ahead import write_ahead


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (a)")
    return path


def test_it_is_on_for_whoever_opens_the_file_later(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        assert write_ahead(connection, 0.0) == "wal"
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_somebody_who_holds_the_file_is_waited_for(path: Path) -> None:
    """SQLite itself does not wait here for one who reads, whatever its timeout."""
    with (
        closing(sqlite3.connect(path, check_same_thread=False, isolation_level=None)) as other,
        closing(sqlite3.connect(path, timeout=0.0)) as connection,
    ):
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            connection.execute("PRAGMA journal_mode=WAL")
        ending = threading.Timer(0.05, other.execute, ("COMMIT",))
        ending.start()
        assert write_ahead(connection, 30.0) == "wal"
        ending.join()


def test_patience_ends(path: Path) -> None:
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as other,
        closing(sqlite3.connect(path, timeout=0.0)) as connection,
    ):
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            write_ahead(connection, 0.1)
        assert time.monotonic() - began >= 0.1


def test_many_at_once_all_have_it(tmp_path: Path) -> None:
    for turn in range(20):
        path = tmp_path / f"{turn}.db"
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE t (a)")
        modes: list[str] = []
        gate = threading.Barrier(4)

        def one(path: Path = path, gate: threading.Barrier = gate, modes: list[str] = modes) -> None:
            with closing(sqlite3.connect(path, timeout=30.0)) as connection:
                gate.wait()
                modes.append(write_ahead(connection, 30.0))

        threads = [threading.Thread(target=one) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert modes == ["wal"] * 4


def test_what_is_no_database_is_not_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(b"no database, of some length" * 100)
    with closing(sqlite3.connect(path)) as connection, pytest.raises(sqlite3.DatabaseError):
        write_ahead(connection, 30.0)
