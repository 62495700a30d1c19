"""What people see of an inspected model: names and values, in the order in which they ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from argus.cli.tables import size_text

if TYPE_CHECKING:
    from argus.vision.models.registry_facts import Inspection


def facts_of(seen: Inspection) -> list[tuple[str, str]]:
    """Return the names and values that people see, in the order in which they ask."""
    record = seen.registered.record if seen.registered else None
    facts: list[tuple[str, str | None]] = [
        ("model", seen.model),
        ("what", seen.description),
        ("registered as", record.reference if record else None),
        ("file", str(seen.path) if seen.path else None),
        ("size", None if seen.size_bytes is None else size_text(seen.size_bytes)),
        ("sha256", seen.sha256),
        ("source", record.source if record else None),
        ("licence", record.licence if record else None),
        ("fingerprint", record.fingerprint if record else None),
        ("task", seen.task),
        ("layout", seen.layout),
        ("input", f"{size_in_pixels(seen.input_size)}, batch {seen.batch}" if seen.input_size else None),
        *(("takes", port) for port in seen.inputs),
        *(("gives", port) for port in seen.outputs),
        ("parameters", None if seen.parameters is None else f"{seen.parameters:,}"),
        ("quantised", seen.quantised),
        ("labels", _labels_text(seen.labels) if seen.labels else None),
        ("engine", f"{seen.engine} (what `auto` takes here)" if seen.engine else None),
        *(("metadata", f"{key} = {_short(value)}") for key, value in seen.metadata.items() if key != "names"),
    ]
    shown: list[tuple[str, str]] = []
    for name, value in facts:
        if value is not None:
            # A name that repeats is shown once, as a heading of its lines.
            shown.append(("" if shown and _heading(shown) == name else name, value))
    return shown


def _heading(shown: list[tuple[str, str]]) -> str:
    return next(name for name, _ in reversed(shown) if name)


def _labels_text(labels: tuple[str, ...]) -> str:
    first = ", ".join(labels[:8])
    return f"{len(labels)}: {first}{', …' if len(labels) > 8 else ''}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 100 else f"{line[:99]}…"


def size_in_pixels(size: tuple[int, int] | None) -> str:
    """Return `640x384`, or `any` where the network takes every size."""
    return f"{size[0]}x{size[1]}" if size else "any"
