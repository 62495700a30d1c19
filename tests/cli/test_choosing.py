"""Only the command that is asked for is made, and it is the same as among all others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from argus.cli.choosing import asked_for
from argus.cli.main import app


def _paths(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, inner in getattr(command, "commands", {}).items():
        yield (*words, name), inner
        yield from _paths(inner, (*words, name))


ALL = dict(_paths(get_command(app)))


def _made(words: tuple[str, ...]) -> Any:
    command: Any = get_command(asked_for(app, [*words, "--more"]))
    for word in words:
        assert word in command.commands
        command = command.commands[word]
    return command


def _told(command: Any) -> Any:
    options = [(p.name, p.opts, p.secondary_opts, p.default, getattr(p, "help", "")) for p in command.params]
    return command.name, command.help, command.epilog, options


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_a_command_made_alone_is_the_same(words: tuple[str, ...]) -> None:
    assert _told(_made(words)) == _told(ALL[words])


def test_what_is_not_asked_for_is_not_made() -> None:
    made: Any = get_command(asked_for(app, ["models", "list", "--verify"]))
    assert {words for words, _ in _paths(made)} == {("models",), ("models", "list")}


@pytest.mark.parametrize("words", [(), ("--version",), ("-h",), ("modls",), ("--help", "run")])
def test_where_no_command_is_named_all_are_there(words: tuple[str, ...]) -> None:
    assert asked_for(app, words) is app


def test_a_word_misspelt_within_a_group_leaves_the_group_whole() -> None:
    made: Any = get_command(asked_for(app, ["models", "lst"]))
    assert {words[1] for words in ALL if words[0] == "models" and len(words) > 1} == set(
        made.commands["models"].commands
    )
