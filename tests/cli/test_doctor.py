"""`argus doctor`: what it finds, what it says to do, how it ends."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from argus.cli.doctor import findings_table
from argus.vision.capabilities.finding import Finding, looked
from argus.vision.capabilities.home import look_at_home
from argus.vision.capabilities.inference import nvidia_gpus
from argus.vision.capabilities.processor import read_processor
from argus.vision.capabilities.video import decodes, look_at_webcams
from tests.cli.conftest import Argus


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ARGUS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def told(argus: Argus, code: int = 0) -> dict[str, dict[str, Any]]:
    done = argus("doctor", "-o", "json")
    found = json.loads(done.out)
    assert done.code == code, [item for item in found["items"] if item["state"] == "broken"]
    assert found["ok"] is (code == 0)
    return {item["name"]: item for item in found["items"]}


def test_a_sound_installation_passes_and_says_what_it_can_do(argus: Argus, home: Path) -> None:
    found = told(argus)
    assert {"H.264", "MJPEG"} <= set(found["decoders"]["data"]["decoded"])
    assert "CPUExecutionProvider" in found["ONNX Runtime"]["data"]["providers"]
    assert "f32" in found["OpenVINO"]["data"]["devices"][0]["precisions"]
    assert found["precisions"]["data"]["fast"][-1] == "f32"
    assert found["processor"]["data"]["cores"] >= 1
    assert found["memory"]["data"]["total_bytes"] > 0
    assert found["detection"]["data"]["objects"] > 0
    assert found["telemetry"]["state"] == "ok"
    assert {"python", "ARGUS_HOME", "OpenCV", "webcams", "GPU", "hardware decoders"} <= found.keys()
    assert not home.exists()  # looking changes nothing


def test_whatever_is_missing_comes_with_the_command_that_installs_it(argus: Argus) -> None:
    found = told(argus)
    installs = {
        "torch": "pip install 'argus-vision[torch]'",
        "supervision": "pip install 'argus-vision[supervision]'",
    }
    for name, command in installs.items():
        assert found[name]["remedy"] == (None if found[name]["data"]["installed"] else command)
        assert not found[name]["required"]
    assert found["gstreamer"]["state"] == "ok" or "apt-get install" in found["gstreamer"]["remedy"]


def test_a_folder_that_cannot_be_written_is_broken_and_the_exit_says_so(
    argus: Argus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARGUS_HOME", "/proc/argus")
    found = told(argus, code=1)
    assert found["ARGUS_HOME"]["state"] == "broken"
    assert "export ARGUS_HOME=FOLDER" in found["ARGUS_HOME"]["remedy"]
    assert "Broken: ARGUS_HOME" in argus("doctor").out


def test_a_home_that_is_a_file_is_told_like_any_other_fault(argus: Argus, home: Path) -> None:
    home.write_text("a file")
    assert "this is a file, not a folder" in told(argus, code=1)["ARGUS_HOME"]["detail"]


def test_yaml_and_tables_hold_the_same_findings(argus: Argus) -> None:
    names = told(argus)
    table = argus("doctor").out
    assert all(name in table for name in names)
    assert "✓" in table
    assert argus("doctor", "-o", "yaml").out.startswith("ok: true\nitems:\n")


def test_the_help_has_an_example(argus: Argus) -> None:
    assert "argus doctor -o json" in argus("doctor", "--help").out


FINDINGS = [
    Finding(
        "extras",
        "torch",
        "missing",
        "not installed: weights in .pt files",
        remedy="pip install 'argus-vision[torch]'",
    ),
    Finding(
        "video", "decoders", "broken", "not [H.264]", remedy="pip install --force-reinstall av", required=True
    ),
]


def drawn(width: int, encoding: str = "utf-8") -> list[str]:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    screen = Console(file=file, width=width, color_system=None)
    screen.print(findings_table(FINDINGS, screen))
    file.seek(0)
    return [line.rstrip() for line in file.read().splitlines()]


def test_on_80_columns_a_remedy_stands_below_in_one_piece() -> None:
    lines = drawn(80)
    assert max(map(len, lines)) <= 80
    assert lines[1].strip() == "→ pip install 'argus-vision[torch]'"
    assert lines[2].startswith("✗")
    assert "not [H.264]" in lines[2]


def test_on_a_wide_screen_a_remedy_has_its_own_column() -> None:
    lines = drawn(150)
    assert len(lines) == len(FINDINGS)
    assert lines[0].endswith("→ pip install 'argus-vision[torch]'")


def test_a_terminal_without_unicode_gets_plain_signs() -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    screen = Console(file=file, width=80, color_system=None)
    screen.print(findings_table(FINDINGS[1:], screen))
    file.seek(0)
    assert file.read().startswith("X  decoders")


def test_a_look_that_crashes_is_a_finding_itself() -> None:
    def crash() -> Iterator[Finding]:
        yield from ()
        raise ImportError("libGL.so.1: cannot open shared object file")

    (finding,) = looked(crash, "video", "OpenCV", "pip install opencv-contrib-python-headless")
    assert (finding.state, finding.required, finding.healthy) == ("broken", True, False)
    assert finding.detail == "ImportError: libGL.so.1: cannot open shared object file"


def test_a_codec_without_an_encoder_here_does_not_decode() -> None:
    assert decodes("mjpeg", "avi")
    assert not decodes("no-such-encoder", "avi")


@pytest.mark.parametrize(
    ("text", "model", "precisions"),
    [
        (
            "model name\t: Intel(R) Xeon(R)   Platinum\nflags\t: avx2 avx512_vnni amx_bf16 amx_int8\n",
            "Intel(R) Xeon(R) Platinum",
            ("int8", "bf16", "f32"),
        ),
        (
            "model name\t: Intel(R) Core(TM) i5-8250U\nflags\t\t: sse4_2 avx2\n",
            "Intel(R) Core(TM) i5-8250U",
            ("f32",),
        ),
        ("Features\t: fp asimd asimddp i8mm\nHardware\t: BCM2712\n", "BCM2712", ("int8", "f32")),
    ],
)
def test_the_processor_tells_which_precisions_are_fast(
    tmp_path: Path, text: str, model: str, precisions: tuple[str, ...]
) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    cpu = read_processor(tmp_path)
    assert (cpu.model, cpu.precisions) == (model, precisions)


def test_webcams_are_named_in_their_order(tmp_path: Path) -> None:
    for number, name in ((0, "HD Webcam"), (10, "Capture"), (2, "Dome")):
        (tmp_path / f"video{number}").touch()
        (tmp_path / "class" / f"video{number}").mkdir(parents=True)
        (tmp_path / "class" / f"video{number}" / "name").write_text(f"{name}\n")
    (finding,) = look_at_webcams(tmp_path, tmp_path / "class")
    assert [camera["name"] for camera in finding.data["cameras"]] == ["HD Webcam", "Dome", "Capture"]
    assert finding.state == "ok"
    (none,) = look_at_webcams(tmp_path / "nothing", tmp_path)
    assert (none.detail, none.healthy) == ("none connected", True)


def test_gpus_are_those_that_the_driver_lists(tmp_path: Path) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVIDIA H200, 143771 MiB, 570.86.15'\n")
    program.chmod(0o755)
    assert nvidia_gpus(str(program)) == [
        {"name": "NVIDIA H200", "memory": "143771 MiB", "driver": "570.86.15"}
    ]
    program.write_text(
        "#!/bin/sh\necho 'has failed because it could not communicate with the driver'; exit 9\n"
    )
    assert nvidia_gpus(str(program)) == []
    assert nvidia_gpus(str(tmp_path / "none")) == []


def test_little_room_is_said_with_a_way_out(home: Path) -> None:
    (finding,) = look_at_home()
    assert finding.data["free_bytes"] > 0
    assert (finding.remedy is None) == (finding.state == "ok")
