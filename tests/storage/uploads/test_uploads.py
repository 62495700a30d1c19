"""Uploads come in pieces, are resumed where they broke off, and become blobs once."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import pytest

from argus.core.errors import SpecError
from argus.storage.blob_folder import FolderBlobs
from argus.storage.blobs import BlobsUnavailable
from argus.storage.uploads import (
    UploadBusy,
    UploadConflict,
    UploadNotFound,
    Uploads,
    UploadTooLong,
)
from tests.storage.uploads.parts import opened, run, stream


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    return opened(tmp_path)


def blob(home: Path, key: str) -> bytes:
    with FolderBlobs(home / "blobs").open(key) as file:
        return file.read()


def test_an_upload_begins_at_nothing_and_says_what_it_is(uploads: Uploads) -> None:
    upload = uploads.create("C:\\Videos\\Tor Süd.MP4", 10, {"pipeline": "gate"})
    assert (upload.offset, upload.length, upload.state) == (0, 10, "open")
    assert upload.filename == "Tor Süd.MP4"
    assert upload.key == f"uploads/{upload.id}/tor-sud.mp4"
    assert upload.metadata == {"pipeline": "gate"}
    assert uploads.status(upload.id) == upload
    assert uploads.list() == (upload,)


def test_pieces_are_joined_and_become_a_blob(uploads: Uploads, tmp_path: Path) -> None:
    async def send() -> str:
        id_ = uploads.create("a.mp4", 9).id
        assert (await uploads.append(id_, 0, stream(b"abc", b"def"))).offset == 6
        whole = await uploads.append(id_, 6, stream(b"ghi"))
        assert whole.whole
        done = await uploads.complete(id_)
        assert (done.state, done.offset, done.length) == ("complete", 9, 9)
        return done.key

    assert blob(tmp_path, run(send())) == b"abcdefghi"
    assert list((tmp_path / "uploads").glob("*.part")) == []


def test_an_upload_of_unknown_length_is_whole_when_its_sender_says_so(
    uploads: Uploads, tmp_path: Path
) -> None:
    async def send() -> str:
        id_ = uploads.create("a.mp4", None).id
        assert not (await uploads.append(id_, 0, stream(b"abc"))).whole
        done = await uploads.complete(id_)
        assert done.length == 3
        return done.key

    assert blob(tmp_path, run(send())) == b"abc"


def test_an_empty_upload_is_a_blob_too(uploads: Uploads, tmp_path: Path) -> None:
    upload = uploads.create("a.mp4", 0)
    assert upload.whole
    assert blob(tmp_path, run(uploads.complete(upload.id)).key) == b""


def test_a_length_can_be_said_later_and_only_once(uploads: Uploads) -> None:
    async def send() -> None:
        id_ = uploads.create("a.mp4", None).id
        await uploads.append(id_, 0, stream(b"abc"))
        with pytest.raises(UploadConflict, match="more has come"):
            uploads.declare(id_, 2)
        assert uploads.declare(id_, 5).length == 5
        assert uploads.declare(id_, 5).length == 5
        with pytest.raises(UploadConflict, match="5 were announced"):
            uploads.declare(id_, 6)
        assert uploads.status(id_).length == 5

    run(send())


def test_a_wrong_offset_is_refused_and_the_right_one_told(uploads: Uploads) -> None:
    async def send() -> None:
        id_ = uploads.create("a.mp4", 9).id
        await uploads.append(id_, 0, stream(b"abc"))
        for wrong in (0, 2, 4, -1):
            with pytest.raises(UploadConflict, match="it is at 3 bytes") as caught:
                await uploads.append(id_, wrong, stream(b"xyz"))
            assert caught.value.offset == 3
        assert (await uploads.append(id_, 3, stream(b"def"))).offset == 6

    run(send())


def test_a_stream_that_breaks_keeps_what_came(uploads: Uploads) -> None:
    async def send() -> None:
        id_ = uploads.create("a.mp4", 9).id
        with pytest.raises(ConnectionResetError, match="gone"):
            await uploads.append(id_, 0, stream(b"abc", b"de", then=ConnectionResetError("gone")))
        assert uploads.status(id_).offset == 5
        await uploads.append(id_, 5, stream(b"fghi"))
        await uploads.complete(id_)

    run(send())


def test_a_sender_that_is_cancelled_keeps_what_came(uploads: Uploads) -> None:
    async def silent(came: asyncio.Event) -> AsyncIterator[bytes]:
        yield b"abc"
        came.set()
        await asyncio.Event().wait()

    async def send() -> None:
        id_ = uploads.create("a.mp4", 9).id
        came = asyncio.Event()
        task = asyncio.create_task(uploads.append(id_, 0, silent(came)))
        await came.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert uploads.status(id_).offset == 3
        assert (await uploads.append(id_, 3, stream(b"d"))).offset == 4

    run(send())


def test_a_sender_that_is_cancelled_again_and_again_loses_nothing_of_its_place(uploads: Uploads) -> None:
    async def heavy(came: asyncio.Event) -> AsyncIterator[bytes]:
        while True:
            yield bytes(1 << 20)
            came.set()

    async def send() -> None:
        id_ = uploads.create("a.mp4", None).id
        came = asyncio.Event()
        task = asyncio.create_task(uploads.append(id_, 0, heavy(came)))
        await came.wait()
        while not task.done():  # as cancel scopes of servers do
            task.cancel()
            await asyncio.sleep(0)
        deadline = time.monotonic() + 10
        while True:
            try:
                offset = uploads.status(id_).offset
                after = await uploads.append(id_, offset, stream(b"d"))
            except (UploadBusy, UploadConflict):
                assert time.monotonic() < deadline
                await asyncio.sleep(0.01)
            else:
                break
        assert after.offset == offset + 1
        assert offset % (1 << 20) == 0

    run(send())


def test_two_at_once_on_one_upload_and_the_second_is_refused(uploads: Uploads) -> None:
    async def first(go_on: asyncio.Event) -> AsyncIterator[bytes]:
        yield b"abc"
        await go_on.wait()
        yield b"def"

    async def send() -> None:
        id_ = uploads.create("a.mp4", 6).id
        go_on = asyncio.Event()
        task = asyncio.create_task(uploads.append(id_, 0, first(go_on)))
        await asyncio.sleep(0)
        for refused in (uploads.append(id_, 0, stream(b"x")), uploads.complete(id_)):
            with pytest.raises(UploadBusy, match="another request is sending"):
                await refused
        for forbidden in (lambda: uploads.delete(id_), lambda: uploads.declare(id_, 6)):
            with pytest.raises(UploadBusy):
                forbidden()
        go_on.set()
        assert (await task).offset == 6

    run(send())


def test_more_than_was_announced_is_refused_and_what_fitted_stays(uploads: Uploads) -> None:
    async def send() -> None:
        id_ = uploads.create("a.mp4", 5).id
        with pytest.raises(UploadTooLong, match="more bytes come than the 5"):
            await uploads.append(id_, 0, stream(b"abc", b"def"))
        assert uploads.status(id_).offset == 3
        assert (await uploads.append(id_, 3, stream(b"de"))).whole

    run(send())


def test_nothing_is_longer_than_uploads_may_be(tmp_path: Path) -> None:
    uploads = opened(tmp_path, most_bytes=5)
    with pytest.raises(UploadTooLong, match="more than the 5"):
        uploads.create("a.mp4", 6)

    async def send() -> None:
        id_ = uploads.create("a.mp4", None).id
        with pytest.raises(UploadTooLong):
            await uploads.append(id_, 0, stream(b"abcdef"))

    run(send())


def test_what_the_disk_has_no_room_for_is_refused_at_once(uploads: Uploads) -> None:
    with pytest.raises(BlobsUnavailable, match="free some space"):
        uploads.create("a.mp4", 1 << 60)
    assert uploads.list() == ()


def test_an_impossible_beginning_is_refused(uploads: Uploads) -> None:
    with pytest.raises(SpecError, match="-1 bytes"):
        uploads.create("a.mp4", -1)
    with pytest.raises(SpecError, match="metadata"):
        uploads.create("a.mp4", 1, {"x": "y" * 20_000})


def test_what_is_missing_keeps_an_upload_from_becoming_complete(uploads: Uploads) -> None:
    upload = uploads.create("a.mp4", 5)
    with pytest.raises(UploadConflict, match="5 of 5 bytes are missing"):
        run(uploads.complete(upload.id))
    assert uploads.status(upload.id).state == "open"


def test_completing_twice_or_at_once_moves_once(uploads: Uploads, tmp_path: Path) -> None:
    async def send() -> None:
        id_ = uploads.create("a.mp4", 3).id
        await uploads.append(id_, 0, stream(b"abc"))
        done = await asyncio.gather(*(uploads.complete(id_) for _ in range(5)))
        assert {one.updated_at for one in done} == {done[0].updated_at}
        assert await uploads.complete(id_) == done[0]

    run(send())
    assert len(list(FolderBlobs(tmp_path / "blobs").list())) == 1


def test_nothing_is_taken_after_completion(uploads: Uploads) -> None:
    async def send() -> None:
        id_ = uploads.create("a.mp4", 0).id
        await uploads.complete(id_)
        with pytest.raises(UploadConflict, match="it is complete"):
            await uploads.append(id_, 0, stream(b"x"))

    run(send())


def test_what_is_complete_is_pending_until_it_is_claimed(uploads: Uploads, tmp_path: Path) -> None:
    first, second = uploads.create("a.mp4", 0, {"pipeline": "gate"}), uploads.create("b.mp4", 0)
    with pytest.raises(UploadConflict, match="not complete"):
        uploads.claim(first.id)
    run(uploads.complete(first.id))
    run(uploads.complete(second.id))
    assert [one.id for one in opened(tmp_path).pending()] == [first.id, second.id]
    assert uploads.pending()[0].metadata == {"pipeline": "gate"}
    assert uploads.claim(first.id).claimed
    assert uploads.claim(first.id).claimed
    assert [one.id for one in opened(tmp_path).pending()] == [second.id]


def test_names_are_kept_harmless(uploads: Uploads) -> None:
    for name in ("../../etc/passwd", "a/../../b.mp4", "\0\n", "", "..", "x" * 999, "\ud800.mp4", "-rf.mp4"):
        upload = uploads.create(name, 0)
        assert uploads.status(upload.id) == upload
        assert "/" not in upload.filename
        assert run(uploads.complete(upload.id)).state == "complete"


@pytest.mark.parametrize(
    "id_", ["", "..", "../../x", "0" * 31, "0" * 32, "A" * 32, "a\0b", "0" * 33, "٣" * 32]
)
def test_what_is_no_id_is_not_found(uploads: Uploads, id_: str) -> None:
    for use in (uploads.status, uploads.delete, uploads.claim):
        with pytest.raises(UploadNotFound):
            use(id_)
    with pytest.raises(UploadNotFound):
        run(uploads.append(id_, 0, stream(b"x")))
    with pytest.raises(UploadNotFound):
        run(uploads.complete(id_))


def test_a_deleted_upload_leaves_nothing(uploads: Uploads, tmp_path: Path) -> None:
    upload = uploads.create("a.mp4", 3)
    run(uploads.append(upload.id, 0, stream(b"a")))
    uploads.delete(upload.id)
    assert list((tmp_path / "uploads").iterdir()) == []
    with pytest.raises(UploadNotFound):
        uploads.status(upload.id)


def aged(home: Path, hours: float) -> None:
    then = time.time() - hours * 3600
    for path in (home / "uploads").iterdir():
        os.utime(path, (then, then))


def test_abandoned_uploads_and_orphans_expire(uploads: Uploads, tmp_path: Path) -> None:
    old = uploads.create("old.mp4", 3)
    run(uploads.append(old.id, 0, stream(b"a")))
    (tmp_path / "uploads" / f"{'0' * 32}.part").write_bytes(b"of nobody")
    aged(tmp_path, 25)
    young = uploads.create("young.mp4", 3)
    assert uploads.expire() == (old.id,)
    assert sorted(path.stem for path in (tmp_path / "uploads").iterdir()) == [young.id, young.id]


def test_a_clock_that_is_months_ahead_for_a_moment_ends_no_upload(
    uploads: Uploads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_ = uploads.create("a.mp4", 3)
    run(uploads.append(open_.id, 0, stream(b"a")))
    now = time.time() + 100 * 86_400

    class Ahead(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Ahead:
            return cls.fromtimestamp(now, tz)

    monkeypatch.setattr("time.time", lambda: now)
    monkeypatch.setattr("argus.storage.uploads.datetime", Ahead)
    assert uploads.expire() == ()
    assert uploads.status(open_.id).offset == 1


def test_what_nobody_has_claimed_does_not_expire_and_blobs_never_do(uploads: Uploads, tmp_path: Path) -> None:
    upload = uploads.create("a.mp4", 0)
    run(uploads.complete(upload.id))
    assert uploads.expire(after=timedelta(0)) == ()
    uploads.claim(upload.id)
    assert uploads.expire(after=timedelta(0)) == (upload.id,)
    assert blob(tmp_path, upload.key) == b""


@pytest.mark.parametrize("text", [b"", b"{", b'{"id": 1}', b"\xff\xfe", b"null", b"[" * 100_000])
def test_a_damaged_record_is_left_out_and_disturbs_nobody(
    uploads: Uploads, tmp_path: Path, text: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged, sound = uploads.create("a.mp4", 3), uploads.create("b.mp4", 3)
    (tmp_path / "uploads" / f"{damaged.id}.json").write_bytes(text)
    assert [one.id for one in uploads.list()] == [sound.id]
    with pytest.raises(UploadNotFound):
        uploads.status(damaged.id)
    assert "upload.record_damaged" in capsys.readouterr().out
    assert run(uploads.recover()) == ()


def test_files_are_for_their_owner_alone(uploads: Uploads, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        upload = uploads.create("a.mp4", 3)
        run(uploads.append(upload.id, 0, stream(b"abc")))
        modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "uploads").iterdir()}
        done = run(uploads.complete(upload.id))
    finally:
        os.umask(before)
    assert modes == {0o600}
    assert (tmp_path / "blobs" / done.key).stat().st_mode & 0o777 == 0o600
