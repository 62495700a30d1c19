"""Which system `argus flow` means: its name, what that begins with, a part, or nothing for the only one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from argus.flow.control import Control, SystemNotRunning
from argus.flow.home import logs_of, made, systems
from argus.flow.naming import SystemUnclear, meant, whole
from tests.cli.conftest import Argus
from tests.cli.flow_fakes import fake_system

LIVE = [
    ("flow", "top", "{}"),
    ("flow", "stop", "{}"),
    ("flow", "set", "yolo", "confidence=0.5", "-s", "{}"),
]
EITHER = [
    ("flow", "logs", "-s", "{}"),
    ("flow", "dead", "list", "-s", "{}"),
    ("flow", "dead", "drop", "--all", "-s", "{}"),
]


@pytest.fixture(autouse=True)
def nothing_has_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("ARGUS_HOME", str(tmp_path))
    with TemporaryDirectory(prefix="p-") as sockets:  # whose paths are short
        monkeypatch.setenv("XDG_RUNTIME_DIR", sockets)
        yield


@contextmanager
def running(*names: str) -> Iterator[None]:
    with ExitStack() as stack:
        for name in names:
            stack.enter_context(fake_system(name))
        yield


def ended(*names: str) -> None:
    for name in names:
        made(logs_of(name))
        (logs_of(name) / "yolo.log").write_text(f"of {name}\n")


def run(argus: Argus, command: tuple[str, ...], name: str) -> tuple[int, str]:
    done = argus(*(part.format(name) for part in command))
    return done.code, done.out + done.err


def test_what_a_name_begins_with_is_enough_where_one_alone_does() -> None:
    assert meant("gate", ["gate-a", "yard"]) == "gate-a"
    assert meant("yard", ["yard", "yard-2"]) == "yard"
    assert meant("yard-2", ["yard"], ["yard-2"]) == "yard-2"
    assert meant(None, [], ["yard"]) == "yard"
    assert meant("b", ["gate-a"], ["both"]) == "both"
    assert meant("x", ["gate-a"], ["both"]) is None
    assert meant(None, []) is None
    for asked in ("gate", None):
        with pytest.raises(SystemUnclear, match=r"there are gate-a, gate-b: name one"):
            meant(asked, ["gate-b", "gate-a"])
    assert (whole("yard.camera+yolo"), whole("yard")) == ("yard", "yard")


@pytest.mark.parametrize("command", [*LIVE, *EITHER], ids=" ".join)
def test_every_command_takes_the_beginning_of_a_running_systems_name(
    argus: Argus, command: tuple[str, ...]
) -> None:
    ended("gate-old")
    with running("gate-robot", "yard-robot"):
        for asked in ("gate-r", "gate-robot"):
            code, told = run(argus, command, asked)
            assert code == 0, told
            if command[1] == "stop":
                return


@pytest.mark.parametrize("command", [*LIVE, *EITHER], ids=" ".join)
def test_every_command_lists_those_that_can_be_meant(argus: Argus, command: tuple[str, ...]) -> None:
    with running("gate-a", "gate-b", "yard"):
        code, told = run(argus, command, "gate")
    assert code == 2
    assert "which system is gate? there are gate-a, gate-b: name one of them" in told


@pytest.mark.parametrize("command", [*LIVE, *EITHER], ids=" ".join)
def test_every_command_lists_what_there_is_where_nothing_fits(argus: Argus, command: tuple[str, ...]) -> None:
    with running("gate-a", "yard"):
        code, told = run(argus, command, "gaet-a")
    assert code in {1, 2}
    assert "did you mean 'gate-a'?" in told
    assert "gate-a, yard" in told


@pytest.mark.parametrize("command", EITHER, ids=" ".join)
def test_of_ended_systems_the_beginning_is_enough_too(argus: Argus, command: tuple[str, ...]) -> None:
    ended("gate-old", "yard-old")
    assert run(argus, command, "gat")[0] == 0
    code, told = run(argus, command, "")
    assert (code, "which system" in told) == (2, True)


@pytest.mark.parametrize("command", EITHER, ids=" ".join)
def test_a_part_that_runs_means_the_system_that_it_is_of(argus: Argus, command: tuple[str, ...]) -> None:
    ended("gate", "yard")
    with running("yard.camera", "yard.yolo"):
        for asked in ("yard.camera", "yard", "ya"):
            code, told = run(argus, command, asked)
            assert code == 0, told
            assert "gate" not in told
    assert systems() == ["gate", "yard"]


def test_logs_and_letters_need_no_name_where_one_system_runs(argus: Argus) -> None:
    ended("gate", "yard")
    with running("yard.camera", "yard.yolo"):
        assert "of yard" in argus("flow", "logs").out
        assert "yard has no dead letters" in argus("flow", "dead", "list").err


def test_a_program_is_told_likewise() -> None:
    with running("gate-a", "gate-b"):
        assert Control("gate-a").path.stem == "gate-a"
        with pytest.raises(SystemUnclear):
            Control("gate")
        with pytest.raises(SystemNotRunning):
            Control("yard")


def test_without_any_system_the_way_to_one_is_told(argus: Argus) -> None:
    for command in [*LIVE, *EITHER]:
        named = [part for part in command if part not in {"{}", "-s"}]
        code, told = run(argus, tuple(named), "")
        assert (code, "argus flow run main.py" in told) == (1, True), told
