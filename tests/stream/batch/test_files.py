from __future__ import annotations

import os
import resource
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from argus.core.errors import SourceNotFound, SourceUnreadable, SpecError
from argus.storage.blobs import BlobNotFound, BlobsUnavailable
from argus.storage.opening import open_blobs
from argus.stream.batch_files import fetch, recorded_at, recordings_of, with_lengths
from tests.stream.batch.scenes import RECORDED, record

HERE = open_blobs("memory://nothing")


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def names(source: object) -> list[str]:
    return [recording.name for recording in recordings_of(str(source), HERE)]


def test_the_videos_of_a_folder_come_in_order_and_numbers_count_as_numbers(tmp_path: Path) -> None:
    touch(tmp_path, "10.mp4", "9.MKV", "a.avi", "notes.txt", ".hidden.mp4", "below/b.mp4")
    assert names(tmp_path) == ["9.MKV", "10.mp4", "a.avi"]


def test_the_pictures_of_a_folder_are_one_recording(tmp_path: Path) -> None:
    touch(tmp_path / "walk", "1.jpg", "2.png", "a.mp4")
    found = recordings_of(str(tmp_path / "walk"), HERE)
    assert [(r.name, r.frames) for r in found] == [("a.mp4", None), ("walk", 2)]


def test_a_pattern_names_files_from_where_its_signs_begin(tmp_path: Path) -> None:
    touch(tmp_path, "up/cam1/x.mp4", "up/cam1/deep/y.mp4", "up/cam2/x.mp4", "other/z.mp4")
    assert names(tmp_path / "up/*/x.mp4") == ["cam1/x.mp4", "cam2/x.mp4"]
    assert names(tmp_path / "up/**/*.mp4") == ["cam1/deep/y.mp4", "cam1/x.mp4", "cam2/x.mp4"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path: Path) -> None:
    touch(tmp_path, "clip[1].mp4", "clip1.mp4")
    assert names(tmp_path / "clip[1].mp4") == ["clip[1].mp4"]


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt")
    with pytest.raises(SourceNotFound, match=r"no file fits .*\.mp4"):
        names(tmp_path / "*.mp4")
    with pytest.raises(SourceNotFound, match="does not exist"):
        names(tmp_path / "gone.mp4")
    with pytest.raises(SourceUnreadable, match="neither videos nor pictures"):
        names(tmp_path)
    with pytest.raises(SourceNotFound, match="no blob fits"):
        names("blob:uploads/*.mp4")
    with pytest.raises(BlobNotFound):
        names("blob:uploads/a.mp4")


def test_a_camera_is_no_recording() -> None:
    with pytest.raises(SpecError, match="make a Camera") as caught:
        names("rtsp://user:secret@10.0.0.5/1")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("where", ["folder", "bucket"])
def test_blobs_are_found_by_key_and_by_pattern(tmp_path: Path, where: str) -> None:
    blobs = open_blobs(str(tmp_path / "blobs") if where == "folder" else f"memory://{tmp_path.name}")
    for key in ("uploads/10.mp4", "uploads/2.mp4", "uploads/x/3.mp4", "uploads/4.txt", "other/5.mp4"):
        blobs.put(key, b"123")
    assert [r.name for r in recordings_of("blob:uploads/*.mp4", blobs)] == ["2.mp4", "10.mp4", "x/3.mp4"]
    [one] = recordings_of("blob:uploads/x/3.mp4", blobs)
    assert (one.name, one.key, one.size) == ("3.mp4", "uploads/x/3.mp4", 3)
    assert (one.path is None) == (where == "bucket")


def test_what_lies_in_a_bucket_is_fetched_with_its_time(tmp_path: Path) -> None:
    blobs = open_blobs(f"memory://{tmp_path.name}")
    data = os.urandom(3 * 1024 * 1024 + 17)
    info = blobs.put("uploads/a.mp4", data)
    [one] = recordings_of("blob:uploads/a.mp4", blobs)
    path = fetch(one, blobs, tmp_path / "scratch")
    assert path.read_bytes() == data
    assert path.stat().st_mtime == pytest.approx(info.modified_at.timestamp(), abs=1e-3)


def test_a_disk_too_full_for_what_lies_in_a_bucket_is_said_and_keeps_no_piece_of_it(tmp_path: Path) -> None:
    blobs = open_blobs(f"memory://{tmp_path.name}")
    blobs.put("uploads/a.mp4", bytes(3 << 20))
    [one] = recordings_of("blob:uploads/a.mp4", blobs)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        with pytest.raises(BlobsUnavailable, match=r"a\.mp4 cannot be fetched to .*; it has 3 MB: make room"):
            fetch(one, blobs, tmp_path / "scratch")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list((tmp_path / "scratch").iterdir()) == []


def test_the_length_of_a_recording_is_known_before_it_is_looked_at(tmp_path: Path) -> None:
    record(tmp_path / "a.mp4", frames=30)
    touch(tmp_path, "b.mp4")
    found = recordings_of(str(tmp_path), HERE)
    assert [r.frames for r in with_lengths(found, None)] == [30, None]
    assert [r.frames for r in with_lengths(found, 5)] == [15, None]


def test_a_recording_began_so_long_before_it_was_last_written(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", frames=30)
    ended = datetime.fromtimestamp(RECORDED, UTC)
    assert recorded_at(path) == ended - timedelta(seconds=3)
    assert recorded_at(path) == recorded_at(path)
