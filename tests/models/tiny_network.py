"""A network of a few hundred bytes that is recognised as a detector; what it detects means nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SIDE = 64
_CELLS = (SIDE // 8) ** 2 + (SIDE // 16) ** 2 + (SIDE // 32) ** 2


def write_tiny_detector(path: Path, labels: tuple[str, ...] = ("person", "car"), salt: float = 0.0) -> Path:
    """Write a YOLOv8-shaped network, [1, 3, 64, 64] to [1, 4 + classes, 84]; `salt` makes it another."""
    import onnx
    from onnx import TensorProto, helper

    rows = 4 + len(labels)
    floats: Any = TensorProto.FLOAT
    weights = helper.make_tensor("weights", floats, [1, rows, _CELLS], [salt] * (rows * _CELLS))
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Add", ["mean", "weights"], ["output0"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("images", floats, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("output0", floats, [1, rows, _CELLS])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"names": str(dict(enumerate(labels))), "task": "detect", "license": "MIT"})
    onnx.save(model, str(path))
    return path
