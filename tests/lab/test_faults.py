"""The catalogue of what can go wrong."""

from __future__ import annotations

import pytest

from argus.core.errors import SpecError, UnknownName
from argus.vision.lab import FAULTS, fault_named


def test_every_fault_has_a_name_of_its_own_and_a_camera_that_does_it() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert all(fault.kinds and fault.title and fault.within_s > 0 for fault in FAULTS)


def test_an_unknown_fault_lists_those_that_the_camera_can_do() -> None:
    with pytest.raises(
        UnknownName, match=r"unknown fault 'freezes'; did you mean 'freeze'\?; known: .*stall"
    ):
        fault_named("freezes", "synthetic")


def test_a_fault_of_another_kind_of_camera_says_which_this_one_can_do() -> None:
    with pytest.raises(SpecError, match="kind 'synthetic' cannot do 'half-open'; it can: freeze, black"):
        fault_named("half-open", "synthetic")
