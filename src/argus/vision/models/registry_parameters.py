"""How many parameters an ONNX file holds, read from its headers alone: no weight is loaded.

ONNX is protocol buffers: fields of (number, wire type, value), skipped unless they lead to a
tensor's dimensions. Source: `onnx.proto` of the ONNX project and the protocol buffers encoding.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator
from pathlib import Path

_GRAPH = 7  # ModelProto.graph
_NODE, _INITIALISER = 1, 5  # GraphProto.node, .initializer
_ATTRIBUTE = 5  # NodeProto.attribute
_TENSOR = 5  # AttributeProto.t
_DIMS, _DATA_TYPE = 1, 2  # TensorProto.dims, .data_type
_INT64 = 7  # shapes and indices rather than weights

_Field = tuple[int, int, int, int]
"""Number, wire type, and begin and end of the value (or the value itself twice, for a number)."""


def count_parameters(file: Path) -> int | None:
    """Return how many weights the network has; None where the file is no such network."""
    try:
        with file.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return sum(
                _of_graph(data, begin, end)
                for number, wire, begin, end in _fields(data, 0, len(data))
                if number == _GRAPH and wire == 2
            )
    except (OSError, ValueError, IndexError):
        return None


def _of_graph(data: mmap.mmap, begin: int, end: int) -> int:
    total = 0
    for number, wire, first, last in _fields(data, begin, end):
        if number == _INITIALISER and wire == 2:
            total += _of_tensor(data, first, last)
        elif number == _NODE and wire == 2:
            # Some exporters write weights as constants.
            for tensor, inner, start, stop in _inside(data, first, last, _ATTRIBUTE):
                if tensor == _TENSOR and inner == 2:
                    total += _of_tensor(data, start, stop)
    return total


def _of_tensor(data: mmap.mmap, begin: int, end: int) -> int:
    dims: list[int] = []
    for number, wire, first, last in _fields(data, begin, end):
        if number == _DIMS and wire == 0:
            dims.append(first)
        elif number == _DIMS and wire == 2:  # packed
            place = first
            while place < last:
                value, place = _varint(data, place)
                dims.append(value)
        elif number == _DATA_TYPE and first == _INT64:
            return 0
    return math.prod(dims)


def _inside(data: mmap.mmap, begin: int, end: int, wanted: int) -> Iterator[_Field]:
    for number, wire, first, last in _fields(data, begin, end):
        if number == wanted and wire == 2:
            yield from _fields(data, first, last)


def _fields(data: mmap.mmap, begin: int, end: int) -> Iterator[_Field]:
    place = begin
    while place < end:
        key, place = _varint(data, place)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, place = _varint(data, place)
            yield number, wire, value, value
            continue
        if wire == 2:
            length, place = _varint(data, place)
        elif wire in {1, 5}:
            length = 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire}")
        if place + length > end:
            raise ValueError("cut short")
        yield number, wire, place, place + length
        place += length


def _varint(data: mmap.mmap, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
