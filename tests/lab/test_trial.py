"""The lab's trial: what is told of a camera that fails, and when it is back; all of it is `argus lab`."""

from __future__ import annotations

import threading

import pytest

from argus.core.errors import SpecError, UnknownName
from argus.core.resources.model import ModelSpec
from argus.vision.lab import fault_named
from argus.vision.lab.outcome import Outcome
from argus.vision.lab.trial import TrialSpec, choose_faults, run_trial

MOTION = ModelSpec.read({"path": "builtin:motion"}, "model")


def test_a_camera_that_is_cut_off_is_told_as_lost_and_comes_back_in_time() -> None:
    faults = (fault_named("drop", "synthetic"),)
    spec = TrialSpec(faults, ("synthetic",), neighbours=1, model=MOTION, settle_s=1, window_s=1)
    heard: list[Outcome] = []
    [drop] = run_trial(spec, on_outcome=heard.append)
    assert heard == [drop]
    assert (drop.told, drop.detected, drop.recovered) == ("lost", True, True)
    assert drop.detect_s is not None
    assert 4.5 < drop.detect_s < 10  # 6 is what is promised; a busy machine may take longer to look
    assert drop.recover_s is not None
    assert drop.recover_s < 6
    said = drop.to_json()
    assert {"fault", "detected", "detect_s", "recovered", "recover_s", "neighbours_p95_change"} <= set(said)
    assert (said["fault"], said["expected"]) == ("drop", "lost")
    assert {"worst_neighbour_change", "worst_without_fault"} <= set(said)
    assert (said["tries"], said["worst_rate_change"] > -0.9) == (1, True)


def test_a_fault_is_tried_as_often_as_is_wanted_and_counts_as_its_slowest_try() -> None:
    faults = (fault_named("resolution", "synthetic"),)
    spec = TrialSpec(faults, ("synthetic",), neighbours=1, model=MOTION, settle_s=1, window_s=0.5, times=2)
    said: list[str] = []
    [outcome] = run_trial(spec, said.append)
    assert (outcome.tries, outcome.detected, outcome.recovered) == (2, True, True)
    assert [text.split(":")[0] for text in said[1:]] == [
        "synthetic 1/1 resolution (1 of 2)",
        "synthetic 1/1 resolution (2 of 2)",
    ]
    assert outcome.worst_rate_change is not None
    assert outcome.worst_rate_change > -0.9


def test_a_try_that_is_broken_off_does_not_count() -> None:
    stop = threading.Event()
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        if "black" in text:
            threading.Timer(1.0, stop.set).start()

    faults = (fault_named("black", "synthetic"), fault_named("drop", "synthetic"))
    spec = TrialSpec(faults, ("synthetic",), neighbours=1, model=MOTION, settle_s=0.5, window_s=0.1)
    assert run_trial(spec, say, stop=stop) == []
    assert [text for text in said if "drop" in text] == []


def test_faults_are_chosen_by_name_for_the_cameras_there_are() -> None:
    assert [fault.name for fault in choose_faults(["drop", "kill"], ("synthetic", "rtsp"))] == [
        "drop",
        "kill",
    ]
    assert len(choose_faults([], ("synthetic",))) < len(choose_faults([], ("rtsp",)))
    with pytest.raises(SpecError, match="cannot do 'kill'"):
        choose_faults(["kill"], ("synthetic",))
    with pytest.raises(UnknownName, match="did you mean 'drop'"):
        choose_faults(["dropp"], ("synthetic", "rtsp"))
    with pytest.raises(UnknownName, match="did you mean 'half-open'"):
        choose_faults(["halfopen"], ("synthetic", "rtsp"))
