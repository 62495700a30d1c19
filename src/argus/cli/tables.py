"""How commands print what they found: a table for people, JSON or YAML for programs.

Lists are `{"items": […]}` in JSON and YAML, so that more can be said beside them later.
Results go to stdout; whatever else a command says goes to stderr.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


class Output(StrEnum):
    """What `-o` takes."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


OutputOption = Annotated[
    Output, typer.Option("--output", "-o", help="A table for people, `json` or `yaml` for programs.")
]


def print_data(data: Mapping[str, Any], output: Output) -> None:
    """Print one object as JSON or YAML."""
    if output is Output.JSON:
        import json

        typer.echo(json.dumps(data, indent=2, ensure_ascii=False))
    else:
        import yaml

        typer.echo(yaml.safe_dump(dict(data), sort_keys=False, allow_unicode=True), nl=False)


def print_items(
    items: Sequence[Mapping[str, Any]],
    output: Output,
    headers: Sequence[str],
    rows: Sequence[Sequence[RenderableType]],
) -> None:
    """Print a list.

    Args:
        items: For programs.
        output: What was asked for.
        headers: For people, in capitals as `kubectl` has them.
        rows: The cells of the table; texts are taken as they are, never as markup.
    """
    if output is not Output.TABLE:
        print_data({"items": list(items)}, output)
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in headers:
        table.add_column(header, overflow="fold")
    for row in rows:
        table.add_row(*[plain(cell) for cell in row])
    show(table)


def print_facts(data: Mapping[str, Any], output: Output, facts: Sequence[tuple[str, RenderableType]]) -> None:
    """Print one object: `data` for programs, `facts` as names and values for people."""
    if output is not Output.TABLE:
        print_data(data, output)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(Text(name, "bold cyan"), plain(value))
    show(table)


def console() -> Console:
    """Return a console on stdout that wraps for a screen only: a pipe gets whole lines."""
    from rich.console import Console

    shown = Console(highlight=False)
    return shown if shown.is_terminal or "COLUMNS" in shown._environ else Console(highlight=False, width=400)


def show(*parts: RenderableType, screen: Console | None = None) -> None:
    """Print tables and texts to stdout; a pipe gets no blanks at the end of its lines."""
    screen = screen or console()
    if screen.is_terminal:
        screen.print(*parts, sep="\n")
        return
    with screen.capture() as drawn:
        screen.print(*parts, sep="\n")
    typer.echo("\n".join(line.rstrip() for line in drawn.get().splitlines()))


def plain(cell: RenderableType) -> RenderableType:
    """Return a text as it is: names of files may hold what rich takes for markup."""
    from rich.text import Text

    return Text(cell) if isinstance(cell, str) else cell


def size_text(size_bytes: int) -> str:
    """Return a size as people read it, in powers of 1000 as disks are sold: `3.7 MB`."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5 or unit == "GB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit in {"B", "kB"} else f"{size:.1f} {unit}"


def say(text: str) -> None:
    """Tell people what was done, on stderr, where it is in no program's way."""
    typer.secho(text, err=True, dim=not sys.stderr.isatty())
