"""The store on MongoDB, as far as it can be known without a server."""

from __future__ import annotations

import asyncio
import gc
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from argus.core.errors import SpecError
from argus.storage.opening import open_results
from argus.storage.protocol import Query, ResultsTooNew, ResultStore, ResultsUnavailable
from argus.storage.results.cursors import Place
from argus.storage.results.mongo import VERSION, MongoResults
from argus.storage.results.mongo_filters import page_filter
from argus.storage.results.mongo_turns import JOURNAL, STATE
from tests.storage.results.contract import Contract
from tests.storage.results.examples import NOON, alert, at, event, frame
from tests.storage.results.mongo_double import Database


async def opened(database: Database, patience_s: float = 0.1) -> MongoResults:
    store = MongoResults(cast("Any", database), "mongodb://a-double", patience_s=patience_s)
    await store.prepare()
    return store


class TestOnADouble(Contract):
    every_nth_pair = 40

    @pytest.fixture(autouse=True)
    def _empty(self) -> None:
        database = Database()

        async def opener() -> ResultStore:
            return await opened(database, patience_s=10)

        self.opener = opener


def test_a_writer_that_dies_anywhere_in_a_batch_leaves_all_of_it_or_nothing() -> None:
    """The connection is lost after each number of requests in turn; another writer comes then."""

    async def work(requests: int) -> bool:
        database = Database()
        store = await opened(database)
        await store.write([event("before"), alert("before", event="before")])
        database.fail_after = requests
        failed = False
        try:
            await store.write([event("before", confidence=0.5), event("e1"), alert("a1"), frame(1)])
        except ResultsUnavailable:
            failed = True
        database.fail_after = None
        # The one that died keeps its lease until it ends.
        await database[STATE].update_one({"_id": "lease"}, {"$set": {"until": at(-(10**8))}})
        other = await opened(database)
        seen = await other.last_seq()
        assert all(one.seq <= seen for one in await other.changes(0))
        await other.write([event("after")])
        there = {one.id for one in (await other.events(Query())).items}
        counts = await other.counts()
        assert there in ({"before", "after"}, {"before", "e1", "after"})
        assert counts["alert"] == counts["detections"] + 1 == len(there) - 1
        assert (await other.event("before")).confidence == (0.5 if "e1" in there else None)
        # Whoever had read up to the counter in between finds all the rest above it.
        assert {one.id for one in await other.changes(seen)} >= (
            there if seen == 2 and "e1" in there else {"after"}
        )
        told = [one.id for one in await other.changes(0)]
        assert sorted(told) == sorted([*there, "before", *(["a1"] if "e1" in there else [])])
        assert database[JOURNAL].documents == {}
        return failed

    failures = [asyncio.run(work(requests)) for requests in range(40)]
    assert failures[0]
    assert not failures[-1]
    assert sum(failures) > 10


def test_a_lease_that_nobody_gives_back_ends_by_itself_and_until_then_others_wait() -> None:
    async def work() -> None:
        database = Database()
        store = await opened(database)
        await database[STATE].update_one(
            {"_id": "lease"}, {"$set": {"owner": "somebody", "until": at(10**9)}}
        )
        with pytest.raises(ResultsUnavailable, match="others"):
            await store.write([event()])
        await database[STATE].update_one({"_id": "lease"}, {"$set": {"until": at(-(10**8))}})
        await store.write([event()])
        assert (await store.event("e1")).id == "e1"

    asyncio.run(work())


def test_documents_of_a_newer_argus_are_left_alone() -> None:
    async def work() -> None:
        database = Database()
        await database[STATE].insert_one({"_id": "version", "value": VERSION + 1})
        with pytest.raises(ResultsTooNew, match="upgrade"):
            await opened(database)

    asyncio.run(work())


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query(), {}),
        (Query(camera=("gate",)), {"$and": [{"camera": "gate"}]}),
        (Query(camera=("a", "b")), {"$and": [{"camera": {"$in": ["a", "b"]}}]}),
        (Query(type=("zone.*",)), {"$and": [{"type": {"$gte": "zone.", "$lt": "zone/"}}]}),
        (
            Query(type=("zone.*", "a")),
            {"$and": [{"$or": [{"type": "a"}, {"type": {"$gte": "zone.", "$lt": "zone/"}}]}]},
        ),
        (Query(job=()), {"$and": [{"job": ""}]}),
        (Query(open=True, acknowledged=False), {"$and": [{"open": 1}, {"acknowledged": 0}]}),
        (Query(since=NOON), {"$and": [{"at_us": {"$gte": 1795262400000000}}]}),
        (Query(camera=("a\0",)), None),
        (Query(object_id=2**64), None),
    ],
)
def test_a_question_becomes_a_filter(query: Query, expected: dict[str, Any] | None) -> None:
    assert page_filter("event", query, None) == expected


def test_the_next_page_begins_behind_the_place_of_the_last() -> None:
    which = page_filter("event", Query(), Place(5, "e1"))
    assert which == {
        "$and": [{"at_us": {"$lte": 5}}, {"$or": [{"at_us": {"$lt": 5}}, {"_id": {"$lt": "e1"}}]}]
    }


def test_a_name_that_looks_like_an_operator_stays_a_text() -> None:
    assert page_filter("event", Query(camera=("$gt",)), None) == {"$and": [{"camera": "$gt"}]}


@pytest.mark.parametrize("url", ["mongodb://", "mongodb://user:secret@", "mongodb://host:99999/db"])
def test_an_address_that_cannot_be_read_says_so_without_its_password(url: str) -> None:
    with pytest.raises(SpecError) as caught:
        asyncio.run(open_results(url))
    assert "secret" not in str(caught.value)


# pymongo (PYTHON-5867) leaves the socket open with which it just connects where its client is closed.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_a_server_that_is_not_there_is_unavailable_and_its_password_is_not_shown() -> None:
    said = refusal("mongodb://user:secret@127.0.0.1:1/db?serverSelectionTimeoutMS=200")
    gc.collect()  # such a socket goes here, and is charged to no other test
    assert "127.0.0.1:1" in said
    assert "secret" not in said


def refusal(url: str) -> str:
    """What is said of a server that is not there."""
    with pytest.raises(ResultsUnavailable) as caught:
        asyncio.run(open_results(url))
    return str(caught.value)


def test_without_pymongo_the_extra_is_named(tmp_path: Path) -> None:
    """In a process that cannot find it."""
    import subprocess

    program = (
        "import importlib.util, asyncio\n"
        "found = importlib.util.find_spec\n"
        "gone = ('pymongo', 'asyncpg')\n"
        "importlib.util.find_spec = lambda name, *a: None if name in gone else found(name, *a)\n"
        "from argus.core.errors import MissingExtra\n"
        "from argus.storage.opening import open_results\n"
        "for url in ('mongodb://h/d', 'postgresql://h/d'):\n"
        "    try:\n"
        "        asyncio.run(open_results(url))\n"
        "    except MissingExtra as error:\n"
        "        print(error.extra)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["mongo", "postgres"]
