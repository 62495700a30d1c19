"""The JSON Schema accepts what is read, refuses what is not, and says what the specs say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator, meta

from argus.core.resources.kinds import kind_named, kinds
from argus.core.resources.manifest import ManifestError, read_drafts
from argus.core.resources.schema import schema_of, schema_of_files
from argus.core.resources.yaml_text import parse_documents
from tests.core.test_files import SHORT, enveloped

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^( *)```yaml\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("examples/**/*.md"))]
FILES = Draft202012Validator(schema_of_files())
ZONE = {"polygon": [[0, 0], [1, 0], [1, 1]]}


def blocks() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for fence in FENCE.finditer(text):
            above = text[: fence.start()].rstrip().rpartition("\n")[2]
            if above.lstrip().startswith("<!-- no-test"):
                continue
            body = re.sub(f"^{fence[1]}", "", fence[2], flags=re.MULTILINE)
            yield f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, fence.start()) + 1}", body


YAML_FILES = sorted(path for folder in ("examples", "docs") for path in (ROOT / folder).rglob("*.y*ml"))
TEXTS = dict(blocks()) | {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in YAML_FILES}


def is_resources(document: Any) -> bool:
    """Whether it is a file of ours: documentation shows files of other programs too."""
    return isinstance(document, dict) and document.get("apiVersion", "argus.dev/v1") == "argus.dev/v1"


def test_the_schemas_are_schemas() -> None:
    meta.validate(schema_of_files())
    for kind in kinds():
        meta.validate(schema_of(kind))
        json.dumps(schema_of(kind))


@pytest.mark.parametrize("place", TEXTS)
def test_yaml_in_documentation_and_examples_fits(place: str) -> None:
    for document in parse_documents(TEXTS[place], place):
        if is_resources(document):
            assert [error.message for error in FILES.iter_errors(document)] == []


def test_both_forms_fit_and_so_does_what_they_become() -> None:
    (short,) = parse_documents(SHORT, "short")
    assert [e.message for e in FILES.iter_errors(short)] == []
    for document in parse_documents(enveloped(SHORT), "envelope"):
        assert [e.message for e in FILES.iter_errors(document)] == []
    for draft in read_drafts([short], "short"):
        envelope = {"apiVersion": "argus.dev/v1", "kind": draft.kind, "spec": draft.spec}
        envelope["metadata"] = {"name": draft.name}
        validator = Draft202012Validator(schema_of(kind_named(draft.kind)))
        assert [e.message for e in validator.iter_errors(envelope)] == []


@pytest.mark.parametrize(
    "document",
    [
        {"cameras": {"gate": "rtsp://h/1"}},
        {"cameras": {"gate": {"url": "x", "lost_after": "500ms", "health": {"frozen_after": 0}}}},
        {"models": {"m": "m.onnx"}},
        {"models": {"m": {"path": "m.onnx", "classes": "person", "input_size": 640, "labels": "l.txt"}}},
        {"pipelines": {"p": {"motion_gate": True, "detect": "people", "track": "off"}}},
        {"pipelines": {"p": {"motion_gate": "off", "track": True, "store": {"detections": "every 1s"}}}},
        {"pipelines": {"p": {"motion_gate": {"hold": "2s"}, "track": {"algorithm": "bytetrack"}}}},
        {
            "pipelines": {
                "p": {"alerts": [{"on": "zone.dwelled", "regions": "desk"}], "zones": {"desk": ZONE}}
            }
        },
        {"pipelines": {"p": {"detect": {"model": {"path": "m.onnx"}, "classes": "person"}}}},
        {"jobs": {"j": {"source": "a.mp4", "pipeline": "p", "ttl_after_finished": "1d"}}, "cameras": None},
        {"detect": "people", "models": {"people": "p.onnx"}, "zones": {"desk": ZONE}},
    ],
)
def test_every_short_way_of_writing_fits_and_is_read(document: dict[str, Any]) -> None:
    assert [error.message for error in FILES.iter_errors(document)] == []
    if "detect" not in document:
        assert read_drafts([document], "t")


@pytest.mark.parametrize(
    "document",
    [
        {"camera": {}},
        {"cameras": []},
        {"cameras": {"Gate_1": "rtsp://h/1"}},
        {"cameras": {"gate": 5}},
        {"cameras": {"gate": ""}},
        {"cameras": {"gate": {"fps": 5}}},
        {"cameras": {"gate": {"url": "x", "fps": 0}}},
        {"cameras": {"gate": {"url": "x", "fsp": 5}}},
        {"cameras": {"gate": {"url": "x", "lost_after": "5 parsecs"}}},
        {"cameras": {"gate": {"url": "x", "lost_after": 0}}},
        {"cameras": {"gate": {"url": "x", "health": {"frozen_after": -1}}}},
        {"cameras": {"gate": {"url": "x", "decoder": "magic"}}},
        {"pipelines": {"p": {"motion_gate": "sometimes"}}},
        {"pipelines": {"p": {"store": {"detections": "some"}}}},
        {"pipelines": {"p": {"zones": {"desk": {"polygone": []}}}}},
        {"pipelines": {"p": {"alerts": [{"on": "zone.melted"}]}}},
        {"kind": "Camera"},
        {"apiVersion": "argus.dev/v1", "kind": "Camra", "metadata": {"name": "a"}, "spec": {"url": "x"}},
        {"apiVersion": "v1", "kind": "Camera", "metadata": {"name": "a"}, "spec": {"url": "x"}},
        {"apiVersion": "argus.dev/v1", "kind": "Camera", "metadata": {}, "spec": {"url": "x"}},
        {"apiVersion": "argus.dev/v1", "kind": "Camera", "metadata": {"name": "a"}, "spec": {"source": "x"}},
        {
            "apiVersion": "argus.dev/v1", "kind": "Camera",
            "metadata": {"name": "a", "labels": {"n": 1}}, "spec": {"url": "x"},
        },
        [],
        "text",
    ],
)  # fmt: skip
def test_what_is_not_read_does_not_fit(document: Any) -> None:
    assert not FILES.is_valid(document)
    with pytest.raises(ManifestError):
        read_drafts([document], "t")


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.name)
def test_every_field_says_what_it_means_and_what_it_is_otherwise(kind: Any) -> None:
    silent = []
    for name, definition in schema_of(kind)["$defs"].items():
        assert definition["description"], name
        arms = [definition, *definition.get("anyOf", [])]
        (properties,) = (arm["properties"] for arm in arms if "properties" in arm)
        silent += [f"{name}.{field}" for field, told in properties.items() if not told.get("description")]
    assert silent == []


def test_a_description_is_the_text_under_the_field() -> None:
    definitions = schema_of(kind_named("Pipeline"))["$defs"]
    assert definitions["LineSpec"]["properties"]["from"]["description"] == "Where the line begins."
    assert definitions["ZoneSpec"]["properties"]["classes"]["description"].startswith("Only objects of these")
    assert "default" not in definitions["LineSpec"]["properties"]["from"]
    assert definitions["PlacementSpec"]["properties"]["pack"]["default"] == 16
