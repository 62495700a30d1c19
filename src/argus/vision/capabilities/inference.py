"""Inference: both engines tried on a tiny network, what they can use here, the GPU, and telemetry."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from argus.vision.capabilities.finding import Finding

# An ONNX network of one Relu, [1, 4] in and out: the smallest that an engine has to compile and run.
_RELU = (
    b"\x08\x08:;\n\x0c\n\x01x\x12\x01y\x22\x04Relu\x12\x01gZ\x13\n\x01x\x12\x0e\n\x0c\x08\x01\x12\x08\n\x02\x08\x01"
    b"\n\x02\x08\x04b\x13\n\x01y\x12\x0e\n\x0c\x08\x01\x12\x08\n\x02\x08\x01\n\x02\x08\x04B\x04\n\x00\x10\r"
)
_PRECISIONS = {"FP32": "f32", "BF16": "bf16", "FP16": "f16", "INT8": "int8"}
_ON_GPUS = (
    "CUDAExecutionProvider",
    "TensorrtExecutionProvider",
    "MIGraphXExecutionProvider",
    "DmlExecutionProvider",
)


def look_at_openvino() -> Iterator[Finding]:
    """Yield OpenVINO: tried, its devices, and the precisions each of them has."""
    from argus.vision.models.engines.openvino import import_openvino

    ov = import_openvino()
    core = ov.Core()
    compiled = core.compile_model(core.read_model(_RELU), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    works = _is_relu(compiled(_probe())[0])
    devices: list[dict[str, Any]] = []
    for device in core.available_devices:
        abilities = core.get_property(device, "OPTIMIZATION_CAPABILITIES")
        precisions = [short for name, short in _PRECISIONS.items() if name in abilities]
        devices.append(
            {
                "device": device,
                "name": core.get_property(device, "FULL_DEVICE_NAME"),
                "precisions": precisions,
            }
        )
    shown = "; ".join(f"{device['device']}: {', '.join(device['precisions'])}" for device in devices)
    version = ov.__version__.partition("-")[0]
    yield Finding(
        "inference",
        "OpenVINO",
        "ok" if works else "broken",
        f"{version}, {shown}" if works else f"{version} computes nonsense on {shown}",
        remedy=None if works else "pip install --force-reinstall openvino",
        required=True,
        data={"version": version, "devices": devices},
    )


def look_at_onnxruntime() -> Iterator[Finding]:
    """Yield ONNX Runtime: tried, and its providers."""
    from argus.vision.models.engines.onnxruntime import import_onnxruntime

    ort = import_onnxruntime()
    session = ort.InferenceSession(_RELU, providers=["CPUExecutionProvider"])
    works = _is_relu(session.run(None, {"x": _probe()})[0])
    providers = [name for name in ort.get_available_providers() if name != "AzureExecutionProvider"]
    shown = ", ".join(name.removesuffix("ExecutionProvider") for name in providers)
    yield Finding(
        "inference",
        "ONNX Runtime",
        "ok" if works else "broken",
        f"{ort.__version__}, {shown}",
        remedy=None if works else "pip install --force-reinstall onnxruntime",
        required=True,
        data={"version": ort.__version__, "providers": providers},
    )


def look_at_gpu() -> Iterator[Finding]:
    """Yield the GPUs that the driver names, and whether ONNX Runtime can use them."""
    from argus.vision.models.engines.onnxruntime import import_onnxruntime

    gpus = nvidia_gpus()
    if not gpus:
        yield Finding(
            "inference", "GPU", "missing", "none found; networks run on the processor", data={"gpus": []}
        )
        return
    usable = any(name in _ON_GPUS for name in import_onnxruntime().get_available_providers())
    detail = "; ".join(f"{gpu['name']}, {gpu['memory']}, driver {gpu['driver']}" for gpu in gpus)
    yield Finding(
        "inference",
        "GPU",
        "ok" if usable else "missing",
        detail if usable else f"{detail}; ONNX Runtime here was built without CUDA",
        remedy=None
        if usable
        else "pip uninstall -y onnxruntime && pip install 'onnxruntime-gpu[cuda,cudnn]'",
        data={"gpus": gpus},
    )


def nvidia_gpus(command: str = "nvidia-smi") -> list[dict[str, str]]:
    """Return name, memory and driver of every GPU that `nvidia-smi` lists; none where it fails."""
    program = shutil.which(command)
    if program is None:
        return []
    try:
        told = subprocess.run(
            [program, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    rows = ([cell.strip() for cell in line.split(",")] for line in told.splitlines())
    return [{"name": row[0], "memory": row[1], "driver": row[2]} for row in rows if len(row) == 3]


def look_at_detection() -> Iterator[Finding]:
    """Yield the built-in detector, tried on a frame of the built-in scene."""
    from argus.vision.models import load_detector
    from argus.vision.sources import open_source

    with open_source("synthetic:plaza?width=640&height=360&people=6&vehicles=2&seed=3") as source:
        frame = next(iter(source))
        model = load_detector("builtin:plaza", precision="f32")
        try:
            found = model.detect([frame])[0]
        finally:
            model.close()
    works = len(found) > 0
    yield Finding(
        "inference",
        "detection",
        "ok" if works else "broken",
        f"builtin:plaza finds {len(found)} objects in its scene" if works else "builtin:plaza finds nothing",
        remedy=None if works else "pip install --force-reinstall argus-vision",
        required=True,
        data={"objects": len(found)},
    )


def look_at_telemetry() -> Iterator[Finding]:
    """Yield whether a package that sends statistics was loaded; ask after the engines."""
    loaded = [name for name in ("openvino_telemetry",) if sys.modules.get(name) is not None]
    yield Finding(
        "inference",
        "telemetry",
        "missing" if loaded else "ok",
        f"{', '.join(loaded)} is loaded" if loaded else "off: nothing is sent anywhere",
        remedy="opt_in_out --opt_out" if loaded else None,
        data={"loaded": loaded},
    )


def _probe() -> Any:
    import numpy as np

    return np.array([[-1.0, 0.5, -2.0, 3.0]], np.float32)


def _is_relu(output: Any) -> bool:
    import numpy as np

    return bool(np.allclose(output, [[0.0, 0.5, 0.0, 3.0]]))
