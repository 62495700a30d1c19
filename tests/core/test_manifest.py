"""Documents become drafts: both forms the same, every fault told, no secret taken."""

from __future__ import annotations

import contextlib
import copy
import json
import math
import os
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from argus.core.errors import SpecError
from argus.core.resources.camera import CameraSpec
from argus.core.resources.files import read_resources
from argus.core.resources.kinds import kind_named
from argus.core.resources.manifest import ManifestError, filled, read_drafts, read_drafts_text
from argus.core.resources.yaml_text import parse_documents, read_documents
from argus.core.secrets import Secrets
from tests.core.test_files import ENVIRONMENT, SHORT, enveloped


def envelope(**changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = {
        "apiVersion": "argus.dev/v1", "kind": "Camera", "metadata": {"name": "gate"}, "spec": {"url": "rtsp://h/1"},
    }  # fmt: skip
    return document | changes


def refusal(*documents: Any) -> ManifestError:
    with pytest.raises(ManifestError) as caught:
        read_drafts(documents, "gate.yaml")
    assert caught.value.exit_code == 2
    return caught.value


def test_short_form_and_envelope_give_equal_drafts() -> None:
    short = read_drafts_text(SHORT, "short")
    assert [(draft.kind, draft.name) for draft in short] == [
        ("Camera", "gate"), ("Camera", "yard"), ("Model", "people"), ("Model", "colour"),
        ("Pipeline", "gate-safety"), ("BatchJob", "nightly"),
    ]  # fmt: skip
    assert read_drafts_text(enveloped(SHORT), "envelope") == short
    assert read_drafts_text(json.dumps(parse_documents(SHORT, "short")[0]), "json") == short


def test_a_file_of_json_means_the_same_as_its_text_however_a_program_wrote_it(tmp_path: Path) -> None:
    document = envelope(metadata={"name": "gate", "annotations": {"note": "gate \N{WAVING HAND SIGN}"}})
    path = tmp_path / "gate.json"
    path.write_text(json.dumps(document, indent="\t"), encoding="utf-8")  # with halves: \\ud83d\\udc4b
    (draft,) = read_drafts(read_documents(path), "gate.json")
    assert draft.annotations == {"note": "gate \N{WAVING HAND SIGN}"}
    assert read_resources(path).cameras.keys() == {"gate"}


def test_a_spec_is_kept_in_full_with_its_references_as_they_were_written() -> None:
    gate = next(d for d in read_drafts_text(SHORT, "short") if d.name == "gate")
    assert gate.spec["url"] == "rtsp://user:${GATE_PASSWORD}@10.0.0.5/stream1"
    assert gate.spec == CameraSpec(url=gate.spec["url"]).model_dump(mode="json")
    line = next(d for d in read_drafts_text(SHORT, "short") if d.kind == "Pipeline").spec["lines"]["door"]
    assert (line["from"], line["to"]) == ([0.5, 0.2], [0.5, 0.9])


def test_what_is_kept_is_read_again_as_the_same() -> None:
    drafts = read_drafts_text(SHORT, "short")
    again = read_drafts(
        [envelope(kind=d.kind, metadata={"name": d.name}, spec=d.spec) for d in drafts], "again"
    )
    assert again == drafts


def test_a_file_means_the_same_to_those_who_keep_it_and_those_who_run_it(tmp_path: Path) -> None:
    path = tmp_path / "argus.yaml"
    for text in (SHORT, enveloped(SHORT)):
        path.write_text(text)
        resources = read_resources(path, environment=ENVIRONMENT)
        secrets = Secrets(ENVIRONMENT)
        kept = {
            (d.kind, d.name): kind_named(d.kind).spec.read(filled(d.spec, secrets, "t"), "t")
            for d in read_drafts_text(text, "t")
        }
        assert kept == {
            (k, name): spec for k, specs in resources.specs.items() for name, spec in specs.items()
        }


def test_metadata_of_an_envelope_comes_along() -> None:
    metadata = {
        "name": "gate", "labels": {"site": "north", "example.org/owner": ""},
        "annotations": {"note": "über\n"}, "resourceVersion": "17",
        "uid": "u", "generation": 4, "managedFields": [],
    }  # fmt: skip
    (draft,) = read_drafts([envelope(metadata=metadata, status={"phase": "Online"})], "t")
    assert draft.labels == {"site": "north", "example.org/owner": ""}
    assert draft.annotations == {"note": "über\n"}
    assert draft.resource_version == "17"
    (draft,) = read_drafts([envelope(metadata={"name": "gate", "resourceVersion": 17})], "t")
    assert draft.resource_version == "17"


def test_a_secret_is_filled_in_when_it_is_needed() -> None:
    secrets = Secrets({"PW": "hunter2"})
    spec = {"url": "rtsp://u:${PW}@h", "cost": "$$5", "deep": [{"x": "${PW}"}], "n": 1}
    assert filled(spec, secrets, "Camera gate") == {
        "url": "rtsp://u:hunter2@h", "cost": "$5", "deep": [{"x": "hunter2"}], "n": 1,
    }  # fmt: skip
    with pytest.raises(SpecError, match=r"Camera gate\.url: the environment variable NO is not set"):
        filled({"url": "${NO}"}, secrets, "Camera gate")


def test_drafts_read_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATE_PASSWORD", "hunter2")
    assert "hunter2" not in repr(read_drafts_text(SHORT, "short"))


@pytest.mark.parametrize(
    ("field", "value"),
    [("fps", "${FPS}"), ("lost_after", "${A}s"), ("decoder", "${D}"), ("health", "${H}"), ("loop", "${L}")],
)
def test_a_reference_where_no_text_is_wanted_is_told(field: str, value: str) -> None:
    error = refusal({"cameras": {"gate": {"url": "x", field: value}}})
    assert str(error) == (
        f"gate.yaml: cameras.gate.{field}: a `${{NAME}}` can stand only where a text is wanted: "
        "write the value itself"
    )


def test_a_reference_that_can_never_be_filled_in_is_told_at_once() -> None:
    assert str(refusal({"cameras": {"gate": "rtsp://${a b}@h"}})) == (
        "gate.yaml: cameras.gate.url: ${a b} is no variable of the environment; for a plain $ write $$"
    )


def test_every_fault_of_every_document_is_listed_with_its_place() -> None:
    error = refusal(
        {"cameras": {"gate": {"url": "x", "fsp": 1, "lost_after": "5 parsecs"}, "B": "x"}, "modles": {}},
        envelope(metadata={"name": "yard", "labels": {"n": 1}}),
        envelope(kind="Camra"),
        envelope(metadata={"name": "yard"}, spec={"url": "x", "fps": 0}),
        "text",
        {"cameras": {"yard": "y"}},
    )
    assert [(f.document, f.kind, f.name, f.path) for f in error.faults] == [
        (0, "Camera", "B", "cameras.B"),
        (0, None, None, "modles"),
        (0, "Camera", "gate", "cameras.gate.lost_after"),
        (0, "Camera", "gate", "cameras.gate.fsp"),
        (1, None, None, "metadata.labels"),
        (2, None, None, "kind"),
        (3, "Camera", "yard", "spec.fps"),
        (4, None, None, ""),
        (5, "Camera", "yard", ""),
    ]
    lines = str(error).splitlines()
    assert lines[3] == "gate.yaml: cameras.gate.fsp: unknown field; did you mean 'fps'?"
    assert lines[4].startswith("gate.yaml: document 2: metadata.labels: expected texts and their texts")
    assert lines[6].startswith("gate.yaml: cameras.yard.fps: input should be greater than 0")
    assert lines[8] == "gate.yaml: document 6: a Camera 'yard' stands in this file twice"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (None, "expected fields and their values (a mapping), found the single value 'None'"),
        ([1], "found a list"),
        ({"cameras": {"gate": None}}, "cameras.gate: expected fields and their values (a mapping)"),
        ({"cameras": {"gate": []}}, "cameras.gate: expected fields and their values (a mapping)"),
        ({"cameras": {"gate": {"url": {"a": 1}}}}, "cameras.gate.url: expected a text"),
        ({"cameras": "x"}, "cameras: expected names and their specs (a mapping)"),
        ({"cameras": {"x" * 64: "u"}}, "is no name: use at most 63"),
        ({"cameras": {"": "u"}}, "is no name"),
        ({"cameras": {"a\n": "u"}}, "is no name"),
        (envelope(metadata=[]), "metadata: expected fields and their values (a mapping)"),
        (envelope(metadata={"name": 5}), "metadata.name: expected a text"),
        (envelope(metadata={"name": "a", "labels": []}), "metadata.labels: expected texts"),
        (envelope(metadata={"name": "a", "labels": {"-": "x"}}), "metadata.labels: '-' is no key"),
        (envelope(metadata={"name": "a", "labels": {"k": "a b"}}), "metadata.labels.k: 'a b' is no label"),
        (envelope(metadata={"name": "a", "labels": {"k": "a\n"}}), "metadata.labels.k: 'a\\n' is no label"),
        (envelope(metadata={"name": "a", "annotations": {"k": None}}), "metadata.annotations: expected"),
        (envelope(metadata={"name": "a", "annotations": {"k": "x" * 300_000}}), "more than 256 KiB"),
        (envelope(metadata={"name": "a", "resourceVersion": []}), "metadata.resourceVersion: expected"),
        (envelope(kind=["Camera"]), "unknown kind in gate.yaml: "),
        (envelope(kind={}), "unknown kind in gate.yaml: "),
        (envelope(apiVersion=2), "apiVersion: '2' is not known; write argus.dev/v1"),
        (envelope(spec=None), "spec: this field is required"),
        (envelope(spec=7), "cameras.gate: expected fields and their values (a mapping)"),
        ({"kind": "Camera"}, "apiVersion: this field is required"),
        ({"zones": {}}, "the fields of a pipeline stand at the top"),
        (envelope(metadata={"name": "a", "annotations": {"k": "\ud800"}}), "annotations.k: is no text"),
        (
            {"pipelines": {"p": {"actions": [{"on": "zone.entered", "mqtt": {"n": "\ud800"}}]}}},
            "pipelines.p: holds a value that JSON cannot",
        ),
    ],
)  # fmt: skip
def test_what_is_no_resource_is_refused_in_a_sentence(document: Any, message: str) -> None:
    assert message in str(refusal(document))


