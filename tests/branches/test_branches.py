"""What is known of the objects of a camera: from models that look at what another model found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from argus.core.resources.pipeline import BranchSpec
from argus.vision.branches.finding import Box, Finding
from argus.vision.branches.lanes import BranchLanes
from argus.vision.branches.runner import Branches, Findings
from argus.vision.branches.waiting import MOST_ON_THE_WAY, MOST_WAITING
from tests.branches.scene import (
    BLUE,
    GREEN,
    NEAR,
    RED,
    WHITE,
    Colours,
    MeanColour,
    Patches,
    branch,
    frame,
    opening,
    seen,
)
from tests.sources.settling import comes_true


@contextmanager
def watching(
    specs: Sequence[BranchSpec], *, wait: bool = True, camera: str = "gate", **models: Any
) -> Iterator[Branches]:
    with BranchLanes(opening(**models)) as lanes:
        branches = Branches(specs, lanes, camera, wait=wait)
        yield branches
        branches.close()


def words(findings: Findings) -> dict[int, list[str]]:
    return {row: [f"{f.branch}: {f.caption}" for f in found] for row, found in findings.items()}


def labels(findings: Findings) -> dict[int, list[str | None]]:
    return {row: [f.label for f in found] for row, found in findings.items()}


TWO: dict[int, Box] = {4: (60, 60, 120, 120), 9: (160, 60, 220, 120)}


def test_each_object_gets_what_was_found_out_about_its_own_crop() -> None:
    picture = frame([(TWO[4], RED), (TWO[9], BLUE)])
    with watching([branch("colour")], colour=Colours()) as branches:
        found = branches.step(picture, seen(TWO))
    assert labels(found) == {0: ["red"], 1: ["blue"]}
    finding = found[1][0]
    assert (finding.branch, finding.frame, finding.time_s, finding.xyxy) == ("colour", 0, 0.0, TWO[9])
    assert finding.confidence is not None
    assert finding.confidence > 0.8


def test_an_object_is_looked_at_once_and_the_finding_stays_with_its_track() -> None:
    model = Colours()
    with watching([branch("colour")], colour=model) as branches:
        told = [branches.step(frame([(NEAR, RED)], index=i), seen({3: NEAR})) for i in range(30)]
        assert branches.counts.looks == 1
    assert [labels(found) for found in told] == [{0: ["red"]}] * 30
    assert model.calls == [1]


def test_a_crop_at_the_edge_is_not_looked_at_while_a_better_one_may_come() -> None:
    with watching([branch("colour")], colour=Colours()) as branches:
        told = []
        for i in range(8):
            box = (20.0 * i, 60.0, 20.0 * i + 40, 100.0)
            told.append(branches.step(frame([(box, GREEN)], index=i), seen({3: box})))
    assert labels(told[0]) == {}
    first = next(found[0][0] for found in told if found)
    assert first.frame == 1
    assert first.label == "green"


def test_only_the_classes_and_scores_asked_for_are_looked_at() -> None:
    spec = branch("colour", classes="car", min_confidence=0.5, min_size=20)
    rows: dict[int, Box] = {i: (50 * i, 60, 50 * i + 40, 100) for i in range(1, 5)}
    rows[5] = (250, 60, 290, 75)
    detections = seen(rows, classes={2: "car", 3: "car", 5: "car"}, confidence=(0.9, 0.9, 0.4, 0.9, 0.9))
    with watching([spec], colour=Colours()) as branches:
        found = branches.step(frame([(rows[2], RED)]), detections)
    assert list(found) == [1]


def test_an_object_without_a_track_is_not_looked_at_where_others_have_one() -> None:
    with watching([branch("colour")], colour=Colours()) as branches:
        assert list(branches.step(frame(), seen({0: TWO[4], 5: TWO[9]}))) == [1]


def test_every_nth_frame_the_newest_finding_takes_the_place_of_the_last() -> None:
    with watching([branch("colour", every=3)], colour=Colours()) as branches:
        told = [
            branches.step(frame([(NEAR, (RED, GREEN, BLUE)[i % 3])], index=i), seen({3: NEAR}))
            for i in range(8)
        ]
    assert [found[0][0].frame for found in told] == [0, 0, 0, 3, 3, 3, 6, 6]


def test_branches_work_to_any_depth_and_name_where_they_stand() -> None:
    """In the red object white patches, in each of these green ones, and what colour those are."""
    painted = [
        (NEAR, RED),
        ((110, 70, 130, 90), WHITE),
        ((140, 100, 152, 112), WHITE),
        ((114, 74, 120, 80), GREEN),
        ((143, 103, 149, 109), GREEN),
    ]
    tree = branch(
        "white",
        branches=[
            {"model": "green", "branches": [{"model": "colour", "name": "shade"}]},
            {"model": "look", "classes": ["large"]},
        ],
    )
    models: dict[str, Any] = {
        "white": Patches(WHITE, "white"),
        "green": Patches(GREEN, "green"),
        "colour": Colours(),
        "look": MeanColour(),
    }
    with watching([tree], **models) as branches:
        found: tuple[Finding, ...] = branches.step(frame(painted), seen({3: NEAR}))[0]
        assert branches.counts.looks == 1
        assert branches.counts.findings == 6
    assert [f.branch for f in found] == [
        "white", "white/green", "white/green/shade", "white/green", "white/green/shade", "white/look",
    ]  # fmt: skip
    white, shades = found[0], [f for f in found if f.branch.endswith("shade")]
    assert white.detections is not None
    assert [f.xyxy for f in found if f.branch == "white/green"] == list(
        map(tuple, white.detections.xyxy.tolist())
    )
    assert [f.label for f in shades] == ["green", "green"]
    assert [f.xyxy for f in shades] == [(114, 74, 120, 80), (143, 103, 149, 109)]
    large = found[-1]
    assert large.xyxy == (110.0, 70.0, 130.0, 90.0)
    assert large.embedding is not None
    assert np.linalg.norm(large.embedding) == pytest.approx(1)


def test_below_a_classifier_the_same_crop_is_looked_at_where_the_class_fits() -> None:
    tree = branch("colour", branches=[{"model": "white", "classes": "red", "min_confidence": 0.5}])
    picture = frame([(TWO[4], RED), ((80, 80, 90, 90), WHITE), (TWO[9], BLUE), ((180, 80, 190, 90), WHITE)])
    with watching([tree], colour=Colours(), white=Patches(WHITE)) as branches:
        found = branches.step(picture, seen(TWO))
    assert words(found) == {
        0: ["colour: red 0.89", "colour/white: small"],
        1: ["colour: blue 0.89"],
    }
    assert found[0][1].xyxy == TWO[4]


def test_a_branch_below_may_be_asked_at_every_nth_look_only() -> None:
    tree = branch("colour", every=2, branches=[{"model": "look", "every": 3}])
    with watching([tree], colour=Colours(), look=MeanColour()) as branches:
        told = [branches.step(frame([(NEAR, RED)], index=i), seen({3: NEAR})) for i in range(9)]
    assert [[f.frame for f in found[0]] for found in told[::2]] == [[0, 0], [2, 0], [4, 0], [6, 6], [8, 6]]


def test_a_look_at_the_whole_frame_serves_all_objects_that_ask_for_it() -> None:
    model = Colours()
    with watching([branch("colour", crop=False, every=5)], colour=model) as branches:
        told = []
        for i in range(10):
            here = {3: NEAR} if i < 2 else {3: NEAR, 4: TWO[9]}
            told.append(branches.step(frame([((0, 0, 320, 240), GREEN)], index=i), seen(here)))
    assert labels(told[9]) == {0: ["green"], 1: ["green"]}
    assert told[9][0][0].xyxy is None
    assert model.calls == [1, 1, 1]


def test_findings_stand_in_the_order_of_the_branches() -> None:
    specs = [branch("look", every=1), branch("colour", every=1)]
    with watching(specs, colour=Colours(), look=MeanColour()) as branches:
        found = branches.step(frame([(NEAR, RED)]), seen({3: NEAR}))
    assert [f.branch for f in found[0]] == ["look", "colour"]


def test_the_same_recording_gives_the_same_findings() -> None:
    def once() -> list[list[dict[str, Any]]]:
        tree = branch("white", every=2, branches=[{"model": "colour"}])
        with watching([tree, branch("look")], white=Patches(WHITE), colour=Colours(), look=MeanColour()) as b:
            return [
                [f.to_json() for found in b.step(picture(i), seen(TWO)).values() for f in found]
                for i in range(6)
            ]

    def picture(i: int) -> Any:
        spots = [((62 + 10 * k, 70 + 2 * i, 68 + 10 * k, 76 + 2 * i), WHITE) for k in range(5)]
        return frame([(TWO[4], RED), *spots, (TWO[9], BLUE)], index=i)

    assert once() == once()


def test_a_model_that_fails_leaves_its_finding_out_and_is_asked_again_later() -> None:
    model = Colours()
    model.broken = lambda _: True
    with capture_logs() as logs, watching([branch("colour")], colour=model) as branches:
        for i in range(9):
            assert branches.step(frame([(NEAR, RED)], index=i), seen({3: NEAR})) == {}
        model.broken = lambda _: False
        told = [branches.step(frame([(NEAR, RED)], index=i), seen({3: NEAR})) for i in (9, 10, 11)]
        assert branches.counts.lost == 1
    assert labels(told[-1]) == {0: ["red"]}
    assert [log["event"] for log in logs] == ["branch.failed"]


def test_a_branch_below_that_fails_keeps_nothing_from_those_above() -> None:
    model = MeanColour()
    model.broken = lambda _: True
    tree = branch("colour", branches=[{"model": "look"}])
    with capture_logs(), watching([tree], colour=Colours(), look=model) as branches:
        found = branches.step(frame([(NEAR, RED)]), seen({3: NEAR}))
        assert branches.counts.lost == 1
    assert labels(found) == {0: ["red"]}


def test_who_was_given_up_is_forgotten() -> None:
    with watching([branch("colour")], colour=Colours()) as branches:
        for i in range(300):
            track = 1 + i // 10
            branches.step(frame([(NEAR, RED)], index=i), seen({track: NEAR}), lost_after_s=1.0)
        remembered = [track for track in range(1, 31) if branches.known(track)]
    assert remembered[-1] == 30
    assert len(remembered) <= 5


def test_what_is_known_of_who_left_can_be_had_until_the_tracker_gives_it_up() -> None:
    with watching([branch("colour")], colour=Colours()) as branches:
        branches.step(frame([(NEAR, RED)]), seen({3: NEAR}), lost_after_s=1.0)
        for i in range(1, 13):
            branches.step(frame(index=i), seen({}), lost_after_s=1.0)
        assert [f.label for f in branches.known(3)] == ["red"]


def test_what_waits_for_a_better_crop_is_looked_at_when_the_stream_ends() -> None:
    with watching([branch("colour")], colour=Colours(side=200)) as branches:
        assert branches.step(frame([(NEAR, RED)]), seen({3: NEAR})) == {}
        branches.finish()
        assert [f.label for f in branches.known(3)] == ["red"]


def test_without_tracks_every_detection_of_a_frame_is_looked_at() -> None:
    picture = frame([(TWO[4], RED), (TWO[9], BLUE)])
    with watching([branch("colour")], colour=Colours()) as branches:
        assert labels(branches.step(picture, seen(list(TWO.values())))) == {0: ["red"], 1: ["blue"]}
        assert labels(branches.step(picture, seen([TWO[9]]))) == {0: ["blue"]}


def test_without_tracks_every_nth_frame_is_looked_at() -> None:
    with watching([branch("colour", every=2)], colour=Colours()) as branches:
        told = [branches.step(frame([(NEAR, RED)], index=i), seen([NEAR])) for i in range(4)]
    assert [bool(found) for found in told] == [True, False, True, False]


def test_a_live_camera_never_waits_for_a_model() -> None:
    model = Colours()
    model.go_on.clear()
    with watching([branch("colour")], wait=False, colour=model) as branches:
        for i in range(20):
            assert branches.step(frame([(NEAR, RED)], index=i), seen({3: NEAR})) == {}
        model.go_on.set()
        assert comes_true(lambda: labels(branches.step(frame(index=21), seen({3: NEAR}))) == {0: ["red"]})


def test_of_a_crowd_at_a_busy_model_the_best_crops_wait_and_the_rest_is_dropped() -> None:
    model = Colours()
    model.go_on.clear()
    crowd: dict[int, Box] = {i: (60, 60, 62 + i, 100) for i in range(3, 153)}
    scores = np.linspace(0.2, 0.9, len(crowd)).tolist()
    with watching([branch("colour", every=1)], wait=False, colour=model) as branches:
        for i in range(10):
            branches.step(frame(index=i), seen(crowd, confidence=scores))
        assert branches.counts.looks == MOST_ON_THE_WAY
        assert branches.counts.dropped > 5 * (len(crowd) - MOST_ON_THE_WAY - MOST_WAITING)
        model.go_on.set()


def test_a_live_camera_that_is_closed_leaves_its_models_to_the_others() -> None:
    model = Colours()
    with BranchLanes(opening(colour=model)) as lanes:
        one = Branches([branch("colour")], lanes, "one", wait=False)
        other = Branches([branch("colour")], lanes, "other", wait=False)
        model.go_on.clear()
        one.step(frame([(NEAR, RED)]), seen({3: NEAR}))
        one.close()
        model.go_on.set()
        assert one.step(frame(), seen({3: NEAR})) == {}
        assert comes_true(lambda: labels(other.step(frame([(NEAR, BLUE)]), seen({3: NEAR}))) == {0: ["blue"]})
        assert model.closed == 0
        other.close()
        assert comes_true(lambda: model.closed == 1)


def test_without_tracks_a_live_finding_goes_to_the_detection_that_overlaps_most() -> None:
    model = Colours()
    moved: Box = (104, 60, 184, 140)
    with watching([branch("colour", every=100)], wait=False, colour=model) as branches:
        assert branches.step(frame([(NEAR, RED)]), seen([NEAR])) in ({}, {0: ()})
        found: Findings = {}

        def arrived() -> bool:
            nonlocal found
            found = branches.step(frame(index=1), seen([TWO[9], moved]))
            return bool(found)

        assert comes_true(arrived)
    assert labels(found) == {1: ["red"]}


def test_models_that_nobody_needs_see_no_pixels() -> None:
    from tests.rules.scene import frame_at

    with watching([branch("colour", classes="dog")], colour=Colours()) as branches:
        assert branches.step(frame_at(0.0), seen({3: NEAR})) == {}


def test_classes_that_the_pipelines_model_does_not_know_are_told_once() -> None:
    with capture_logs() as logs, watching([branch("colour", classes="unicorn")], colour=Colours()) as b:
        for i in range(3):
            b.step(frame(index=i), seen({3: NEAR}))
    assert [log["event"] for log in logs] == ["branch.no_such_class"]


def test_a_finding_says_in_json_what_was_found_out() -> None:
    whole = Finding("plate/text", 3, 0.3, (1, 2, 3, 4), label="AB 12", confidence=0.91234)
    assert whole.to_json() == {
        "branch": "plate/text", "label": "AB 12", "confidence": 0.9123, "frame": 3, "time_s": 0.3,
        "xyxy": [1, 2, 3, 4],
    }  # fmt: skip
    vector = Finding("look", 3, 0.3, embedding=np.array([0.6, 0.8], np.float32))
    assert vector.to_json() == {"branch": "look", "embedding": [0.6, 0.8], "frame": 3, "time_s": 0.3}
    assert vector.to_json(embedding=False) == {"branch": "look", "frame": 3, "time_s": 0.3}
    assert vector.caption == ""
