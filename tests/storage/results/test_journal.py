"""Damage to a file of results costs nothing that was accepted: copy and journal have it all."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import shutil
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from argus.storage.protocol import Query
from argus.storage.records import Attachment, EventRecord
from argus.storage.results import copies, journal, mending, replaying
from argus.storage.results.entries import Entry
from argus.storage.results.sql import SqlResults
from tests.storage.results.examples import alert, at, event, frame, run, track
from tests.storage.results.killing import Writer, written
from tests.storage.results.test_sqlite import copied, go, ids, many, opened, overwrite, settle


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results.db"


def spoil(path: Path) -> None:
    """Leave nothing of a database that could be read."""
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.write_bytes(random.Random(0).randbytes(50_000))


def parts(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{path.name}.changes*"))


def test_what_came_after_the_last_copy_is_all_there_when_the_file_is_damaged(path: Path) -> None:
    async def before(store: SqlResults) -> tuple[EventRecord, ...]:
        await store.write([*many(100), track("e7")])
        await copied(store)
        for number in range(100, 150):
            await store.write([event(f"e{number}", number), alert(f"a{number}", event=f"e{number}")])
        await store.write([event("e7", 7, confidence=0.5), Attachment(event="e7", snapshot="s7.jpg")])
        await store.write([Attachment(event="later", clip="later.mp4")])
        await store.acknowledge("event", "e3", by="ann", at=at(500))
        await store.acknowledge("alert", "a120", by="bob", at=at(600))
        await store.put_run(run("uid-1", progress=0.75))
        return (await store.events(Query(), limit=1000)).items

    kept = go(path, before)
    spoil(path)

    async def after(store: SqlResults) -> None:
        assert (await store.events(Query(), limit=1000)).items == kept
        assert "changes since" in store.restored
        assert "missing" not in store.restored
        assert (await store.event("e3")).acknowledged_by == "ann"
        assert (await store.event("e120")).acknowledged_by == "bob"
        assert (await store.alert("a120")).acknowledged_by == "bob"
        assert len((await store.alerts(Query(), limit=1000)).items) == 50
        assert [one.snapshot for one in (await store.tracks(Query())).items] == ["s7.jpg"]
        assert (await store.runs("nightly"))[0].progress == 0.75
        await store.write([event("later")])
        assert (await store.event("later")).clip == "later.mp4"

    go(path, after)


def test_without_any_copy_the_journal_alone_has_everything(path: Path) -> None:
    async def before(store: SqlResults) -> None:
        for number in range(20):
            await store.write([event(f"e{number}", number)])
        await store.acknowledge("event", "e3", by="ann", at=at(500))

    go(path, before)
    spoil(path)

    async def after(store: SqlResults) -> None:
        assert await ids(store) == {f"e{number}" for number in range(20)}
        assert (await store.event("e3")).acknowledged_by == "ann"
        assert "missing" not in store.restored

    go(path, after)


def test_what_was_removed_after_the_last_copy_stays_removed(path: Path) -> None:
    async def before(store: SqlResults) -> None:
        await store.write(many(20))
        of_job: dict[str, Any] = {"job": "nightly", "run": "uid-1"}
        await store.write([event("j1", **of_job), frame(1, **of_job), frame(2)])
        await store.write([Attachment(event="e3", clip="clips/e3.mp4")])
        await store.put_run(run("uid-1"))
        await copied(store)
        await store.write([event("j2", **of_job), event("old", -50), event("new", 100)])
        assert await store.expire("event", before=at(10), keep=None) == ("clips/e3.mp4",)
        await store.forget_job("nightly")

    go(path, before)
    spoil(path)

    async def after(store: SqlResults) -> None:
        assert await ids(store) == {f"e{number}" for number in range(10, 20)} | {"new"}
        assert [one.job for one in (await store.detections(Query())).items] == [None]
        assert await store.runs("nightly") == ()
        await store.write([event("e3")])
        assert (await store.event("e3")).clip is None

    go(path, after)


def test_a_second_damage_before_another_copy_loses_nothing_either(path: Path) -> None:
    async def write(store: SqlResults, name: str) -> None:
        await store.write(many(10, name))

    async def first(store: SqlResults) -> None:
        await write(store, "a")
        await copied(store)
        await write(store, "b")

    go(path, first)
    spoil(path)
    go(path, lambda store: write(store, "c"))
    spoil(path)
    found = go(path, ids)
    assert found == {f"{name}{number}" for name in "abc" for number in range(10)}


def test_a_file_that_is_damaged_while_many_have_it_open_costs_none_of_them_anything(path: Path) -> None:
    async def work() -> None:
        stores = [await opened(path, patience_s=5) for _ in range(3)]
        await stores[0].write(many(100))
        await copied(stores[0])
        for number, store in enumerate(stores):
            await store.write(many(50, f"by{number}-"))
        settle(path)
        os.truncate(path, 8192)
        await asyncio.gather(*(store.write([event(f"last{n}")]) for n, store in enumerate(stores)))
        for store in stores:
            assert len(await ids(store)) == 253
            await store.close()

    asyncio.run(work())


def test_killed_writers_lose_nothing_that_was_told_where_the_file_is_damaged_then(path: Path) -> None:
    """Two processes write, are killed in the middle, and two others go on; copies are made meanwhile."""
    told: set[str] = set()
    for generation in range(2):
        writers = [Writer(f"sqlite:///{path}", f"{generation}{letter}") for letter in "ab"]
        for writer in writers:
            writer.write(30)
        assert copies.make_copy(path, threading.Event())
        for writer in writers:
            writer.write(30)
            told.update(writer.kill())
    spoil(path)

    async def after(store: SqlResults) -> None:
        assert "missing" not in store.restored
        assert told <= set(await written(store))

    go(path, after)


def test_an_entry_that_was_cut_off_takes_nothing_else_along(path: Path) -> None:
    async def before(store: SqlResults) -> None:
        await store.write([event("e1")])
        await copied(store)
        await store.write([event("e2")])

    go(path, before)
    half = journal.current_of(path).read_bytes()[:-20]
    with journal.current_of(path).open("ab") as file:
        file.write(half)  # what a writer that was killed has left
    go(path, lambda store: store.write([event("e3")]))
    with journal.current_of(path).open("ab") as file:
        file.write(half[:30])
    spoil(path)

    async def after(store: SqlResults) -> None:
        assert await ids(store) == {"e1", "e2", "e3"}
        assert "missing" not in store.restored

    go(path, after)


def test_of_a_journal_that_is_damaged_in_the_middle_the_rest_counts_and_the_loss_is_told(path: Path) -> None:
    async def before(store: SqlResults) -> list[int]:
        await copied(store)
        ends = []
        for number in range(10):
            await store.write([event(f"e{number}", number)])
            ends.append(journal.current_of(path).stat().st_size)
        return ends

    ends = go(path, before)
    overwrite(journal.current_of(path), ends[3] + 40, b"\xa5" * (ends[5] - ends[3] - 60))
    spoil(path)

    async def after(store: SqlResults) -> None:
        assert await ids(store) == {f"e{number}" for number in range(10) if number not in {4, 5}}
        assert "at least 2 changes are missing" in store.restored

    with capture_logs() as logs:
        go(path, after)
    assert [log["log_level"] for log in logs if log["event"] == "results.restored"] == ["error"]


def test_what_the_journal_has_lost_is_taken_from_the_damaged_file(path: Path) -> None:
    async def before(store: SqlResults) -> list[int]:
        await copied(store)
        ends = []
        for number in range(10):
            await store.write([event(f"e{number}", number), frame(number)])
            ends.append(journal.current_of(path).stat().st_size)
        await store.acknowledge("event", "e8", by="ann", at=at(500))
        await store.expire("event", before=at(2), keep=None)
        return ends

    ends = go(path, before)
    overwrite(journal.current_of(path), ends[3] + 40, b"\xa5" * (ends[5] - ends[3] - 60))
    settle(path)
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT rootpage FROM sqlite_schema WHERE name = 'argus_events_time'"
        [root] = connection.execute(query).fetchone()
    overwrite(path, (root - 1) * 4096, b"\xff" * 4096)

    async def after(store: SqlResults) -> None:
        assert await ids(store) == {f"e{number}" for number in range(2, 10)}
        assert (await store.event("e8")).acknowledged_by == "ann"
        assert (await store.counts())["detections"] == 10
        assert "missing" in store.restored

    go(path, after)


def test_an_end_of_the_file_that_was_lost_comes_back_from_the_journal(path: Path) -> None:
    """Copied without its log, by a careless hand or a disk that lied: sound, and not all of it."""

    async def work(store: SqlResults) -> None:
        await store.write([event("e1")])
        settle(path)
        shutil.copyfile(path, path.with_name("aside"))
        await store.write([event("e2")])
        await store.write([event("e3")])

    go(path, work)
    path.with_name("aside").replace(path)

    async def after(store: SqlResults) -> None:
        assert await ids(store) == {"e1", "e2", "e3"}
        assert "had lost its last 2 changes" in store.restored

    go(path, after)


def test_an_entry_that_was_never_committed_gives_way_to_the_one_that_was(path: Path) -> None:
    go(path, lambda store: store.write([event("e1")]))

    async def work(store: SqlResults) -> None:
        reach = replaying.reach_in(path)
        assert reach is not None
        lost = Entry(lineage=reach.lineage, number=reach.number + 1, seq=reach.seq + 1)
        killed = journal.Journal(path)
        killed.append(lost)
        killed.close()
        await store.write([event("e2")])

    go(path, work)
    held = list(journal.entries_of(path, journal.lineage_of(path) or 0))
    assert [entry.number for entry in held] == [1, 2]
    assert [body for _, body in held[1].kept["event"]]


def test_the_journal_of_another_database_is_left_alone(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "results.db"
    go(path, lambda store: store.write(many(30, "mine")))

    async def theirs(store: SqlResults) -> None:
        await store.write([event("theirs")])
        await copied(store)

    go(other, theirs)
    settle(other)
    shutil.copyfile(other, path)
    shutil.copyfile(mending.copy_of(other), mending.copy_of(path))
    assert go(path, ids) == {"theirs"}
    spoil(path)
    assert go(path, ids) == {"theirs"}


def test_a_journal_that_cannot_be_written_holds_nobody_up_and_is_said_once(path: Path) -> None:
    journal.current_of(path).mkdir()  # nothing can be written there

    async def work(store: SqlResults) -> None:
        for number in range(5):
            await store.write([event(f"e{number}")])
        assert len(await ids(store)) == 5
        assert not copies.is_whole(path)

    with capture_logs() as logs:
        go(path, work)
    assert [log["event"] for log in logs if log["log_level"] == "error"] == ["results.not_journaled"]
    journal.current_of(path).rmdir()

    async def later(store: SqlResults) -> None:
        await store.write([event("e5")])
        assert not copies.is_whole(path)
        await copied(store)
        await store.write([event("e6")])
        assert copies.is_whole(path)

    go(path, later)
    spoil(path)
    assert go(path, ids) == {f"e{number}" for number in range(7)}


def test_an_entry_for_which_the_disk_has_no_room_is_not_there_by_halves(path: Path) -> None:
    one = journal.Journal(path)
    one.append(Entry(lineage=7, number=1))
    size = journal.current_of(path).stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, before[1]))
    try:
        with pytest.raises(OSError, match="No space left"):
            one.append(Entry(lineage=7, number=2, detached=["x" * 200]))
        assert journal.current_of(path).stat().st_size == size
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    one.append(Entry(lineage=7, number=3))
    one.close()
    assert [entry.number for entry in journal.entries_of(path, 7)] == [1, 3]
    assert not journal.covers(path, 7, 0, 3)


def test_a_copy_lets_full_parts_of_the_journal_go(path: Path) -> None:
    async def work(store: SqlResults) -> None:
        for turn in range(12):
            await store.write([event(f"e{turn}-{k}", k, message="x" * 1000) for k in range(1000)])
        assert len(parts(path)) > 2
        await copied(store)
        assert len(parts(path)) == 1
        assert journal.bytes_of(path) < 2 * journal.PART_BYTES
        await store.write([event("after")])
        assert copies.is_whole(path)

    go(path, work, patience_s=5)
    spoil(path)
    found = go(path, lambda store: store.counts(), patience_s=5)
    assert found["event"] == 12_001


def test_parts_are_begun_by_one_process_and_written_on_by_others(path: Path) -> None:
    async def work() -> None:
        stores = [await opened(path, patience_s=10) for _ in range(3)]

        async def write(store: SqlResults, name: str) -> None:
            for turn in range(6):
                await store.write([event(f"{name}-{turn}-{k}", k, message="x" * 1000) for k in range(600)])

        await asyncio.gather(*(write(store, f"by{n}") for n, store in enumerate(stores)))
        for store in stores:
            await store.close()

    asyncio.run(work())
    assert len(parts(path)) > 2
    spoil(path)
    found = go(path, lambda store: store.counts(), patience_s=10)
    assert found["event"] == 3 * 6 * 600


def test_what_only_repeats_what_is_there_makes_no_entry(path: Path) -> None:
    async def work(store: SqlResults) -> None:
        await store.write([event("e1")])
        before = journal.bytes_of(path)
        await store.write([event("e1")])
        await store.write([frame(1)])
        await store.expire("event", before=at(-100), keep=None)
        assert journal.bytes_of(path) == before

    go(path, work)


def test_a_database_of_before_there_were_journals_is_whole_when_it_has_been_copied(path: Path) -> None:
    go(path, lambda store: store.write([event("e1")]))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM argus_results_state WHERE name <> 'seq'")
        connection.execute("ALTER TABLE argus_attachments DROP COLUMN clip_note")
        connection.execute("UPDATE argus_results_version SET version_num = '0001'")
    journal.current_of(path).unlink()
    shutil.copyfile(path, mending.copy_of(path))

    async def work(store: SqlResults) -> None:
        await store.write([event("e2")])
        assert not copies.is_whole(path)

    go(path, work)
    shutil.copyfile(path, path.with_name("aside"))
    spoil(path)

    async def restored(store: SqlResults) -> None:
        assert await ids(store) == {"e1", "e2"}
        assert "missing" in store.restored  # nobody knows what came between copy and journal

    go(path, restored)
    path.with_name("aside").replace(path)

    async def later(store: SqlResults) -> None:
        await copied(store)
        await store.write([event("e3")])
        assert copies.is_whole(path)

    go(path, later)


def _before_clip_notes(path: Path) -> None:
    """Make a database what it was before anything was said of clips."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("ALTER TABLE argus_attachments DROP COLUMN clip_note")
        connection.execute("UPDATE argus_results_version SET version_num = '0002'")


