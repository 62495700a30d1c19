"""One model, many cameras: batches that fill while it is busy, and failures that stay where they happen."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import av
import cv2
import numpy as np
import pytest
from structlog.testing import capture_logs

from argus.core.errors import ModelUnavailable
from argus.core.frame import Frame, Image
from argus.core.resources.model import ModelSpec
from argus.vision.branches.asking import Answer, Named, Request
from argus.vision.branches.cutting import cut
from argus.vision.branches.finding import Box
from argus.vision.branches.lane import Lane
from argus.vision.branches.lanes import BranchLanes
from argus.vision.branches.sharing import Wanted
from argus.vision.models.protocols import Classification
from argus.vision.pictures import PlanarPicture
from tests.branches.scene import (
    BEGIN,
    BLUE,
    HEIGHT,
    NEAR,
    RED,
    WIDTH,
    Colours,
    MeanColour,
    Patches,
    frame,
    opening,
)

COLOUR = Wanted(ModelSpec(path="colour"))


class Asker:
    """Who asks a lane."""

    lane: Lane


class Asked:
    """A request with its answer."""

    def __init__(self, camera: str = "gate", *, colour: tuple[int, int, int] = RED) -> None:
        self.camera = camera
        self.answers: list[Answer | None] = []
        self.answered = threading.Event()
        self.answered_s = 0.0
        self.wanted = True
        self.request = Request(camera, frame([(NEAR, colour)]), NEAR, 0.0, self._take, lambda: self.wanted)

    def _take(self, answer: Answer | None) -> None:
        self.answers.append(answer)
        self.answered_s = time.perf_counter()
        self.answered.set()

    @property
    def label(self) -> str | None:
        assert self.answered.wait(20)
        (answer,) = self.answers
        return answer.label if isinstance(answer, Named) else None


@contextmanager
def busy(model: Colours) -> Iterator[Lane]:
    """A lane whose model has begun with a picture and does not go on until the block ends."""
    lane = Lane(model)
    model.go_on.clear()
    first = Asked("first")
    lane.put([first.request])
    assert model.called.wait(20)
    try:
        yield lane
    finally:
        model.go_on.set()
        assert first.answered.wait(20)


def test_crops_of_all_cameras_that_came_meanwhile_make_one_batch() -> None:
    model = Colours(batch=8)
    with busy(model) as lane:
        asked = [Asked(f"camera {i}", colour=(RED, BLUE)[i % 2]) for i in range(8)]
        for one in asked:
            lane.put([one.request])
    assert [one.label for one in asked] == ["red", "blue"] * 4
    assert model.calls == [1, 8]
    stats = lane.stats
    assert (stats.looked, stats.places, stats.queued) == (9, 16, 0)
    lane.close()


def test_cameras_take_turns_so_that_a_crowd_keeps_nobody_waiting() -> None:
    model = Colours(batch=4)
    with busy(model) as lane:
        crowd = [Asked("crowd") for _ in range(20)]
        quiet = Asked("quiet")
        lane.put([one.request for one in crowd])
        lane.put([quiet.request])
    assert quiet.label == "red"
    assert [one.label for one in crowd] == ["red"] * 20
    order = sorted([*crowd, quiet], key=lambda one: one.answered_s)
    assert order.index(quiet) == 1
    lane.close()


def test_a_picture_that_a_model_cannot_bear_costs_its_neighbours_nothing() -> None:
    model = Colours(batch=4)
    model.broken = lambda picture: bool(picture[0, 0, 0] == 255)  # blue ones
    with capture_logs() as logs:
        with busy(model) as lane:
            asked = [Asked(colour=colour) for colour in (RED, BLUE, RED, BLUE)]
            lane.put([one.request for one in asked])
        assert [one.label for one in asked] == ["red", None, "red", None]
        lane.close()
    assert lane.stats.failed == 2
    (warning,) = [log for log in logs if log["event"] == "branch.failed"]
    assert "cannot bear" in warning["error"]


def test_what_nobody_wants_any_more_is_not_looked_at() -> None:
    model = Colours(batch=4)
    with busy(model) as lane:
        asked = [Asked(), Asked()]
        asked[0].wanted = False
        lane.put([one.request for one in asked])
    assert [one.label for one in asked] == [None, "red"]
    assert model.calls == [1, 1]
    lane.close()


def test_a_closed_lane_answers_everything_and_frees_its_model() -> None:
    model = Colours()
    with busy(model) as lane:
        waiting = Asked()
        lane.put([waiting.request])
        closing = threading.Thread(target=lane.close)
        closing.start()
        assert waiting.label is None
    closing.join(20)
    late = Asked()
    lane.put([late.request])
    assert late.label is None
    assert model.closed == 1


def test_a_model_is_opened_once_and_closed_with_its_last_user() -> None:
    model = Colours()
    opened: list[str] = []

    def open_model(spec: ModelSpec) -> Colours:
        opened.append(spec.path)
        return model

    with BranchLanes(open_model) as lanes:
        first, second = Asker(), Asker()
        assert lanes.attach(first, COLOUR) is lanes.attach(second, COLOUR)
        assert first.lane is second.lane
        assert list(lanes.stats) == ["model"]
        lanes.release(first)
        assert second.lane.members == (second,)
        lanes.release(second)
        assert lanes.stats == {}
    assert model.closed == 1
    assert opened == ["colour"]


def test_after_closing_all_nothing_is_opened_any_more() -> None:
    model = MeanColour()
    lanes = BranchLanes(opening(colour=model))
    asker = Asker()
    lanes.attach(asker, COLOUR)
    lanes.close()
    lanes.release(asker)
    lanes.close()
    assert model.closed == 1
    with pytest.raises(ModelUnavailable, match="closed"):
        lanes.attach(asker, COLOUR)


def test_a_detector_answers_in_pixels_of_the_full_frame() -> None:
    lane = Lane(Patches(BLUE))
    asked = Asked()
    picture = frame([(NEAR, RED), ((120, 80, 124, 86), BLUE)])
    lane.put([Request("gate", picture, NEAR, 0.0, asked.request.answered, lambda: True)])
    assert asked.answered.wait(20)
    lane.close()
    (found,) = asked.answers
    assert not isinstance(found, Named)
    assert found is not None
    assert found.xyxy.tolist() == [[120, 80, 124, 86]]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("box", "margin", "expected"),
    [
        ((11.4, 10.6, 20.2, 20.0), 0.0, (11, 21, 10, 20)),
        ((10, 10, 20, 30), 0.5, (5, 25, 0, 40)),
        ((300, 200, 400, 300), 0.1, (290, 320, 190, 240)),
        ((400, 300, 500, 400), 0.0, (319, 320, 239, 240)),
        (None, 0.5, None),
    ],
)
def test_a_crop_has_its_margin_and_stays_in_the_picture(
    box: Box | None, margin: float, expected: tuple[int, int, int, int] | None
) -> None:
    assert cut(frame(), box, margin) == expected


def test_a_decoder_makes_only_the_part_that_is_looked_at() -> None:
    """What a classifier sees of a decoded frame is what is cut from its full BGR, which is never made."""
    pixels = cv2.blur(np.random.default_rng(3).integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8), (9, 9))
    decoded = av.VideoFrame.from_ndarray(pixels, format="bgr24").reformat(format="yuv420p")
    picture = PlanarPicture(decoded)
    shown = Frame(picture, "gate", 0, 0.0, BEGIN)
    seen: list[Image] = []

    class Keeping(Colours):
        def classify(self, pictures: Sequence[Image]) -> list[Classification]:
            seen.extend(picture.copy() for picture in pictures)
            return super().classify(pictures)

    lane = Lane(Keeping())
    asked = Asked()
    lane.put([Request("gate", shown, (101.2, 61.0, 150.9, 90.0), 0.0, asked.request.answered, lambda: True)])
    assert asked.label
    lane.close()
    assert picture._bgr is None
    assert (seen[0] == picture.bgr()[61:90, 101:151]).all()
