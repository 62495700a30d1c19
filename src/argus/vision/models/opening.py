"""From a file to a plan (what the network is) and from the plan to a network that runs.

`plan` loads no engine for good: `argus models inspect` stops there.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from argus.core.errors import ModelUnreadable, SpecError
from argus.core.resources.model import ModelSpec
from argus.vision.models.engines.onnxruntime import dry_run, read_signature
from argus.vision.models.engines.protocol import Arithmetic, Port, Signature
from argus.vision.models.labels import NO_LITERAL, choose_labels, labels_in_metadata, labels_of_spec
from argus.vision.models.layouts.layout import BoxLayout, Clues, VectorLayout, picture_port
from argus.vision.models.layouts.recognise import recognise

_TASKS = {
    "detect": "detect",
    "segment": "segment",
    "classify": "classify",
    "pose": "pose",
    "obb": "obb",
    "embed": "embed",
}
_DEFAULT_SIDE = 640
_DEFAULT_STRIDE = 32
_LEAST_SIDE, _MOST_SIDE = 8, 8192
"""Sides that a spec may give too; what metadata say beyond them is nonsense."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a network is and how it is going to be fed and read."""

    file: Path
    name: str
    """As messages and people call it."""
    signature: Signature
    picture: Port
    """The input that takes the picture."""
    layout: BoxLayout | VectorLayout
    labels: tuple[str, ...]
    canvas: tuple[int, int, int]
    """(B, H, W) of every inference."""

    @property
    def arithmetic(self) -> Arithmetic:
        """What the values of the picture go through."""
        return self.layout.preparation.arithmetic

    @property
    def task(self) -> str:
        """`detect`, `segment`, `classify` or `embed`."""
        return self.layout.task


def plan(file: Path, spec: ModelSpec, name: str | None = None) -> Plan:
    """Return what the network in `file` is, as the spec wants it read.

    Raises:
        ModelUnreadable: the file is damaged, takes no picture, or has an unknown layout.
        SpecError: the spec does not fit the network.
    """
    called = name or file.name
    signature = read_signature(file)
    picture = picture_port(signature)
    if picture is None:
        raise ModelUnreadable(f"{called}: no input of this network takes a colour picture; {signature}")
    told, carried = labels_of_spec(spec), labels_in_metadata(signature.metadata)
    known = told or carried
    canvas = _canvas(called, spec, picture, signature.metadata)
    signature = _with_known_shapes(file, signature, picture, canvas)
    said = _TASKS.get(signature.metadata.get("task", ""), "auto") if spec.task == "auto" else spec.task
    clues = Clues((canvas[2], canvas[1]), len(known) if known else None, said, file.name.lower())
    if said == "obb":
        raise ModelUnreadable(f"{called}: rotated boxes (task obb) cannot be read; export a detector")
    layout = recognise(signature, clues, called, spec.layout)
    fed = {picture.name} if isinstance(layout, VectorLayout) else {picture.name, *layout.extras(())}
    unknown = [str(port) for port in signature.inputs if port.name not in fed]
    if unknown:
        raise ModelUnreadable(
            f"{called}: read as {layout.name}, it gets its picture and no more, and it also wants "
            f"{'; '.join(unknown)}: export it without"
        )
    count = layout.size if isinstance(layout, VectorLayout) else layout.classes
    if isinstance(layout, VectorLayout) and layout.task == "embed":
        labels: tuple[str, ...] = ()
    else:
        labels = choose_labels(called, count, told, carried)
    return Plan(file, called, signature, picture, layout, labels, canvas)


def _canvas(name: str, spec: ModelSpec, picture: Port, metadata: Mapping[str, str]) -> tuple[int, int, int]:
    """Return (B, H, W) of every inference."""
    batch, *axes = picture.shape
    height, width = (axes[0], axes[1]) if picture.shape[-1] == 3 else (axes[1], axes[2])
    if spec.input_size is not None:
        wide, high = spec.input_size
        if (width is not None and width != wide) or (height is not None and height != high):
            raise SpecError(
                f"{name}: input_size {wide}x{high} was asked of a network whose input is {width}x{height}; "
                "leave input_size out, or export the network with dynamic axes"
            )
    else:
        wide, high = _size_in_metadata(metadata) or (_DEFAULT_SIDE, _DEFAULT_SIDE)
    stride = _stride_in_metadata(metadata) or _DEFAULT_STRIDE
    # A free side must be whole cells of the coarsest grid.
    width = width if width is not None else -(-wide // stride) * stride
    height = height if height is not None else -(-high // stride) * stride
    return batch or spec.batch or 1, height, width


def _size_in_metadata(metadata: Mapping[str, str]) -> tuple[int, int] | None:
    """Return the width and height of training that Ultralytics writes as `imgsz`, height first."""
    try:
        value = ast.literal_eval(metadata.get("imgsz", ""))
    except NO_LITERAL:
        return None
    sides = value if isinstance(value, (list, tuple)) else (value, value)
    if len(sides) == 2 and all(isinstance(n, int) and _LEAST_SIDE <= n <= _MOST_SIDE for n in sides):
        return int(sides[1]), int(sides[0])
    return None


def _stride_in_metadata(metadata: Mapping[str, str]) -> int | None:
    text = metadata.get("stride", "")
    return int(text) if text.isdecimal() and len(text) < 5 and 0 < int(text) <= _MOST_SIDE else None


def _with_known_shapes(
    file: Path, signature: Signature, picture: Port, canvas: tuple[int, int, int]
) -> Signature:
    """Return the signature with every size known but that of the batch."""
    if all(n is not None for port in signature.outputs for n in port.shape[1:]):
        return signature
    shapes = dry_run(file, signature, picture, canvas)
    ports = [replace(port, shape=shape) for port, shape in zip(signature.outputs, shapes, strict=True)]
    return replace(signature, outputs=tuple(ports))
