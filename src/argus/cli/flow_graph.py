"""`argus flow graph`: a system as a picture, and what is wrong with it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from argus.cli.flow_systems import OneOfFile
from argus.core.errors import OutputError, SpecError

_BY_SUFFIX = {".svg": "svg", ".mmd": "mermaid", ".md": "mermaid", ".txt": "text"}


class Format(StrEnum):
    """What `--format` takes."""

    TEXT = "text"
    MERMAID = "mermaid"
    SVG = "svg"


def graph(
    file: Annotated[Path, typer.Argument(metavar="MAIN.py", help="The file that defines the system.")],
    format_: Annotated[
        Format | None,
        typer.Option(
            "--format", "-f", help="`text`, `mermaid` or `svg`.", show_default="as FILE ends, or text"
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write it here.", show_default=False)
    ] = None,
    system: OneOfFile = None,
) -> None:
    """Draw a system; no node of it is imported. What is wrong with it is listed, and is the exit code.

    **Examples**

    `argus flow graph main.py`

    `argus flow graph main.py -o graph.svg`
    """
    from argus.flow.checks import check
    from argus.flow.drawing import draw
    from argus.flow.system import load_system, load_systems

    systems = load_systems(file) if system is None else [load_system(file, system)]
    chosen = format_ or _BY_SUFFIX.get(out.suffix.lower() if out else "") or "text"
    if chosen != "text" and len(systems) > 1:
        raise SpecError(f"{file} defines several systems: choose one of them with --system")
    graphs = [each.graph() for each in systems]
    drawn = "\n".join(draw(each, Format(chosen).value) for each in graphs)
    if out is None:
        typer.echo(drawn, nl=False)
    else:
        try:
            out.write_text(drawn, encoding="utf-8")
        except OSError as error:
            raise OutputError(out, error.strerror or error) from error
        typer.echo(out)
    for each in graphs:
        check(each)
