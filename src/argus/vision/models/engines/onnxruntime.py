"""Networks on ONNX Runtime: where a GPU is, and wherever OpenVINO cannot run a network.

On a CPU every inference runs on one thread, as many at once as there are cores: that gives more
pictures per second than one inference on all cores, and nothing spins while it waits, which
would take the cores from decoding and tracking. Measurements: `docs/decisions/0003-two-engines.md`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from argus.core.allowance import usable_cores
from argus.core.errors import ModelUnavailable, ModelUnreadable
from argus.vision.models.engines.protocol import Arithmetic, Arrays, Port, RunOptions, Signature
from argus.vision.models.engines.slots import SlotPool

_PROVIDERS = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
_PREFERENCE = ("tensorrt", "cuda", "coreml", "directml", "cpu")
_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
}
# Operators that only a quantised file holds; their names lie in the file as plain text.
_DYNAMIC = (b"DynamicQuantizeLinear", b"ConvInteger", b"MatMulInteger")
_STATIC = (b"QuantizeLinear", b"QLinearConv", b"QLinearMatMul")


def import_onnxruntime() -> Any:
    """Return the onnxruntime package, its telemetry off and its log at errors."""
    # Read when it is imported: without, that alone leaves a session's file and a database, and calls home.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    onnxruntime.set_default_logger_severity(3)
    return onnxruntime


def accelerators() -> tuple[str, ...]:
    """Return the devices besides the CPU that ONNX Runtime can use here, the best first."""
    available = import_onnxruntime().get_available_providers()
    return tuple(name for name in _PREFERENCE if name != "cpu" and _PROVIDERS[name] in available)


def read_signature(file: Path) -> Signature:
    """Return what the network in `file` takes and gives, with shapes inferred, without optimising it.

    Raises:
        ModelUnreadable: the file is no ONNX network, or a damaged one.
    """
    ort = import_onnxruntime()
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = _session(ort, file, options, ["CPUExecutionProvider"])
    try:
        inputs, outputs = map(_port, session.get_inputs()), map(_port, session.get_outputs())
        metadata = dict(session.get_modelmeta().custom_metadata_map)
        return Signature(tuple(inputs), tuple(outputs), metadata, _quantised(file.read_bytes()))
    except UnicodeDecodeError as error:
        raise ModelUnreadable(
            f"{file.name}: its names or metadata are no text in UTF-8: export it again"
        ) from error


def _quantised(content: bytes) -> Literal["no", "static", "dynamic"]:
    if any(name in content for name in _DYNAMIC):
        return "dynamic"
    return "static" if any(name in content for name in _STATIC) else "no"


def dry_run(
    file: Path, signature: Signature, picture: Port, canvas: tuple[int, int, int]
) -> list[tuple[int, ...]]:
    """Return the shapes of the outputs for a (B, H, W) canvas, by one inference on nothing.

    Raises:
        ModelUnreadable: the network does not run.
    """
    ort = import_onnxruntime()
    _check_types(file, signature)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = _session(ort, file, options, ["CPUExecutionProvider"])
    feed = _Feed(picture, Arithmetic())
    batch, height, width = canvas
    values = {port.name: _nothing(port, batch) for port in signature.inputs if port is not picture}
    values[picture.name] = np.zeros_like(feed.room((batch, height, width)))
    try:
        return [np.shape(output) for output in session.run(None, values)]
    except Exception as error:
        raise ModelUnreadable(
            f"{file.name}: the network does not run on a {width}x{height} picture ({_reason(error, file)}): "
            "give the size it was made for with `input_size`"
        ) from error


def _nothing(port: Port, batch: int) -> NDArray[Any]:
    return np.ones([batch if n is None else n for n in port.shape], np.dtype(port.dtype))


class OnnxRuntimeRequest:
    """One inference at a time on a thread of the engine, with its own canvas."""

    def __init__(self, session: Any, workers: ThreadPoolExecutor, signature: Signature, feed: _Feed) -> None:
        """Run `session` on `workers`; `feed` turns the canvas into the network's input."""
        self._session = session
        self._workers = workers
        self._names = [port.name for port in signature.outputs]
        self._feed = feed
        self._canvas: NDArray[np.uint8] | None = None
        self._input: NDArray[Any] | None = None
        self._running: Future[Arrays] | None = None

    def pictures(self, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
        """Return the (B, H, W, 3) canvas."""
        wanted = (*shape, 3)
        if self._canvas is None or self._canvas.shape != wanted:
            self._canvas = np.empty(wanted, np.uint8)
            self._input = self._feed.room(shape)
        return self._canvas

    def start(self, extras: Mapping[str, NDArray[Any]]) -> None:
        """Begin the inference."""
        self._running = self._workers.submit(self._run, dict(extras))

    def ready(self, timeout_s: float) -> bool:
        """Wait so long at most; return whether `wait` would return, or raise, at once."""
        assert self._running is not None
        try:
            self._running.exception(timeout_s)
        except TimeoutError:
            return False
        return True

    def wait(self) -> Arrays:
        """Return the outputs."""
        assert self._running is not None
        try:
            return self._running.result()
        except Exception as error:
            reason = str(error).strip().splitlines()[-1][:300] if str(error).strip() else type(error).__name__
            raise ModelUnavailable(f"ONNX Runtime failed at an inference: {reason}") from error

    def _run(self, extras: dict[str, NDArray[Any]]) -> Arrays:
        assert self._canvas is not None
        assert self._input is not None
        self._feed.fill(self._canvas, self._input)
        result: Arrays = self._session.run(self._names, {self._feed.name: self._input, **extras})
        return result


def open_onnxruntime(file: Path, signature: Signature, picture: Port, options: RunOptions) -> SlotPool:
    """Return the network in `file`, ready to run.

    Raises:
        ModelUnreadable: ONNX Runtime cannot read it.
        ModelUnavailable: there is no such device.
    """
    ort = import_onnxruntime()
    _check_types(file, signature)
    device, providers = _providers(ort, options)
    cores = options.threads or usable_cores()
    settings = ort.SessionOptions()
    settings.log_severity_level = 3
    at_once = min(options.streams or cores, cores) if device == "cpu" else options.streams or 1
    settings.intra_op_num_threads = cores // at_once if device == "cpu" else cores
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = _session(ort, file, settings, providers)
    workers = ThreadPoolExecutor(at_once, thread_name_prefix="argus-onnxruntime")
    feed = _Feed(picture, options.arithmetic)
    requests = [OnnxRuntimeRequest(session, workers, signature, feed) for _ in range(at_once + 1)]

    def free() -> None:
        requests.clear()
        workers.shutdown(wait=True)

    return SlotPool(requests, f"ONNX Runtime {options.precision} on {device.upper()}", free)


def _check_types(file: Path, signature: Signature) -> None:
    """Raise `ModelUnreadable` for numbers that arrays of numpy cannot hold, such as bfloat16."""
    known = set(_DTYPES.values())
    strange = [str(port) for port in (*signature.inputs, *signature.outputs) if port.dtype not in known]
    if strange:
        raise ModelUnreadable(
            f"{file.name}: ONNX Runtime cannot exchange {'; '.join(strange)} with us: "
            "export the network with float32 inputs and outputs"
        )


class _Feed:
    """Turns (B, H, W, 3) `uint8` into what the network wants, by one table look-up per plane."""

    def __init__(self, picture: Port, arithmetic: Arithmetic) -> None:
        self.name = picture.name
        self._last = picture.shape[-1] == 3
        self._dtype = np.dtype(picture.dtype)
        values = np.arange(256, dtype=np.float32)
        self._tables = [
            ((values - np.float32(mean)) / np.float32(std)).astype(np.float32)
            for mean, std in zip(arithmetic.mean, arithmetic.std, strict=True)
        ]

    def room(self, shape: tuple[int, int, int]) -> NDArray[Any]:
        batch, height, width = shape
        axes = (batch, height, width, 3) if self._last else (batch, 3, height, width)
        return np.empty(axes, self._dtype)

    def fill(self, canvas: NDArray[np.uint8], room: NDArray[Any]) -> None:
        for picture, target in zip(canvas, room, strict=True):
            for channel, plane in enumerate(cv2.split(picture)):
                place = target[..., channel] if self._last else target[channel]
                if self._dtype == np.uint8:
                    place[...] = plane
                elif self._dtype == np.float32 and not self._last:
                    cv2.LUT(plane, self._tables[channel], place)
                else:
                    place[...] = self._tables[channel][plane]


def _session(ort: Any, file: Path, options: Any, providers: list[Any]) -> Any:
    try:
        return ort.InferenceSession(file, options, providers=providers)
    except Exception as error:
        raise ModelUnreadable(
            f"{file.name}: this is no ONNX network that can be read ({_reason(error, file)}): "
            "export or download it again, and compare its size and checksum with the original"
        ) from error


def _reason(error: Exception, file: Path) -> str:
    text = " ".join(str(error).split()).replace(str(file), file.name)
    if file.stat().st_size == 0:
        return "the file is empty"
    if "Protobuf parsing failed" in text or "INVALID_PROTOBUF" in text:
        return "it is cut short, damaged or of another format"
    return text.split(" : ")[-1][:300]


def _providers(ort: Any, options: RunOptions) -> tuple[str, list[Any]]:
    """Return the device and the providers for it, the CPU last as the fallback for single operators."""
    kind, _, number = options.device.partition(":")
    available = ort.get_available_providers()
    if kind == "auto":
        kind = next(name for name in _PREFERENCE if _PROVIDERS[name] in available)
    if kind not in _PROVIDERS or _PROVIDERS[kind] not in available:
        here = [name for name in _PREFERENCE if _PROVIDERS[name] in available]
        raise ModelUnavailable(
            f"ONNX Runtime cannot use the device {options.device!r} here: take one of {', '.join(here)}, "
            "or install the build of onnxruntime for that device (`onnxruntime-gpu` for CUDA and TensorRT)"
        )
    if kind == "cpu":
        return kind, [_PROVIDERS["cpu"]]
    settings: dict[str, str] = {"device_id": number} if number else {}
    if kind == "tensorrt" and options.precision in {"f16", "bf16"}:
        settings[f"trt_{'fp16' if options.precision == 'f16' else 'bf16'}_enable"] = "True"
    chain: list[Any] = [(_PROVIDERS[kind], settings)]
    if kind == "tensorrt" and _PROVIDERS["cuda"] in available:
        chain.append((_PROVIDERS["cuda"], {"device_id": number} if number else {}))
    return kind, [*chain, _PROVIDERS["cpu"]]


def _port(value: Any) -> Port:
    shape = tuple(n if isinstance(n, int) and n > 0 else None for n in value.shape)
    return Port(value.name, shape, _DTYPES.get(value.type, value.type))
