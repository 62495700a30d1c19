"""The reference names every param of every ready-made node, and no other."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "flow-nodes.md"


def spelled(value: Any) -> set[str]:
    """Return the ways in which a page may write a default."""
    if isinstance(value, bool):
        return {str(value).lower()}
    if isinstance(value, int | float):
        return {f"{value:g}", str(value), f"{value:g}s"}
    if value is None or value in ({}, ()):
        return {"none"}
    return {", ".join(value)} if isinstance(value, tuple) else {str(value)}


@pytest.mark.parametrize("name", ["camera", "detector", "zones", "recorder", "player", "gateway"])
def test_the_reference_has_each_param_with_its_default(name: str) -> None:
    section = PAGE.read_text(encoding="utf-8").split(f"\n## {name}\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1:3] for line in section.splitlines() if line.startswith("| `")]
    told = {param: default.strip() for names, default in rows for param in re.findall(r"`(\w+)`", names)}
    node: Any = getattr(importlib.import_module(f"argus.flow.nodes.{name}"), name.title())
    fields = node.Params.model_fields
    assert set(told) == set(fields)
    wrong = {
        param: default
        for param, default in told.items()
        if default and default not in spelled(fields[param].get_default(call_default_factory=True))
    }
    assert wrong == {}
