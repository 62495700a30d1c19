"""The reference of pipeline files says everything, and nothing that is not so."""

import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from argus.core.resources.camera import CameraSpec, HealthSpec, ReconnectSpec
from argus.core.resources.files import read_pipeline
from argus.core.resources.job import JobSpec
from argus.core.resources.pipeline import (
    ActionSpec,
    AlertSpec,
    BranchSpec,
    ClipSpec,
    DegradeSpec,
    DetectSpec,
    EventType,
    GateSpec,
    PipelineSpec,
    PlacementSpec,
    ShadowSpec,
    StoreSpec,
)
from argus.core.resources.regions import CrowdSpec, LineSpec, ZoneSpec
from argus.core.resources.track import TrackSpec

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "pipeline.md").read_text(encoding="utf-8")
SECTIONS: dict[str, type[BaseModel]] = {
    "Pipeline": PipelineSpec,
    "motion_gate": GateSpec,
    "detect": DetectSpec,
    "detect.shadow": ShadowSpec,
    "track": TrackSpec,
    "zones": ZoneSpec,
    "lines": LineSpec,
    "crowds": CrowdSpec,
    "alerts": AlertSpec,
    "branches": BranchSpec,
    "degrade": DegradeSpec,
    "placement": PlacementSpec,
    "actions": ActionSpec,
    "store": StoreSpec,
    "store.clips": ClipSpec,
    "Camera": CameraSpec,
    "Camera reconnect": ReconnectSpec,
    "Camera health": HealthSpec,
    "BatchJob": JobSpec,
}


def rows(title: str) -> dict[str, tuple[str, str]]:
    """Field → default and meaning, as one section of the page has them."""
    section = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert section is not None, f"the page has no section {title}"
    found = re.findall(r"^\| `([^`]+)` \| (.*?) \| (.*) \|$", section[1], re.MULTILINE)
    return {field: (default, meaning) for field, default, meaning in found}


def written(value: object) -> str:
    """A default as the page writes it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, BaseModel):
        return "see below"
    return str(value) if value or value == 0 else "empty"


@pytest.mark.parametrize("title", SECTIONS)
def test_every_setting_has_its_row_with_its_default_and_meaning(title: str) -> None:
    expected = {}
    for name, field in SECTIONS[title].model_fields.items():
        default = written(field.get_default(call_default_factory=True))
        expected[field.alias or name] = "required" if field.is_required() else default
    assert {field: default for field, (default, _) in rows(title).items()} == expected
    assert all(meaning for _, meaning in rows(title).values())


def test_every_type_of_event_is_described() -> None:
    assert all(f"`{type_}`" in PAGE for type_ in get_args(EventType))


def test_the_examples_are_pipelines(tmp_path: Path) -> None:
    examples = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) == 2
    path = tmp_path / "example.yaml"
    path.write_text(examples[0])
    assert list(read_pipeline(path)[0].zones) == ["desk"]
    path.write_text(examples[0] + examples[1])
    assert read_pipeline(path)[0].alerts[0].regions == ("desk",)
