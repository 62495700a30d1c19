"""How many parameters an ONNX file holds, and where those lie that it does not hold itself.

Read from its headers alone: no weight is loaded.

ONNX is protocol buffers: fields of (number, wire type, value), skipped unless they lead to a
tensor's dimensions. Source: `onnx.proto` of the ONNX project and the protocol buffers encoding.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_GRAPH = 7  # ModelProto.graph
_NODE, _INITIALISER = 1, 5  # GraphProto.node, .initializer
_ATTRIBUTE = 5  # NodeProto.attribute
_TENSOR = 5  # AttributeProto.t
_DIMS, _DATA_TYPE, _EXTERNAL = 1, 2, 13  # TensorProto.dims, .data_type, .external_data
_KEY, _VALUE = 1, 2  # StringStringEntryProto.key, .value
_INT64 = 7  # shapes and indices rather than weights

_Field = tuple[int, int, int, int]
"""Number, wire type, and begin and end of the value (or the value itself twice, for a number)."""


def count_parameters(file: Path) -> int | None:
    """Return how many weights the network has; None where the file is no such network."""
    try:
        with _mapped(file) as data:
            return sum(_of_tensor(data, begin, end) for begin, end in _tensors(data))
    except (OSError, ValueError, IndexError):
        return None


def external_files(file: Path) -> set[str]:
    """Return where the tensors lie that are not in the file, as it says it; none for no such network."""
    try:
        with _mapped(file) as data:
            return {
                data[first:last].decode()
                for begin, end in _tensors(data)
                for key, first, last in _entries(data, begin, end)
                if key == b"location"
            }
    except (OSError, ValueError, IndexError):
        return set()


@contextmanager
def _mapped(file: Path) -> Iterator[mmap.mmap]:
    with file.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield data


def _tensors(data: mmap.mmap) -> Iterator[tuple[int, int]]:
    """Return where each tensor of weights begins and ends."""
    for number, wire, first, last in _inside(data, 0, len(data), _GRAPH):
        if number == _INITIALISER and wire == 2:
            yield first, last
        elif number == _NODE and wire == 2:
            # Some exporters write weights as constants.
            for tensor, inner, start, stop in _inside(data, first, last, _ATTRIBUTE):
                if tensor == _TENSOR and inner == 2:
                    yield start, stop


def _entries(data: mmap.mmap, begin: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Return what a tensor says of its external data: each key, and where its value begins and ends."""
    for number, wire, first, last in _fields(data, begin, end):
        if number == _EXTERNAL and wire == 2:
            entry = {key: (start, stop) for key, _, start, stop in _fields(data, first, last)}
            if _KEY in entry and _VALUE in entry:
                yield data[slice(*entry[_KEY])], *entry[_VALUE]


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
