"""The whole check-up: everything `argus doctor` looks at, in the order in which it is shown."""

from __future__ import annotations

from collections.abc import Iterator

from argus.vision.capabilities.extras import look_at_extras
from argus.vision.capabilities.finding import Finding, looked
from argus.vision.capabilities.gstreamer import look_at_gstreamer
from argus.vision.capabilities.home import look_at_home, look_at_python
from argus.vision.capabilities.inference import (
    look_at_detection,
    look_at_gpu,
    look_at_onnxruntime,
    look_at_openvino,
    look_at_telemetry,
)
from argus.vision.capabilities.processor import look_at_processor
from argus.vision.capabilities.video import (
    look_at_decoders,
    look_at_hardware_decoders,
    look_at_opencv,
    look_at_webcams,
)

_REINSTALL = "pip install --force-reinstall argus-vision"

_LOOKS = (
    (look_at_python, "system", "python", _REINSTALL),
    (look_at_processor, "system", "processor", _REINSTALL),
    (look_at_home, "system", "ARGUS_HOME", "export ARGUS_HOME=FOLDER with a folder of yours"),
    (look_at_decoders, "video", "decoders", "pip install --force-reinstall av"),
    (look_at_hardware_decoders, "video", "hardware decoders", "pip install --force-reinstall av"),
    (look_at_opencv, "video", "OpenCV", "pip install --force-reinstall opencv-contrib-python-headless"),
    (look_at_webcams, "video", "webcams", _REINSTALL),
    (look_at_openvino, "inference", "OpenVINO", "pip install --force-reinstall openvino"),
    (look_at_onnxruntime, "inference", "ONNX Runtime", "pip install --force-reinstall onnxruntime"),
    (look_at_detection, "inference", "detection", _REINSTALL),
    (look_at_gpu, "inference", "GPU", _REINSTALL),
    (look_at_telemetry, "inference", "telemetry", _REINSTALL),
    (look_at_extras, "extras", "extras", _REINSTALL),
    (look_at_gstreamer, "extras", "gstreamer", "sudo apt-get install --reinstall python3-gi"),
)


def check_up() -> Iterator[Finding]:
    """Yield every finding as soon as it is known; takes a few seconds."""
    for look, area, name, remedy in _LOOKS:
        yield from looked(look, area, name, remedy)