def test_a_number_that_is_none_is_refused() -> None:
    for field in ("fps", "lost_after"):
        refusal({"cameras": {"gate": {"url": "x", field: math.nan}}})
        refusal({"cameras": {"gate": {"url": "x", field: math.inf}}})


def test_nesting_without_end_is_refused() -> None:
    spec: dict[str, Any] = {"detect": "a"}
    inner = spec
    for _ in range(5000):
        inner["branches"] = [{"model": "x"}]
        inner = inner["branches"][0]
    assert str(refusal({"pipelines": {"p": spec}})) == "gate.yaml: pipelines.p: nested too deeply for a spec"
    with pytest.raises(SpecError):
        read_drafts_text('{"cameras": ' * 100_000, "t")
    with pytest.raises(SpecError):
        read_drafts_text("a: " + "[" * 5000, "t")


def test_a_bomb_is_refused_before_it_grows() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for this, last in zip("bcdefghijk", "abcdefghij", strict=True):
        lines.append(f"{this}: &{this} [{', '.join([f'*{last}'] * 10)}]")
    with pytest.raises(SpecError, match="holds more than 200000 values"):
        read_drafts_text("\n".join(lines), "t")
    with pytest.raises(SpecError, match="larger than 4 MiB"):
        read_drafts_text("#" + "x" * 5_000_000, "t")


