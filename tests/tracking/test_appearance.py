"""What objects look like helps where their places do not tell them apart."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from argus.core.detections import Detections
from argus.vision.tracking import TrackSpec, load_tracker
from tests.tracking.scenes import follow, person, seen

RED, BLUE = np.eye(2, 8, dtype=np.float32)
LOOKS = TrackSpec(appearance=True)
PLACES = TrackSpec(appearance=False)


def alike(look: NDArray[np.float32], share: float = 0.9) -> NDArray[np.float32]:
    """Return a unit vector whose cosine with `look` is `share`."""
    other = np.zeros_like(look)
    other[-1] = np.sqrt(1 - share**2)
    return look * np.float32(share) + other


def people(*who: tuple[float, NDArray[np.float32]]) -> Detections:
    boxes, looks = [person(x) for x, _ in who], [look for _, look in who]
    return seen(*boxes, embedding=np.array(looks, np.float32).reshape(len(who), 8))


def test_two_who_change_places_while_hidden_keep_their_ids_by_their_looks() -> None:
    before = [people((100, RED), (110, BLUE))] * 5
    after = [people((100, alike(BLUE)), (110, alike(RED)))] * 5
    assert follow(load_tracker(LOOKS), before + after) == [[1, 2]] * 5 + [[2, 1]] * 5
    assert follow(load_tracker(PLACES), before + after) == [[1, 2]] * 10


def test_who_comes_back_elsewhere_is_known_by_the_looks() -> None:
    scene = [people((100, RED))] * 5 + [people()] * 10 + [people((180, alike(RED)))] * 2
    assert follow(load_tracker(LOOKS), scene)[-2:] == [[1], [1]]
    assert follow(load_tracker(PLACES), scene)[-2:] == [[0], [2]]


def test_a_stranger_at_the_same_distance_is_somebody_else() -> None:
    scene = [people((100, RED))] * 5 + [people()] * 10 + [people((180, BLUE))] * 2
    assert follow(load_tracker(LOOKS), scene)[-2:] == [[0], [2]]


def test_a_double_out_of_reach_is_somebody_else() -> None:
    scene = [people((100, RED))] * 5 + [people()] + [people((1500, RED))] * 2
    assert follow(load_tracker(LOOKS), scene)[-2:] == [[0], [2]]


@pytest.mark.parametrize("lowest", [0.75, 0.95])
def test_appearance_similarity_says_how_alike_is_the_same(lowest: float) -> None:
    spec = TrackSpec(appearance=True, appearance_similarity=lowest)
    scene = [people((100, RED))] * 5 + [people()] * 10 + [people((180, alike(RED, 0.85)))] * 2
    assert follow(load_tracker(spec), scene)[-1] == ([1] if lowest < 0.85 else [2])


def test_detections_without_embeddings_are_followed_by_their_places() -> None:
    scene = [people((100, RED))] * 3 + [seen(person(102))] * 3 + [people((104, RED))] * 3
    assert follow(load_tracker(LOOKS), scene) == [[1]] * 9


def test_a_new_model_with_vectors_of_another_length_begins_anew() -> None:
    other = seen(person(100), embedding=np.eye(1, 5, dtype=np.float32))
    assert follow(load_tracker(LOOKS), [people((100, RED))] * 3 + [other] * 3) == [[1]] * 6


def test_many_come_and_go_without_mixing_up_the_looks() -> None:
    random = np.random.default_rng(4)
    looks = random.normal(size=(20, 8)).astype(np.float32)
    looks /= np.linalg.norm(looks, axis=1, keepdims=True)
    tracker = load_tracker(LOOKS)
    for k in range(60):
        here = random.random(20) < 0.8
        who = [(100.0 * i, looks[i]) for i in range(20) if here[i]]
        found = follow(tracker, [people(*who)], start=k)[0]
        if k == 0:
            names = dict(zip(np.flatnonzero(here).tolist(), found, strict=True))
    now = dict(zip(np.flatnonzero(here).tolist(), found, strict=True))
    assert all(now[i] == names[i] for i in set(now) & set(names))
