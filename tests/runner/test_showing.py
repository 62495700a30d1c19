"""A running engine as a grid: in a file, on a page, and where a text says that it shall be."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import pytest
import structlog

from argus.core.errors import SpecError
from argus.core.resources.pipeline import PipelineSpec
from argus.vision.engine.engine import Engine
from argus.vision.grid import GridFile, GridPage
from argus.vision.lab import SyntheticCamera
from argus.vision.runner.showing import GridShow, open_grid
from tests.engine.parts import AsyncFinder, Finder
from tests.sources.settling import comes_true


@pytest.fixture
def engine() -> Iterator[Engine]:
    """An engine that watches two cameras."""
    with (
        SyntheticCamera("gate", width=160, height=120, fps=20) as gate,
        SyntheticCamera("yard", width=160, height=120, fps=20, seed=2) as yard,
        Engine(open_model=lambda _: AsyncFinder()) as engine,
    ):
        for name, camera in (("gate", gate), ("yard", yard)):
            engine.add_camera(name, camera.url)
            engine.add_pipeline(name, PipelineSpec(), camera=name)
        assert comes_true(lambda: all(m.counts.processed > 2 for m in engine.members.values()))
        yield engine


def test_a_file_shows_all_cameras_in_one_picture(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "grid.png"
    with GridShow(engine, file=GridFile(path)):
        assert comes_true(path.exists)
    picture = cv2.imread(str(path))
    assert picture is not None
    assert picture.std() > 10


def test_a_short_show_leaves_a_picture_too(engine: Engine, tmp_path: Path) -> None:
    GridShow(engine, file=GridFile(tmp_path / "grid.jpg")).close()
    assert cv2.imread(str(tmp_path / "grid.jpg")) is not None


def test_what_was_seen_last_stays_when_the_engine_has_ended(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "grid.png"
    with GridShow(engine, file=GridFile(path)):
        assert comes_true(path.exists)
        engine.close()
        path.unlink()
        assert not comes_true(path.exists, within_s=1.5)


def test_a_video_goes_on_with_the_cameras_of_another_engine(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "grid.mkv"
    with (
        SyntheticCamera("door", width=160, height=120, fps=20, seed=3) as door,
        Engine(open_model=lambda _: AsyncFinder()) as other,
        GridShow(engine, file=GridFile(path)) as show,
    ):
        assert comes_true(path.exists)
        engine.close()
        written = path.stat().st_size
        other.add_camera("door", door.url)
        show.turn_to(other)
        assert comes_true(lambda: path.stat().st_size > written)
    with av.open(str(path)) as video:
        assert sum(1 for _ in video.decode(video=0)) >= 2


def test_a_video_of_the_grid_can_be_played(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "grid.mp4"
    with GridShow(engine, file=GridFile(path)):
        assert comes_true(lambda: path.exists() and path.stat().st_size > 0)
    with av.open(str(path)) as video:
        assert sum(1 for _ in video.decode(video=0)) >= 1


def test_a_page_says_how_each_camera_is(engine: Engine) -> None:
    page = GridPage()
    with GridShow(engine, page=page):

        def states() -> dict[str, str]:
            with urllib.request.urlopen(f"{page.url.rstrip('/')}/status.json", timeout=10) as answer:
                status = json.load(answer)
            return {camera["name"]: camera["state"] for camera in status.get("cameras", [])}

        assert comes_true(lambda: states() == {"gate": "online", "yard": "online"})


def test_a_picture_that_nobody_could_look_at_since_is_said_to_be_old() -> None:
    finder = Finder()
    page = GridPage()
    with (
        SyntheticCamera("gate", width=160, height=120, fps=20) as camera,
        Engine(open_model=lambda _: finder) as engine,
        GridShow(engine, page=page),
    ):
        engine.add_camera("gate", camera.url)
        engine.add_pipeline("gate", PipelineSpec(), camera="gate")
        assert comes_true(lambda: engine.members["gate"].last is not None)
        finder.free.clear()  # the model has all to do, and the camera goes on

        def is_old() -> bool:
            with urllib.request.urlopen(f"{page.url.rstrip('/')}/status.json", timeout=10) as answer:
                cameras = json.load(answer)["cameras"]
            return any(camera["state"] == "online" and camera["age_s"] > 2 for camera in cameras)

        try:
            assert comes_true(is_old)
        finally:
            finder.free.set()


def test_a_full_disk_is_said_once_and_ends_nothing(engine: Engine, tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    file = GridFile(folder / "grid.png")
    folder.rmdir()
    with structlog.testing.capture_logs() as logs, GridShow(engine, file=file):
        assert comes_true(lambda: any(entry["event"] == "grid.failed" for entry in logs))
        assert comes_true(lambda: engine.members["gate"].counts.processed > 40)
    said = [entry for entry in logs if entry["event"] == "grid.failed"]
    assert len(said) == 1
    assert "No such file or directory" in said[0]["error"]


@pytest.mark.parametrize("where", ["0", "127.0.0.1:0"])
def test_a_port_means_a_page(where: str) -> None:
    page, file = open_grid(where)
    assert file is None
    assert page is not None
    assert page.url.startswith("http://127.0.0.1:")
    page.close()


def test_a_path_means_a_file(tmp_path: Path) -> None:
    page, file = open_grid(str(tmp_path / "new" / "grid.jpg"))
    assert page is None
    assert file is not None
    assert file.path == tmp_path / "new" / "grid.jpg"


def test_a_suffix_that_is_of_no_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"its name must end in one of"):
        open_grid(str(tmp_path / "grid.txt"))
