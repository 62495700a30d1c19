"""A picture that nobody holds is gone at once, with its megabytes."""

from __future__ import annotations

import gc

import av

from argus.vision.pictures import PlanarPicture
from tests.sources.videos import quarters


def test_a_picture_is_freed_without_python_looking_for_cycles() -> None:
    frame = av.VideoFrame.from_ndarray(quarters(0, 64, 48), "bgr24").reformat(format="yuv420p")
    gc.collect()
    gc.disable()
    try:
        picture = PlanarPicture(frame)
        assert picture.resized(32, 24).shape == (24, 32, 3)
        del picture, frame
        assert gc.collect() == 0
    finally:
        gc.enable()
