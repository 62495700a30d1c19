"""The page about the command line is made from the commands, and every command has an example."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer
from tools.cli_reference import reference

from argus.cli.main import app


def commands(command: Any, path: str) -> list[tuple[str, Any]]:
    below = getattr(command, "commands", {})
    found = [] if below else [(path, command)]
    for name, sub in below.items():
        found += commands(sub, f"{path} {name}")
    return found


def test_the_page_is_what_the_commands_say() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"
    assert page.read_text(encoding="utf-8") == reference(), "run `python tools/cli_reference.py`"


@pytest.mark.parametrize(("path", "command"), commands(typer.main.get_command(app), "argus"))
def test_every_command_shows_an_example_of_itself(path: str, command: Any) -> None:
    assert f"`{path} " in command.help or f"`{path}`" in command.help


@pytest.mark.parametrize(("path", "command"), commands(typer.main.get_command(app), "argus"))
def test_every_option_says_what_it_does(path: str, command: Any) -> None:
    assert [option.name for option in command.params if not option.help and option.name != "help"] == []
