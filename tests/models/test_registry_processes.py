"""The registry between processes: two at once, and one that is killed in the middle."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from argus.vision.models.registry import Registry
from argus.vision.models.registry_files import verify

REGISTER_MANY = """
import sys
from pathlib import Path
from argus.vision.models.registry import Registry
registry, folder = Registry(Path(sys.argv[1])), Path(sys.argv[2])
name, mine, count = *sys.argv[3:5], int(sys.argv[5])
print("ready", flush=True)
for number in range(count):
    path = folder / f"{mine}.onnx"
    path.write_bytes(f"{mine if mine == 'same' else sys.argv[6]} {number}".encode().ljust(200_000, b"."))
    print(registry.register(path, name=name).model.record.version, flush=True)
"""


def start(registry: Path, folder: Path, mine: str, count: int, salt: str = "") -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    command = [
        sys.executable,
        "-c",
        REGISTER_MANY,
        str(registry),
        str(folder),
        "people",
        mine,
        str(count),
        salt,
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_processes_that_register_at_once_get_a_version_each_and_share_what_is_the_same(
    tmp_path: Path,
) -> None:
    running = [start(tmp_path / "models", tmp_path / f"{i}", "own", 6, salt=f"process {i}") for i in range(2)]
    running += [start(tmp_path / "models", tmp_path / f"{i}", "same", 6) for i in (2, 3)]
    said = [process.communicate(timeout=120)[0].split()[1:] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0, 0]
    registry = Registry(tmp_path / "models")
    assert len(registry.versions("people")) == 18
    assert said[2] == said[3]
    assert sorted({int(v) for versions in said for v in versions}) == list(range(1, 19))
    for model in registry.models():
        verify(model, every_byte=True)


def test_a_kill_at_any_moment_leaves_no_half_version(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models")
    for wanted in (1, 4, 8):
        process = start(registry.folder, tmp_path / "files", "own", 10_000, salt=f"round {wanted}")
        deadline = time.monotonic() + 60
        # Killed as soon as so many stand: whatever it is doing then, it is doing the next.
        while len(list(registry.folder.glob("people/*/model.json"))) < wanted and time.monotonic() < deadline:
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert len(registry.versions("people")) >= wanted
        for model in registry.models():
            verify(model, every_byte=True)


def test_what_a_killed_process_left_is_ignored_and_swept_away(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models")
    weights = tmp_path / "net.onnx"
    weights.write_bytes(b"weights")
    registry.register(weights, name="people")
    for leftover in (".incoming-dead", ".removed-dead"):
        (registry.folder / leftover / "version").mkdir(parents=True)
        (registry.folder / leftover / "version" / "model.json").write_text("{")
    (registry.folder / "empty").mkdir()  # killed between making the name's folder and moving the version in
    assert [model.record.reference for model in registry.models()] == ["people@1"]
    registry.register(weights, name="empty")
    assert sorted(path.name for path in registry.folder.iterdir()) == [".lock", "empty", "people"]