def test_a_key_that_stands_twice_is_refused_in_json_too() -> None:
    with pytest.raises(SpecError, match="the key 'cameras' stands in one place twice"):
        read_drafts_text('{"cameras": {"a": "x"}, "cameras": {"b": "y"}}', "t")


def test_yaml_that_begins_like_json_is_yaml() -> None:
    (draft,) = read_drafts_text("{cameras: {gate: rtsp://h/1}}", "t")
    assert draft.name == "gate"


def test_an_empty_text_is_told() -> None:
    for text in ("", "---\n", "# nothing"):
        with pytest.raises(SpecError, match="t: the file is empty"):
            read_drafts_text(text, "t")


def test_a_thousand_documents_are_read_in_a_blink() -> None:
    zone = {"polygon": [[0, 0], [1, 0], [1, 1]]}
    spec = {"camera": "c", "detect": "people", "zones": {"z": zone}}
    documents = [{"pipelines": {f"p{n:04}": spec}} for n in range(1000)]
    before = time.process_time()
    assert len(read_drafts(documents, "t")) == 1000
    assert time.process_time() - before < 2.0  # about 0.05 s


def test_ten_thousand_faults_are_not_all_printed() -> None:
    error = refusal(*[{"cameras": {"a": {"fps": "x" * 100_000}}}] * 1000)
    assert len(error.faults) > 1000
    assert len(str(error)) < 200_000
    assert "faults more" in str(error)


