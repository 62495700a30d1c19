"""`argus doctor`: what this machine can do, and the command that installs what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from argus.cli.tables import Output, OutputOption

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from argus.vision.capabilities.finding import Finding

_WIDE = 130
"""Columns from which the remedies get a column of their own."""


def doctor(output: OutputOption = Output.TABLE) -> None:
    """Look at this machine: decoders, engines, precisions, GPU, webcams, extras.

    Each required part is tried, not only looked up: a clip is decoded, networks are run. What is
    missing is shown with the command that installs it. Exits with 1 when something required is broken.

    **Example**

    `argus doctor`, or `argus doctor -o json` for programs.
    """
    findings = _gathered(quiet=output is not Output.TABLE)
    healthy = all(finding.healthy for finding in findings)
    if output is Output.TABLE:
        _show(findings)
    else:
        from argus.cli.tables import print_data

        print_data({"ok": healthy, "items": [finding.to_json() for finding in findings]}, output)
    if not healthy:
        raise typer.Exit(1)


def _gathered(*, quiet: bool) -> list[Finding]:
    from rich.console import Console

    from argus.vision.capabilities.checkup import check_up

    errors = Console(stderr=True, quiet=quiet)
    findings: list[Finding] = []
    with errors.status("looking at this machine ...", spinner="line") as status:
        for finding in check_up():
            findings.append(finding)
            status.update(f"looked at {finding.name} ...")
    return findings


def _show(findings: Sequence[Finding]) -> None:
    from rich.text import Text

    from argus.cli.tables import console, show

    screen = console()
    for area in dict.fromkeys(finding.area for finding in findings):
        mine = [finding for finding in findings if finding.area == area]
        show(Text(area.upper(), "bold"), findings_table(mine, screen), "", screen=screen)
    show(_verdict(findings), screen=screen)


def _verdict(findings: Sequence[Finding]) -> Text:
    from rich.text import Text

    broken = [finding.name for finding in findings if not finding.healthy]
    missing = sum(finding.state == "missing" and finding.remedy is not None for finding in findings)
    if broken:
        return Text(f"Broken: {', '.join(broken)}. Argus needs this; the remedies stand above.", "bold red")
    more = f" {missing} more could be had, see above." if missing else ""
    return Text(f"Everything that Argus needs works.{more}", "green")


def findings_table(findings: Sequence[Finding], screen: Console) -> Table:
    """Return one area as a table; on a narrow screen a remedy stands below what was found."""
    from rich.table import Table
    from rich.text import Text

    signs, arrow = {"ok": ("✓", "green"), "missing": ("–", "yellow"), "broken": ("✗", "bold red")}, "→"
    if not screen.encoding.lower().startswith("utf"):
        signs = {"ok": ("ok", "green"), "missing": ("-", "yellow"), "broken": ("X", "bold red")}
        arrow = "->"
    wide = screen.width >= _WIDE
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, min_width=17)
    table.add_column(overflow="fold", max_width=72 if wide else None)
    if wide:
        table.add_column(overflow="fold")
    for finding in findings:
        sign, style = signs[finding.state]
        remedy = Text(f"{arrow} {finding.remedy}" if finding.remedy else "", "cyan")
        row = [Text(sign, style), Text(finding.name), Text(finding.detail)]
        if wide:
            table.add_row(*row, remedy)
        else:
            table.add_row(*row)
            if finding.remedy:
                table.add_row("", "", remedy)
    return table