def test_copy_and_journal_of_before_clips_had_notes_are_read(path: Path) -> None:
    clip = Attachment(event="e1", clip="c.mp4")

    async def begun(store: SqlResults) -> None:
        await store.write([event("e1"), Attachment(event="e0", clip="old.mp4")])
        await copied(store)
        await store.write([clip])

    go(path, begun)
    _before_clip_notes(path)
    _before_clip_notes(mending.copy_of(path))
    assert b"clip_note" not in journal.current_of(path).read_bytes()
    spoil(path)

    async def restored(store: SqlResults) -> None:
        assert "1 changes since" in store.restored
        await store.write([event("e0"), Attachment(event="e1", clip="c.mp4", clip_note="not whole: x")])
        kept = [await store.event(id_) for id_ in ("e0", "e1")]
        assert [(one.clip, one.clip_note) for one in kept] == [
            ("old.mp4", None), ("c.mp4", "not whole: x"),
        ]  # fmt: skip

    go(path, restored)


def test_notes_of_clips_are_taken_from_the_journal(path: Path) -> None:
    async def begun(store: SqlResults) -> None:
        await store.write([event("e0")])
        await copied(store)
        await store.write([Attachment(event="e1", clip="c.mp4", clip_note="not whole: x")])

    go(path, begun)
    spoil(path)

    async def restored(store: SqlResults) -> None:
        await store.write([event("e1")])
        kept = await store.event("e1")
        assert (kept.clip, kept.clip_note) == ("c.mp4", "not whole: x")

    go(path, restored)


