import contextlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from argus.core.errors import SpecError, UnknownName
from argus.core.resources.files import Resources, read_pipeline, read_resources
from argus.core.resources.model import ModelSpec
from argus.core.resources.pipeline import GateSpec
from argus.core.resources.yaml_text import parse_documents

SHORT = """\
# argus.yaml, short form
cameras:
  gate: rtsp://user:${GATE_PASSWORD}@10.0.0.5/stream1      # a string is spec.url
  yard: {url: rtsp://10.0.0.6/1, fps: 10, decoder: auto, health: {frozen_after: 5s}}
models:
  people: {path: models/yolov8n.onnx, classes: [person], confidence: 0.4}
  colour: {path: models/colour.onnx, task: classify}
pipelines:
  gate-safety:
    camera: gate
    motion_gate: true
    detect: {model: people}
    track: {algorithm: bytetrack}
    zones:
      restricted: {polygon: [[0.1,0.5],[0.6,0.5],[0.6,1],[0.1,1]], classes: [person], dwell: 3s, severity: high}
    lines:
      door: {from: [0.5,0.2], to: [0.5,0.9]}
    branches:
      - {model: colour, classes: [car], min_confidence: 0.3, crop: true}
    actions:
      - {on: [zone.entered, zone.dwelled], webhook: https://example.org/hook}
      - {on: [line.crossed], redis_publish: {channel: crossings}}
    store: {detections: every 1s, events: all, clips: {before: 3s, after: 5s}}
jobs:
  nightly: {source: uploads/*.mp4, pipeline: gate-safety, schedule: "0 2 * * *"}
"""  # noqa: E501
"""The example of the design, to the letter."""

ENVIRONMENT = {"GATE_PASSWORD": "hunter2"}
KINDS = {"cameras": "Camera", "models": "Model", "pipelines": "Pipeline", "jobs": "BatchJob"}
ZONE = {"polygon": [[0, 0], [1, 0], [1, 1]]}


def read(tmp_path: Path, text: str) -> Resources:
    path = tmp_path / "gate.yaml"
    path.write_text(text, encoding="utf-8")
    return read_resources(path, environment=ENVIRONMENT)


def refusal(tmp_path: Path, text: str) -> str:
    with pytest.raises(SpecError) as caught:
        read(tmp_path, text)
    assert caught.value.exit_code == 2
    return str(caught.value).replace(f"{tmp_path}/", "")


def enveloped(short: str) -> str:
    """The same resources in the other form."""
    documents = [
        {"apiVersion": "argus.dev/v1", "kind": KINDS[section], "metadata": {"name": name},
         "spec": {"url": spec} if isinstance(spec, str) else spec}
        for section, entries in parse_documents(short, "short")[0].items()
        for name, spec in entries.items()
    ]  # fmt: skip
    return yaml.safe_dump_all(documents)


def test_the_short_form_is_read(tmp_path: Path) -> None:
    resources = read(tmp_path, SHORT)
    assert list(resources.cameras) == ["gate", "yard"]
    assert resources.cameras["gate"].url == "rtsp://user:hunter2@10.0.0.5/stream1"
    assert (resources.cameras["yard"].fps, resources.cameras["yard"].health.frozen_after) == (10, 5)
    assert resources.models["people"].classes == ("person",)
    assert resources.models["colour"].task == "classify"
    pipeline = resources.pipelines["gate-safety"]
    assert (pipeline.camera, pipeline.motion_gate) == ("gate", GateSpec())
    assert pipeline.detect is not None
    assert pipeline.detect.model == "people"
    assert pipeline.track is not None
    assert pipeline.track.algorithm == "bytetrack"
    assert (pipeline.zones["restricted"].dwell, pipeline.zones["restricted"].severity) == (3, "high")
    assert pipeline.lines["door"].end == (0.5, 0.9)
    assert pipeline.branches[0].min_confidence == 0.3
    assert pipeline.actions[0].on == ("zone.entered", "zone.dwelled")
    assert pipeline.actions[1].redis_publish == {"channel": "crossings"}
    assert pipeline.store.detections == 1.0
    assert pipeline.store.clips is not None
    assert (pipeline.store.clips.before, pipeline.store.clips.after) == (3, 5)
    assert resources.jobs["nightly"].schedule == "0 2 * * *"


def test_the_envelope_means_the_same_as_the_short_form(tmp_path: Path) -> None:
    short, envelope = read(tmp_path, SHORT), read(tmp_path, enveloped(SHORT))
    for section in KINDS:
        assert getattr(envelope, section) == getattr(short, section)


def test_the_envelope_carries_labels_and_what_kubernetes_adds(tmp_path: Path) -> None:
    resources = read(
        tmp_path,
        "apiVersion: argus.dev/v1\nkind: Camera\n"
        "metadata: {name: gate, labels: {site: north}, uid: 1-2, generation: 3}\n"
        "spec: {url: rtsp://h/1}\nstatus: {phase: Ready}\n---\ncameras: {yard: rtsp://h/2}\n",
    )
    assert list(resources.cameras) == ["gate", "yard"]
    assert resources.labels == {("Camera", "gate"): {"site": "north"}}


