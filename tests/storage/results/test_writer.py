"""Results on their way: nothing that was taken is lost, whatever becomes of worker, database and disk."""

from __future__ import annotations

import asyncio
import errno
import itertools
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import pytest
from structlog.testing import capture_logs

from argus.core.errors import MissingExtra, SpecError
from argus.storage.opening import open_results
from argus.storage.protocol import Query, ResultStore
from argus.storage.spool import Spool, SpoolInUse, SpoolUnusable
from argus.storage.spool_waiting import Waiting
from argus.storage.writer import ResultWriter
from tests.services.postgres import PostgresServer
from tests.sources.settling import comes_true, descriptors_and_threads
from tests.storage.results.examples import event, frame, trace

T = TypeVar("T")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/results.db"


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def asked(url: str, work: Callable[[ResultStore], Awaitable[T]]) -> T:
    """What a store answers."""

    async def ask() -> T:
        store = await open_results(url)
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(ask())


def ids(url: str) -> list[str]:
    """The ids of all events, the earliest first."""

    async def work(store: ResultStore) -> list[str]:
        found: list[str] = []
        cursor = None
        while True:
            page = await store.events(Query(), limit=1000, cursor=cursor)
            found += [one.id for one in page.items]
            cursor = page.cursor
            if cursor is None:
                return found[::-1]

    return asked(url, work)


