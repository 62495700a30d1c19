"""A repeated picture against a scene that stands still, through real encoders."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import cast

import av
import pytest
from av.container import InputContainer
from av.video.stream import VideoStream

from argus.core.frame import Image
from argus.vision.health.looks import look_size
from argus.vision.health.stillness import Stillness
from argus.vision.pictures import ArrayPicture, PlanarPicture
from tests.health.watching import FPS, grain, scene

ENCODERS: dict[str, tuple[str, int | None, int, Mapping[str, str]]] = {
    "x264 starved to 0.2 bits a pixel": (
        "libx264",
        60_000,
        10,
        {"preset": "ultrafast", "tune": "zerolatency"},
    ),
    "x264, constant quality": ("libx264", None, 10, {"preset": "veryfast", "crf": "23"}),
    "x264, long groups": ("libx264", 250_000, 25, {"preset": "veryfast", "tune": "zerolatency"}),
    "MPEG-4": ("mpeg4", 250_000, 10, {}),
}


def longest_still_s(frames: Iterable[Image], encoder: str) -> float:
    """Encode, decode, look twice a second, and return the longest time without news."""
    codec, bit_rate, group, options = ENCODERS[encoder]
    stream_bytes = io.BytesIO()
    with av.open(stream_bytes, "w", format="matroska") as container:
        stream = cast("VideoStream", container.add_stream(codec, rate=FPS, options=dict(options)))
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 320, 180, "yuv420p", group
        if bit_rate is not None:
            stream.bit_rate = bit_rate
        for picture in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode())
    stream_bytes.seek(0)
    still, longest_s = Stillness(), 0.0
    with cast("InputContainer", av.open(stream_bytes)) as recording:
        for index, frame in enumerate(recording.decode(video=0)):
            if index % (FPS // 2) == 0:
                grey = PlanarPicture(frame).resized(*look_size(320, 180), "gray")
                still.step(grey, index / FPS)
                if still.since_s is not None:
                    longest_s = max(longest_s, index / FPS - still.since_s)
    return longest_s


@pytest.mark.parametrize("encoder", ENCODERS)
def test_a_repeated_picture_is_known_again_through_an_encoder(encoder: str) -> None:
    live = scene(6)
    assert longest_still_s([*live, *[live[-1]] * 24 * FPS], encoder) >= 10


@pytest.mark.parametrize("encoder", ENCODERS)
def test_a_scene_that_stands_still_is_told_from_it_by_its_noise(encoder: str) -> None:
    picture = scene(6)[-1]
    assert longest_still_s((grain(picture, i, 1.5) for i in range(25 * FPS)), encoder) < 8


def test_two_pictures_much_alike_by_turns_are_no_news_either() -> None:
    still = Stillness()
    width, height = look_size(320, 180)
    faces = [ArrayPicture(scene(6)[i]).resized(width, height, "gray") for i in (0, 20)]
    news = [still.step(faces[i % 2], float(i)) != "none" for i in range(10)]
    assert news == [True, True] + [False] * 8
    assert still.since_s == 1.0


def test_a_clock_that_ticks_in_a_corner_is_life() -> None:
    still = Stillness()
    grey = grain(scene(6)[0], 0)[:90, :160, 0].copy()
    for second in range(10):
        grey = grey.copy()
        grey[5:10, 5 + second : 10 + second] = 255 * (second % 2)
        grey[80:85, 5 * second : 5 * second + 5] = 255 - grey[80:85, 5 * second : 5 * second + 5]
        assert still.step(grey, float(second)) != "none"


def test_between_two_looks_only_what_is_plain_ends_stillness_and_nothing_faint_is_remembered() -> None:
    """An encoder's faces of a repeated picture, seen more often than usual, do not look like life."""
    still = Stillness()
    here, there = (ArrayPicture(scene(6)[i]).resized(*look_size(320, 180), "gray") for i in (0, 20))
    there = 255 - there
    faces = [here, here + 1]
    assert still.step(faces[0], 0.0) == "plain"
    assert [still.step(faces[0], float(second)) for second in (1, 2, 3)] == ["none"] * 3
    assert [still.step(faces[i % 2], 3 + i / 10, between=True) for i in range(4)] == ["none", "faint"] * 2
    assert still.since_s == 0.0
    assert still.step(faces[1], 4.0) == "faint"
    assert still.step(there, 4.1, between=True) == "plain"
    assert still.step(there, 4.2, between=True) == "none"
