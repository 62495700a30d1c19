"""How `argus status` looks: the control plane in two lines, then cameras, pipelines and workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from argus.cli.resource_tables import duration, table
from argus.cli.tables import Output, print_items, show

Item = Mapping[str, Any]


def print_status(told: Item, resources: Sequence[Item], workloads: Sequence[Item]) -> None:
    """Print how everything is doing."""
    results = told.get("results", {})
    kept = ", ".join(f"{count} {_several(kind)}" for kind, count in results.items() if count)
    show(
        Text.assemble(
            ("Argus ", "bold"),
            f"{told['version']}, pid {told['pid']}, up for {duration(told['uptimeSeconds'])}",
            f", home {told['home']}",
        ),
        Text(f"kept: {kept or 'nothing seen yet'}"),
    )
    for part, why in told.get("problems", {}).items():
        show(Text(f"! {part}: {why}", "bold red"))
    for kind, plural in (("Camera", "cameras"), ("Pipeline", "pipelines"), ("BatchJob", "jobs")):
        items = [resource for resource in resources if resource["kind"] == kind]
        if items:
            show(Text(""))
            print_items(items, Output.TABLE, *table(plural, items))
    if workloads:
        show(Text(""))
        print_items(workloads, Output.TABLE, *table("workloads", workloads))


def _several(kind: str) -> str:
    return kind if kind.endswith("s") else f"{kind}s"
