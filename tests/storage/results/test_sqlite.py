"""Bad days of a file: locked, full, damaged, gone, opened by many at once."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from structlog.testing import capture_logs

from argus.storage.opening import open_results, sqlite_path
from argus.storage.protocol import Query, ResultNotFound, ResultsTooNew, ResultsUnavailable
from argus.storage.records import Record
from argus.storage.results import copies, journal, mending, migrating
from argus.storage.results.sql import SqlResults
from argus.storage.results.sqlite import SqliteDatabase
from argus.storage.results.tables import metadata
from tests.storage.results.examples import alert, at, event, frame, run

T = TypeVar("T")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results.db"


def go(path: Path, work: Callable[[SqlResults], Awaitable[T]], patience_s: float = 0.3) -> T:
    """Do something with a store that has little patience."""

    async def go() -> T:
        store = await opened(path, patience_s)
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(go())


async def opened(path: Path, patience_s: float = 0.3) -> SqlResults:
    return SqlResults(await SqliteDatabase.opened(path, patience_s=patience_s, copying=False))


async def copied(store: SqlResults) -> None:
    """Let the store make a good copy now."""
    assert isinstance(store.database, SqliteDatabase)
    assert await store.database.copy()


async def ids(store: SqlResults) -> set[str]:
    return {one.id for one in (await store.events(Query(), limit=1000)).items}


def overwrite(path: Path, begin: int, data: bytes) -> None:
    """Write into a file behind SQLite's back."""
    with path.open("r+b") as file:
        file.seek(begin)
        file.write(data)


