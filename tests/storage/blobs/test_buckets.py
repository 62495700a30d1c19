"""Blobs in buckets, S3 and Google Cloud Storage alike: long lists, long blobs, and a server that is away."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from argus.storage.blobs import BlobNotFound, Blobs, BlobsUnavailable
from argus.storage.opening import open_blobs
from argus.storage.retention import expire_blobs
from tests.flow.channels.network import Network
from tests.services.buckets import SECRET, BucketServer, gcs_server, gcs_url, s3_server, s3_url

__all__ = ["gcs_server", "gcs_url", "s3_server", "s3_url"]

# aiohttp would have gcsfs give it files in the place of bytes.
pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")


class Way(Network):
    """A network to a server that may be away: then whoever comes is turned away at once."""

    def shut(self) -> None:
        self._port, self._upstream = self._upstream, 1
        self.cut()

    def open(self) -> None:
        self._upstream = self._port


# gcsfs tries for half a minute before it says that nobody answers.
patient = pytest.mark.parametrize(
    "server", ["s3", pytest.param("gcs", marks=pytest.mark.soak)], indirect=True
)


@pytest.fixture(params=["s3", "gcs"])
def server(request: pytest.FixtureRequest) -> BucketServer:
    found: BucketServer = request.getfixturevalue(f"{request.param}_server")
    return found


@pytest.fixture
def url(server: BucketServer, request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(f"{server.kind}_url")
    return found


@pytest.fixture
def blobs(url: str) -> Iterator[Blobs]:
    store = open_blobs(f"{url}/kept")
    yield store
    store.close()


@pytest.fixture
def way(server: BucketServer, url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Way]:
    """The environment leads through it."""
    way = Way(server.port)
    for name, value in server.environment(way.port).items():
        monkeypatch.setenv(name, value)
    yield way
    way.close()


def test_a_list_of_more_than_one_page_is_whole_and_in_order(
    blobs: Blobs, server: BucketServer, url: str
) -> None:
    keys = [f"snapshots/n{number:04}.jpg" for number in range(server.page + 50)]
    server.put_many(url, [f"kept/{key}" for key in keys])
    assert [info.key for info in blobs.list("snapshots/")] == keys
    assert [info.key for info in blobs.list("snapshots/n003")] == keys[30:40]


def test_all_of_a_prefix_can_be_deleted_and_its_neighbours_stay(blobs: Blobs) -> None:
    for key in ("jobs/a/1/result.json", "jobs/a/2.mp4", "jobs/ab/1", "jobs/b/1"):
        blobs.put(key, b"x")
    for info in list(blobs.list("jobs/a/")):
        assert blobs.delete(info.key)
    assert [info.key for info in blobs.list()] == ["jobs/ab/1", "jobs/b/1"]


def test_what_lies_beside_the_prefix_of_the_store_is_not_its_own(blobs: Blobs, url: str) -> None:
    open_blobs(f"{url}/kept-elsewhere").put("a", b"x")
    open_blobs(url).put("a", b"x")
    assert list(blobs.list()) == []
    with pytest.raises(BlobNotFound):
        blobs.info("a")


def test_retention_by_size_removes_the_oldest_and_by_age_all_that_are_too_old(blobs: Blobs) -> None:
    for number in range(4):
        blobs.put(f"clips/{number}", bytes(1000))
    blobs.put("snapshots/0", bytes(1000))
    kept = expire_blobs(blobs, "clips/", max_bytes=2_500, max_age_s=None)
    assert kept == ("clips/0", "clips/1")
    later = datetime.now(UTC) + timedelta(days=1)
    assert expire_blobs(blobs, "clips/", max_bytes=None, max_age_s=3600, now=later) == ("clips/2", "clips/3")
    assert [info.key for info in blobs.list()] == ["snapshots/0"]


def test_a_blob_that_is_replaced_while_it_is_read_is_never_a_mixture(blobs: Blobs) -> None:
    blobs.put("a", bytes([1]) * (4 << 20))
    with blobs.open("a") as file:
        assert set(file.read(1000)) == {1}
        blobs.put("a", bytes([2]) * (4 << 20))
        file.seek(3 << 20)
        with pytest.raises(BlobsUnavailable):
            file.read(1000)


def test_a_bucket_that_is_not_there_is_said(url: str) -> None:
    missing = open_blobs(f"{url}-missing/kept")
    with pytest.raises(BlobsUnavailable, match=r"no such bucket; make it first"):
        missing.put("a", b"x")
    with pytest.raises((BlobNotFound, BlobsUnavailable)):
        missing.info("a")


@patient
@pytest.mark.timeout(180)
def test_a_server_that_is_away_is_said_and_is_used_again_when_it_is_back(url: str, way: Way) -> None:
    blobs = open_blobs(f"{url}/kept")
    blobs.put("a", b"before")
    way.shut()

    def said(use: Callable[[], object]) -> str:
        with pytest.raises(BlobsUnavailable) as caught:
            use()
        return str(caught.value)

    uses = (lambda: blobs.put("b", b"x"), lambda: blobs.info("a"), lambda: list(blobs.list()))
    with ThreadPoolExecutor(len(uses)) as at_once:  # each tries again for some seconds
        assert not [told for told in at_once.map(said, uses) if SECRET in told]
    way.open()
    with blobs.open("a") as file:
        assert file.read() == b"before"
    assert [info.key for info in blobs.list()] == ["a"]


@patient
@pytest.mark.timeout(180)
def test_an_upload_of_many_parts_that_breaks_in_the_middle_leaves_nothing_and_can_be_done_again(
    url: str, way: Way
) -> None:
    blobs = open_blobs(f"{url}/kept")

    def breaking() -> Iterator[bytes]:
        for number in range(40):
            if number == 36:
                way.shut()
            yield bytes([number]) * (1 << 20)

    with pytest.raises(BlobsUnavailable):
        blobs.put("clips/a", breaking())
    way.open()
    assert list(blobs.list()) == []
    assert blobs.put("clips/a", (bytes([number]) * (1 << 20) for number in range(40))).size == 40 << 20
    with blobs.open("clips/a") as file:
        file.seek(-10, os.SEEK_END)
        assert file.read() == bytes([39]) * 10


@pytest.mark.soak
def test_a_blob_of_100_mb_goes_there_and_back_in_constant_memory(url: str, tmp_path: Path) -> None:
    code = """
        import resource, sys
        from argus.storage.opening import open_blobs
        blobs = open_blobs(sys.argv[1])
        block = bytes(1 << 20)
        blobs.put("warm", (block for _ in range(40)))
        with blobs.open("warm") as file:
            while file.read(1 << 20):
                pass
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        blobs.put("big", (block for _ in range(100)))
        length = 0
        with blobs.open("big") as file:
            while data := file.read(1 << 20):
                length += len(data)
        print(length, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), url], capture_output=True, text=True, check=True
    )
    length, grown = done.stdout.split()
    assert int(length) == 100 << 20
    assert int(grown) < 48 * 1024  # KiB; a few parts, however long the blob is
