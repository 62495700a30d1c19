"""`argus models`: what it prints for people and for programs, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from argus.cli.tables import size_text
from argus.vision.models.catalogue import CATALOGUE
from tests.cli.conftest import Argus
from tests.models.tiny_network import write_tiny_detector
from tests.models.weights_server import Served, WeightsServer, serving


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ARGUS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("COLUMNS", raising=False)
    return tmp_path / "home"


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_tiny_detector(tmp_path / "tiny.onnx")


@pytest.fixture
def server() -> Iterator[WeightsServer]:
    with serving() as running:
        yield running


def items(text: str) -> list[Any]:
    told = json.loads(text)
    assert list(told) == ["items"]
    return list(told["items"])


def test_an_empty_registry_says_what_to_do_next(argus: Argus) -> None:
    done = argus("models", "list")
    assert (done.code, done.out) == (0, "")
    assert "argus models list --catalogue" in done.err
    assert items(argus("models", "list", "-o", "json").out) == []


def test_registered_weights_are_listed(argus: Argus, tiny: Path) -> None:
    done = argus("models", "register", tiny, "--name", "people")
    size = size_text(tiny.stat().st_size)
    assert (done.code, done.out) == (0, f"registered people@1 (detect, layout yolov8, 2 classes, {size})\n")
    listed = argus("models", "list").out.splitlines()
    assert listed[0].split() == ["MODEL", "TASK", "LAYOUT", "CLASSES", "INPUT", "SIZE", "LICENCE"]
    assert listed[1].split() == ["people@1", "detect", "yolov8", "2", "64x64", *size.split(), "MIT"]


def test_a_list_for_programs_holds_every_fact(argus: Argus, tiny: Path) -> None:
    argus("models", "register", tiny)
    (item,) = items(argus("models", "list", "--output", "json").out)
    assert (item["name"], item["version"], item["task"], item["labels"]) == (
        "tiny",
        "1",
        "detect",
        ["person", "car"],
    )
    assert Path(item["path"]).read_bytes() == tiny.read_bytes()
    assert {"sha256", "size_bytes", "created", "source", "fingerprint", "licence", "metadata"} <= item.keys()


def test_yaml_says_the_same_as_json(argus: Argus, tiny: Path) -> None:
    argus("models", "register", tiny)
    as_json = json.loads(argus("models", "list", "-o", "json").out)
    assert yaml.safe_load(argus("models", "list", "-o", "yaml").out) == as_json


def test_registering_the_same_twice_says_so(argus: Argus, tiny: Path) -> None:
    argus("models", "register", tiny)
    assert argus("models", "register", tiny).out.startswith("already here: tiny@1")
    assert json.loads(argus("models", "register", tiny, "-o", "json").out)["created_now"] is False


def test_verify_reads_every_byte_and_fails_for_what_is_damaged(argus: Argus, tiny: Path) -> None:
    path = Path(json.loads(argus("models", "register", tiny, "-o", "json").out)["path"])
    assert argus("models", "list", "--verify").out.splitlines()[1].endswith("sound")
    spoilt = bytearray(path.read_bytes())
    spoilt[-1] ^= 1
    stat = path.stat()
    path.write_bytes(spoilt)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    done = argus("models", "list", "--verify")
    assert done.code == 1
    assert done.out.splitlines()[1].endswith("damaged")
    assert "model tiny@1 is damaged" in done.err
    assert items(argus("models", "list", "--verify", "-o", "json").out)[0]["sound"] is False


def test_inspect_shows_what_a_file_takes_and_gives(argus: Argus, tiny: Path) -> None:
    done = argus("models", "inspect", tiny)
    assert done.code == 0
    facts = {line.split("  ")[0]: line.split("  ")[-1].strip() for line in done.out.splitlines()}
    assert facts["takes"] == "images [1, 3, 64, 64] float32"
    assert facts["gives"] == "output0 [1, 6, 84] float32"
    assert facts["labels"] == "2: person, car"
    assert facts["parameters"] == "504"
    assert facts["input"] == "64x64, batch 1"
    assert facts["engine"].endswith("(what `auto` takes here)")


def test_inspect_knows_registered_models_by_name(argus: Argus, tiny: Path) -> None:
    argus("models", "register", tiny, "--licence", "Apache-2.0")
    told = json.loads(argus("models", "inspect", "tiny@1", "-o", "json").out)
    assert (told["name"], told["version"], told["licence"]) == ("tiny", "1", "Apache-2.0")
    assert (told["source"], told["labels"]) == (str(tiny), ["person", "car"])
    assert told["engine"] in {"openvino", "onnxruntime"}


def test_inspect_knows_what_is_built_in(argus: Argus) -> None:
    told = json.loads(argus("models", "inspect", "builtin:people", "-o", "json").out)
    assert (told["task"], told["path"]) == ("detect", None)
    done = argus("models", "inspect", "builtin:peeple")
    assert done.code == 2
    assert "unknown built-in model 'builtin:peeple'; did you mean 'builtin:people'" in done.err


@pytest.mark.parametrize(
    ("file", "task", "layout", "parameters"),
    [
        ("yolov8n_fp32_640.onnx", "detect", "yolov8", 3_193_909),
        ("yolox_nano_416.onnx", "detect", "yolox", 910_000),
        ("mobilenet_v2_int8_224.onnx", "classify", "classifier", 3_500_000),
        ("osnet_x0_25_msmt17_reid.onnx", "embed", "embedding", 200_000),
        ("yolov8n-seg_fp32_320_dequantised.onnx", "segment", "yolov8-seg", 3_400_000),
    ],
)
def test_inspect_reads_real_networks(
    argus: Argus, shared_data: Path, file: str, task: str, layout: str, parameters: int
) -> None:
    told = json.loads(argus("models", "inspect", shared_data / "models" / file, "-o", "json").out)
    assert (told["task"], told["layout"]) == (task, layout)
    assert told["parameters"] == pytest.approx(parameters, rel=0.02)
    assert told["quantised"] == ("dynamic" if "int8" in file else "no")


def test_labels_can_be_given_in_a_file(argus: Argus, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("human\nvehicle\n")
    argus("models", "register", tiny, "--labels", tmp_path / "names.txt")
    assert items(argus("models", "list", "-o", "json").out)[0]["labels"] == ["human", "vehicle"]
    (tmp_path / "names.txt").write_text("human\n")
    done = argus("models", "register", tiny, "--labels", tmp_path / "names.txt")
    assert done.code == 2
    assert "1 labels were given for a network with 2 classes" in done.err


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--layout", "yolo8"], 2, "unknown layout 'yolo8'; did you mean 'yolov8'"),
        (["--layout", "yolox"], 1, "the layout 'yolox' does not fit this network"),
        (["--task", "sing"], 2, "tiny.onnx: task"),
        (["--input-size", "a"], 2, "--input-size a: write one side, such as 640, or WIDTHxHEIGHT"),
        (["--input-size", "128"], 2, "input_size 128x128 was asked of a network whose input is 64x64"),
        (["--name", "My Model"], 2, "such as 'my-model'"),
        (["--labels", "none.txt"], 2, "labels file none.txt"),
    ],
)
def test_an_option_that_does_not_fit_is_one_clear_line(
    argus: Argus, tiny: Path, options: list[str], code: int, said: str
) -> None:
    done = argus("models", "register", tiny, *options)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert "Traceback" not in done.err
    assert items(argus("models", "list", "-o", "json").out) == []


@pytest.mark.parametrize("command", ["register", "inspect", "pull"])
def test_a_file_that_is_no_network_is_refused(argus: Argus, tmp_path: Path, tiny: Path, command: str) -> None:
    for name, content in (
        ("cut.onnx", tiny.read_bytes()[:-200]),
        ("text.onnx", b"hello"),
        ("zero.onnx", b""),
    ):
        (tmp_path / name).write_bytes(content)
        done = argus("models", command, tmp_path / name)
        assert done.code == 1
        assert done.err.startswith("error: ")
        assert name in done.err
        assert "Traceback" not in done.err
    done = argus("models", command, tmp_path / "none.onnx")
    assert done.code == 1
    assert "there is no such file" in done.err or "no such file or directory" in done.err


def test_a_removed_model_is_gone(argus: Argus, tiny: Path) -> None:
    argus("models", "register", tiny)
    assert argus("models", "remove", "tiny@1").out == "removed tiny@1\n"
    done = argus("models", "remove", "tiny")
    assert done.code == 2
    assert "unknown model 'tiny'; known: none" in done.err


def test_all_versions_go_only_when_asked_for(argus: Argus, tmp_path: Path) -> None:
    for salt in (0.0, 1.0):
        argus("models", "register", write_tiny_detector(tmp_path / "tiny.onnx", salt=salt))
    done = argus("models", "remove", "tiny")
    assert done.code == 2
    assert "'tiny' has 2 versions; name one: tiny@1, tiny@2" in done.err
    assert items(argus("models", "remove", "tiny", "--all", "-o", "json").out) == ["tiny@1", "tiny@2"]
    assert items(argus("models", "list", "-o", "json").out) == []


def test_the_catalogue_names_licence_size_and_accuracy(argus: Argus) -> None:
    entries = items(argus("models", "list", "--catalogue", "-o", "json").out)
    assert [entry["name"] for entry in entries] == list(CATALOGUE)
    assert all(entry["licence"] and entry["sha256"] and entry["coco_map"] > 20 for entry in entries)
    assert "yolox-tiny" in argus("models", "list", "--catalogue").out


def test_a_pull_fetches_verifies_and_registers(argus: Argus, server: WeightsServer, tiny: Path) -> None:
    server.files["/street.onnx"] = Served(tiny.read_bytes(), breaks_after=[1000])
    done = argus("models", "pull", server.url("/street.onnx"), "--licence", "CC0-1.0")
    assert done.code == 0, done.err
    assert done.out.startswith("registered street@1 (detect, layout yolov8, 2 classes, ")
    assert "the connection broke off; next try in" in done.err
    assert items(argus("models", "list", "-o", "json").out)[0]["licence"] == "CC0-1.0"
    assert argus("models", "pull", server.url("/street.onnx")).out.startswith("already here: street@1")


def test_an_address_without_checksum_is_refused_until_one_insists(
    argus: Argus, server: WeightsServer, tiny: Path
) -> None:
    server.files["/street.onnx"] = Served(tiny.read_bytes())
    address = server.url("/street.onnx", checksum=False)
    done = argus("models", "pull", address)
    assert done.code == 2
    assert "add #sha256=… as the publisher states it, or say --no-checksum" in done.err
    assert server.asked == []
    done = argus("models", "pull", address, "--no-checksum")
    assert done.code == 0
    known = server.files["/street.onnx"].sha256
    assert (
        f"nobody vouched for this file; from now on it is known by its checksum: sha256={known}" in done.err
    )


def test_a_download_over_the_size_asked_for_is_refused(argus: Argus, server: WeightsServer) -> None:
    server.files["/large.onnx"] = Served(b"x" * 2_000_000)
    done = argus("models", "pull", server.url("/large.onnx"), "--max-size", "0.001")
    assert done.code == 1
    assert "raise it with --max-size" in done.err


def test_a_download_of_any_size_may_be_asked_for(argus: Argus, tiny: Path) -> None:
    done = argus("models", "pull", tiny, "--max-size", "inf")
    assert done.code == 0, done.err


def test_ctrl_c_keeps_what_has_arrived_and_the_same_command_goes_on(
    argus: Argus, server: WeightsServer, home: Path, tiny: Path
) -> None:
    server.files["/street.onnx"] = Served(tiny.read_bytes(), hangs_after=[1500])
    address = server.url("/street.onnx")
    command = [sys.executable, "-c", "from argus.cli.main import main; main()", "models", "pull", address]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not any(part.stat().st_size == 1500 for part in home.glob("downloads/*/*.part")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on where this one ended" in said
    assert "Traceback" not in said
    assert argus("models", "pull", address).code == 0
    assert server.ranges == [None, "bytes=1500-"]


@pytest.mark.parametrize("command", [[], ["list"], ["pull"], ["inspect"], ["register"], ["remove"]])
def test_every_command_has_help_with_an_example(argus: Argus, command: list[str]) -> None:
    done = argus("models", *command, "--help")
    assert done.code == 0
    assert "argus models" in done.out


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (999_600, "1.0 MB"), (3_660_092, "3.7 MB"), (5e12, "5000.0 GB")],
)
def test_sizes_are_written_as_people_read_them(size: int, text: str) -> None:
    assert size_text(size) == text