def test_rows_of_a_damaged_file_of_before_clips_had_notes_are_saved(path: Path) -> None:
    go(path, lambda store: store.write([event("e1"), Attachment(event="late", clip="c.mp4")]))
    for file in (journal.current_of(path), mending.copy_of(path)):
        file.unlink(missing_ok=True)
    _before_clip_notes(path)
    settle(path)
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT rootpage FROM sqlite_schema WHERE name = 'argus_results_version'"
        [root] = connection.execute(query).fetchone()
    overwrite(path, (root - 1) * 4096, b"\xff" * 4096)

    async def after(store: SqlResults) -> None:
        assert await ids(store) == {"e1"}
        assert "saved from what was damaged" in store.restored
        await store.write([event("late")])
        assert (await store.event("late")).clip == "c.mp4"

    go(path, after)


# Copies at the beginning and in the end


def copier(path: Path, work: Callable[[copies.Copier], Awaitable[None]]) -> None:
    """Do something while a copier looks at once, and let it end in order."""
    over = threading.Event()
    one = copies.Copier(path, over, lambda _: None, first_look_s=0.01)
    one.start()
    try:
        asyncio.run(work(one))  # type: ignore[arg-type]
    finally:
        over.set()
        one.close()


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def test_the_first_copy_is_made_soon_after_the_opening(path: Path) -> None:
    go(path, lambda store: store.write([event("e1")]))
    copier(path, lambda _: until(mending.copy_of(path).exists))
    assert copies.FIRST_LOOK_S <= 5


def test_an_orderly_end_makes_a_copy_of_what_has_changed_since_the_last_one(path: Path) -> None:
    go(path, lambda store: store.write([event("e1")]))

    async def work(_: copies.Copier) -> None:
        await until(mending.copy_of(path).exists)
        store = await opened(path)
        await store.write([event("e2"), frame(1)])
        await store.close()
        past = time.time() - 3600
        os.utime(mending.copy_of(path), (past, past))

    copier(path, work)
    with closing(sqlite3.connect(mending.copy_of(path))) as connection:
        [[frames]] = connection.execute("SELECT count(*) FROM argus_detections").fetchall()
    assert frames == 1


def test_an_orderly_end_makes_no_copy_where_nothing_has_changed(path: Path) -> None:
    go(path, lambda store: store.write([event("e1")]))

    async def work(_: copies.Copier) -> None:
        await until(mending.copy_of(path).exists)
        settle(path)
        future = time.time() + 1
        os.utime(mending.copy_of(path), (future, future))

    copier(path, work)
    assert mending.copy_of(path).stat().st_mtime > time.time()