def settle(path: Path) -> None:
    """Move everything from the log into the file itself."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def many(n: int, name: str = "e") -> list[Record]:
    return [event(f"{name}{k}", k, message="x" * 300) for k in range(n)]


# Tables


def test_the_migrations_make_the_tables_that_statements_speak_of(path: Path) -> None:
    go(path, lambda store: store.counts())
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": migrating.VERSION_TABLE})
        differences = compare_metadata(context, metadata)
    engine.dispose()
    assert [one for one in differences if isinstance(one, list) or not one[0].endswith("_index")] == []


def test_the_newest_version_is_the_head_of_the_migrations() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrating.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_current_head() == migrating.VERSIONS[-1]
    assert {script.revision for script in scripts.walk_revisions()} == set(migrating.VERSIONS)


def test_a_database_of_a_newer_argus_is_left_alone_and_says_so(path: Path) -> None:
    go(path, lambda store: store.write([event()]))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE argus_results_version SET version_num = '9999'")
    with pytest.raises(ResultsTooNew, match=r"9999.*upgrade"):
        go(path, lambda store: store.counts())


def test_many_processes_may_open_a_new_database_at_once(path: Path) -> None:
    program = (
        "import asyncio, sys\n"
        "from argus.storage.opening import open_results\n"
        "from tests.storage.results.examples import event\n"
        "async def main():\n"
        "    store = await open_results(sys.argv[1])\n"
        "    await store.write([event(sys.argv[2])])\n"
        "    await store.close()\n"
        "asyncio.run(main())\n"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", program, f"sqlite:///{path}", f"e{n}"]) for n in range(4)
    ]
    assert [child.wait(60) for child in children] == [0] * 4
    assert go(path, ids) == {f"e{n}" for n in range(4)}


def test_the_planner_takes_the_filter_that_leaves_least(path: Path) -> None:
    """A class that most events have is not read through where a camera was asked for too."""
    go(path, lambda store: store.counts())
    with closing(sqlite3.connect(path)) as connection:
        for where, index in (
            ("camera = ? AND class_name = ? AND type = ?", "camera"),
            ("class_name = ? AND type = ? AND severity = ?", "severity"),
            ("region = ? AND type = ? AND class_name = ?", "region"),
        ):
            statement = f"SELECT body FROM argus_events WHERE {where} ORDER BY at_us DESC, n DESC LIMIT 100"
            [plan] = connection.execute(f"EXPLAIN QUERY PLAN {statement}", ("a", "b", "c")).fetchall()
            assert f"argus_events_{index} " in plan[3]


@pytest.mark.parametrize(
    ("url", "file"),
    [("sqlite:///a.db", "a.db"), ("sqlite:////var/a.db", "/var/a.db"), ("sqlite:////a%20b.db", "/a b.db")],
)
def test_a_url_names_its_file_as_everywhere(url: str, file: str) -> None:
    assert sqlite_path(url) == Path(file)


# Locked, full, killed


def test_a_locked_database_is_unavailable_and_later_available(path: Path) -> None:
    async def work(store: SqlResults) -> None:
        await store.write([event("e1")])
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            for attempt in (
                lambda: store.write([event("e2")]),
                lambda: store.put_run(run()),
                lambda: store.acknowledge("event", "e1", by="ann", at=at(0)),
                lambda: store.expire("event", before=at(9), keep=None),
            ):
                with pytest.raises(ResultsUnavailable, match="locked"):
                    await attempt()
            assert await ids(store) == {"e1"}  # reading goes on
        await store.write([event("e2")])
        assert await ids(store) == {"e1", "e2"}

    go(path, work)


def test_a_full_disk_writes_nothing_by_halves_and_later_all(path: Path) -> None:
    """Files of this process may not grow: every write beyond fails as on a full disk."""

    async def work(store: SqlResults) -> None:
        await store.write([event("first")])
        settle(path)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 65_536, before[1]))
        try:
            with pytest.raises(ResultsUnavailable):
                await store.write(many(1000))
            assert await ids(store) == {"first"}
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        await store.write(many(900))
        assert len(await ids(store)) == 901

    go(path, work)


def test_a_cancelled_write_leaves_nothing_behind_and_lets_others_write(path: Path) -> None:
    async def work(store: SqlResults) -> None:
        for n in range(20):
            writing = asyncio.create_task(store.write(many(200, f"c{n}-")))
            await asyncio.sleep(0.001 * n)
            writing.cancel()
            await asyncio.wait([writing])
        await store.write([event("after")])
        found = await store.counts()
        assert found["event"] % 200 == 1

    go(path, work, patience_s=5)


def test_a_path_that_cannot_be_a_file_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for wrong in (tmp_path / "file" / "results.db", tmp_path):
        with pytest.raises(ResultsUnavailable):
            go(wrong, lambda store: store.counts())


# Damaged and gone


def test_garbage_in_place_of_a_database_is_put_aside_and_the_copy_restored(path: Path) -> None:
    async def before(store: SqlResults) -> int:
        await store.write([event("e1"), alert()])
        await copied(store)
        return await store.last_seq()

    seq = go(path, before)
    settle(path)
    path.write_bytes(random.Random(0).randbytes(50_000))

    async def after(store: SqlResults) -> None:
        assert "put aside as results.db.damaged-" in store.restored
        assert await ids(store) == {"e1"}
        await store.write([event("e2")])
        assert await store.last_seq() > seq
        assert [one.id for one in await store.changes(seq)] == ["e2"]

    with capture_logs() as logs:
        go(path, after)
    assert [log["log_level"] for log in logs if log["event"] == "results.restored"] == ["error"]
    assert len(list(path.parent.glob("results.db.damaged-*"))) == 1


def test_numbers_after_a_restoration_are_above_all_that_were_read_before(path: Path) -> None:
    async def before(store: SqlResults) -> int:
        await store.write([event("e1")])
        await copied(store)
        for n in range(50):
            await store.write([event(f"late{n}")])
        return await store.last_seq()

    seq = go(path, before)
    settle(path)
    path.write_bytes(b"SQLite format 3\0" + bytes(5000))

    async def after(store: SqlResults) -> None:
        await store.write([event("new")])
        assert [one.id for one in await store.changes(seq)] == ["new"]

    go(path, after)


def test_rows_that_the_copy_does_not_have_are_saved_from_a_damaged_file(path: Path) -> None:
    """A part of the file is lost while the store has it open; what can still be read of the rest is kept."""

    async def work(store: SqlResults) -> None:
        await store.write(many(300))
        await store.put_run(run("uid-1"))
        await copied(store)
        await store.write([event("e7", 7, confidence=0.5), *many(300, "late")])
        await store.put_run(run("uid-1", progress=0.75))
        settle(path)
        with closing(sqlite3.connect(path)) as connection:
            [root] = connection.execute(
                "SELECT rootpage FROM sqlite_schema WHERE name = 'argus_events_type'"
            ).fetchone()
        page = 4096
        overwrite(path, (root - 1) * page, b"\xff" * page)
        assert len((await store.events(Query(type=("zone.entered",)), limit=1000)).items) == 600
        assert "newer rows were saved" in store.restored
        assert (await store.event("e7")).confidence == 0.5
        kept = await store.run("uid-1")
        assert kept is not None
        assert kept.progress == 0.75

    go(path, work)


def test_without_a_copy_everything_that_can_be_read_is_saved(path: Path) -> None:
    async def work(store: SqlResults) -> None:
        await store.write([*many(200), frame(1), frame(2)])
        seq = await store.last_seq()
        settle(path)
        with closing(sqlite3.connect(path)) as connection:
            [root] = connection.execute(
                "SELECT rootpage FROM sqlite_schema WHERE name = 'argus_events_time'"
            ).fetchone()
        overwrite(path, (root - 1) * 4096, b"\xff" * 4096)
        assert len(await ids(store)) == 200
        assert "no good copy" in store.restored
        assert (await store.counts())["detections"] == 2
        await store.write([event("new")])
        assert [one.id for one in await store.changes(seq)] == ["new"]
        # The indexes and the estimates are there again too.
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            [count] = connection.execute("SELECT count(*) FROM sqlite_schema WHERE type = 'index'").fetchone()
            assert count > 50
            [estimates] = connection.execute("SELECT count(*) FROM sqlite_stat1").fetchone()
            assert estimates > 30

    go(path, work)


def test_indexes_that_do_not_agree_with_their_rows_are_made_anew(path: Path) -> None:
    """Every page is whole, and yet a row cannot be removed from an index that calls it by another name."""

    async def work(store: SqlResults) -> None:
        await store.write([event(f"event-{n}", n) for n in range(20)])
        settle(path)
        with closing(sqlite3.connect(path)) as connection:
            query = "SELECT rootpage FROM sqlite_schema WHERE name = 'argus_events_id'"
            [root] = connection.execute(query).fetchone()
        page = path.read_bytes()[(root - 1) * 4096 : root * 4096]
        overwrite(path, (root - 1) * 4096 + page.index(b"event-7"), b"avent-7")
        assert await store.expire("event", before=at(10), keep=None) == ()
        assert "made anew" in store.restored
        assert await ids(store) == {f"event-{n}" for n in range(10, 20)}

    go(path, work)


def test_a_truncated_file_is_restored_while_others_have_it_open(path: Path) -> None:
    """Whoever comes later finds that the file is another one: nobody writes to what is put aside."""

    async def work() -> None:
        one, two, three = [await opened(path, 5.0) for _ in range(3)]
        await one.write(many(300))
        await copied(one)
        assert len(await ids(two)) == len(await ids(three)) == 300
        settle(path)
        os.truncate(path, 8192)
        damaged = path.stat().st_ino
        await asyncio.gather(*(store.write([event(f"by{n}")]) for n, store in enumerate((one, two, three))))
        assert path.stat().st_ino != damaged
        for store in (one, two, three):
            assert {"by0", "by1", "by2"} <= await ids(store)
            assert len(await ids(store)) == 303
        assert [bool(store.restored) for store in (one, two, three)].count(True) == 1
        assert len(list(path.parent.glob("results.db.damaged-*[0-9]"))) == 1
        for store in (one, two, three):
            await store.close()

    asyncio.run(work())


def test_a_file_that_was_removed_comes_back_from_its_copy(path: Path) -> None:
    async def work(store: SqlResults) -> None:
        await store.write([event("e1")])
        await copied(store)
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        assert await ids(store) == {"e1"}
        assert "gone" in store.restored
        await store.write([event("e2")])
        assert await ids(store) == {"e1", "e2"}

    go(path, work)


def test_a_file_that_was_removed_with_all_that_lay_beside_it_begins_anew(path: Path) -> None:
    async def work(store: SqlResults) -> None:
        await store.write([event("e1")])
        for file in path.parent.glob("results.db*"):
            file.unlink()
        await store.write([event("e2")])
        assert await ids(store) == {"e2"}

    go(path, work)


def test_a_folder_that_is_gone_for_a_while_is_unavailable_for_a_while(tmp_path: Path) -> None:
    path = tmp_path / "mount" / "results.db"

    async def work(store: SqlResults) -> None:
        await store.write([event("e1")])
        path.parent.rename(tmp_path / "away")
        with pytest.raises(ResultsUnavailable, match="folder is gone"):
            await store.write([event("e2")])
        with pytest.raises(ResultsUnavailable, match="folder is gone"):
            await store.last_seq()
        (tmp_path / "away").rename(path.parent)
        await store.write([event("e3")])
        assert await ids(store) == {"e1", "e3"}

    go(path, work)


@pytest.mark.parametrize("seed", [2, 7, 8, 10])
def test_wherever_a_file_is_damaged_reading_and_writing_go_on(path: Path, seed: int) -> None:
    """Random pages of a database with a copy: never an error of SQLite, and what the copy has is there."""
    chance = random.Random(seed)

    async def work(store: SqlResults) -> None:
        await store.write([*many(150), *(frame(n) for n in range(50))])
        await copied(store)
        await store.write(many(150, "late"))
        settle(path)
        for _ in range(3):
            page = chance.randrange(path.stat().st_size // 4096)
            overwrite(path, page * 4096 + chance.randrange(4000), chance.randbytes(90))
        for query in (Query(), Query(camera=("gate",)), Query(type=("zone.*",)), Query(open=False)):
            try:
                await store.events(query, limit=1000)
                await store.detections(query, limit=1000)
            except ResultsUnavailable:
                pytest.fail("it was not put right")
        await store.write([event(f"new{n}", n) for n in range(300)])
        await store.expire("detections", before=at(1), keep=None)
        with closing(sqlite3.connect(path)) as connection:
            sound = connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
        if store.restored:
            assert sound
            assert {f"e{n}" for n in range(150)} <= await ids(store)

    go(path, work, patience_s=5)


def test_where_copy_and_journal_are_damaged_too_it_is_begun_anew(path: Path) -> None:
    async def before(store: SqlResults) -> None:
        await store.write([event("e1")])
        await copied(store)

    go(path, before)
    settle(path)
    for file in (path, mending.copy_of(path), journal.current_of(path)):
        file.write_bytes(b"no database at all" * 1000)

    async def after(store: SqlResults) -> None:
        assert "no good copy" in store.restored
        await store.write([event("e2")])
        assert await ids(store) == {"e2"}

    go(path, after)


def test_only_the_latest_damaged_files_are_kept(path: Path) -> None:
    for _ in range(4):
        path.write_bytes(b"no database at all" * 1000)
        go(path, lambda store: store.write([event()]))
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    assert len(list(path.parent.glob("results.db.damaged-*[0-9]"))) == 3


# Copies


def test_a_copy_is_made_while_others_write_and_holds_one_moment(path: Path) -> None:
    async def work(store: SqlResults) -> None:
        await store.write(many(12_000))
        copying = asyncio.create_task(copied(store))
        turn = 0
        while not copying.done():
            await store.write([event(f"a{turn}"), alert(f"a{turn}", event=f"a{turn}")])
            turn += 1
        await copying
        assert turn > 1
        with closing(sqlite3.connect(mending.copy_of(path))) as connection:
            [events] = connection.execute("SELECT count(*) FROM argus_events WHERE id LIKE 'a%'").fetchone()
            [alerts] = connection.execute("SELECT count(*) FROM argus_alerts").fetchone()
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert events == alerts < turn

    go(path, work, patience_s=5)


def test_a_damaged_database_is_never_copied_over_a_good_copy(path: Path) -> None:
    async def work(store: SqlResults) -> None:
        await store.write(many(200))
        await copied(store)

    go(path, work)
    settle(path)
    good = mending.copy_of(path).read_bytes()
    with closing(sqlite3.connect(path)) as connection:
        [root] = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'argus_events_time'"
        ).fetchone()
    overwrite(path, (root - 1) * 4096, b"\xff" * 4096)
    with pytest.raises(OSError, match="damaged"):
        copies.make_copy(path, threading.Event())
    assert mending.copy_of(path).read_bytes() == good
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "results.db", "results.db.changes", "results.db.copy", "results.db.copying", "results.db.lock",
    ]  # fmt: skip


def test_damage_that_only_a_copy_has_met_is_put_right_before_anybody_meets_it(path: Path) -> None:
    async def work(store: SqlResults) -> None:
        await store.write(many(200))
        await copied(store)
        await store.write(many(200, "late"))
        settle(path)
        with closing(sqlite3.connect(path)) as connection:
            query = "SELECT rootpage FROM sqlite_schema WHERE name = 'argus_events_clip'"
            [root] = connection.execute(query).fetchone()
        overwrite(path, (root - 1) * 4096, b"\xff" * 4096)
        with pytest.raises(copies.SourceDamaged) as caught:
            await copied(store)
        assert isinstance(store.database, SqliteDatabase)
        store.database.suspect(str(caught.value))
        assert len(await ids(store)) == 400
        assert "restored" in store.restored
        await copied(store)

    go(path, work)


def test_only_one_process_makes_a_copy_at_a_time(path: Path) -> None:
    go(path, lambda store: store.write([event()]))
    import fcntl

    with path.with_name("results.db.copying").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert not copies.make_copy(path, threading.Event())
    assert copies.make_copy(path, threading.Event())


def test_a_copy_is_due_when_something_changed_and_the_last_one_is_old_enough(path: Path) -> None:
    assert not copies.is_due(path, 0.0, 0.0)  # nothing there
    path.write_bytes(b"x")
    assert copies.is_due(path, 0.0, 0.0)  # no copy yet
    shutil.copyfile(path, mending.copy_of(path))
    os.utime(mending.copy_of(path), (1000, 1000))
    os.utime(path, (900, 900))
    assert not copies.is_due(path, 99_999.0, 0.0)  # nothing new
    os.utime(path, (1100, 1100))
    assert not copies.is_due(path, 1500.0, 0.0)
    assert copies.is_due(path, 1700.0, 0.0)
    assert not copies.is_due(path, 1700.0, 30.0)  # the last one took long
    assert copies.is_due(path, 1000 + 1801.0, 30.0)
    assert copies.is_due(path, 500.0, 30.0)  # the clock was put back


def test_a_store_that_is_closed_says_so(path: Path) -> None:
    async def work(store: SqlResults) -> None:
        await store.close()
        with pytest.raises(ResultsUnavailable, match="closed"):
            await store.write([event()])
        with pytest.raises(ResultsUnavailable, match="closed"):
            await store.events(Query())

    go(path, work)


def test_removing_much_gives_room_back(path: Path) -> None:
    async def work(store: SqlResults) -> None:
        for n in range(0, 12_000, 1000):
            await store.write([event(f"e{k}", k, message="x" * 800) for k in range(n, n + 1000)])
        settle(path)
        before = path.stat().st_size
        await store.expire("event", before=None, keep=10)
        settle(path)
        assert path.stat().st_size < before / 2
        with pytest.raises(ResultNotFound):
            await store.event("e5")

    go(path, work, patience_s=5)


def test_opening_through_a_url_makes_the_folder(tmp_path: Path) -> None:
    async def work() -> None:
        store = await open_results(f"sqlite:///{tmp_path}/a/b/results.db")
        await store.close()

    asyncio.run(work())
    assert (tmp_path / "a" / "b" / "results.db").is_file()
