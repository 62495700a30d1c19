"""A folder of blobs is its owner's alone, leads nowhere else and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from argus.storage.blob_folder import FolderBlobs
from argus.storage.blobs import BadKey, BlobNotFound, BlobsUnavailable


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def blobs(folder: Path) -> FolderBlobs:
    return FolderBlobs(folder)


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def test_files_and_folders_are_for_their_owner_alone(blobs: FolderBlobs, folder: Path) -> None:
    before = os.umask(0)
    try:
        blobs.put("snapshots/gate/a.jpg", b"")
    finally:
        os.umask(before)
    modes = {path.relative_to(folder).as_posix(): path.stat().st_mode & 0o777 for path in folder.rglob("*")}
    assert modes == {
        ".unfinished": 0o700,
        "snapshots": 0o700,
        "snapshots/gate": 0o700,
        "snapshots/gate/a.jpg": 0o600,
    }


def test_folders_that_are_empty_go_with_their_last_blob(blobs: FolderBlobs, folder: Path) -> None:
    blobs.put("a/b/c/1", b"")
    blobs.put("a/2", b"")
    blobs.delete("a/b/c/1")
    assert not (folder / "a/b").exists()
    assert (folder / "a/2").exists()


def test_a_blob_can_be_had_as_a_file(blobs: FolderBlobs, folder: Path) -> None:
    blobs.put("clips/a.mp4", b"frames")
    assert blobs.local("clips/a.mp4") == folder / "clips/a.mp4"


def test_no_link_in_the_folder_is_followed(blobs: FolderBlobs, folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("password")
    (folder / "away").symlink_to(outside)
    (folder / "file").symlink_to(outside / "secret")
    for key in ("away/secret", "file"):
        with pytest.raises(BlobNotFound):
            blobs.open(key)
        assert blobs.local(key) is None
        assert not blobs.delete(key)
    with pytest.raises(BadKey, match="a link"):
        blobs.put("away/new", b"x")
    assert list(blobs.list()) == list(blobs.list("away/")) == []
    assert [path.name for path in outside.iterdir()] == ["secret"]


def test_a_link_in_the_place_of_a_blob_is_replaced_and_what_it_leads_to_stays(
    blobs: FolderBlobs, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("password")
    (folder / "file").symlink_to(tmp_path / "secret")
    blobs.put("file", b"mine")
    assert (tmp_path / "secret").read_text() == "password"
    assert (folder / "file").read_bytes() == b"mine"


def test_the_folder_itself_may_be_a_link_to_another_disk(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "blobs").symlink_to(tmp_path / "disk")
    FolderBlobs(tmp_path / "blobs").put("a", b"x")
    assert (tmp_path / "disk/a").read_bytes() == b"x"


def test_a_named_pipe_in_the_folder_keeps_nobody_waiting(blobs: FolderBlobs, folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(BlobNotFound):
        blobs.open("pipe")
    assert list(blobs.list()) == []


def test_a_key_that_is_a_folder_of_others_is_refused(blobs: FolderBlobs) -> None:
    blobs.put("a/b", b"")
    with pytest.raises(BadKey, match="another blob, a folder"):
        blobs.put("a", b"")
    with pytest.raises(BadKey, match="another blob, a folder"):
        blobs.put("a/b/c", b"")
    assert [info.key for info in blobs.list()] == ["a/b"]


def test_a_file_of_the_same_disk_is_moved_without_a_copy(blobs: FolderBlobs, tmp_path: Path) -> None:
    file = tmp_path / "video"
    file.write_bytes(b"frames")
    inode = file.stat().st_ino
    blobs.put_file("uploads/video", file, move=True)
    kept = blobs.local("uploads/video")
    assert kept is not None
    assert (kept.stat().st_ino, kept.stat().st_mode & 0o777) == (inode, 0o600)


def test_a_file_with_another_name_is_copied_since_that_name_could_change_it(
    blobs: FolderBlobs, tmp_path: Path
) -> None:
    file, other = tmp_path / "video", tmp_path / "other"
    file.write_bytes(b"frames")
    other.hardlink_to(file)
    blobs.put_file("uploads/video", file, move=True)
    other.write_bytes(b"changed")
    with blobs.open("uploads/video") as kept:
        assert kept.read() == b"frames"
    assert not file.exists()


def test_a_full_disk_is_said_and_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    # A limit on the size of files: the kernel refuses to write, as it does on a full disk.
    code = """
        import resource, signal, sys
        from pathlib import Path
        from argus.storage.blob_folder import FolderBlobs
        from argus.storage.blobs import BlobsUnavailable
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        blobs = FolderBlobs(Path(sys.argv[1]))
        blobs.put("before", b"x")
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
        try:
            blobs.put("a/b", (bytes(300_000) for _ in range(10)))
        except BlobsUnavailable as error:
            print(error)
        blobs.put("after", b"x")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(folder)], capture_output=True, text=True, check=True
    )
    assert "File too large; free some space" in done.stdout
    assert files_in(folder) == ["after", "before"]


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_may_not_be_written_is_said(blobs: FolderBlobs, folder: Path) -> None:
    folder.chmod(0o500)
    with pytest.raises(BlobsUnavailable, match="let this user write there"):
        blobs.put("a/b", b"")


def test_a_file_in_the_place_of_the_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BlobsUnavailable, match=r"blobs in .*file"):
        FolderBlobs(tmp_path / "file")


def test_a_writer_that_is_killed_leaves_what_was_there_and_its_rest_is_swept(folder: Path) -> None:
    code = """
        import sys
        from pathlib import Path
        from argus.storage.blob_folder import FolderBlobs
        def portions():
            yield bytes(1_000_000)
            print("half", flush=True)
            sys.stdin.read()
        blobs = FolderBlobs(Path(sys.argv[1]))
        blobs.put("a", b"before")
        blobs.put("a", portions())
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"half\n"
        (rest,) = (folder / ".unfinished").iterdir()
        long_ago = time.time() - 7200
        os.utime(rest, (long_ago, long_ago))
        FolderBlobs(folder)
        assert rest.exists()  # its writer lives
        child.send_signal(signal.SIGKILL)
    blobs = FolderBlobs(folder)
    assert files_in(folder) == ["a"]
    with blobs.open("a") as file:
        assert file.read() == b"before"


def test_what_is_unfinished_and_young_is_left_to_its_writer(blobs: FolderBlobs, folder: Path) -> None:
    blobs.put("a", b"")
    (folder / ".unfinished" / "young").write_bytes(b"")
    FolderBlobs(folder)
    assert files_in(folder) == [".unfinished/young", "a"]


def test_a_blob_of_300_mb_is_put_in_constant_memory(folder: Path) -> None:
    code = """
        import resource, sys
        from pathlib import Path
        from argus.storage.blob_folder import FolderBlobs
        blobs = FolderBlobs(Path(sys.argv[1]))
        block = bytes(1 << 20)
        blobs.put("warm", [block])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        blobs.put("big", (block for _ in range(300)))
        blobs.put_file("copy", blobs.local("big"))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(folder)], capture_output=True, text=True, check=True
    )
    assert (folder / "copy").stat().st_size == 300 << 20
    assert int(done.stdout) < 8 * 1024  # KiB


def test_closing_twice_is_as_closing_once(blobs: FolderBlobs) -> None:
    blobs.close()
    blobs.close()
