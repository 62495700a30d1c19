"""Which engine runs a network: OpenVINO on CPUs, ONNX Runtime for GPUs and for what OpenVINO cannot do."""

from __future__ import annotations

from pathlib import Path

from argus.core.errors import SpecError
from argus.core.resources.model import ModelSpec
from argus.vision.models.engines.onnxruntime import accelerators, import_onnxruntime, open_onnxruntime
from argus.vision.models.engines.openvino import import_openvino, open_openvino
from argus.vision.models.engines.protocol import Network, Port, RunOptions, Signature

ORT_DEVICES = frozenset({"cuda", "tensorrt", "coreml", "directml"})
"""Devices that only ONNX Runtime drives."""


def engine_for(spec: ModelSpec) -> str:
    """Return `openvino` or `onnxruntime`, as the spec says or as this machine suggests."""
    device = spec.device.partition(":")[0].lower()
    if spec.engine != "auto":
        if spec.engine == "openvino" and device in ORT_DEVICES:
            raise SpecError(
                f"device {spec.device!r} is not one of OpenVINO's: take engine `onnxruntime` or `auto`"
            )
        return spec.engine
    if device in ORT_DEVICES:
        return "onnxruntime"
    return "onnxruntime" if device == "auto" and accelerators() else "openvino"


def lower_precision(engine: str, spec: ModelSpec) -> str | None:
    """Return the precision below f32 that this machine computes in hardware, or None.

    Only CPUs are asked: on a GPU ONNX Runtime keeps the precision of the file.
    """
    if engine != "openvino" or spec.device.lower() not in {"auto", "cpu"}:
        return None
    capable = import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if "BF16" in capable:
        return "bf16"
    # x86 lists FP16 even where it is emulated, and there it is slower than f32.
    import platform

    return "f16" if "FP16" in capable and platform.machine().lower() in {"arm64", "aarch64"} else None


def check_precision(engine: str, spec: ModelSpec, signature: Signature, name: str) -> None:
    """Raise `SpecError` where the asked precision cannot be had."""
    wanted = spec.precision
    if wanted == "int8" and signature.quantised == "no":
        raise SpecError(f"{name}: precision int8 was asked of a network that is not quantised: take `auto`")
    by_file = engine == "onnxruntime" and not spec.device.lower().startswith("tensorrt")
    if by_file and wanted in {"bf16", "f16"}:
        raise SpecError(
            f"{name}: ONNX Runtime runs a network in the precision of its file, not in {wanted}: "
            "take engine `openvino`, or precision `auto`"
        )


def machine_words() -> list[str]:
    """Return what the numbers of a network depend on besides its file: versions, processor, capabilities."""
    ov, ort = import_openvino(), import_onnxruntime()
    core = ov.Core()
    return [
        str(ov.__version__),
        str(ort.__version__),
        str(core.get_property("CPU", "FULL_DEVICE_NAME")),
        *map(str, core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")),
    ]


def open_network(
    engine: str, file: Path, signature: Signature, picture: Port, options: RunOptions
) -> Network:
    """Return the network on the engine.

    Raises:
        ModelUnreadable: the engine cannot run it.
        ModelUnavailable: there is no such device.
    """
    opening = open_onnxruntime if engine == "onnxruntime" else open_openvino
    return opening(file, signature, picture, options)
