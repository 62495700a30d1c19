"""Results in a real PostgreSQL, where it differs from a file."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from argus.core.errors import SpecError
from argus.storage.opening import open_results
from argus.storage.protocol import Query, ResultRefused, ResultsTooNew, ResultStore, ResultsUnavailable
from argus.storage.records import Attachment
from argus.storage.results.postgres import address_of
from tests.services.postgres import PASSWORD, PostgresServer
from tests.storage.results.examples import event

T = TypeVar("T")


def go(url: str, work: Callable[[ResultStore], Awaitable[T]]) -> T:
    async def go() -> T:
        store = await open_results(url)
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(go())


def run_sql(url: str, *statements: str) -> None:
    async def run() -> None:
        import asyncpg  # type: ignore[import-untyped]

        connection = await asyncpg.connect(url)
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    asyncio.run(run())


def test_many_may_open_a_new_database_at_once(postgres_url: str) -> None:
    async def work() -> None:
        stores = await asyncio.gather(*(open_results(postgres_url) for _ in range(6)))
        await asyncio.gather(*(store.write([event(f"e{n}")]) for n, store in enumerate(stores)))
        assert len((await stores[0].events(Query())).items) == 6
        for store in stores:
            await store.close()

    asyncio.run(work())


def test_tables_of_a_newer_argus_are_left_alone(postgres_url: str) -> None:
    go(postgres_url, lambda store: store.counts())
    run_sql(postgres_url, "UPDATE argus_results_version SET version_num = '9999'")
    with pytest.raises(ResultsTooNew, match="9999") as caught:
        go(postgres_url, lambda store: store.counts())
    assert PASSWORD not in str(caught.value)


def test_rows_of_before_clips_had_notes_are_read(postgres_url: str) -> None:
    go(postgres_url, lambda store: store.write([Attachment(event="e1", clip="c.mp4")]))
    run_sql(
        postgres_url,
        "ALTER TABLE argus_attachments DROP COLUMN clip_note",
        "UPDATE argus_results_version SET version_num = '0002'",
    )

    async def later(store: ResultStore) -> None:
        await store.write([event("e1"), event("e2"), Attachment(event="e2", clip_note="missing: x")])
        kept = [await store.event(id_) for id_ in ("e1", "e2")]
        assert [(one.clip, one.clip_note) for one in kept] == [("c.mp4", None), (None, "missing: x")]

    go(postgres_url, later)


def test_a_server_that_goes_is_unavailable_and_used_again_when_it_comes_back(
    postgres_server: PostgresServer,
) -> None:
    url = postgres_server.new_database()

    async def work(store: ResultStore) -> None:
        await store.write([event("before")])
        postgres_server.stop()
        try:
            for attempt in (lambda: store.write([event("never")]), lambda: store.events(Query())):
                with pytest.raises(ResultsUnavailable) as caught:
                    await attempt()
                assert PASSWORD not in str(caught.value)
        finally:
            await asyncio.to_thread(postgres_server.start)
        await store.write([event("after")])
        assert {one.id for one in (await store.events(Query())).items} == {"before", "after"}

    go(url, work)
    postgres_server.drop_database(url)


def test_a_connection_that_is_cut_is_replaced(postgres_url: str) -> None:
    async def work(store: ResultStore) -> None:
        await store.write([event("e1")])
        await asyncio.to_thread(
            run_sql,
            postgres_url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        await store.write([event("e2")])
        assert len((await store.events(Query())).items) == 2

    go(postgres_url, work)


def test_what_an_index_cannot_hold_is_refused_and_not_tried_again(postgres_url: str) -> None:
    """Names of the longest kind, in letters that take four bytes each and cannot be packed."""
    import random

    chance = random.Random(0)

    def name() -> str:
        return "".join(chr(chance.randrange(0x10000, 0x10FFFF)) for _ in range(512))

    async def work(store: ResultStore) -> None:
        with pytest.raises(ResultRefused):
            await store.write([event(camera=name(), region=name(), class_name=name(), type=name())])
        await store.write([event()])

    go(postgres_url, work)


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("postgresql://user:secret@127.0.0.1:1/db", ResultsUnavailable),
        ("postgresql://user:secret@host:port/db", SpecError),
        ("postgres://user:secret@127.0.0.1:1/db?sslmode=disable", ResultsUnavailable),
    ],
)
def test_an_address_that_leads_nowhere_is_told_without_its_password(url: str, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        asyncio.run(open_results(url))
    assert "secret" not in str(caught.value)


def test_a_wrong_password_is_unavailable_and_not_shown(postgres_url: str) -> None:
    with pytest.raises(ResultsUnavailable, match="password") as caught:
        asyncio.run(open_results(postgres_url.replace(PASSWORD, "wrong-secret")))
    assert "wrong-secret" not in str(caught.value)


def test_the_words_of_libpq_for_tls_are_understood() -> None:
    assert address_of("postgresql://u@h/d?sslmode=require").query == {"ssl": "require"}
