"""New params on their way to a node, and what others may see of them."""

from __future__ import annotations

import select
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import structlog
from pydantic import BaseModel, Field

from argus.flow.changes import Changes, shown
from argus.flow.graph import NodeSpec, Target
from argus.flow.loading import FunctionConsumer, settable
from argus.flow.node import ConsumerNode

_TABLE = np.eye(2)


class Line:
    """What the supervisor would hear."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def tell(self, message: dict[str, Any]) -> bool:
        self.told.append(message)
        return True


class Finder(ConsumerNode):
    class Params(BaseModel):
        confidence: float = Field(default=0.25, ge=0, le=1)
        url: str = "rtsp://user:secret@10.0.0.5/1"

    heard: list[frozenset[str]]

    def loop(self, data: Any) -> Any:
        return data

    def on_params(self, changed: frozenset[str]) -> None:
        self.heard.append(changed)
        if self.params.confidence == 0.9:
            raise RuntimeError("no model is that sure")


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def node() -> Finder:
    made = Finder()
    made.params = Finder.Params()
    made.heard = []
    made.log = structlog.get_logger()
    return made


def changes(node: Any, line: Line) -> Changes:
    spec = NodeSpec(name="finder", target=Target(kind="module", where="x"))
    return Changes(node, spec, line)  # type: ignore[arg-type]  # what it uses of a line


def test_a_change_reaches_the_node_when_it_settles_and_not_before(node: Finder, line: Line) -> None:
    asked = changes(node, line)
    asked.hear({"set": {"confidence": 0.5}, "id": 7})
    assert line.told == []
    assert node.params.confidence == 0.25
    assert select.select([asked.wake], [], [], 0)[0]
    asked.settle()
    assert node.params.confidence == 0.5
    assert node.params.url == "rtsp://user:secret@10.0.0.5/1"
    assert node.heard == [frozenset({"confidence"})]
    assert line.told == [{"answer": 7, "ok": {"confidence": 0.5, "url": "rtsp://user:***@10.0.0.5/1"}}]
    assert not select.select([asked.wake], [], [], 0)[0]


def test_two_changes_before_the_node_settles_are_both_had(node: Finder, line: Line) -> None:
    asked = changes(node, line)
    asked.hear({"set": {"confidence": 0.5}, "id": 1})
    asked.hear({"set": {"url": "file.mp4"}, "id": 2})
    asked.settle()
    asked.settle()
    assert (node.params.confidence, node.params.url) == (0.5, "file.mp4")
    assert node.heard == [frozenset({"confidence"}), frozenset({"url"})]
    assert [message["answer"] for message in line.told] == [1, 2]
    assert not select.select([asked.wake], [], [], 0)[0]


def test_what_is_not_valid_is_answered_and_changes_nothing(node: Finder, line: Line) -> None:
    asked = changes(node, line)
    asked.hear({"set": {"confidence": 2}, "id": 1})
    asked.settle()
    assert "less than or equal to 1" in line.told[0]["error"]
    assert node.params.confidence == 0.25
    assert node.heard == []


def test_what_the_node_itself_cannot_take_is_taken_back(node: Finder, line: Line) -> None:
    asked = changes(node, line)
    asked.hear({"set": {"confidence": 0.9}, "id": 1})
    asked.settle()
    assert node.params.confidence == 0.25
    assert line.told == [{"answer": 1, "error": "node finder: no model is that sure"}]


def test_a_change_that_another_replica_refused_is_taken_back_before_and_after_it_was_taken(
    node: Finder, line: Line
) -> None:
    asked = changes(node, line)
    asked.hear({"set": {"confidence": 0.5}, "id": 1})
    asked.hear({"undo": 1})
    asked.settle()
    assert node.params.confidence == 0.25
    asked.hear({"set": {"confidence": 0.5}, "id": 2})
    asked.settle()
    asked.hear({"undo": 2})
    asked.settle()
    assert node.params == Finder.Params()


def test_settings_of_functions_are_params(line: Line) -> None:
    def double(data: int, *, by: int = 2) -> int:
        return data * by

    node = FunctionConsumer(double)
    node.params = {"by": 2}
    node.log = structlog.get_logger()
    asked = changes(node, line)
    asked.hear({"set": {"by": 5}, "id": 1})
    asked.hear({"set": {"with": 5}, "id": 2})
    asked.settle()
    assert node.loop(3) == 15
    assert line.told == [
        {"answer": 2, "error": "node finder: takes no with: it takes by"},
        {"answer": 1, "ok": {"by": 5}},
    ]


def test_defaults_of_a_function_may_be_what_json_cannot_say(line: Line) -> None:
    def double(data: int, *, by: int = 2, where: Path = Path("/x"), table: Any = _TABLE) -> int:
        return data * by

    node = FunctionConsumer(double)
    node.params = settable(node)
    node.log = structlog.get_logger()
    asked = changes(node, line)
    asked.hear({"set": {"by": 5}, "id": 1})
    asked.settle()
    told = msgspec.json.decode(msgspec.json.encode(line.told))[0]["ok"]
    assert (told["by"], told["where"]) == (5, "/x")
    assert shown({"f": {1: [object]}, "s": "\ud800"}) == {"f": {"1": ["<class 'object'>"]}, "s": r"'\ud800'"}


def test_passwords_are_not_shown() -> None:
    assert shown({"url": "rtsp://a:b@c/d", "fps": 5}) == {"url": "rtsp://a:***@c/d", "fps": 5}
    assert shown(None) == {}
