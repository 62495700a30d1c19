"""The lab's trial: what is told of a camera that fails, and when it is back; all of it is `argus lab`."""

from __future__ import annotations

import pytest

from argus.core.errors import SpecError, UnknownName
from argus.core.resources.model import ModelSpec
from argus.vision.lab import fault_named
from argus.vision.lab.outcome import Outcome
from argus.vision.lab.trial import TrialSpec, _worst, choose_faults, run_trial

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
    assert said["worst_without_fault"] > -1


def test_the_neighbour_that_felt_most_is_the_one_whose_ages_rose_most() -> None:
    usual = [[0.1] * 20, [0.2] * 20]
    assert _worst([[0.1] * 20, [0.2] * 18 + [0.3] * 2], usual) == pytest.approx(0.5)
    assert _worst([[0.1] * 20, [0.2] * 19 + [9.0]], usual) == 0.0
    assert _worst([[], [0.3] * 20], usual) == pytest.approx(0.5)  # ended before the time after
    assert _worst([[], []], usual) == 0.0


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