def locked(path: Path) -> sqlite3.Connection:
    """Keep everybody else from writing, until it is closed."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("BEGIN IMMEDIATE")
    return connection


def test_what_was_put_is_soon_in_the_store(url: str, spool: Path) -> None:
    with ResultWriter(url, spool) as writer:
        writer.put([event("e1")])
        assert comes_true(lambda: writer.backlog == 0)
        assert ids(url) == ["e1"]


def test_flush_waits_until_all_is_in_the_store(url: str, spool: Path) -> None:
    with ResultWriter(url, spool) as writer:
        for n in range(2000):
            writer.put([event(f"e{n}", n)])
        assert writer.flush(30)
        assert (writer.backlog, writer.problem, writer.dropped, writer.refused) == (0, "", 0, 0)
        assert ids(url) == [f"e{n}" for n in range(2000)]


def test_closing_writes_what_waits(url: str, spool: Path) -> None:
    writer = ResultWriter(url, spool)
    writer.put([event(f"e{n}", n) for n in range(1200)])
    writer.close()
    writer.close()
    assert len(ids(url)) == 1200
    with pytest.raises(RuntimeError):
        writer.put([event()])


def test_many_threads_may_put_at_once(url: str, spool: Path) -> None:
    with ResultWriter(url, spool) as writer:

        def puts(name: str) -> None:
            for n in range(100):
                writer.put([event(f"{name}{n}", n)])

        threads = [threading.Thread(target=puts, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert writer.flush(30)
        assert len(ids(url)) == 400


def test_of_one_event_the_record_that_was_put_last_is_kept(url: str, spool: Path) -> None:
    with ResultWriter(url, spool) as writer:
        for n in range(300):
            writer.put([event("e1", confidence=n / 1000, open=n < 299)])
        assert writer.flush(30)
        kept = asked(url, lambda store: store.event("e1"))
        assert (kept.confidence, kept.open) == (0.299, False)


def test_the_spool_gives_its_room_back(url: str, spool: Path) -> None:
    with ResultWriter(url, spool) as writer:
        for _ in range(4):
            writer.put([event(f"e{n}", message="x" * 1000) for n in range(3000)])
            assert writer.flush(30)
        assert sum(path.stat().st_size for path in spool.iterdir()) < 1 << 21


def test_a_killed_worker_loses_nothing_that_was_taken_and_doubles_nothing(url: str, spool: Path) -> None:
    taken: dict[str, int] = {}
    for name in ("first", "second", "third"):
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.storage.results.writer_child", url, str(spool), name],
            stdout=subprocess.PIPE,
        )
        assert child.stdout is not None
        # Between the numbers the child may log that its forerunner's spool was cut off.
        numbers = (int(line) for line in child.stdout if line.strip().isdigit() and line.endswith(b"\n"))
        taken[name] = max(itertools.islice(numbers, 700))
        child.send_signal(signal.SIGKILL)
        taken[name] = max(taken[name], *numbers, 0)
        child.wait()
        child.stdout.close()
    with ResultWriter(url, spool) as writer:
        assert writer.flush(60)
    found = ids(url)
    assert len(set(found)) == len(found)
    for name, last in taken.items():
        kept = sorted(int(id_.rpartition("-")[2]) for id_ in found if id_.startswith(name))
        # One more may have been taken without having been told.
        assert kept in (list(range(last + 1)), list(range(last + 2)))


def test_a_portion_that_was_not_written_to_its_end_is_cut_off(url: str, spool: Path, tmp_path: Path) -> None:
    url_of_nothing = f"sqlite:///{tmp_path}/file/results.db"
    (tmp_path / "file").write_text("in the way")
    writer = ResultWriter(url_of_nothing, spool)
    for n in range(3):
        writer.put([event(f"e{n}", n)])
    writer.close(0.1)
    [part] = spool.glob("*.spool")
    part.write_bytes(part.read_bytes()[:-7])
    with ResultWriter(url, spool) as again:
        assert again.backlog <= 2
        again.put([event("e3", 3)])
        assert again.flush(30)
        assert ids(url) == ["e0", "e1", "e3"]


def test_damage_in_the_middle_of_a_spool_costs_only_what_was_damaged(
    url: str, spool: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    writer = ResultWriter(f"sqlite:///{tmp_path}/file/results.db", spool)
    for n in range(5):
        writer.put([event(f"e{n}", n)])
    writer.close(0.1)
    [part] = spool.glob("*.spool")
    data = bytearray(part.read_bytes())
    data[data.index(b"e2")] ^= 0xFF
    part.write_bytes(bytes(data))
    (spool / "done").write_bytes(b"nonsense")
    with ResultWriter(url, spool) as again:
        assert again.flush(30)
        assert ids(url) == ["e0", "e1", "e3", "e4"]


def test_a_second_writer_of_one_spool_is_refused_by_name(url: str, spool: Path) -> None:
    with ResultWriter(url, spool):
        with pytest.raises(SpoolInUse, match=f"process {os.getpid()}"):
            ResultWriter(url, spool)
    ResultWriter(url, spool).close()


def test_a_spool_that_cannot_be_a_folder_says_so(url: str, spool: Path) -> None:
    spool.write_text("a file")
    with pytest.raises(SpoolUnusable, match="spool"):
        ResultWriter(url, spool)


@pytest.mark.parametrize(
    "wrong", ["", "results.db", "sqlite://", "sqlite:///", "mysql://user:secret@host/db"]
)
def test_a_url_that_means_no_store_is_refused_at_once_and_without_its_password(
    wrong: str, spool: Path
) -> None:
    with pytest.raises((SpecError, MissingExtra)) as caught:
        ResultWriter(wrong, spool)
    assert "secret" not in str(caught.value)
    assert not spool.exists()


def test_a_locked_database_is_waited_for(url: str, spool: Path, tmp_path: Path) -> None:
    with ResultWriter(url, spool) as writer:
        writer.put([event("before")])
        assert writer.flush(30)
        with closing(locked(tmp_path / "results.db")):
            writer.put([event("meanwhile", 1)])
            assert not writer.flush(0.3)
            assert writer.backlog == 1
            assert comes_true(lambda: "locked" in writer.problem)
        assert writer.flush(30)
        assert (writer.problem, ids(url)) == ("", ["before", "meanwhile"])


def test_a_database_that_is_gone_is_waited_for(postgres_server: PostgresServer, spool: Path) -> None:
    url = postgres_server.new_database()
    with ResultWriter(url, spool) as writer:
        writer.put([event("before")])
        assert writer.flush(30)
        postgres_server.stop()
        try:
            writer.put([event("meanwhile", 1)])
            assert comes_true(lambda: writer.problem != "")
            assert writer.backlog == 1
        finally:
            postgres_server.start()
        assert writer.flush(30)
        assert (writer.problem, ids(url)) == ("", ["before", "meanwhile"])
    postgres_server.drop_database(url)


def test_closing_without_a_database_takes_no_longer_than_was_said(
    tmp_path: Path, spool: Path, url: str
) -> None:
    (tmp_path / "file").write_text("in the way")
    writer = ResultWriter(f"sqlite:///{tmp_path}/file/results.db", spool)
    writer.put([event("e1")])
    began = time.monotonic()
    writer.close(0.5)
    assert time.monotonic() - began < 3
    with ResultWriter(url, spool) as again:
        assert again.flush(30)
    assert ids(url) == ["e1"]


def test_where_there_is_no_more_room_traces_and_detections_go_first(tmp_path: Path, spool: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    url = f"sqlite:///{tmp_path}/file/results.db"
    most = 200_000
    with capture_logs() as logs:
        writer = ResultWriter(url, spool, most_bytes=most)
        for n in range(400):
            writer.put([frame(n), trace(n), event(f"e{n}", n)])
        assert 0 < writer.dropped < 800
        writer.close(0.1)
    assert sum(path.stat().st_size for path in spool.glob("*.spool")) < most * 1.1
    assert len([log for log in logs if log["event"] == "results.dropping"]) == 1
    (tmp_path / "file").unlink()
    with ResultWriter(url, spool) as again:
        assert again.flush(30)
    kept = ids(url)
    counts = asked(url, lambda store: store.counts())
    assert len(kept) > counts["detections"]
    assert kept == [f"e{n}" for n in range(len(kept))]


def test_a_record_that_no_database_can_take_is_put_aside_and_holds_up_no_other(url: str, spool: Path) -> None:
    bad: list[Any] = [
        event("bad", object_id=2**63),
        event("bad", camera="a\0b"),
        event("bad", confidence="high"),
        frame(1, objects=("x",)),
    ]
    with capture_logs() as logs, ResultWriter(url, spool) as writer:
        writer.put([event("e1"), *bad, event("e2", 1)])
        assert writer.flush(30)
        assert (writer.refused, writer.backlog) == (4, 0)
        assert ids(url) == ["e1", "e2"]
    lines = [json.loads(line) for line in (spool / "refused.jsonl").read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["unreadable", "unreadable", "EventRecord", "EventRecord"]
    assert "64 bits" in lines[2]["why"]
    assert len([log for log in logs if log["event"] == "results.refused"]) == 4


def test_what_cannot_even_be_written_to_the_spool_is_put_aside_at_once(url: str, spool: Path) -> None:
    bad: list[Any] = [
        event("bad", findings=({"x": object()},)),
        event("bad", object_id=2**80),
        "nothing",
        event("\ud800"),
    ]
    with ResultWriter(url, spool) as writer:
        writer.put([event("e1"), *bad, event("e2", 1)])
        assert writer.refused == 4
        assert writer.flush(30)
        assert ids(url) == ["e1", "e2"]
    assert len((spool / "refused.jsonl").read_text().splitlines()) == 4


def test_a_full_disk_is_borne_in_memory_and_said_once(tmp_path: Path, spool: Path) -> None:
    """In a process whose files may not grow: every write beyond fails as on a full disk."""
    (tmp_path / "file").write_text("in the way")
    url = f"sqlite:///{tmp_path}/file/results.db"
    writer = ResultWriter(url, spool)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with capture_logs() as logs:
        writer.put([event(f"e{n}", n) for n in range(50)])
        [part] = spool.glob("*.spool")
        resource.setrlimit(resource.RLIMIT_FSIZE, (part.stat().st_size + 100, before[1]))
        try:
            for n in range(50, 100):
                writer.put([event(f"e{n}", n)])
            assert (writer.backlog, writer.dropped) == (100, 0)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len([log for log in logs if log["event"] == "results.spool_full"]) == 1
    writer.put([event("e100", 100)])
    writer.close(0.1)
    (tmp_path / "file").unlink()
    with ResultWriter(url, spool) as again:
        assert again.flush(30)
    assert ids(url) == [f"e{n}" for n in range(101)]


def test_a_closed_writer_leaves_no_thread_and_no_file_open(url: str, spool: Path) -> None:
    ResultWriter(url, spool).close()
    before = descriptors_and_threads()
    for _ in range(3):
        with ResultWriter(url, spool) as writer:
            writer.put([event()])
            assert writer.flush(30)
    assert comes_true(lambda: descriptors_and_threads() <= before)


def test_what_is_written_from_memory_is_not_moved_to_the_file_meanwhile(spool: Path) -> None:
    """Else it would be counted twice, and `flush` return too soon."""
    waiting = Waiting(spool, most_bytes=1 << 30, portion=500)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with capture_logs():
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
        try:
            waiting.put([event("e1"), event("e2")])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    front = waiting.front(500)
    assert front is not None
    assert front.taken is None
    waiting._spill_at = 0.0  # the disk may be asked again at once
    waiting.put([event("e3")])
    waiting.forget(front)
    assert (waiting.accepted, waiting.done) == (3, 2)
    waiting.put([event("e4")])
    fronts = []
    while (front := waiting.front(1)) is not None and waiting.backlog:
        fronts.append(front)
        waiting.forget(front)
    assert [front.count for front in fronts] == [1, 1]
    assert all(front.taken for front in fronts)
    assert waiting.backlog == 0
    waiting.close()


def test_a_spool_of_many_files_is_told_in_order_and_taken_up_where_it_was_left(spool: Path) -> None:
    big = "x" * 40_000
    first = Spool(spool)
    for n in range(500):
        first.append([(b"%d " % n + big.encode(), 1)])
    assert len(list(spool.glob("*.spool"))) > 2
    told: list[int] = []

    def tell(store: Spool, times: int) -> None:
        for _ in range(times):
            taken = store.front(1)
            assert taken is not None
            told.extend(int(portion.payload.split()[0]) for portion in taken.portions)
            store.forget(taken)

    tell(first, 301)
    first.close()
    second = Spool(spool)
    assert second.waiting == 199
    tell(second, 199)
    assert second.front(1) is None
    assert told == list(range(500))
    assert second.size < 1 << 21
    second.close()


def test_a_moment_without_descriptors_does_not_end_the_writing_through_to_the_disk(
    tmp_path: Path, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "away").touch()  # a file where a folder should be: no database can be opened in it
    dup, full = os.dup, [OSError(errno.EMFILE, "Too many open files")]
    synced = threading.Event()

    def duplicate(descriptor: int) -> int:
        if full:
            raise full.pop()
        return dup(descriptor)

    def sync_all(descriptors: Sequence[int]) -> None:
        for descriptor in descriptors:
            os.close(descriptor)
        if descriptors:
            synced.set()

    monkeypatch.setattr("argus.storage.writer._SYNC_S", 0.01)
    monkeypatch.setattr("argus.storage.spool.os.dup", duplicate)
    monkeypatch.setattr("argus.storage.writer._sync_all", sync_all)
    writer = ResultWriter(f"sqlite:///{tmp_path}/away/results.db", spool)
    try:
        writer.put([event("e1")])
        assert synced.wait(5)
        assert not full
    finally:
        writer.close(0)
