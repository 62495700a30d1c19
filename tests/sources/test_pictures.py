"""Pixels on demand: the small picture from the planes is the one that the long way gives."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from argus.core.frame import Channels, Image
from argus.vision.pictures import ArrayPicture, PlanarPicture

BT709, BT601, UNSPECIFIED = 1, 5, 2
LIMITED, FULL = 1, 2


def scene(width: int, height: int) -> Image:
    """Return a smooth picture with all hues, as a camera gives, and some edges."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    hue = (x / width * 179).astype(np.uint8)
    value = (80 + 170 * y / height).astype(np.uint8)
    picture = cv2.cvtColor(np.dstack([hue, np.full_like(hue, 140), value]), cv2.COLOR_HSV2BGR)
    cv2.circle(picture, (width // 2, height // 2), max(1, height // 5), (30, 200, 90), -1)
    result: Image = np.asarray(picture, np.uint8)
    return result


def frame(pixel_format: str, width: int, height: int, colorspace: int, color_range: int) -> av.VideoFrame:
    source = av.VideoFrame.from_ndarray(scene(width, height), "bgr24")
    result = VideoReformatter().reformat(source, format=pixel_format, threads=1)
    result.colorspace, result.color_range = colorspace, color_range
    return result


PLANAR = ["yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12", "yuv420p10le"]
OTHERS = ["gray", "gray10le", "rgb24", "bgra", "gbrp", "yuv422p10le", "yuva420p", "yuyv422", "p010le"]


@pytest.mark.parametrize("pixel_format", PLANAR + OTHERS)
@pytest.mark.parametrize("size", [(320, 240), (161, 121)])
@pytest.mark.parametrize("colour", [(BT709, LIMITED), (BT601, LIMITED), (BT601, FULL), (UNSPECIFIED, 0)])
def test_the_small_picture_is_that_of_the_long_way(
    pixel_format: str, size: tuple[int, int], colour: tuple[int, int]
) -> None:
    picture = PlanarPicture(frame(pixel_format, *size, *colour))
    for width, height in ((160, 120), (133, 77), (400, 300)):
        long_way = cv2.resize(picture.bgr(), (width, height)).astype(np.float32)
        difference = picture.resized(width, height, "bgr") - long_way
        assert np.abs(difference).mean() < 2
        assert np.abs(difference.mean((0, 1))).max() < 2, "a cast of colour"
        of_709 = colour[0] == BT709 and pixel_format in PLANAR[:7]
        grey = long_way @ np.array([0.0722, 0.7152, 0.2126] if of_709 else [0.114, 0.587, 0.299])
        assert np.abs(picture.resized(width, height, "gray") - grey).mean() < 2


def test_the_small_picture_of_a_real_video_is_that_of_the_long_way(shared_data: object) -> None:
    with av.open(f"{shared_data}/video/vtest.avi") as video:
        picture = PlanarPicture(next(video.decode(video=0)))
    long_way = cv2.resize(picture.bgr(), (640, 480)).astype(np.float32)
    assert np.abs(picture.resized(640, 480, "bgr") - long_way).mean() < 1


@pytest.mark.parametrize("pixel_format", ["yuv420p", "nv12", "rgb24"])
def test_rgb_is_bgr_the_other_way_round(pixel_format: str) -> None:
    for picture in (PlanarPicture(frame(pixel_format, 64, 48, BT709, LIMITED)), ArrayPicture(scene(64, 48))):
        rgb, bgr = picture.resized(32, 24, "rgb"), picture.resized(32, 24, "bgr")
        assert np.abs(rgb.astype(int) - bgr[..., ::-1]).max() <= 3


def test_the_full_picture_is_swscales_own() -> None:
    original = frame("yuv420p", 320, 240, BT709, LIMITED)
    assert np.array_equal(PlanarPicture(original).bgr(), original.to_ndarray(format="bgr24"))


@pytest.mark.parametrize("pixel_format", ["yuv420p", "nv12", "yuv420p10le"])
def test_what_lies_beyond_the_end_of_lines_is_not_seen(pixel_format: str) -> None:
    original = frame(pixel_format, 50, 30, BT601, LIMITED)
    before = PlanarPicture(original)
    expected = (before.resized(25, 15), before.resized(100, 60), before.bgr())
    line = original.planes[0].line_size
    used = 50 * (2 if pixel_format == "yuv420p10le" else 1)
    assert line > used
    np.frombuffer(memoryview(original.planes[0]), np.uint8).reshape(30, line)[:, used:] = 255
    after = PlanarPicture(original)
    for pixels, wanted in zip(
        (after.resized(25, 15), after.resized(100, 60), after.bgr()), expected, strict=True
    ):
        assert np.array_equal(pixels, wanted)


def test_the_full_picture_is_made_once_and_cannot_be_changed() -> None:
    picture = PlanarPicture(frame("yuv420p", 64, 48, BT709, LIMITED))
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: picture.bgr(), range(16)))
    assert all(pixels is made[0] for pixels in made)
    with pytest.raises(ValueError, match="read-only"):
        made[0][0, 0] = 0


def test_many_threads_get_the_same_pixels() -> None:
    picture = PlanarPicture(frame("yuv444p", 320, 240, BT709, LIMITED))
    expected = picture.resized(160, 120)
    with ThreadPoolExecutor(4) as pool:
        for turn in pool.map(lambda i: (picture.resized(160, 120), picture.resized(40 + i, 30)), range(32)):
            assert np.array_equal(turn[0], expected)


@pytest.mark.parametrize("channels", ["rgb", "bgr", "gray"])
def test_what_is_handed_out_belongs_to_the_caller(channels: Channels) -> None:
    for picture in (PlanarPicture(frame("yuv420p", 64, 48, BT709, LIMITED)), ArrayPicture(scene(64, 48))):
        for size in ((64, 48), (30, 20)):
            pixels = picture.resized(*size, channels)
            assert pixels.flags.c_contiguous
            pixels[:] = 7
            assert picture.resized(*size, channels).mean() != 7


def test_an_array_is_a_picture_in_colour_or_grey() -> None:
    colour, grey = ArrayPicture(scene(64, 48)), ArrayPicture(np.full((48, 64), 90, np.uint8))
    assert (colour.width, colour.height) == (64, 48)
    assert np.array_equal(colour.bgr(), scene(64, 48))
    assert grey.bgr().shape == (48, 64, 3)
    assert np.all(grey.resized(10, 10, "gray") == 90)


@pytest.mark.parametrize(
    "pixels", [np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)]
)
def test_an_array_that_is_no_picture_is_refused(pixels: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match=r"expected uint8 \(H, W, 3\) or \(H, W\)"):
        ArrayPicture(pixels)


def test_a_size_without_pixels_is_refused() -> None:
    for picture in (PlanarPicture(frame("yuv420p", 64, 48, BT709, LIMITED)), ArrayPicture(scene(64, 48))):
        with pytest.raises(ValueError, match="size 0x5: both sides must be at least 1 pixel"):
            picture.resized(0, 5)
