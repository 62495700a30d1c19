"""From where a node's code is to an instance of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from argus.flow.graph import NodeSpec, Target
from argus.flow.loading import FunctionConsumer, FunctionProducer, NodeBroken, make_node
from argus.flow.node import ConsumerNode, Node


def load(tmp_path: Path, where: str = "nodes/it", *, attribute: str | None = None, **params: Any) -> Node:
    target = Target(kind="path", where=str(tmp_path / where), attribute=attribute)
    return make_node(NodeSpec(name="it", target=target, params=params), str(tmp_path))


def write(tmp_path: Path, **files: str) -> None:
    folder = tmp_path / "nodes" / "it"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


CLASS = "from argus import ConsumerNode\nclass It(ConsumerNode):\n    def loop(self, data): return data\n"


@pytest.mark.parametrize("name", ["node__py", "it__py", "main__py", "anything__py"])
def test_a_folder_holds_one_node(tmp_path: Path, name: str) -> None:
    write(tmp_path, **{name: CLASS})
    node = load(tmp_path)
    assert isinstance(node, ConsumerNode)
    assert (type(node).__name__, node.name) == ("It", "it")


def test_a_file_is_found_with_and_without_its_ending(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(CLASS)
    assert type(load(tmp_path, "one")).__name__ == "It"
    assert type(load(tmp_path, "one.py")).__name__ == "It"


def test_node_toml_says_which_file(tmp_path: Path) -> None:
    write(tmp_path, node__toml='[node]\nfile = "b.py"\n', a__py="x = 1", b__py=CLASS)
    assert type(load(tmp_path)).__name__ == "It"


def test_a_node_imports_from_its_own_folder_and_from_the_systems(tmp_path: Path) -> None:
    (tmp_path / "shared_words.py").write_text("WORD = 'shared'")
    write(
        tmp_path,
        beside_it__py="OWN = 'own'",
        node__py="from beside_it import OWN\nfrom shared_words import WORD\n"
        + CLASS
        + "    said = OWN + WORD\n",
    )
    assert vars(type(load(tmp_path)))["said"] == "ownshared"


def test_functions_are_nodes(tmp_path: Path) -> None:
    write(tmp_path, node__py="def it(data, *, scale=2):\n    return data * scale\n")
    node = load(tmp_path, scale=5)
    assert isinstance(node, FunctionConsumer)
    assert node.loop(3) == 15
    write(tmp_path, node__py="def it(first=0):\n    yield first\n    yield first + 1\n")
    producer = load(tmp_path, first=7)
    assert isinstance(producer, FunctionProducer)
    producer.setup()
    assert [producer.loop(), producer.loop()] == [7, 8]


def test_a_base_class_beside_the_node_is_no_second_node(tmp_path: Path) -> None:
    write(tmp_path, node__py=CLASS + "class Better(It):\n    pass\n")
    assert type(load(tmp_path)).__name__ == "Better"


@pytest.mark.parametrize(
    ("files", "match"),
    [
        ({"node__py": "import nothing_like_it\n"}, r"node\.py:1: ModuleNotFoundError.*nothing_like_it"),
        ({"node__py": "x = 1\n\ny = 1 / 0\n"}, r"node\.py:3: ZeroDivisionError"),
        ({"node__py": "def x(:\n"}, r"node\.py:1: SyntaxError"),
        ({"node__py": "x = 1"}, "must hold one node class or one function; there is none"),
        ({"node__py": CLASS + CLASS.replace("It", "Other")}, "there is It, Other"),
        ({"a__py": CLASS, "b__py": CLASS}, r"there is a\.py, b\.py: call it node\.py"),
        ({"node__py": CLASS + "    def __init__(self, x): pass\n"}, "made without arguments"),
        ({"node__py": "def it(a, b): pass\n"}, "takes 2 messages"),
    ],
)
def test_what_is_wrong_is_said_with_file_line_and_reason(
    tmp_path: Path, files: dict[str, str], match: str
) -> None:
    write(tmp_path, **files)
    with pytest.raises(NodeBroken, match=match) as caught:
        load(tmp_path)
    assert str(caught.value).count("\n") == 0


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NodeBroken, match=r"there is no .*nodes/it"):
        load(tmp_path)


def test_a_class_within_a_function_is_told_where_it_belongs(tmp_path: Path) -> None:
    write(tmp_path, node__py=CLASS)
    with pytest.raises(NodeBroken, match=r"move it to the top of its file, or run with debug=True"):
        load(tmp_path, attribute="main.<locals>.It")


def test_params_of_functions_are_checked_by_name(tmp_path: Path) -> None:
    write(tmp_path, node__py="def it(data, *, scale=2):\n    return data * scale\n")
    with pytest.raises(NodeBroken, match="takes no skale: it takes scale"):
        load(tmp_path, skale=1)


def test_a_class_without_params_says_how_to_have_some(tmp_path: Path) -> None:
    write(tmp_path, node__py=CLASS)
    with pytest.raises(NodeBroken, match=r"confidence was given: give It a class Params"):
        load(tmp_path, confidence=0.5)
