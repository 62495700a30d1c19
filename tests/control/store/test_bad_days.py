"""What happens to resources when SQLite's file is cut off, overwritten, deleted, locked or out of room."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from argus.control.store.backup import make_copy
from argus.control.store.failures import StoreBusy, StoreDamaged
from argus.control.store.opening import open_store
from argus.control.store.protocol import StoreUnavailable, VersionGone
from argus.control.store.sql import SqlResourceStore
from argus.control.store.sqlite import open_sqlite
from tests.control.store.applying import killed_after, start
from tests.control.store.contract import camera, names, run

Damage = Callable[[Path], object]


@dataclass(frozen=True)
class Killed:
    """A database whose process was killed with -9, and what that had accepted."""

    folder: Path
    accepted: list[str]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Killed:
    folder = tmp_path_factory.mktemp("killed")
    return Killed(folder, killed_after(start(f"sqlite:///{folder / 'resources.db'}"), 40))


@pytest.fixture
def killed(template: Killed, tmp_path: Path) -> Killed:
    folder = tmp_path / "store"
    shutil.copytree(template.folder, folder)
    return Killed(folder, template.accepted)


async def open_(path: Path, *, copy_every_s: float = 300.0, patience_s: float = 5.0) -> SqlResourceStore:
    return SqlResourceStore(await open_sqlite(path, copy_every_s=copy_every_s, patience_s=patience_s))


async def found_in(path: Path) -> tuple[list[str], str | None]:
    store = await open_(path)
    try:
        return names((await store.list()).items), store.restored
    finally:
        await store.close()


def expect_all(killed: Killed, found: list[str]) -> None:
    assert found[: len(killed.accepted)] == killed.accepted
    assert len(found) <= len(killed.accepted) + 1  # the one that was under way


def cut_in_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def cut_to_nothing(path: Path) -> None:
    os.truncate(path, 0)


def overwrite_the_head(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\xa5" * 4096)


def overwrite_the_middle(path: Path) -> None:
    with path.open("r+b") as file:
        for at in range(4096, path.stat().st_size, 4096):
            file.seek(at)
            file.write(os.urandom(1000))


def delete(path: Path) -> None:
    path.unlink()


def replace(path: Path) -> None:
    """Put an empty database in its place."""
    other = path.with_name("other.db")
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE t (x)")
    other.replace(path)


def test_what_was_accepted_survives_kill_9(killed: Killed) -> None:
    with capture_logs() as logs:
        found, restored = run(found_in(killed.folder / "resources.db"))
    expect_all(killed, found)
    assert restored is None
    assert [entry for entry in logs if entry["log_level"] == "error"] == []


@pytest.mark.parametrize(
    "damage", [cut_in_half, cut_to_nothing, overwrite_the_head, overwrite_the_middle, delete]
)
@pytest.mark.parametrize("with_wal", [True, False], ids=["with-wal", "without-wal"])
def test_a_damaged_database_is_restored_whole_and_that_is_said_loudly(
    killed: Killed, damage: Damage, with_wal: bool
) -> None:
    path = killed.folder / "resources.db"
    with closing(sqlite3.connect(path)) as connection:
        if not with_wal:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        copied = [path.with_name(path.name + part) for part in ("", "-wal", "-shm")]
        kept = {one: one.read_bytes() for one in copied if one.exists()}
    for one, content in kept.items():  # closing has folded the WAL into the file
        one.write_bytes(content)
    damage(path)
    if not with_wal:
        for part in ("-wal", "-shm"):
            path.with_name(path.name + part).unlink(missing_ok=True)
    with capture_logs() as logs:
        found, restored = run(found_in(path))
    expect_all(killed, found)
    if restored is not None:  # SQLite can put some of it right from its own log
        assert str(path) in restored
        assert [e["event"] for e in logs if e["log_level"] == "error"] == ["store.restored"]
        assert "may be missing" not in restored
    else:
        assert with_wal
    assert run(found_in(path)) == (found, None)


def test_a_damaged_database_is_put_aside_and_not_thrown_away(killed: Killed) -> None:
    path = killed.folder / "resources.db"
    overwrite_the_head(path)
    damaged = path.read_bytes()
    for part in ("-wal", "-shm"):
        path.with_name(path.name + part).unlink()
    _, restored = run(found_in(path))
    (aside,) = killed.folder.glob("resources.db.corrupt-*")
    assert aside.read_bytes() == damaged
    assert restored is not None
    assert aside.name in restored


def test_a_lost_log_of_sqlite_is_made_up_for_by_the_journal(killed: Killed) -> None:
    path = killed.folder / "resources.db"
    for part in ("-wal", "-shm"):
        path.with_name(path.name + part).unlink()
    found, restored = run(found_in(path))
    expect_all(killed, found)
    assert restored is not None
    assert "had lost its last" in restored


def test_without_a_copy_the_journal_from_the_beginning_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "resources.db"

    async def work() -> None:
        store = await open_(path)
        await store.apply([camera("a"), camera("b")])
        shutil.copy(path.with_name("resources.db.changes"), tmp_path / "kept")
        await store.close()

    run(work())
    path.with_name("resources.db.good").unlink()
    shutil.move(tmp_path / "kept", path.with_name("resources.db.changes"))
    delete(path)
    found, restored = run(found_in(path))
    assert found == ["a", "b"]
    assert restored is not None
    assert "restored from its journal" in restored


def test_a_torn_end_of_the_journal_costs_nothing_else(killed: Killed) -> None:
    path = killed.folder / "resources.db"
    with path.with_name("resources.db.changes").open("ab") as file:
        file.write(b'1234abcd {"version": 99')
    overwrite_the_head(path)
    for part in ("-wal", "-shm"):
        path.with_name(path.name + part).unlink()
    found, restored = run(found_in(path))
    expect_all(killed, found)
    assert restored is not None
    assert "may be missing" not in restored


def test_a_damaged_line_of_the_journal_is_said(killed: Killed) -> None:
    path = killed.folder / "resources.db"
    changes = path.with_name("resources.db.changes")
    lines = changes.read_bytes().splitlines(keepends=True)
    lines[5] = lines[5].replace(b"rtsp", b"http")
    changes.write_bytes(b"".join(lines))
    delete(path)
    with capture_logs() as logs:
        found, restored = run(found_in(path))
    assert len(set(killed.accepted) - set(found)) == 1
    assert restored is not None
    assert "may be missing: apply your files again" in restored
    assert ("store.journal_damaged", 1) in [(e["event"], e.get("lines")) for e in logs]


def test_what_cannot_be_restored_is_not_made_up(killed: Killed) -> None:
    path = killed.folder / "resources.db"
    overwrite_the_head(path)
    overwrite_the_head(path.with_name("resources.db.good"))
    for part in ("-wal", "-shm"):
        path.with_name(path.name + part).unlink()
    before = path.read_bytes()
    with pytest.raises(StoreDamaged, match=r"cannot be restored: .* no good copy .*move resources.db\* out"):
        run(open_(path))
    assert path.read_bytes() == before


def test_a_restored_store_takes_no_old_version_for_its_own(killed: Killed) -> None:
    path = killed.folder / "resources.db"

    async def version() -> str:
        store = await open_(path)
        try:
            return await store.version()
        finally:
            await store.close()

    async def work() -> None:
        store = await open_(path)
        try:
            assert int(await store.version()) > int(before) + 1000
            with pytest.raises(VersionGone):
                await anext(store.watch(before))
            await store.apply([camera("new")])
            change = await anext(store.watch(str(int(await store.version()) - 1)))
            assert change.resource.name == "new"
        finally:
            await store.close()

    before = run(version())
    delete(path)
    run(work())


@pytest.mark.parametrize("damage", [delete, cut_to_nothing, overwrite_the_middle, replace])
def test_damage_while_it_is_open_is_noticed_and_put_right(tmp_path: Path, damage: Damage) -> None:
    path = tmp_path / "resources.db"

    async def work() -> None:
        store = await open_(path)
        try:
            await store.apply([camera(f"c{n:03}") for n in range(200)])
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            damage(path)
            with capture_logs() as logs:
                await store.apply([camera("new")])
                found = names((await store.list()).items)
            assert found == [*(f"c{n:03}" for n in range(200)), "new"]
            assert {"store.damaged", "store.restored"} <= {e["event"] for e in logs}
            assert store.restored is not None
        finally:
            await store.close()
        assert (await found_in(path))[0] == [*(f"c{n:03}" for n in range(200)), "new"]

    run(work())


def test_a_folder_that_is_deleted_while_it_is_open_is_said_and_nothing_is_made_up(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    path = folder / "resources.db"

    async def work() -> None:
        store = await open_(path)
        try:
            await store.apply([camera("a")])
            shutil.rmtree(folder)
            with pytest.raises(StoreUnavailable, match="it is gone, and there is no good copy"):
                await store.apply([camera("b")])
            with pytest.raises(StoreUnavailable):
                await store.list()
        finally:
            await store.close()

    run(work())


@contextmanager
def held(path: Path) -> Iterator[sqlite3.Connection]:
    """Hold the lock of a database as another process does."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection


