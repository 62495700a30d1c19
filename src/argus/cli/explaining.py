"""`argus explain`: why there was no alert, or which one there was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from argus.cli.server import ServerOption, connect, named_well, names_of
from argus.cli.tables import Output, OutputOption, print_data, show


def explain(
    pipeline: Annotated[str, typer.Argument(help="Which pipeline.")],
    at: Annotated[
        str | None,
        typer.Option(help="When: `02:13`, a date and time, or how long ago (`10m`)."),
    ] = None,
    window: Annotated[
        float, typer.Option(min=1, max=3600, help="Seconds to look at, half of them before.")
    ] = 10.0,
    zone: Annotated[str | None, typer.Option(help="Look at this zone, line or crowd alone.")] = None,
    output: OutputOption = Output.TABLE,
    server: ServerOption = None,
) -> None:
    """Say why a pipeline raised no alert at some moment, and what to change; or which alert it raised.

    **Examples**

    `argus explain gate-safety --at 02:13`

    `argus explain gate-safety --at 10m --zone restricted --window 60`
    """
    with connect(server) as client, named_well("pipeline", pipeline, lambda: names_of(client, "pipelines")):
        told = client.explain(pipeline, at=_moment(at), window_s=window, zone=zone)
    if output is not Output.TABLE:
        print_data(told, output)
        return
    print_explanation(told)


def print_explanation(told: Mapping[str, Any]) -> None:
    """Print an explanation as people read it: the sentence, the stages, the reasons."""
    from rich.text import Text

    show(Text(str(told["verdict"]), "bold"))
    show(Text(""))
    _print_stages(told["stages"])
    for reason in told["reasons"]:
        show(Text(""))
        show(Text.assemble((f"{reason['code']}  ", "bold yellow"), reason["message"]))
        if reason.get("remedy"):
            show(Text.assemble(("  → ", "green"), reason["remedy"]))


def _print_stages(stages: Sequence[Mapping[str, Any]]) -> None:
    from rich.text import Text

    width = max((len(stage["name"]) for stage in stages), default=0)
    for stage in stages:
        sign, colour = ("✓", "green") if stage["ok"] else ("✗", "red")
        count = f"{stage['passed']} of {stage['of']} {stage['unit']}"
        show(Text.assemble((f"{sign} ", colour), f"{stage['name'].ljust(width)}  {count}"))


def _moment(text: str | None) -> str | None:
    """Return a moment as the API wants it; `02:13` is the last time that it was so."""
    import re
    from datetime import datetime, timedelta

    if text is None or not re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", text):
        return text
    now = datetime.now().astimezone()
    hour, minute, *rest = map(int, text.split(":"))
    try:
        then = now.replace(hour=hour, minute=minute, second=rest[0] if rest else 0, microsecond=0)
    except ValueError:
        return text
    return (then if then <= now else then - timedelta(days=1)).isoformat()
