"""The rows of the performance table and how they are shown."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import typer
from rich.console import Console
from rich.table import Table

from argus.core.allowance import core_share
from argus.core.errors import SpecError
from argus.core.version import __version__


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement, and what it is held against."""

    what: str
    value: float
    unit: str
    ratio: float | None = None
    """How it stands to `limit`."""
    limit: str = ""
    """What it is held against, in words."""
    goal: float | None = None
    """What is promised of the ratio, or of the value where there is no ratio."""
    better: Literal["higher", "lower"] = "higher"
    note: str = ""

    @property
    def kept(self) -> bool | None:
        """Whether the promise is kept here; None where none is made."""
        if self.goal is None:
            return None
        measured = self.value if self.ratio is None else self.ratio
        return measured >= self.goal if self.better == "higher" else measured <= self.goal

    @property
    def promise(self) -> str:
        """The promise in words."""
        if self.goal is None:
            return ""
        sign = "≥" if self.better == "higher" else "≤"
        return f"{sign} {self.goal:g}" + (f"× {self.limit}" if self.limit else f" {self.unit}")


def machine() -> str:
    """Return this machine in words."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = info.read_text(encoding="utf-8", errors="replace").splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
        flags = next((line for line in lines if line.startswith("flags")), "")
        name += ", AMX bf16" if "amx_bf16" in flags else ""
    all_cores, ours = os.cpu_count() or 1, core_share()
    cores = f"{all_cores} cores" if ours >= all_cores else f"{ours:g} of {all_cores} cores"
    return f"Argus {__version__}, Python {platform.python_version()}, {cores}, {name}"


def show(rows: list[Row], output: str) -> None:
    """Print the rows as a table, as Markdown or as JSON.

    Raises:
        SpecError: another form is asked for.
    """
    if output == "json":
        items = [asdict(row) | {"kept": row.kept} for row in rows]
        typer.echo(json.dumps({"machine": machine(), "items": items}, indent=2))
    elif output == "markdown":
        typer.echo(f"{machine()}\n\n| what | measured | ratio | promised | kept |\n|---|---:|---:|---|---|")
        for row in rows:
            typer.echo("| " + " | ".join(_cells(row)) + " |")
    elif output == "table":
        table = Table(title=machine(), title_justify="left")
        for column in ("what", "measured", "ratio", "promised", "kept"):
            table.add_column(column, justify="right" if column in {"measured", "ratio"} else "left")
        for row in rows:
            table.add_row(*_cells(row), style=None if row.kept is not False else "yellow")
        Console(highlight=False).print(table)
    else:
        raise SpecError(f"unknown output {output!r}: take table, json or markdown")


def _cells(row: Row) -> tuple[str, str, str, str, str]:
    kept = {None: "", True: "yes", False: "no"}[row.kept]
    what = f"{row.what} ({row.note})" if row.note else row.what
    return (
        what,
        f"{row.value:.4g} {row.unit}",
        "" if row.ratio is None else f"{row.ratio:.2f}",
        row.promise,
        kept,
    )
