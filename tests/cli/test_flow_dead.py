"""`argus flow dead`: letters are listed, shown, sent again and dropped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from argus.flow.codec import Encoder
from argus.flow.dead_letters import DeadLetters
from argus.flow.home import dead_of
from argus.flow.message import Header, Hop, Origin
from tests.cli.conftest import Argus
from tests.cli.flow_fakes import fake_system

SYSTEM = "buried-robot"
TRACEBACK = (
    'Traceback (most recent call last):\n  File "node.py", line 7, in loop\nValueError: no wheel in frame'
)


@pytest.fixture
def letters() -> DeadLetters:
    folder = dead_of(SYSTEM)
    found = DeadLetters(folder)
    for letter in found.list():
        found.remove(letter.link, letter.id)
    return found


def bury(letters: DeadLetters, number: int, link: str = "camera->logger", reason: str = TRACEBACK) -> str:
    header = Header(f"camera/1/{number}", Origin("camera", number, number / 10, 0), (Hop("camera", 0, 0),))
    return letters.bury(link, bytes(Encoder().encode(header, {"n": number}).to_bytes()), reason, 3)


def ids(argus: Argus, *more: object) -> list[str]:
    done = argus("flow", "dead", "list", *more, "-s", SYSTEM, "-o", "json")
    return [letter["id"] for letter in json.loads(done.out)["items"]]


def test_letters_are_listed_with_what_went_wrong(
    argus: Argus, letters: DeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    first, second = bury(letters, 1), bury(letters, 2, "camera->yolo", "killed by SIGSEGV")
    rows = argus("flow", "dead", "list", "-s", SYSTEM).out.splitlines()
    assert rows[1].split()[:2] == [first, "camera->logger"]
    assert rows[1].endswith("ValueError: no wheel in frame")
    assert rows[2].endswith("killed by SIGSEGV")
    assert ids(argus, "camera->yolo") == [second]


def test_a_letter_is_shown_whole(argus: Argus, letters: DeadLetters) -> None:
    id_ = bury(letters, 7)
    told = argus("flow", "dead", "show", id_[-8:], "-s", SYSTEM).out
    assert 'File "node.py", line 7, in loop' in told
    assert "camera 7 at 0.700 s" in told
    assert "{'n': 7}" in told
    shown = json.loads(argus("flow", "dead", "show", id_, "-s", SYSTEM, "-o", "json").out)
    assert shown["value"] == {"n": 7}
    assert shown["tries"] == 3


def test_an_id_of_none_or_of_several_is_refused(argus: Argus, letters: DeadLetters) -> None:
    bury(letters, 1)
    bury(letters, 2)
    assert "there is no such letter" in argus("flow", "dead", "show", "1999", "-s", SYSTEM).err
    several = argus("flow", "dead", "show", "20", "-s", SYSTEM)
    assert several.code == 2
    assert "2 letters are called so" in several.err


def test_letters_are_dropped_by_link_by_id_or_all(argus: Argus, letters: DeadLetters) -> None:
    kept = [bury(letters, number) for number in range(3)]
    other = bury(letters, 9, "camera->yolo")
    assert argus("flow", "dead", "drop", "-s", SYSTEM).code == 2
    assert "1 removed" in argus("flow", "dead", "drop", "--id", kept[1], "-s", SYSTEM).out
    assert ids(argus) == [kept[0], kept[2], other]
    assert "2 removed" in argus("flow", "dead", "drop", "camera->logger", "-s", SYSTEM).out
    assert ids(argus) == [other]
    assert "1 removed" in argus("flow", "dead", "drop", "--all", "-s", SYSTEM).out
    assert ids(argus) == []


def test_letters_are_sent_again_by_the_system_that_runs(argus: Argus, letters: DeadLetters) -> None:
    first, second = bury(letters, 1), bury(letters, 2, "camera->yolo")
    assert argus("flow", "dead", "replay", "-s", SYSTEM).code == 1
    with fake_system(SYSTEM) as system:
        done = argus("flow", "dead", "replay", "-s", SYSTEM)
        argus("flow", "dead", "replay", "camera->yolo", "-s", SYSTEM)
    assert done.out.strip() == "2 sent again"
    assert [(told["link"], told["ids"]) for told in system.told] == [
        ("camera->logger", [first]),
        ("camera->yolo", [second]),
        ("camera->yolo", [second]),
    ]


def test_a_damaged_letter_is_told_and_can_be_dropped(argus: Argus, letters: DeadLetters) -> None:
    id_ = bury(letters, 1)
    [file] = [path for path in Path(dead_of(SYSTEM)).rglob("*") if path.name.startswith(id_)]
    file.write_bytes(file.read_bytes()[:-3])
    assert "damaged" in argus("flow", "dead", "list", "-s", SYSTEM).out
    shown = argus("flow", "dead", "show", id_, "-s", SYSTEM)
    assert shown.code == 1
    assert "damaged" in shown.err
    assert argus("flow", "dead", "drop", "--id", id_, "-s", SYSTEM).code == 0
