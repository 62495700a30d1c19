"""`node.toml`, and the Dockerfile that it gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from argus.core.errors import SpecError
from argus.flow.deploy.documents import documents
from argus.flow.deploy.node_toml import NodeToml, read_node_toml
from argus.flow.deploy.settings import DeploySettings
from argus.flow.system import load_graph


def written(folder: Path, text: str) -> Path:
    (folder / "node.toml").write_text(text, encoding="utf-8")
    return folder


def dockerfile(main_py: Path, node: str) -> str:
    return documents(load_graph(main_py), DeploySettings("ghcr.io/me"))[f"docker/my-robot-{node}.Dockerfile"]


def test_a_folder_without_one_takes_the_defaults(tmp_path: Path) -> None:
    assert read_node_toml(tmp_path) == NodeToml()


def test_it_says_what_the_node_needs(tmp_path: Path) -> None:
    toml = read_node_toml(
        written(
            tmp_path, '[node]\nfile = "yolo.py"\nclass = "Yolo"\nsystem = ["libgl1"]\nfiles = "weights"\n'
        )
    )
    assert (toml.file, toml.class_, toml.system, toml.files) == ("yolo.py", "Yolo", ("libgl1",), ("weights",))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[node\n", "is no TOML"),
        ("[nodes]\n", r"only the table \[node\]"),
        ('[node]\ndependancies = ["x"]\n', "dependencies"),
        ('[node]\nsystem = ["a; rm -rf /"]\n', "no name of a Debian package"),
        ('[node]\ndependencies = ["x$(id)"]\n', "nothing that pip can install"),
        ('[node]\nfiles = ["../secrets"]\n', "leads out of"),
        ('[node]\nbase = "a\\nRUN id"\n', "write one name"),
        ('[node]\ndevice = "tpu"\n', "device"),
        ("[node]\nfile = 3\n", "file"),
    ],
)
def test_what_is_wrong_is_said_with_the_file(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SpecError, match=said) as caught:
        read_node_toml(written(tmp_path, text))
    assert "node.toml" in str(caught.value)


def test_bytes_that_are_no_text_are_said(tmp_path: Path) -> None:
    (tmp_path / "node.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpecError, match="cannot be read"):
        read_node_toml(tmp_path)


def test_an_image_is_laid_from_what_changes_least_to_the_code(main_py: Path) -> None:
    lines = dockerfile(main_py, "yolo").splitlines()
    order = [
        "FROM nvidia/cuda:12.4.1-runtime-ubuntu22.04",
        " && apt-get install --yes --no-install-recommends ffmpeg libgl1 \\",
        "RUN pip install --no-cache-dir ultralytics==8.3.0 'numpy>=2'",
        "COPY weights/yolo.onnx weights/yolo.onnx",
        "COPY nodes/yolo/ nodes/yolo/",
        "COPY main.py ./",
        "USER 10001:10001",
        'CMD ["argus", "flow", "run", "main.py", "--only", "yolo"]',
    ]
    assert [line for line in lines if line in order] == order


def test_of_other_nodes_only_the_code_is_there(main_py: Path) -> None:
    text = dockerfile(main_py, "camera")
    assert 'COPY ["nodes/yolo/*.py", "nodes/yolo/node.toml", "nodes/yolo/"]' in text
    assert "ultralytics" not in text
    assert "weights" not in text


def test_code_outside_of_the_systems_folder_is_refused(
    main_py: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other") / "sink.py"
    other.write_text("def sink(data):\n    pass\n", encoding="utf-8")
    main_py.write_text(main_py.read_text().replace('"nodes/logger"', repr(str(other))))
    with pytest.raises(SpecError, match="move it"):
        documents(load_graph(main_py), DeploySettings("ghcr.io/me"))
