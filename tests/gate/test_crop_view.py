"""A part of a picture is a picture, whatever holds it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter

from argus.core.frame import Channels, Frame, Image, Picture
from argus.vision.crop_view import Crop, CroppedPicture, crop_frame
from argus.vision.pictures import ArrayPicture, PlanarPicture
from tests.sources.videos import make_video

FORMATS = ["yuv420p", "yuvj420p", "yuv422p", "yuv444p", "nv12", "yuv420p10le", "rgb24", "yuv422p10le", "gray"]
CROPS: list[Crop] = [(0.25, 0.125, 0.75, 0.9), (0.0, 0.0, 0.31, 0.47), (0.6, 0.55, 1.0, 1.0), (0, 0, 1, 1)]
BT709, LIMITED = 1, 1


def scene(width: int = 320, height: int = 240) -> Image:
    y, x = np.mgrid[0:height, 0:width]
    hue = ((90 + 60 * x / width) % 180).astype(np.uint8)
    value = (80 + 170 * y / height).astype(np.uint8)
    picture = cv2.cvtColor(np.dstack([hue, np.full_like(hue, 140), value]), cv2.COLOR_HSV2BGR)
    cv2.circle(picture, (width // 2, height // 2), height // 5, (30, 200, 90), -1)
    cv2.rectangle(picture, (width // 9, height // 9), (width // 4, height // 3), (190, 60, 40), -1)
    # Soft edges: where colours of half the size meet a hard one, no two ways of scaling agree.
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 3), np.uint8)


def decoded(pixel_format: str, width: int = 320, height: int = 240) -> av.VideoFrame:
    source = av.VideoFrame.from_ndarray(scene(width, height), "bgr24")
    result = VideoReformatter().reformat(source, format=pixel_format, threads=1)
    result.colorspace, result.color_range = BT709, LIMITED
    return result


def painted(_: int, width: int, height: int) -> Image:
    return scene(width, height)


def cut(picture: Picture, crop: CroppedPicture) -> Image:
    return picture.bgr()[crop.y : crop.y + crop.height, crop.x : crop.x + crop.width]


def expect_alike(one: Image, other: Image, *, most: float) -> None:
    """Equal but for the outermost pixels, where a crop cannot know its neighbours."""
    assert one.shape == other.shape
    difference = np.abs(one.astype(np.float32) - other)
    assert difference[2:-2, 2:-2].mean() < most
    assert difference.mean() < most + 1


@pytest.mark.parametrize("crop", CROPS)
@pytest.mark.parametrize("pixel_format", FORMATS)
@pytest.mark.parametrize("size", [(320, 240), (161, 121)])
def test_a_part_of_a_decoded_frame_has_the_pixels_of_its_bgr(
    pixel_format: str, size: tuple[int, int], crop: Crop
) -> None:
    frame = decoded(pixel_format, *size)
    part, whole = CroppedPicture(PlanarPicture(frame), crop), PlanarPicture(frame)
    expected = cut(whole, part)
    small = cv2.resize(expected, (160, 120))
    loose = 3.5 if size[1] % 2 else None  # swscale spreads the colours of odd pictures another way
    of_709 = pixel_format in FORMATS[:5]
    grey = np.array([0.0722, 0.7152, 0.2126] if of_709 else [0.114, 0.587, 0.299], np.float32)
    for channels, wanted in (
        ("bgr", small),
        ("rgb", small[..., ::-1]),
        ("gray", small.astype(np.float32) @ grey),
    ):
        pixels = part.resized(160, 120, cast("Channels", channels))
        assert pixels.flags.c_contiguous
        expect_alike(pixels, np.asarray(wanted), most=loose or 2.5)
    expect_alike(part.bgr(), expected, most=loose or 0.5)
    assert part.bgr() is part.bgr()
    assert not part.bgr().flags.writeable
    assert (part.height, part.width) == part.bgr().shape[:2]


@pytest.mark.parametrize("crop", CROPS)
def test_a_part_of_a_picture_in_memory_is_cut_from_it(crop: Crop) -> None:
    picture = ArrayPicture(scene())
    part = CroppedPicture(picture, crop)
    small = part.resized(50, 40, "bgr")
    assert np.array_equal(part.bgr(), cut(picture, part))
    assert np.array_equal(small, cv2.resize(cut(picture, part), (50, 40)))
    small[:] = 0
    assert part.bgr().any()


@pytest.mark.parametrize("rotation", [90, -90, 180])
@pytest.mark.parametrize("crop", CROPS)
def test_a_part_of_a_turned_video_is_a_part_of_what_is_seen(
    tmp_path: Path, rotation: int, crop: Crop
) -> None:
    path = make_video(
        tmp_path / "turned.mp4", frames=1, width=320, height=200, paint=painted, rotation=rotation
    )
    with av.open(str(path)) as video:
        frame = next(video.decode(video=0))
    part, whole = CroppedPicture(PlanarPicture(frame), crop), PlanarPicture(frame)
    expected = cut(whole, part)
    assert (part.width < part.height) == (expected.shape[1] < expected.shape[0])
    expect_alike(part.resized(160, 120, "bgr"), np.asarray(cv2.resize(expected, (160, 120))), most=2.5)
    expect_alike(part.bgr(), expected, most=0.5)


def test_a_small_version_of_a_part_is_made_without_the_full_picture() -> None:
    whole = PlanarPicture(decoded("yuv420p"))
    part = CroppedPicture(whole, (0.25, 0.25, 0.75, 0.75))
    asked: list[str] = []

    class Telling:
        width, height = whole.width, whole.height

        def bgr(self) -> Image:
            asked.append("bgr")
            return whole.bgr()

        def resized(self, width: int, height: int, channels: Channels = "rgb") -> Image:
            return whole.resized(width, height, channels)

    foreign = CroppedPicture(Telling(), (0.25, 0.25, 0.75, 0.75))
    assert asked == []
    expect_alike(foreign.resized(160, 120), part.resized(160, 120), most=2.5)
    assert asked == ["bgr"]


def test_a_part_of_a_part_lies_where_it_should() -> None:
    whole = PlanarPicture(decoded("yuv420p"))
    inner = CroppedPicture(CroppedPicture(whole, (0.25, 0.25, 0.75, 0.75)), (0.5, 0.0, 1.0, 0.5))
    assert (inner.width, inner.height) == (80, 60)
    assert np.array_equal(inner.bgr(), whole.bgr()[60:120, 160:240])


def test_edges_are_even_and_a_sliver_is_not_empty() -> None:
    picture = PlanarPicture(decoded("yuv420p", 161, 121))
    part = CroppedPicture(picture, (0.331, 0.332, 0.669, 1.0))
    assert (part.x, part.y, part.width, part.height) == (54, 40, 54, 81)
    for crop in ((0.5, 0.5, 0.501, 0.501), (0.999, 0.999, 1.0, 1.0), (0.0, 0.0, 1e-9, 1e-9)):
        sliver = CroppedPicture(picture, crop)
        assert min(sliver.width, sliver.height) >= 1
        assert sliver.resized(8, 8).shape == (8, 8, 3)
    assert CroppedPicture(ArrayPicture(scene(320, 240)[:1, :1]), (0.2, 0.2, 0.4, 0.4)).bgr().shape == (
        1,
        1,
        3,
    )


@pytest.mark.parametrize("crop", [(0.5, 0, 0.5, 1), (0, 0.6, 1, 0.4), (-0.1, 0, 1, 1), (0, 0, 1, 1.01)])
def test_edges_out_of_order_are_refused(crop: Crop) -> None:
    with pytest.raises(ValueError, match="left < right"):
        CroppedPicture(ArrayPicture(scene()), crop)


@pytest.mark.parametrize("window", [(0, 0, 321, 10), (-1, 0, 10, 10), (300, 0, 30, 10), (0, 0, 0, 10)])
def test_a_part_beyond_the_picture_is_refused(window: tuple[int, int, int, int]) -> None:
    for picture in (ArrayPicture(scene()), PlanarPicture(decoded("yuv420p"))):
        with pytest.raises(ValueError, match=r"part|size"):
            picture.part(*window)


def test_a_cropped_frame_keeps_its_place_and_time() -> None:
    when = datetime(2026, 1, 1, tzinfo=UTC)
    frame = Frame(PlanarPicture(decoded("yuv420p")), "gate", 7, 1.5, when, received_s=2.0)
    cropped = crop_frame(frame, (0.0, 0.5, 0.5, 1.0))
    assert (cropped.width, cropped.height) == (160, 120)
    assert (cropped.source, cropped.index, cropped.time_s, cropped.captured_at) == ("gate", 7, 1.5, when)
    assert cropped.received_s == 2.0


def test_many_threads_may_ask_for_parts_and_the_whole_at_once() -> None:
    whole = PlanarPicture(decoded("yuv420p"))
    parts = [CroppedPicture(whole, crop) for crop in CROPS]
    expected = [
        PlanarPicture(decoded("yuv420p")).bgr()[p.y : p.y + p.height, p.x : p.x + p.width] for p in parts
    ]
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda i: parts[i % 4].bgr() if i % 5 else whole.bgr(), range(80)))
    for i, pixels in enumerate(made):
        assert np.array_equal(pixels, expected[i % 4] if i % 5 else whole.bgr())