def test_a_secret_of_the_environment_is_never_shown(tmp_path: Path) -> None:
    resources = read(tmp_path, SHORT)
    assert "hunter2" not in repr(resources)
    assert (
        resources.secrets.hide("cannot open rtsp://user:hunter2@h")
        == "cannot open rtsp://user:${GATE_PASSWORD}@h"
    )
    message = refusal(tmp_path, SHORT.replace("fps: 10", 'fps: "${GATE_PASSWORD}"'))
    assert message == (
        "gate.yaml: cameras.yard.fps: input should be a valid number, unable to parse string as a number"
        " (got '${GATE_PASSWORD}')"
    )


def test_a_variable_that_is_not_set_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path, "cameras: {gate: 'rtsp://${NOPE}@h'}") == (
        "gate.yaml: cameras.gate: the environment variable NOPE is not set: export NOPE=… first"
    )


def test_what_a_variable_holds_cannot_change_the_files_structure(tmp_path: Path) -> None:
    path = tmp_path / "gate.yaml"
    path.write_text("cameras: {gate: {url: '${URL}'}}")
    resources = read_resources(path, environment={"URL": "x, fps: 5}\nmodels: ${OTHER}"})
    assert resources.cameras["gate"].url == "x, fps: 5}\nmodels: ${OTHER}"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("polygon", "polygone",
         "gate.yaml: pipelines.gate-safety.zones.restricted.polygone: unknown field;"
         " did you mean 'polygon'?"),
        ("models:", "modles:", "gate.yaml: modles: unknown field; did you mean 'models'?"),
        ("zones:", "zone:", "gate.yaml: pipelines.gate-safety.zone: unknown field; did you mean 'zones'?"),
        ("dwell: 3s", "dwell: 3 parsecs",
         "gate.yaml: pipelines.gate-safety.zones.restricted.dwell: '3 parsecs' is no duration: write a"
         " number and a unit, such as 500ms, 5s or 2m"),
        ("gate-safety:", "Gate_Safety:",
         "gate.yaml: pipelines.Gate_Safety: 'Gate_Safety' is no name: use at most 63 small letters, digits"
         " and -, with a letter or digit first and last"),
        ('"0 2 * * *"', "nightly",
         "gate.yaml: jobs.nightly.schedule: a schedule has five fields: minute, hour, day, month, weekday,"
         " such as `0 2 * * *` (got 'nightly')"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_file_and_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert refusal(tmp_path, SHORT.replace(old, new)) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "gate.yaml: the file is empty"),
        ("# nothing\n---\n", "gate.yaml: the file is empty"),
        ("- a\n", "gate.yaml: expected fields and their values (a mapping), found a list"),
        ("hello", "gate.yaml: expected fields and their values (a mapping), found the single value 'hello'"),
        ("cameras: [a]", "gate.yaml: cameras: expected names and their specs (a mapping)"),
        ("cameras:\n  a: x\n  a: y", "gate.yaml:3: the key 'a' stands here twice"),
        ("cameras: {a: x}\n---\ncameras: {a: y}",
         "gate.yaml: document 2: a Camera 'a' stands in this file twice"),
        ("cameras:\n  a: [1,\n", "gate.yaml:3: this is no YAML: "),
        ("cameras:\n\ta: 1", "gate.yaml:2: this is no YAML: "),
        ("cameras: {a: \x01}", "gate.yaml: this is no YAML: it holds the character #x0001"),
        ("a: *b", "gate.yaml:1: this is no YAML: found undefined alias 'b'"),
        ("a: &a [*a]", "gate.yaml:1: a value that contains itself"),
        ("a: !!python/object:os.system {}",
         "gate.yaml:1: the tag 'tag:yaml.org,2002:python/object:os.system' is not allowed here"),
        ("a: " + "[" * 3000, "gate.yaml: nested too deeply for a file of resources"),
        ("a: " + "9" * 5000, "gate.yaml: a value is not what its tag or form says: "),
        ("cameras: {? [1] : 2}", "gate.yaml:1: a key must be a plain text"),
        ("kind: Camera", "gate.yaml: apiVersion: this field is required"),
        ("zones: {}", "gate.yaml: the fields of a pipeline stand at the top: put them under `pipelines:`"),
        ("apiVersion: v2\nkind: Camera\nmetadata: {name: a}\nspec: {url: x}",
         "gate.yaml: apiVersion: 'v2' is not known; write argus.dev/v1"),
        ("apiVersion: argus.dev/v1\nkind: Camra\nmetadata: {name: a}\nspec: {url: x}",
         "unknown kind in gate.yaml: 'Camra'; did you mean 'Camera'?"),
        ("apiVersion: argus.dev/v1\nkind: Camera\nmetadata: {nam: a}\nspec: {url: x}",
         "gate.yaml: metadata.nam: unknown field; did you mean 'name'?"),
        ("apiVersion: argus.dev/v1\nkind: Camera\nmetadata: {labels: {}}\nspec: {url: x}",
         "gate.yaml: metadata.name: this field is required"),
        ("apiVersion: argus.dev/v1\nkind: Camera\nmetadata: {name: a, labels: {n: 1}}\nspec: {url: x}",
         "gate.yaml: metadata.labels: expected texts"),
        ("apiVersion: argus.dev/v1\nkind: Camera\nmetadata: {name: a}\nspce: {url: x}",
         "gate.yaml: spce: unknown field; did you mean 'spec'?"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_file_of_resources_is_refused(tmp_path: Path, text: str, message: str) -> None:
    assert refusal(tmp_path, text).startswith(message)


def test_a_yaml_bomb_is_refused_before_it_grows(tmp_path: Path) -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for this, last in zip("bcdefghijk", "abcdefghij", strict=True):
        lines.append(f"{this}: &{this} [{', '.join([f'*{last}'] * 10)}]")
    assert refusal(tmp_path, "\n".join(lines)) == "gate.yaml: holds more than 200000 values, aliases followed"


def test_aliases_and_merges_in_measure_are_welcome(tmp_path: Path) -> None:
    resources = read(
        tmp_path,
        "cameras:\n  a: &base {url: rtsp://h/1, fps: 5}\n  b: {<<: *base, url: rtsp://h/2}\n",
    )
    assert (resources.cameras["b"].url, resources.cameras["b"].fps) == ("rtsp://h/2", 5)


def test_on_off_and_clock_times_are_texts_and_truths_are_truths() -> None:
    (values,) = parse_documents("{on: off, no: 12:30, a: true, b: 010, c: 1e3, d: ~, e: 5s}", "t")
    assert values == {"on": "off", "no": "12:30", "a": True, "b": 10, "c": 1000.0, "d": None, "e": "5s"}


def test_a_file_that_is_missing_a_folder_or_no_text_is_refused(tmp_path: Path) -> None:
    for path, fact in ((tmp_path / "no.yaml", "no such file"), (tmp_path, "this is a folder")):
        with pytest.raises(SpecError, match=fact):
            read_resources(path)
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00 \x81")
    with pytest.raises(SpecError, match="no text in UTF-8"):
        read_resources(tmp_path / "b.yaml")


def pipeline_file(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "gate.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def test_the_only_pipeline_of_a_file_is_read_with_its_models(tmp_path: Path) -> None:
    spec, resources = read_pipeline(pipeline_file(tmp_path, SHORT), environment=ENVIRONMENT)
    assert spec.detect is not None
    assert isinstance(spec.detect.model, ModelSpec)
    assert (spec.detect.model.path, spec.detect.model.confidence) == ("models/yolov8n.onnx", 0.4)
    assert isinstance(spec.branches[0].model, ModelSpec)
    assert resources.cameras["gate"].fps is None


def test_the_fields_of_a_pipeline_may_stand_at_the_top(tmp_path: Path) -> None:
    path = pipeline_file(
        tmp_path, {"zones": {"yard": ZONE}, "detect": "people", "models": {"people": "p.onnx"}}
    )
    spec, resources = read_pipeline(path)
    assert list(spec.zones) == ["yard"]
    assert spec.detect is not None
    assert spec.detect.model == ModelSpec(path="p.onnx")
    assert list(resources.pipelines) == ["gate"]


def test_an_unknown_field_at_the_top_of_a_pipeline_names_the_nearest(tmp_path: Path) -> None:
    path = pipeline_file(tmp_path, {"zones": {"yard": ZONE}, "line": {}})
    with pytest.raises(SpecError, match=r"gate.yaml: line: unknown field; did you mean 'lines'\?"):
        read_pipeline(path)


def test_of_several_pipelines_one_must_be_named(tmp_path: Path) -> None:
    path = pipeline_file(tmp_path, {"pipelines": {"a": {"cooldown": 1}, "b": {"cooldown": 2}}})
    with pytest.raises(SpecError, match=r"holds 2 pipelines \(a, b\): name one"):
        read_pipeline(path)
    assert read_pipeline(path, "b")[0].cooldown == 2
    with pytest.raises(UnknownName, match=r"unknown pipeline in .*'bb'; did you mean 'b'\?; known: a, b"):
        read_pipeline(path, "bb")


def test_a_file_without_a_pipeline_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="holds no pipeline: add a section `pipelines`"):
        read_pipeline(pipeline_file(tmp_path, {"cameras": {"a": "x"}}))


def test_weights_are_looked_for_beside_the_file_first(tmp_path: Path) -> None:
    (tmp_path / "here.onnx").touch()
    for named, found in (
        ("here.onnx", str(tmp_path / "here.onnx")),
        ("elsewhere.onnx", "elsewhere.onnx"),
        ("builtin:plaza", "builtin:plaza"),
    ):
        spec, _ = read_pipeline(pipeline_file(tmp_path, {"detect": {"model": named}}))
        assert spec.detect is not None
        assert spec.detect.model == found


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.one_of(
        st.text(st.characters(codec="utf-8"), max_size=200),
        st.text("acmers: {}[]&*!<\n-?|>'\"0~", max_size=80),
    )
)
def test_any_text_is_resources_or_a_clear_refusal(tmp_path: Path, text: str) -> None:
    with contextlib.suppress(SpecError):
        read(tmp_path, text)
