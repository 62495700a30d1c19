"""Whose turn it is: decided over values, without a model."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from argus.vision.branches.choosing import (
    ENOUGH,
    PATIENCE_S,
    Candidate,
    Chooser,
    goodness,
    hidden_share,
)
from tests.branches.scene import frame

Told = list[tuple[int, int, float]]


def follow(chooser: Chooser, frames: list[dict[int, float]], fps: float = 10.0) -> Told:
    """Show a chooser tracks with the goodness of their crops; return what it chose: when, whose, how good."""
    told: Told = []
    for index, tracks in enumerate(frames):
        chooser.begin(index / fps)
        ids, good = list(tracks), list(tracks.values())
        for i in filter(lambda i: chooser.wants(ids[i], good[i]), chooser.open(ids)):
            chooser.offer(Candidate(ids[i], frame(index=index, fps=fps), (0, 0, 1, 1), 0, good[i]))
        told += [(index, c.track, c.goodness) for c in chooser.due()]
    return told


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.array(rows, np.float32)


def test_a_crop_that_is_good_enough_is_looked_at_at_once_and_never_again() -> None:
    assert follow(Chooser(None), [{7: 0.9}] * 50) == [(0, 7, 0.9)]


def test_a_better_crop_is_waited_for_and_the_best_one_taken() -> None:
    told = follow(Chooser(None), [{7: g} for g in (0.2, 0.4, 0.6, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3)])
    assert told == [(5, 7, 0.6)]
    assert PATIENCE_S == 0.5


def test_waiting_ends_when_a_crop_is_good_enough() -> None:
    assert follow(Chooser(None), [{7: g} for g in (0.2, 0.5, 0.85, 0.9)]) == [(2, 7, 0.85)]
    assert ENOUGH == 0.8


def test_an_object_that_leaves_is_looked_at_with_what_there_is() -> None:
    assert follow(Chooser(None), [{7: 0.2}, {7: 0.3}, {}, {}]) == [(2, 7, 0.3)]


def test_a_much_better_crop_is_looked_at_too() -> None:
    approaching = [{7: 0.1 + 0.01 * i} for i in range(80)]
    told = follow(Chooser(None), approaching)
    looks = [good for _, _, good in told]
    assert len(looks) > 2
    assert all(later >= 1.5 * earlier for earlier, later in itertools.pairwise(looks))


def test_a_slightly_better_crop_is_not_worth_another_look() -> None:
    assert len(follow(Chooser(None), [{7: 0.5}] * 10 + [{7: 0.7}] * 30)) == 1


def test_every_nth_frame_counts_from_the_first_look_at_each_track() -> None:
    told = follow(Chooser(4), [{1: 0.3} if i < 2 else {1: 0.3, 2: 0.6} for i in range(10)])
    assert [(index, track) for index, track, _ in told] == [(0, 1), (2, 2), (4, 1), (6, 2), (8, 1)]


def test_a_track_that_is_not_seen_in_its_frame_has_its_turn_when_it_is_back() -> None:
    frames: list[dict[int, float]] = [{1: 0.5}, {1: 0.5}, {}, {}, {1: 0.5}, {1: 0.5}]
    assert [index for index, _, _ in follow(Chooser(2), frames)] == [0, 4]


def test_of_several_that_are_due_the_best_comes_first() -> None:
    assert [t for _, t, _ in follow(Chooser(1), [{1: 0.2, 2: 0.9, 3: 0.5}])] == [2, 3, 1]


def test_a_look_that_was_taken_back_is_due_again_after_a_while() -> None:
    chooser = Chooser(None)
    chooser.begin(0.0)
    (position,) = chooser.open([7])
    assert position == 0
    chooser.offer(Candidate(7, frame(), (0, 0, 1, 1), 0, 0.9))
    (candidate,) = chooser.due()
    chooser.again(candidate, not_before_s=1.0)
    chooser.begin(0.9)
    assert chooser.open([7]) == []
    chooser.begin(1.0)
    assert chooser.open([7]) == [0]


def test_what_waits_at_the_end_of_the_stream_is_due() -> None:
    chooser = Chooser(None)
    assert follow(chooser, [{7: 0.2}]) == []
    assert [c.track for c in chooser.due(ended=True)] == [7]
    assert chooser.due(ended=True) == []


def test_a_clock_that_is_set_back_keeps_nobody_waiting() -> None:
    chooser = Chooser(None)
    for time_s, expected in ((100.0, 0), (3.0, 1)):
        chooser.begin(time_s)
        if chooser.open([7]):
            chooser.offer(Candidate(7, frame(), (0, 0, 1, 1), 0, 0.2))
        assert len(chooser.due()) == expected


def test_tracks_that_were_given_up_are_forgotten() -> None:
    chooser = Chooser(None)
    follow(chooser, [{1: 0.2, 2: 0.9}])
    chooser.forget([1, 2, 3])
    assert len(chooser) == 0
    assert chooser.due(ended=True) == []


def test_a_large_sure_box_in_the_middle_is_the_best_crop() -> None:
    crops = boxes((100, 100, 200, 200), (100, 100, 150, 150), (0, 100, 100, 200), (540, 100, 640, 200))
    good = goodness(crops, np.full(4, 0.9, np.float32), (640, 480), (100, 100))
    assert good.tolist() == pytest.approx([0.9, 0.45, 0.45, 0.45])


def test_more_pixels_than_the_model_sees_gain_nothing() -> None:
    crops = boxes((100, 100, 200, 200), (100, 100, 400, 400))
    assert goodness(crops, np.ones(2, np.float32), (640, 480), (50, 100)).tolist() == [1.0, 1.0]


def test_a_box_behind_another_is_hidden_and_the_other_is_not() -> None:
    crops = boxes((0, 0, 100, 100), (50, 0, 150, 120), (300, 0, 400, 100))
    assert hidden_share(np.array([0, 1, 2]), crops).tolist() == pytest.approx([0.5, 0.0, 0.0])
    assert hidden_share(np.array([2]), crops).tolist() == [0.0]
