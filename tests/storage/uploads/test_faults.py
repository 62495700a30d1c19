"""Nothing that was acknowledged is lost, whatever is killed or full."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from argus.storage.blob_folder import FolderBlobs
from argus.storage.blobs import BlobInfo, BlobsUnavailable
from argus.storage.uploads import Uploads
from tests.storage.uploads.parts import CHILD, KILLED_WHEN_MOVED, opened, run, stream


def python(code: str, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(code), *words]
    return subprocess.run(command, capture_output=True, text=True, check=check)


def test_acknowledged_bytes_survive_kill_9_and_the_upload_goes_on(tmp_path: Path) -> None:
    upload = opened(tmp_path).create("a.mp4", None)
    command = [sys.executable, "-c", CHILD, str(tmp_path), upload.id]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        acknowledged = 0
        while acknowledged < 20 << 20:
            acknowledged = int(child.stdout.readline())
        child.kill()
    uploads = opened(tmp_path)
    run(uploads.recover())
    offset = uploads.status(upload.id).offset
    assert offset >= acknowledged
    done = run(uploads.append(upload.id, offset, stream(b"end")))
    assert done.offset == offset + 3
    with FolderBlobs(tmp_path / "blobs").open(run(uploads.complete(upload.id)).key) as file:
        data = file.read()
    came = b"".join(n.to_bytes(4, "big") * 16_384 for n in range(len(data) // 65_536 + 1))
    assert data == came[:offset] + b"end"


@pytest.mark.parametrize("when", ["before", "copied", "after"])
def test_a_move_that_was_killed_is_done_by_the_next_process_once(tmp_path: Path, when: str) -> None:
    uploads = opened(tmp_path)
    upload = uploads.create("a.mp4", 3, {"pipeline": "gate"})
    run(uploads.append(upload.id, 0, stream(b"abc")))
    assert python(KILLED_WHEN_MOVED, str(tmp_path), upload.id, when, check=False).returncode == -9
    after = opened(tmp_path)
    assert after.status(upload.id).state == "moving"
    assert after.expire() == ()
    (done,) = run(after.recover())
    assert (done.id, done.state) == (upload.id, "complete")
    assert run(after.recover()) == ()
    assert after.pending() == (done,)
    with FolderBlobs(tmp_path / "blobs").open(upload.key) as file:
        assert file.read() == b"abc"
    assert [path.name for path in (tmp_path / "uploads").iterdir()] == [f"{upload.id}.json"]


def test_what_was_whole_when_its_process_was_killed_is_completed(tmp_path: Path) -> None:
    before = opened(tmp_path)
    whole, half = before.create("a.mp4", 3), before.create("b.mp4", 3)
    run(before.append(whole.id, 0, stream(b"abc")))
    run(before.append(half.id, 0, stream(b"ab")))
    after = opened(tmp_path)
    assert [one.id for one in run(after.recover())] == [whole.id]
    assert after.status(half.id).offset == 2


class Refusing(FolderBlobs):
    """Blobs that do not answer for a while."""

    refuses = True

    def put_file(self, key: str, path: Path, *, move: bool = False) -> BlobInfo:
        if self.refuses:
            raise BlobsUnavailable("the bucket does not answer; try again")
        return super().put_file(key, path, move=move)


def test_blobs_that_do_not_answer_cost_nothing(tmp_path: Path) -> None:
    blobs = Refusing(tmp_path / "blobs")
    uploads = Uploads(tmp_path / "uploads", blobs)
    upload = uploads.create("a.mp4", 3)
    run(uploads.append(upload.id, 0, stream(b"abc")))
    with pytest.raises(BlobsUnavailable, match="does not answer"):
        run(uploads.complete(upload.id))
    assert run(uploads.recover()) == ()
    assert (uploads.status(upload.id).state, uploads.status(upload.id).offset) == ("moving", 3)
    blobs.refuses = False
    assert run(uploads.complete(upload.id)).state == "complete"


def test_a_full_disk_keeps_what_was_acknowledged_and_says_so(tmp_path: Path) -> None:
    # A limit on the size of files: the kernel refuses to write, as it does on a full disk.
    code = """
        import asyncio, resource, signal, sys
        from pathlib import Path
        from argus.storage.blobs import BlobsUnavailable
        from tests.storage.uploads.parts import opened, stream
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        uploads = opened(Path(sys.argv[1]))
        upload = uploads.create("a.mp4", None)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20 << 20, resource.RLIM_INFINITY))
        try:
            asyncio.run(uploads.append(upload.id, 0, stream(*[bytes(1 << 20)] * 30)))
        except BlobsUnavailable as error:
            print(error)
        print(uploads.status(upload.id).offset)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print(asyncio.run(uploads.append(upload.id, 16 << 20, stream(b"end"))).offset)
    """
    said = python(code, str(tmp_path)).stdout.splitlines()
    assert said[0].endswith("File too large; free some space, then go on with the upload")
    assert said[1:] == [str(16 << 20), str((16 << 20) + 3)]


def test_300_mb_are_taken_in_and_moved_in_constant_memory(tmp_path: Path) -> None:
    code = """
        import asyncio, resource, sys
        from pathlib import Path
        from tests.storage.uploads.parts import opened
        uploads = opened(Path(sys.argv[1]))
        async def chunks(count):
            for _ in range(count):
                yield bytes(65_536)
        async def send(count):
            upload = uploads.create("a.mp4", count * 65_536)
            await uploads.append(upload.id, 0, chunks(count))
            return await uploads.complete(upload.id)
        asyncio.run(send(400))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        done = asyncio.run(send(4800))
        print(done.offset, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    offset, grown_kib = python(code, str(tmp_path)).stdout.split()
    assert int(offset) == 300 << 20
    assert int(grown_kib) < 16 * 1024


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "uploads").write_text("")
    with pytest.raises(BlobsUnavailable, match="uploads in"):
        opened(tmp_path)


def test_an_upload_whose_bytes_somebody_took_away_is_said(tmp_path: Path) -> None:
    uploads = opened(tmp_path)
    upload = uploads.create("a.mp4", 3)
    (tmp_path / "uploads" / f"{upload.id}.part").unlink()
    with pytest.raises(BlobsUnavailable, match="No such file"):
        run(uploads.append(upload.id, 0, stream(b"abc")))
