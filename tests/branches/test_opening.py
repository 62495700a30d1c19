"""Mistakes are told before the first frame, with the name of the branch."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from argus.core.errors import SpecError
from argus.core.resources.files import read_pipeline
from argus.core.resources.model import ModelSpec
from argus.core.resources.pipeline import BranchSpec
from argus.vision.branches.lanes import BranchLanes
from argus.vision.branches.runner import Branches
from tests.branches.scene import GREEN, Colours, MeanColour, Patches, branch, opening


def refused(*specs: BranchSpec, **models: object) -> str:
    with BranchLanes(opening(**models)) as lanes:
        with pytest.raises(SpecError) as refusal:
            Branches(specs, lanes, "gate", wait=True)
        assert lanes.stats == {}
    return str(refusal.value)


def test_a_model_that_is_not_there_names_its_branch() -> None:
    with (
        BranchLanes() as lanes,
        pytest.raises(SpecError, match=r"^branch colour: model colour\.onnx: .*no such"),
    ):
        Branches([branch("colour.onnx")], lanes, "gate", wait=True)


def test_what_was_opened_before_the_mistake_is_closed() -> None:
    model = Colours()
    tree = branch("colour", branches=[{"model": "colour", "classes": "purple"}])
    assert "branch colour/colour: model knows no class 'purple'" in refused(tree, colour=model)
    assert model.closed == 1


def test_a_class_below_a_model_is_one_of_its_labels() -> None:
    tree = branch("green", branches=[{"model": "colour", "classes": "smal"}])
    told = refused(tree, green=Patches(GREEN), colour=Colours())
    assert told == "branch green/colour: patches knows no class 'smal'; did you mean 'small'?"


def test_nothing_can_stand_below_an_embedder() -> None:
    tree = branch("look", name="who", branches=[{"model": "colour"}])
    assert refused(tree, look=MeanColour(), colour=Colours()).startswith("branch who: model is an embedder")


def test_two_branches_beside_each_other_need_two_names() -> None:
    told = refused(branch("colour", classes="car"), branch("colour", classes="dog"), colour=Colours())
    assert told == "two branches are called 'colour': give one of them a `name`"


def test_motion_detection_is_no_branch() -> None:
    assert "builtin:motion compares the frames of one camera" in refused(branch("builtin:motion"))


@pytest.mark.parametrize(
    ("model", "title"),
    [
        ("colour", "colour"),
        ("models/plates-v2.onnx", "plates-v2"),
        ("builtin:people", "people"),
        ("a/b@1.2", "b@1.2"),
    ],
)
def test_a_branch_is_called_as_its_model_unless_told(model: str, title: str) -> None:
    assert BranchSpec(model=model).title == title
    assert BranchSpec(model=ModelSpec(path=model)).title == title
    assert BranchSpec(model=model, name="other").title == "other"


def test_names_of_models_are_found_in_a_file_to_any_depth(tmp_path: Path) -> None:
    (tmp_path / "colour.onnx").write_bytes(b"")
    file = tmp_path / "gate.yaml"
    below = {"model": "colour", "branches": [{"model": "brand", "name": "maker"}]}
    file.write_text(
        yaml.safe_dump(
            {
                "models": {"colour": "colour.onnx", "brand": {"path": "b.onnx", "batch": 4}},
                "branches": [{"model": "cars.onnx", "branches": [below]}],
            }
        )
    )
    spec, _ = read_pipeline(file)
    (top,) = spec.branches
    (inner,) = top.branches
    (last,) = inner.branches
    assert (top.title, inner.title, last.title) == ("cars", "colour", "maker")
    assert inner.model == ModelSpec(path=str(tmp_path / "colour.onnx"))
    assert last.model == ModelSpec(path="b.onnx", batch=4)
