"""Options that say of weights what they do not say themselves; commands of `models` share them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from argus.core.errors import SpecError

if TYPE_CHECKING:
    from argus.vision.models.registry import ModelFacts

Name = Annotated[
    str | None,
    typer.Option(help="Name, or `name@version`, in the registry.", show_default="nearest to the file's"),
]
Labels = Annotated[
    Path | None,
    typer.Option(help="Text file with one class name per line.", show_default="what the network says"),
]
Task = Annotated[
    str | None, typer.Option(help="`detect`, `classify`, `segment` or `embed`.", show_default="read from it")
]
Layout = Annotated[
    str | None, typer.Option(help="How the outputs are read, such as `yolov8`.", show_default="recognised")
]
InputSize = Annotated[
    str | None,
    typer.Option(
        "--input-size", help="`640` or `640x384`, for networks that accept any.", show_default=False
    ),
]
Licence = Annotated[
    str | None, typer.Option("--licence", help="Licence to note, such as `Apache-2.0`.", show_default=False)
]


def told_of(
    labels: Path | None, task: str | None, layout: str | None, input_size: str | None, licence: str | None
) -> ModelFacts:
    """Return what the options say of weights."""
    from argus.core.resources.model import ModelSpec
    from argus.vision.models.labels import labels_of_spec
    from argus.vision.models.registry import ModelFacts

    reading: dict[str, Any] = {}
    if task is not None:
        reading["task"] = task
    if layout is not None:
        reading["layout"] = layout
    if input_size is not None:
        sides = input_size.lower().replace("×", "x").split("x")
        if len(sides) > 2 or not all(side.isdecimal() for side in sides):
            raise SpecError(f"--input-size {input_size}: write one side, such as 640, or WIDTHxHEIGHT")
        reading["input_size"] = [int(side) for side in (sides * 2)[:2]]
    names = () if labels is None else labels_of_spec(ModelSpec(path="-", labels=str(labels))) or ()
    return ModelFacts(labels=names, licence=licence, reading=reading)
