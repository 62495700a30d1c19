"""The part of a command line that is asked for.

Typer makes all commands with all their options before it looks at the first word, which takes longer than
most of them run. So it is given the one that is named, alone.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import typer
from typer.main import get_command_name


def asked_for(app: typer.Typer, words: Sequence[str]) -> typer.Typer:
    """Return an app with the command that the words begin with, and those it belongs to, alone.

    Where they begin with no command's name (an option, `--help`, a word misspelt) all is left as it is, so
    that what is said then knows of all.

    Args:
        app: Stays as it is.
        words: As typed behind the program's name.
    """
    if not words:
        return app
    word = words[0]
    commands = [one for one in app.registered_commands if _name_of(one) == word]
    groups = [one for one in app.registered_groups if one.name == word]
    if len(commands) + len(groups) != 1:
        return app
    part = copy.copy(app)
    part.registered_commands, part.registered_groups = commands, []
    for group in groups:
        asked = copy.copy(group)
        if group.typer_instance is not None:
            asked.typer_instance = asked_for(group.typer_instance, words[1:])
        part.registered_groups = [asked]
    return part


def _name_of(command: typer.models.CommandInfo) -> str | None:
    if command.name is None and command.callback is not None:
        return get_command_name(command.callback.__name__)
    return command.name
