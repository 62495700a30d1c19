"""Networks on OpenVINO: the default on CPUs.

Pictures go in as they lie in memory; conversion to float, scale and order of the axes are part
of the compiled graph, where they cost nothing measurable beside the first convolution. Several
requests are in flight, each on a thread of its own (the throughput hint), which here beats one
request on all cores; with one stream, for who asks for one at a time, it is the other way round
(the latency hint). Measurements: `docs/decisions/0003-two-engines.md`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from argus.core.allowance import usable_cores
from argus.core.errors import ModelUnavailable, ModelUnreadable
from argus.vision.models.engines.protocol import (
    Arithmetic,
    Arrays,
    Port,
    RunOptions,
    ScoreRows,
    Signature,
)
from argus.vision.models.engines.slots import SlotPool

_HINTS = {"f32": "f32", "bf16": "bf16", "f16": "f16"}


def import_openvino() -> Any:
    """Return the openvino package, its telemetry left out.

    Merely importing openvino sends an event home where `openvino_telemetry` is importable; where
    it is not, openvino falls back to a stub of its own, and that is what is provoked here.
    """
    loaded = sys.modules.get("openvino")
    if loaded is not None:
        return loaded
    hidden = "openvino_telemetry"
    before = sys.modules.get(hidden)
    sys.modules[hidden] = None  # type: ignore[assignment]  # an import of None raises ImportError
    try:
        import openvino
    finally:
        if before is None:
            del sys.modules[hidden]
        else:
            sys.modules[hidden] = before
    return openvino


class OpenVinoRequest:
    """One infer request with its own canvas, handed to the engine without a copy."""

    def __init__(self, ov: Any, request: Any, picture: Port) -> None:
        """Wrap an `openvino.InferRequest`; `picture` is the input that takes the canvas."""
        self._ov = ov
        self._request = request
        self._picture = picture.name
        self._canvas: NDArray[np.uint8] | None = None
        self._kept: list[Any] = []

    def pictures(self, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
        """Return the (B, H, W, 3) canvas."""
        wanted = (*shape, 3)
        if self._canvas is None or self._canvas.shape != wanted:
            self._canvas = np.empty(wanted, np.uint8)
            self._request.set_tensor(self._picture, self._ov.Tensor(self._canvas, shared_memory=True))
        return self._canvas

    def start(self, extras: Mapping[str, NDArray[Any]]) -> None:
        """Begin the inference."""
        self._kept = [self._ov.Tensor(np.ascontiguousarray(value)) for value in extras.values()]
        for name, tensor in zip(extras, self._kept, strict=True):
            self._request.set_tensor(name, tensor)
        try:
            self._request.start_async()
        except RuntimeError as error:
            raise ModelUnavailable(_failure(error)) from error

    def ready(self, timeout_s: float) -> bool:
        """Wait so long at most, to the millisecond; return whether `wait` would return, or raise, at once."""
        try:
            return bool(self._request.wait_for(round(1000 * timeout_s)))
        except RuntimeError:
            return True  # `wait` says why

    def wait(self) -> Arrays:
        """Return the outputs, as views of the request's memory."""
        try:
            self._request.wait()
        except RuntimeError as error:
            raise ModelUnavailable(_failure(error)) from error
        return [tensor.data for tensor in self._request.output_tensors]


