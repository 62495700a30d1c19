"""The page on interfaces of one's own: its package, laid down as an installer would, serves a real system."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "flow-interface.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """Return a folder in which the page's package is installed."""
    folder = tmp_path / "site"
    [project] = [tomllib.loads(text)["project"] for text in blocks("toml")]
    folder.mkdir()
    (folder / "argus_udp.py").write_text(blocks("python")[0])
    told = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    told.mkdir()
    (told / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    [(group, entries)] = project["entry-points"].items()
    named = "\n".join(f"{name} = {value}" for name, value in entries.items())
    (told / "entry_points.txt").write_text(f"[{group}]\n{named}\n")
    return folder


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(30.0)
        yield sock


def shown(packages: Path, tmp_path: Path, options: str, name: str) -> subprocess.Popen[str]:
    main = blocks("python")[1].replace('{"port": 9750}', options).replace('"shown"', f'"{name}"')
    (tmp_path / "main.py").write_text(main)
    return subprocess.Popen(
        [sys.executable, str(tmp_path / "main.py")],
        env={**os.environ, "PYTHONPATH": str(packages)},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize("pictures", [False, True])
def test_an_interface_of_another_package_shows_a_running_system(
    packages: Path, tmp_path: Path, listener: socket.socket, pictures: bool
) -> None:
    options = f'{{"port": {listener.getsockname()[1]}, "pictures": {pictures}}}'
    running = shown(packages, tmp_path, options, f"t-udp-{os.getpid()}")
    try:
        told = [listener.recv(65536) for _ in range(3)]
    finally:
        running.send_signal(signal.SIGINT)
        said, _ = running.communicate(timeout=30)
    assert running.returncode == 0, said
    assert f"url=udp://127.0.0.1:{listener.getsockname()[1]}" in said
    if pictures:
        assert all(data.startswith(b"\xff\xd8") and data.endswith(b"\xff\xd9") for data in told)
    else:
        messages = [json.loads(data) for data in told]
        assert {message["topic"] for message in messages} == {"camera"}
        indices = [message["index"] for message in messages]
        assert indices == sorted(set(indices))


def test_options_that_it_does_not_know_are_told_with_where(packages: Path, tmp_path: Path) -> None:
    running = shown(packages, tmp_path, '{"port": 1, "colour": 2}', f"t-udp-wrong-{os.getpid()}")
    assert running.stdout is not None
    told = ""
    for line in running.stdout:
        told += line
        if "state=backing-off" in line:
            break
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=30)
    assert running.returncode == 1
    assert "colour" in told
