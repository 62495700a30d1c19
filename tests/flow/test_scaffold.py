"""`argus flow init` gives a folder that runs as it is."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from argus.core.errors import SourceNotFound, SpecError
from argus.flow.checks import faults
from argus.flow.loading import make_node
from argus.flow.scaffold import scaffold
from argus.flow.system import load_graph


def test_what_is_made_has_no_faults_and_what_its_page_names_is_there(tmp_path: Path) -> None:
    files = scaffold(tmp_path / "my-robot", port=8123)
    graph = load_graph(tmp_path / "my-robot" / "main.py")
    assert graph.name == "my-robot"
    assert faults(graph) == []
    assert graph.node("gateway").params == {"port": 8123}
    page = (tmp_path / "my-robot" / "README.md").read_text()
    named = re.findall(r"\| `(.+?)` \|", page)
    assert named == ["main.py", "nodes/camera", "nodes/finder", "nodes/counter"]
    assert all((tmp_path / "my-robot" / name).exists() for name in named)
    assert tmp_path / "my-robot" / "nodes" / "finder" / "node.toml" in files


def test_what_is_there_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "robot").mkdir()
    scaffold(tmp_path / "robot")
    (tmp_path / "robot" / "main.py").write_text("mine")
    with pytest.raises(SpecError, match="something is there already"):
        scaffold(tmp_path / "robot")
    assert (tmp_path / "robot" / "main.py").read_text() == "mine"
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SpecError, match="something is there already"):
        scaffold(tmp_path / "file")


@pytest.mark.parametrize("name", ["My_Robot", "-robot", "a" * 64])
def test_a_name_that_no_system_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SpecError, match="becomes the system's name"):
        scaffold(tmp_path / name)
    assert not (tmp_path / name).exists()


def test_the_camera_that_is_made_goes_on_where_another_source_cannot_be_opened(tmp_path: Path) -> None:
    scaffold(tmp_path / "robot")
    graph = load_graph(tmp_path / "robot" / "main.py")
    camera = make_node(graph.node("camera"), graph.folder)
    camera.setup()
    frame = camera.loop()  # type: ignore[attr-defined]  # a producer
    before, camera.params = camera.params, camera.params.model_copy(update={"url": "nothing.mp4"})
    with pytest.raises(SourceNotFound):
        camera.on_params(frozenset({"url"}))
    camera.params = before
    assert camera.loop().index == frame.index + 1  # type: ignore[attr-defined]
    camera.on_params(frozenset({"url"}))
    assert camera.loop().index == 0  # type: ignore[attr-defined]
    camera.teardown()


def test_what_is_made_runs_and_finds_somebody(tmp_path: Path) -> None:
    scaffold(tmp_path / "fresh-robot")
    code = "from argus.cli.flow import app; app()"
    main = str(tmp_path / "fresh-robot" / "main.py")
    command = [sys.executable, "-c", code, "run", main, "-p", "gateway.port=0", "-o", "json"]
    told = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        for line in running.stderr:
            told.append(line)
            if re.search(r"counter +\| .* s: .*\d person", line):
                break
        running.send_signal(signal.SIGINT)
        out, _ = running.communicate(timeout=60)
    assert running.returncode == 0, told
    [status] = json.loads(out)["items"]
    links = {link["id"]: link["counts"] for link in status["links"]}
    assert links["finder->counter"]["delivered"] > 0
    assert links["camera->gateway"]["delivered"] > 0
