"""The grid as a file."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import av
import cv2
import pytest

from argus.core.errors import OutputError, SpecError
from argus.core.frame import Image
from argus.vision.grid import GridFile
from tests.grid.scene import plain


def read(path: Path) -> Image:
    picture = cv2.imread(str(path))
    assert picture is not None
    return cast("Image", picture)


def test_a_picture_is_replaced_at_most_once_a_second(tmp_path: Path) -> None:
    path = tmp_path / "new" / "grid.png"
    file = GridFile(path)
    file.write(plain((1, 1, 1)), now_s=100.0)
    assert not file.due(100.9)
    file.write(plain((2, 2, 2)), now_s=100.9)
    assert read(path).max() == 1
    assert file.due(101.0)
    file.write(plain((3, 3, 3)), now_s=101.0)
    file.close()
    assert read(path).max() == 3
    assert [p.name for p in path.parent.iterdir()] == ["grid.png"]


def test_a_jpeg_can_be_read_back(tmp_path: Path) -> None:
    file = GridFile(tmp_path / "grid.JPG")
    file.write(plain(), now_s=0.0)
    assert read(tmp_path / "grid.JPG").shape == (240, 320, 3)


def test_a_video_has_one_picture_for_each_place_of_its_rate(tmp_path: Path) -> None:
    path = tmp_path / "grid.mp4"
    file = GridFile(path, fps=5)
    for tick in range(40):  # twenty times a second, with one pause
        if not 15 <= tick < 20:
            file.write(plain((tick, tick, tick)), now_s=7.0 + tick * 0.05)
    file.close()
    file.close()
    with av.open(str(path)) as video:
        times = [frame.time for frame in video.decode(video=0)]
    assert times == pytest.approx([0.0, 0.2, 0.4, 0.6, 1.0, 1.2, 1.4, 1.6, 1.8])


def test_a_video_that_got_no_picture_can_be_closed(tmp_path: Path) -> None:
    GridFile(tmp_path / "grid.mp4").close()


def test_a_file_of_no_known_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"must end in one of .*\.jpg.*\.mp4"):
        GridFile(tmp_path / "grid.txt")
    with pytest.raises(SpecError, match="more than 0"):
        GridFile(tmp_path / "grid.mp4", fps=0)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"grid\.jpg"):
        GridFile(tmp_path / "file" / "grid.jpg")
    file = GridFile(tmp_path / "folder" / "grid.jpg")
    (tmp_path / "folder").rmdir()
    with pytest.raises(OutputError, match=r"grid\.jpg"):
        file.write(plain(), now_s=0.0)
    (tmp_path / "folder").mkdir()
    file.write(plain(), now_s=2.0)
    assert (tmp_path / "folder" / "grid.jpg").is_file()
