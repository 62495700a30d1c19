"""Every kind is registered once, and every word means one kind."""

from __future__ import annotations

import pytest

from argus.core.errors import SpecError, UnknownName
from argus.core.resources.camera import CameraSpec
from argus.core.resources.kinds import Kind, kind_called, kind_named, kinds, register


def test_the_kinds_are_those_of_the_design_in_the_order_of_applying() -> None:
    assert [(kind.name, kind.plural) for kind in kinds()] == [
        ("Camera", "cameras"),
        ("Model", "models"),
        ("Pipeline", "pipelines"),
        ("BatchJob", "jobs"),
    ]


@pytest.mark.parametrize("word", ["Camera", "camera", "cameras", "CAMERAS", "cam", "cams"])
def test_people_may_call_a_kind_what_they_like(word: str) -> None:
    assert kind_called(word).name == "Camera"


def test_a_word_that_means_nothing_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"unknown kind of resource 'cameraz'; did you mean 'cameras'\?"):
        kind_called("cameraz")
    with pytest.raises(UnknownName, match=r"unknown kind 'camera'; did you mean 'Camera'\?"):
        kind_named("camera")


def test_a_word_cannot_mean_two_kinds() -> None:
    with pytest.raises(SpecError, match="kind Webcam: cam means Camera already: take another word"):
        register(Kind("Webcam", "webcams", CameraSpec, ("cam",)))
    assert len(kinds()) == 4


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.name)
def test_a_text_alone_is_a_field_that_there_is(kind: Kind) -> None:
    assert kind.text_is is None or kind.text_is in kind.spec.model_fields
