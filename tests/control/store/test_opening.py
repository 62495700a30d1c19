"""An address leads to a store, or to an error that says what to do and shows no password."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from argus.control.store.opening import open_store
from argus.control.store.protocol import StoreUnavailable
from argus.core.errors import SpecError
from tests.control.store.contract import camera, names, run
from tests.services.postgres import PASSWORD, PostgresServer, binaries


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis://h/1", "redis://h/1: resources cannot be kept there"),
        ("postgrsql://u:secret@h/d", r"postgrsql://u:\*\*\*@h/d: .*did you mean 'postgresql'\?"),
        ("sqlite://", "name a file: sqlite:///PATH"),
        ("sqlite:///", "name a file: sqlite:///PATH"),
        ("sqlite:///:memory:", "name a file"),
        ("postgresql://u:secret@h:port/d", r"postgresql://u:\*\*\*@h:port/d: this is no address"),
    ],
)
def test_an_address_of_nothing_we_know_is_refused(url: str, message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        run(open_store(url))
    assert "secret" not in str(caught.value)


def test_odd_names_of_files_are_names_of_files(tmp_path: Path) -> None:
    path = tmp_path / "a b%20?#é" / "r.db"

    async def work() -> None:
        store = await open_store(str(path))
        await store.apply([camera("a")])
        await store.close()

    run(work())
    assert path.is_file()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable, match=r"the database of resources .*r\.db"):
        run(open_store(f"sqlite:///{tmp_path / 'file' / 'r.db'}"))


def test_a_server_that_is_not_there_is_told(postgres_url: str) -> None:
    url = postgres_url.replace(postgres_url.rpartition(":")[2].partition("/")[0], "1")
    with pytest.raises(StoreUnavailable, match="does not answer") as caught:
        run(open_store(url))
    assert PASSWORD not in str(caught.value)


def test_a_server_that_refuses_the_credentials_is_told(postgres_url: str) -> None:
    with pytest.raises(StoreUnavailable, match="refuses these credentials") as caught:
        run(open_store(postgres_url.replace(PASSWORD, "wrong-one")))
    assert "wrong-one" not in str(caught.value)


def test_a_database_that_does_not_exist_is_told(postgres_url: str) -> None:
    with pytest.raises(StoreUnavailable, match="does not exist"):
        run(open_store(postgres_url + "x"))


def test_a_server_that_goes_and_comes_back_is_ridden_out(postgres_server: PostgresServer) -> None:
    folder = binaries()
    assert folder is not None
    server = PostgresServer(folder)
    server.start()
    try:
        url = server.new_database()

        async def work() -> None:
            store = await open_store(url)
            try:
                await store.apply([camera("a")])
                await asyncio.to_thread(server.stop)
                for _ in range(2):
                    with pytest.raises(StoreUnavailable, match="does not answer") as caught:
                        await store.apply([camera("b")])
                    assert PASSWORD not in str(caught.value)
                await asyncio.to_thread(server.start)
                await store.apply([camera("c")])
                assert names((await store.list()).items) == ["a", "c"]
            finally:
                await store.close()

        run(work())
    finally:
        server.remove()