def test_paths_that_exist_beside_the_file_become_absolute(tmp_path: Path) -> None:
    for name in ("w.onnx", "labels.txt", "talk.mp4", "people"):
        (tmp_path / name).touch()
    (tmp_path / "uploads").mkdir()
    (tmp_path / "uploads" / "a.mp4").touch()
    document = {
        "cameras": {
            "talk": "talk.mp4", "gate": "rtsp://h/talk.mp4", "none": "missing.mp4", "ref": "${DIR}/talk.mp4",
        },
        "models": {"m": {"path": "w.onnx", "labels": "labels.txt"}, "b": "builtin:people"},
        "pipelines": {
            "p": {
                "detect": {"model": "people", "shadow": {"model": "w.onnx"}},
                "branches": [{"model": {"path": "w.onnx"}, "branches": [{"model": "w.onnx"}]}],
                "degrade": [{"model": "w.onnx"}], "track": {"appearance_model": "w.onnx"},
            }
        },
        "jobs": {
            "j": {"source": "uploads/*.mp4", "pipeline": "p"}, "k": {"source": "uploads", "pipeline": "p"},
            "l": {"source": "no/*.mp4", "pipeline": "p"},
            "m": {"source": "blob:uploads/a.mp4", "pipeline": "p"},
        },
    }  # fmt: skip
    specs = {(d.kind, d.name): d.spec for d in read_drafts([document], "t", folder=tmp_path)}
    weights = str(tmp_path / "w.onnx")
    assert [specs["Camera", n]["url"] for n in ("talk", "gate", "none", "ref")] == [
        str(tmp_path / "talk.mp4"), "rtsp://h/talk.mp4", "missing.mp4", "${DIR}/talk.mp4",
    ]  # fmt: skip
    assert (specs["Model", "m"]["path"], specs["Model", "m"]["labels"]) == (
        weights,
        str(tmp_path / "labels.txt"),
    )
    assert specs["Model", "b"]["path"] == "builtin:people"
    pipeline = specs["Pipeline", "p"]
    assert (pipeline["detect"]["model"], pipeline["detect"]["shadow"]["model"]) == ("people", weights)
    assert pipeline["branches"][0]["model"]["path"] == weights
    assert pipeline["branches"][0]["branches"][0]["model"] == weights
    assert pipeline["branches"][0]["name"] is None
    assert (pipeline["degrade"][0]["model"], pipeline["track"]["appearance_model"]) == (weights, weights)
    assert [specs["BatchJob", n]["source"] for n in "jklm"] == [
        str(tmp_path / "uploads" / "*.mp4"), str(tmp_path / "uploads"), "no/*.mp4", "blob:uploads/a.mp4",
    ]  # fmt: skip
    assert read_drafts([document], "t")[0].spec["url"] == "talk.mp4"


def test_a_folder_changes_nothing_for_odd_texts(tmp_path: Path) -> None:
    for text in ("\0", "x" * 5000, "~/x", "..", "**", "[", "$", os.sep):
        with contextlib.suppress(SpecError):
            read_drafts([{"jobs": {"j": {"source": text, "pipeline": "p"}}}], "t", folder=tmp_path)
        with contextlib.suppress(SpecError):
            read_drafts([{"cameras": {"c": text}}], "t", folder=tmp_path)


def test_nothing_that_was_handed_in_is_changed(tmp_path: Path) -> None:
    (tmp_path / "talk.mp4").touch()
    document = {"cameras": {"talk": {"url": "talk.mp4", "health": {"cooldown": "5s"}}}}
    before = copy.deepcopy(document)
    read_drafts([document], "t", folder=tmp_path)
    assert document == before


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(
    [
        "cameras",
        "models",
        "pipelines",
        "jobs",
        "apiVersion",
        "kind",
        "metadata",
        "spec",
        "detect",
        "gate",
        "url",
    ]
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.lists(
        JSON_VALUES
        | st.dictionaries(KEYS, st.dictionaries(KEYS, JSON_VALUES, max_size=3) | JSON_VALUES, max_size=4)
        | JSON_VALUES.map(lambda spec: envelope(spec=spec))
        | JSON_VALUES.map(lambda metadata: envelope(metadata=metadata))
        | JSON_VALUES.map(lambda value: {"cameras": {"a": {"url": "x", "health": value}}})
        | JSON_VALUES.map(lambda value: {"pipelines": {"p": {"zones": {"z": value}, "detect": value}}}),
        max_size=4,
    )
)
def test_any_documents_are_drafts_or_a_clear_refusal(documents: list[Any]) -> None:
    with contextlib.suppress(ManifestError):
        for draft in read_drafts(documents, "t"):
            json.dumps(draft.spec, allow_nan=False).encode()
            yaml.safe_dump(draft.spec)
