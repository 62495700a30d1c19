"""Real ONNX networks whose outputs are known beforehand, and frames to show them."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from argus.core.frame import Frame
from argus.vision.pictures import ArrayPicture

Shape = Sequence[int | str]


def write_network(
    path: Path,
    outputs: Mapping[str, NDArray[Any]],
    *,
    picture: Shape = (1, 3, 64, 64),
    picture_name: str = "images",
    extra: Mapping[str, tuple[str, Shape]] | None = None,
    metadata: Mapping[str, str] | None = None,
    free_batch: bool = False,
) -> Path:
    """Write a network that answers every picture with `outputs`, each with its batch axis.

    Args:
        path: the file.
        outputs: values by name; with `free_batch` they are repeated for every picture of a batch.
        picture: shape of the input; texts name free axes.
        picture_name: its name.
        extra: further inputs as type (`INT64`) and shape; they change nothing.
        metadata: written into the file.
        free_batch: the first axis of every output follows that of the picture.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    floats: Any = TensorProto.FLOAT
    inputs = [helper.make_tensor_value_info(picture_name, floats, list(picture))]
    # The answer hangs on the picture by nothing times its mean, so no engine can leave the input out.
    nodes = [
        helper.make_node("ReduceMean", [picture_name], ["mean"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Constant", [], ["zero"], value=numpy_helper.from_array(np.zeros(1, np.float32))),
        helper.make_node("Mul", ["mean", "zero"], ["nothing_4d"]),
    ]
    for name, (kind, shape) in (extra or {}).items():
        inputs.append(helper.make_tensor_value_info(name, getattr(TensorProto, kind), list(shape)))
        nodes += [
            helper.make_node("Cast", [name], [f"{name}_float"], to=floats),
            helper.make_node("ReduceSum", [f"{name}_float"], [f"{name}_sum"], keepdims=0),
            helper.make_node("Mul", [f"{name}_sum", "zero"], [f"{name}_nothing"]),
            helper.make_node("Add", ["nothing_4d", f"{name}_nothing"], [f"nothing_with_{name}"]),
        ]
        nodes[-1].output[0] = "nothing_all"
    source = "nothing_all" if extra else "nothing_4d"
    values = []
    ports = []
    for name, value in outputs.items():
        batch: Shape = ("batch", *value.shape[1:]) if free_batch else value.shape
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        ports.append(helper.make_tensor_value_info(name, kind, list(batch)))
        values.append(numpy_helper.from_array(value.astype(np.float32), f"{name}_value"))
        ones = np.array([-1] + [1] * (value.ndim - 1), np.int64)
        values.append(numpy_helper.from_array(ones, f"{name}_ones"))
        nodes += [
            helper.make_node("Reshape", [source, f"{name}_ones"], [f"{name}_nothing"]),
            helper.make_node("Add", [f"{name}_value", f"{name}_nothing"], [f"{name}_sum"]),
            helper.make_node("Cast", [f"{name}_sum"], [name], to=kind),
        ]
    graph = helper.make_graph(nodes, "known", inputs, ports, values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    if metadata:
        helper.set_model_props(model, dict(metadata))
    onnx.save(model, str(path))
    return path


def yolov8_rows(
    boxes: Sequence[tuple[float, float, float, float, int, float]], classes: int = 2, side: int = 64
) -> NDArray[np.float32]:
    """Return (1, 4 + classes, N): objects as centre x, y, width, height, class, score; else nothing."""
    count = sum((side // stride) ** 2 for stride in (8, 16, 32))
    rows = np.zeros((1, 4 + classes, count), np.float32)
    for i, (*box, class_id, score) in enumerate(boxes):
        rows[0, :4, i] = box
        rows[0, 4 + class_id, i] = score
    return rows


def names(*labels: str) -> dict[str, str]:
    """Return metadata that give a network these labels."""
    return {"names": str(dict(enumerate(labels)))}


def frame(width: int = 64, height: int = 64, value: int = 128, index: int = 0, source: str = "test") -> Frame:
    """Return a grey frame."""
    return frame_of(np.full((height, width, 3), value, np.uint8), index, source)


def frame_of(pixels: NDArray[np.uint8], index: int = 0, source: str = "test") -> Frame:
    """Return a frame of these BGR pixels."""
    when = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    return Frame(ArrayPicture(pixels), source, index, index / 10, when)