def test_a_lock_of_another_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "resources.db"

    async def work() -> None:
        store = await open_(path)
        try:
            with held(path) as other:
                applying_ = asyncio.create_task(store.apply([camera("a")]))
                await store.list()  # reading needs no lock
                assert not applying_.done()
                other.execute("ROLLBACK")
                await applying_
        finally:
            await store.close()

    run(work())


def test_a_lock_that_is_never_let_go_is_told(tmp_path: Path) -> None:
    path = tmp_path / "resources.db"

    async def work() -> None:
        store = await open_(path, patience_s=0.2)
        try:
            with held(path):
                with pytest.raises(StoreBusy, match="is locked by another process"):
                    await store.apply([camera("a")])
            await store.apply([camera("b")])
            assert names((await store.list()).items) == ["b"]
        finally:
            await store.close()

    run(work())


@contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    """Let the disk be full: no file of this process can grow beyond."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_told_and_nothing_is_half_written(tmp_path: Path) -> None:
    path = tmp_path / "resources.db"

    async def work() -> None:
        store = await open_(path)
        try:
            await store.apply([camera("a")])
            with no_file_longer_than(64 * 1024):
                with pytest.raises(StoreUnavailable, match=r"cannot be written|is full"):
                    await store.apply([camera(f"c{n:04}") for n in range(2000)])
                assert names((await store.list()).items) == ["a"]
            await store.apply([camera("b")])
            assert names((await store.list()).items) == ["a", "b"]
        finally:
            await store.close()

    run(work())
    assert run(found_in(path)) == (["a", "b"], None)


def test_a_journal_that_cannot_be_written_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "resources.db"

    async def work() -> None:
        store = await open_(path)
        try:
            path.with_name("resources.db.changes").mkdir()
            with capture_logs() as logs:
                await store.apply([camera("a")])
            assert "store.journal_failed" in [e["event"] for e in logs]
            path.with_name("resources.db.changes").rmdir()
        finally:
            await store.close()

    run(work())
    delete(path)
    assert run(found_in(path))[0] == ["a"]


def test_a_damaged_database_is_never_copied(killed: Killed) -> None:
    path = killed.folder / "resources.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    good = path.with_name("resources.db.good").read_bytes()
    overwrite_the_middle(path)
    with pytest.raises(StoreDamaged):
        make_copy(path)
    assert path.with_name("resources.db.good").read_bytes() == good
    assert not path.with_name("resources.db.good.new").exists()


def test_a_copy_is_made_while_it_runs_and_the_journal_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "resources.db"
    good = path.with_name("resources.db.good")

    async def work() -> None:
        store = await open_(path, copy_every_s=0.05)
        try:
            await store.apply([camera("a")])
            while not good.exists() or b"rtsp" in path.with_name("resources.db.changes").read_bytes():
                await asyncio.sleep(0.01)
        finally:
            await store.close()

    run(work())
    with closing(sqlite3.connect(good)) as connection:
        assert connection.execute("SELECT name FROM resources").fetchall() == [("a",)]


def test_only_its_owner_may_read_what_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "resources.db"

    async def work() -> None:
        store = await open_(path)
        await store.apply([camera("a")])
        await store.close()

    run(work())
    assert {p.name: oct(p.stat().st_mode & 0o077) for p in tmp_path.iterdir()} == {
        p.name: "0o0" for p in tmp_path.iterdir()
    }


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    async def work() -> None:
        store = await open_store(str(tmp_path / "resources.db"))
        await store.close()
        await store.close()
        with pytest.raises(StoreUnavailable, match="is closed"):
            await store.list()

    run(work())
