"""Whatever keeps blobs keeps them so: a folder, memory, S3 and Google Cloud Storage.

The last two are servers of `tests.services.buckets`; a real S3 where ARGUS_TEST_S3_URL names one.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from argus.core.errors import ArgusError
from argus.storage.blobs import BadKey, BlobNotFound, Blobs, BlobsUnavailable
from argus.storage.opening import open_blobs
from tests.services.buckets import gcs_server, gcs_url, s3_server, s3_url

__all__ = ["gcs_server", "gcs_url", "s3_server", "s3_url"]

# aiohttp would have gcsfs give it files in the place of bytes.
pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
S3_URL = os.environ.get("ARGUS_TEST_S3_URL", "")


@pytest.fixture(params=["folder", "memory", "s3", "gcs"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Blobs]:
    match request.param:
        case "s3" if S3_URL:
            address, question, options = S3_URL.partition("?")
            url = f"{address.rstrip('/')}/{secrets.token_hex(6)}{question}{options}"
        case "s3" | "gcs":
            url = f"{request.getfixturevalue(f'{request.param}_url')}/a/prefix"
        case "memory":
            url = f"memory://{secrets.token_hex(6)}"
        case _:
            url = str(tmp_path / "blobs")
    store = open_blobs(url)
    yield store
    for info in list(store.list()):
        store.delete(info.key)
    store.close()


def read(blobs: Blobs, key: str) -> bytes:
    with blobs.open(key) as file:
        return file.read()


def keys(blobs: Blobs, prefix: str = "") -> list[str]:
    return [info.key for info in blobs.list(prefix)]


def test_what_is_put_is_read_back(blobs: Blobs) -> None:
    blobs.put("snapshots/gate/a.jpg", b"picture")
    assert read(blobs, "snapshots/gate/a.jpg") == b"picture"


def test_size_and_time_are_known(blobs: Blobs) -> None:
    put = blobs.put("a.bin", b"12345")
    assert (put.key, put.size) == ("a.bin", 5)
    assert abs(put.modified_at - datetime.now(UTC)) < timedelta(minutes=5)
    assert blobs.info("a.bin").size == 5
    assert next(iter(blobs.list())).size == 5


def test_nothing_at_all_can_be_kept(blobs: Blobs) -> None:
    blobs.put("empty", b"")
    blobs.put("empty-too", iter(()))
    assert read(blobs, "empty") == read(blobs, "empty-too") == b""


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b"\n--==0==--", b"\n--==0==\na"])
def test_bytes_may_end_like_a_line(blobs: Blobs, end: bytes) -> None:
    data = b"a" * 1000 + end
    assert blobs.put("clip.mp4", data).size == len(data)
    assert read(blobs, "clip.mp4") == data


def test_portions_are_joined(blobs: Blobs) -> None:
    blobs.put("clip.mp4", (bytes([n]) * 1000 for n in range(5)))
    assert read(blobs, "clip.mp4") == b"".join(bytes([n]) * 1000 for n in range(5))


def test_a_blob_of_many_parts_is_whole_and_can_be_read_from_anywhere(blobs: Blobs) -> None:
    block = secrets.token_bytes(1 << 20)
    assert blobs.put("big.bin", (block for _ in range(35))).size == 35 << 20
    with blobs.open("big.bin") as file:
        file.seek((20 << 20) + 7)
        assert file.read(100) == block[7:107]
        file.seek(-3, os.SEEK_END)
        assert file.read() == block[-3:]


def test_putting_again_replaces(blobs: Blobs) -> None:
    blobs.put("a", b"first, which was longer")
    blobs.put("a", b"second")
    assert read(blobs, "a") == b"second"
    assert keys(blobs) == ["a"]


def test_what_cannot_be_read_to_its_end_changes_nothing(blobs: Blobs) -> None:
    def broken(size: int) -> Iterator[bytes]:
        yield bytes(size)
        raise RuntimeError("the camera is gone")

    blobs.put("a", b"before")
    for key in ("a", "b"):
        for size in (10, 17 << 20):
            with pytest.raises(RuntimeError, match="the camera is gone"):
                blobs.put(key, broken(size))
    assert read(blobs, "a") == b"before"
    assert keys(blobs) == ["a"]


def test_a_file_is_copied_and_stays(blobs: Blobs, tmp_path: Path) -> None:
    file = tmp_path / "video.mp4"
    file.write_bytes(b"frames")
    assert blobs.put_file("uploads/video.mp4", file).size == 6
    file.write_bytes(b"other")
    assert read(blobs, "uploads/video.mp4") == b"frames"


def test_a_file_that_is_moved_is_gone(blobs: Blobs, tmp_path: Path) -> None:
    file = tmp_path / "video.mp4"
    file.write_bytes(b"frames")
    assert blobs.put_file("uploads/video.mp4", file, move=True).size == 6
    assert read(blobs, "uploads/video.mp4") == b"frames"
    assert not file.exists()


def test_a_file_that_is_not_there_changes_nothing(blobs: Blobs, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        blobs.put_file("a", tmp_path / "none")
    assert keys(blobs) == []


def test_what_was_never_put_is_not_found(blobs: Blobs) -> None:
    blobs.put("a/b.jpg", b"")
    for key in ("c.jpg", "a", "a/b", "a/c/d.jpg"):
        with pytest.raises(BlobNotFound, match="nothing is kept"):
            blobs.open(key)
        with pytest.raises(BlobNotFound):
            blobs.info(key)
        assert not blobs.delete(key)
        assert blobs.local(key) is None


def test_what_is_deleted_is_gone(blobs: Blobs) -> None:
    blobs.put("a/b", b"1")
    assert blobs.delete("a/b")
    assert not blobs.delete("a/b")
    assert keys(blobs) == []


def test_lists_are_in_the_order_of_keys_and_begin_with_the_prefix(blobs: Blobs) -> None:
    names = ["a-b/1", "a.b", "a/1", "a/10", "a/2/x", "a0", "b/1", "ab"]
    for name in names:
        blobs.put(name, b"")
    assert keys(blobs) == sorted(names)
    assert keys(blobs, "a/") == ["a/1", "a/10", "a/2/x"]
    assert keys(blobs, "a/1") == ["a/1", "a/10"]
    assert keys(blobs, "a") == sorted(name for name in names if name.startswith("a"))
    assert keys(blobs, "a/2") == ["a/2/x"]
    assert keys(blobs, "none/") == keys(blobs, "a/2/x/") == []


HOSTILE = [
    "",
    "/",
    "/etc/passwd",
    "../outside",
    "a/../../outside",
    "a/./b",
    "a//b",
    "a/",
    "a\\..\\b",
    "a\0b",
    "a\nb",
    "A.jpg",
    "a b",
    "ä",
    "٣",
    ".hidden",
    "a/.unfinished/b",
    ".unfinished/x",
    "-rf",
    "a?b",
    "a#b",
    "a%2e%2e/b",
    "con:1",
    "*",
    "a.",
    "x" * 151,
    "/".join(["x"] * 400),
    "s3://other/key",
    "\ud800",
]


@pytest.mark.parametrize("key", HOSTILE, ids=ascii)
def test_what_is_no_key_is_refused_everywhere(blobs: Blobs, key: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for use in (blobs.open, blobs.info, blobs.delete, blobs.local):
        with pytest.raises(BadKey, match="blob key"):
            use(key)
    with pytest.raises(BadKey, match="blob key"):
        blobs.put(key, b"x")
    with pytest.raises(BadKey, match="blob key"):
        blobs.put_file(key, tmp_path / "file")
    assert keys(blobs) == []


@pytest.mark.parametrize(
    "prefix", ["..", "../", "/", "a/../b", "a\\", ".unfinished/", "a\0", "a//"], ids=ascii
)
def test_no_prefix_leads_out(blobs: Blobs, prefix: str) -> None:
    with pytest.raises(BadKey):
        list(blobs.list(prefix))


def test_readers_see_the_old_or_the_new_and_never_a_mixture(blobs: Blobs) -> None:
    size = 200_000
    blobs.put("a", bytes(size))
    done = threading.Event()

    def write() -> None:
        for n in range(30):
            blobs.put("a", (bytes([n]) * (size // 4) for _ in range(4)))
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = set()
    while True:
        last = done.is_set()
        with contextlib.suppress(BlobsUnavailable):  # a bucket may say that it was replaced
            data = read(blobs, "a")
            seen.add((len(data), len(set(data))))
        if last:
            break
    writer.join()
    assert seen == {(size, 1)}


def test_many_threads_put_and_delete_without_harm(blobs: Blobs) -> None:
    failures: list[ArgusError] = []

    def work(number: int) -> None:
        try:
            for turn in range(25):
                key = f"shared/{turn % 3}/{number}"
                blobs.put(key, b"x")
                if turn < 22:
                    blobs.delete(key)
        except ArgusError as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert keys(blobs) == sorted(f"shared/{turn}/{number}" for turn in range(3) for number in range(6))
