"""What waits at a busy model is bounded, and what gives way is counted."""

from __future__ import annotations

from argus.vision.branches.choosing import Candidate
from argus.vision.branches.waiting import MOST_ON_THE_WAY, MOST_WAITING, Waiting
from tests.branches.scene import frame


def crop(track: int, good: float = 0.5) -> Candidate:
    return Candidate(track, frame(), (0, 0, 8, 8), 0, good)


def test_the_best_go_first_and_only_so_many() -> None:
    waiting = Waiting()
    assert waiting.put([crop(i, 0.001 * i) for i in range(MOST_WAITING)]) == []
    assert [c.track for c in waiting.take()] == list(range(MOST_WAITING - 1, -1, -1))[:MOST_ON_THE_WAY]
    waiting.put([crop(99)])
    assert waiting.take() == []
    waiting.arrived(crop(5))
    assert [c.track for c in waiting.take()] == [99]
    assert waiting.dropped == 0


def test_a_new_crop_of_an_object_takes_the_place_of_its_older_one() -> None:
    waiting = Waiting()
    waiting.put([crop(1, 0.5)])
    waiting.put([crop(1, 0.4)])
    assert [c.goodness for c in waiting.take()] == [0.4]
    assert waiting.dropped == 1


def test_an_object_is_with_the_models_once_at_a_time() -> None:
    waiting = Waiting()
    waiting.put([crop(1)])
    assert len(waiting.take()) == 1
    waiting.put([crop(1)])
    assert waiting.take() == []
    waiting.arrived(crop(1))
    assert len(waiting.take()) == 1


def test_the_least_good_ones_find_no_room_and_are_told() -> None:
    waiting = Waiting()
    refused = waiting.put([crop(i, 0.001 * i) for i in range(MOST_WAITING + 3)])
    assert sorted(c.track for c in refused) == [0, 1, 2]
    assert (len(waiting), waiting.dropped) == (MOST_WAITING, 3)