def open_openvino(file: Path, signature: Signature, picture: Port, options: RunOptions) -> SlotPool:
    """Return the network in `file`, compiled.

    Raises:
        ModelUnreadable: OpenVINO cannot read or compile it.
        ModelUnavailable: there is no such device.
    """
    ov = import_openvino()
    core = ov.Core()
    device = "CPU" if options.device in {"auto", "cpu"} else options.device.upper()
    known = {name.partition(".")[0] for name in core.available_devices} | {"AUTO", "HETERO", "MULTI"}
    if device.partition(":")[0].partition(".")[0] not in known:
        raise ModelUnavailable(
            f"OpenVINO knows no device {options.device!r} here: "
            f"take one of {', '.join(core.available_devices)}"
        )
    try:
        model = _with_arithmetic(ov, core.read_model(file), picture, options.arithmetic)
        if options.canvas is not None:
            batch, height, width = options.canvas
            shapes = {picture.name: ov.PartialShape([batch, height, width, 3])}
            for port in signature.inputs:
                if port is not picture and None in port.shape:
                    shapes[port.name] = ov.PartialShape([batch if n is None else n for n in port.shape])
            model.reshape(shapes)
        if options.best_of is not None:
            model = _with_best(ov, model, options.best_of)
        settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY" if options.streams == 1 else "THROUGHPUT"}
        if options.streams is not None and options.streams > 1:
            settings["NUM_STREAMS"] = str(options.streams)
        if options.precision in _HINTS:
            settings["INFERENCE_PRECISION_HINT"] = _HINTS[options.precision]
        elif device == "CPU":
            settings["INFERENCE_PRECISION_HINT"] = "f32"
        threads = options.threads
        if threads is None and usable_cores() < (os.cpu_count() or 1):
            threads = usable_cores()  # more would be held back, all of them, by the quota of a container
        if threads is not None and device == "CPU":
            settings["INFERENCE_NUM_THREADS"] = threads
        compiled = core.compile_model(model, device, settings)
        streams = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        # One more than there are streams: it is drawn on while the others run.
        requests = [OpenVinoRequest(ov, compiled.create_infer_request(), picture) for _ in range(streams + 1)]
    except RuntimeError as error:
        raise ModelUnreadable(f"{file.name}: OpenVINO cannot run this network ({_failure(error)})") from error
    return SlotPool(requests, f"OpenVINO {options.precision} on {device}", requests.clear)


def _with_arithmetic(ov: Any, model: Any, picture: Port, arithmetic: Arithmetic) -> Any:
    """Return the model with an input of (B, H, W, 3) `uint8` in front of its own."""
    from openvino.preprocess import PrePostProcessor

    chain = PrePostProcessor(model)
    entry = chain.input(picture.name)
    entry.tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    entry.model().set_layout(ov.Layout("NHWC" if picture.shape[-1] == 3 else "NCHW"))
    steps = entry.preprocess()
    if picture.dtype != "uint8":
        steps.convert_element_type(ov.Type.f32)
        if any(arithmetic.mean):
            steps.mean(list(arithmetic.mean))
        if any(value != 1.0 for value in arithmetic.std):
            steps.scale(list(arithmetic.std))
        if picture.dtype == "float16":
            steps.convert_element_type(ov.Type.f16)
    return chain.build()


def _with_best(ov: Any, model: Any, rows: ScoreRows) -> Any:
    """Return the model with the best class score of every proposal as its last output, (B, N).

    Only where a sigmoid gives the class scores and nothing else: the greatest of what goes into it costs a
    tenth of a millisecond, the greatest of what comes out more than is saved by it (decision 3). A NaN beside
    other scores may be passed over.
    """
    scores = _channels(model.output(rows.output).get_node().input_value(0), rows.first, rows.classes)
    if scores is None or scores.get_node().get_type_name() != "Sigmoid":
        return model
    from openvino import opset13

    logits = scores.get_node().input_value(0)
    best = opset13.sigmoid(opset13.reduce_max(logits, np.array([1]), keep_dims=False))
    return ov.Model([*model.get_results(), opset13.result(best)], model.get_parameters(), model.get_name())


def _channels(output: Any, first: int, count: int) -> Any:
    """Return the output of the node that gives these channels of another and no more, or None."""
    shape = output.get_partial_shape()
    if first == 0 and shape[1].is_static and shape[1].get_length() == count:
        return output
    node = output.get_node()
    if node.get_type_name() != "Concat" or node.get_axis() not in {1, 1 - len(shape)}:
        return None
    for value in node.input_values():
        channels = value.get_partial_shape()[1]
        if channels.is_dynamic:
            return None
        if first < channels.get_length():
            return _channels(value, first, count) if first >= 0 else None
        first -= channels.get_length()
    return None


def _failure(error: Exception) -> str:
    """Return the line of OpenVINO's message that says what happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(("Exception from", "Check '", "While "))]
    return (telling or lines or ["no reason given"])[-1][:300]
