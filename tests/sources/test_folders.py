"""Pictures as files: one, or a folder in order of name."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from argus.core.errors import SourceNotFound, SourceUnreadable
from argus.vision.sources import open_source
from tests.sources.videos import sideways_jpeg


def write(path: Path, value: int = 100, *, width: int = 40, height: int = 30, channels: int = 3) -> Path:
    shape = (height, width) if channels == 1 else (height, width, channels)
    assert cv2.imwrite(str(path), np.full(shape, value, np.uint8))
    return path


def test_a_folder_is_its_pictures_in_order_of_name_with_numbers_as_numbers(tmp_path: Path) -> None:
    for name in ("10.jpg", "2.png", "b.bmp", "A.webp", "1.tiff"):
        write(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / ".hidden.jpg").write_bytes(b"")
    with open_source(tmp_path) as source:
        frames = list(source)
        assert (source.info.kind, source.info.name, source.info.frame_count) == ("folder", tmp_path.name, 5)
        assert source.info.fps is None
    assert [f.file for f in frames] == ["1.tiff", "2.png", "10.jpg", "A.webp", "b.bmp"]
    assert [f.index for f in frames] == [0, 1, 2, 3, 4]
    assert [f.time_s for f in frames] == [0, 1, 2, 3, 4]


def test_pictures_follow_each_other_at_the_rate_asked_for(tmp_path: Path) -> None:
    for index in range(3):
        write(tmp_path / f"{index}.png")
    with open_source(tmp_path, fps=10) as source:
        assert [f.time_s for f in source] == pytest.approx([0, 0.1, 0.2])


def test_pictures_of_a_folder_have_their_own_sizes(tmp_path: Path) -> None:
    write(tmp_path / "1.png", width=20)
    write(tmp_path / "2.png", width=50)
    with open_source(tmp_path) as source:
        assert [f.width for f in source] == [20, 50]


def test_a_damaged_picture_is_counted_and_the_rest_goes_on(tmp_path: Path) -> None:
    for name in ("1.jpg", "3.jpg", "6.png"):
        write(tmp_path / name)
    (tmp_path / "2.jpg").write_bytes(b"\xff\xd8 this is no JPEG \xff\xda \xff\xd9")
    whole = (tmp_path / "1.jpg").read_bytes()
    (tmp_path / "4.jpg").write_bytes(whole[: len(whole) * 2 // 3])
    (tmp_path / "5.png").write_bytes((tmp_path / "6.png").read_bytes()[:60])
    (tmp_path / "7.png").touch()
    with open_source(tmp_path) as source:
        assert [f.file for f in source] == ["1.jpg", "3.jpg", "6.png"]
        assert (source.counters.decoded, source.counters.corrupt) == (3, 4)
        assert source.counters.problems == [
            "2.jpg is damaged, or of a kind that OpenCV cannot read",
            "4.jpg is cut off: its end is missing; copy it again",
            "5.png is cut off: its end is missing; copy it again",
            "7.png is empty (0 bytes): copy it again",
        ]


def test_a_folder_without_pictures_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable, match=r"holds no picture \(looked for \.bmp .*\.jpg .*\.png .*\)$"):
        open_source(tmp_path)
    (tmp_path / "film.mp4").write_bytes(b"x")
    with pytest.raises(SourceUnreadable, match=r"of its 1 other files, name the one to read$"):
        open_source(tmp_path)


def test_a_folder_of_damaged_pictures_says_so(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_bytes(b"no")
    (tmp_path / "2.jpg").write_bytes(b"no")
    with pytest.raises(
        SourceUnreadable, match=r"none of the 2 pictures in .* can be decoded: 1\.jpg is damaged"
    ):
        open_source(tmp_path)


def test_a_missing_folder_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    with pytest.raises(SourceNotFound, match=r"picture does not exist; did you mean '.*/pictures'\?"):
        open_source(tmp_path / "picture")


def test_one_picture_is_a_source_of_one_frame(tmp_path: Path) -> None:
    path = write(tmp_path / "gate.png")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    with open_source(str(path)) as source:
        (frame,) = source
    assert (source.info.kind, source.info.width, source.info.height) == ("image", 40, 30)
    assert (frame.file, frame.source, frame.time_s) == ("gate.png", "gate.png", 0)
    assert frame.captured_at == datetime.fromtimestamp(1_700_000_000, UTC)


def test_a_damaged_picture_alone_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "gate.jpg").write_bytes(b"no")
    with pytest.raises(SourceUnreadable, match=r"gate\.jpg is damaged, or of a kind that OpenCV cannot read"):
        open_source(tmp_path / "gate.jpg")


def test_grey_transparent_and_deep_pictures_become_eight_bit_colour(tmp_path: Path) -> None:
    write(tmp_path / "1.png", 77, channels=1)
    write(tmp_path / "2.png", 77, channels=4)
    cv2.imwrite(str(tmp_path / "3.png"), np.full((30, 40, 3), 77 * 257, np.uint16))
    with open_source(tmp_path) as source:
        for frame in source:
            assert frame.bgr.shape == (30, 40, 3)
            assert frame.bgr.dtype == np.uint8
            assert np.all(frame.bgr == 77)
            assert np.all(frame.resized(8, 8, "gray") == 77)


def test_the_orientation_that_a_camera_noted_is_applied(tmp_path: Path) -> None:
    (tmp_path / "phone.jpg").write_bytes(sideways_jpeg())
    with open_source(tmp_path / "phone.jpg") as source:
        (frame,) = source
    assert (frame.width, frame.height) == (30, 40)
    assert frame.bgr[:15].mean() > 250
    assert frame.bgr[25:].mean() < 5


def test_an_8k_picture_and_one_of_a_single_pixel_are_read(tmp_path: Path) -> None:
    write(tmp_path / "1.png", width=1, height=1)
    write(tmp_path / "2.jpg", width=7680, height=4320)
    with open_source(tmp_path) as source:
        assert [f.resized(64, 36).shape for f in source] == [(36, 64, 3)] * 2


def test_a_looped_picture_goes_on(tmp_path: Path) -> None:
    with open_source(write(tmp_path / "gate.png"), loop=True) as source:
        assert [f.index for f, _ in zip(source, range(4), strict=False)] == [0, 1, 2, 3]
