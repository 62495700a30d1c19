"""A decoder in hardware where it is there, and plain words where it is not."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
import structlog

from argus.core.errors import SourceUnreadable, SpecError
from argus.core.resources.camera import Decoder
from argus.vision.pictures import PlanarPicture
from argus.vision.sources import open_source
from argus.vision.sources.hardware import DevicePicture, accelerator_of, device_problem
from tests.sources.videos import make_video, quarters


@pytest.mark.parametrize("name", ["cuda", "vaapi"])
def test_a_device_that_is_named_and_missing_is_an_error_that_says_what_it_needs(
    tmp_path: Path, name: Decoder
) -> None:
    if device_problem(name) is None:
        pytest.skip(f"{name} works here")
    film = make_video(tmp_path / "film.mp4", codec="libx264")
    with pytest.raises(SourceUnreadable, match=rf"decoder '{name}' cannot be used: .*take decoder"):
        open_source(film, decoder=name)


@pytest.mark.parametrize("decoder", ["auto", "hardware", "software"])
def test_without_a_device_pictures_are_decoded_all_the_same(tmp_path: Path, decoder: Decoder) -> None:
    film = make_video(tmp_path / "film.mp4", codec="libx264")
    with open_source(film, decoder=decoder) as source:
        frames = list(source)
    assert len(frames) == 20
    assert frames[0].bgr.shape == (48, 64, 3)


def test_hardware_that_is_not_there_is_said_once_and_auto_says_nothing() -> None:
    from argus.vision.sources import hardware

    if None in {device_problem("cuda"), device_problem("vaapi")}:
        pytest.skip("there is hardware here")
    hardware._warn_once.cache_clear()
    with structlog.testing.capture_logs() as said:
        assert accelerator_of("auto") is None
        assert accelerator_of("software") is None
        assert said == []
        assert accelerator_of("hardware") is None
        assert accelerator_of("hardware") is None
    assert [entry["event"] for entry in said] == ["decoder.no_hardware"]


def test_where_a_device_works_its_pictures_are_those_of_the_processor(tmp_path: Path) -> None:
    if device_problem("cuda") is not None:
        pytest.skip("no CUDA device here")
    film = make_video(tmp_path / "film.mp4", codec="libx264", width=256, height=192, paint=quarters)
    with open_source(film, decoder="cuda") as there, open_source(film, decoder="software") as here:
        for a, b in zip(there, here, strict=True):
            assert abs(a.bgr.astype(int) - b.bgr).max() <= 2


def test_a_decoder_that_nobody_knows_is_refused() -> None:
    with pytest.raises(SpecError, match="decoder 'gpu': known are auto, cuda"):
        open_source("synthetic:plaza", decoder="gpu")  # type: ignore[arg-type]


def test_a_picture_is_fetched_once_and_equals_the_picture_itself() -> None:
    frame = av.VideoFrame.from_ndarray(quarters(0, 64, 48), "bgr24").reformat(format="nv12")
    picture, itself = DevicePicture(frame), PlanarPicture(frame)
    assert (picture.width, picture.height) == (64, 48)
    assert (picture.bgr() == itself.bgr()).all()
    assert picture.bgr() is picture.bgr()
    assert (picture.resized(32, 24) == itself.resized(32, 24)).all()
