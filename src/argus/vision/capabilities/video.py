"""Video: decoders tried on a clip that was encoded a moment ago, hardware decoders, OpenCV, webcams."""

from __future__ import annotations

import importlib.metadata
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from argus.vision.capabilities.finding import Finding

_REINSTALL_AV = "pip install --force-reinstall av"

# Decoder, what people call it, an encoder and a container for the trial, and whether cameras need it.
_CODECS = (
    ("h264", "H.264", "libx264", "mp4", True),
    ("hevc", "H.265", "libx265", "mp4", False),
    ("libdav1d", "AV1", None, "", False),
    ("vp9", "VP9", "libvpx-vp9", "webm", False),
    ("mjpeg", "MJPEG", "mjpeg", "avi", True),
)
# One grey picture of 64x64 as AV1. The encoder at hand talks to the terminal and cannot be hushed.
_AV1 = (
    b"\x12\x00\n\n\x00\x00\x00\x02\xaf\xff\x8d_0\x082\x0f\x10\x00\xfa\x82?\xff\x1cC\x00\x00\x08\x01\x8bQ\x90"
)
# What has to be there before opening a device of this kind is worth a try.
_DEVICES = {
    "cuda": ("/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg"),
    "vaapi": ("/dev/dri/renderD128", "/dev/dri/renderD129"),
    "qsv": ("/dev/dri/renderD128", "/dev/dri/renderD129"),
    "drm": ("/dev/dri/card0", "/dev/dri/card1"),
    "amf": ("/dev/kfd",),
}


def look_at_decoders() -> Iterator[Finding]:
    """Yield what can be decoded."""
    import av

    # x265 would talk of its settings. Not `set_level`: that lets FFmpeg's threads call into Python, and a
    # codec that is freed meanwhile waits for ever.
    av.logging.set_libav_level(av.logging.PANIC)
    works: list[str] = []
    broken: list[str] = []
    untried: list[str] = []
    for name, shown, encoder, container, _ in _CODECS:
        if name not in av.codecs_available:
            broken.append(shown)
        elif encoder is None:
            (works if _decodes_av1(name) else broken).append(shown)
        elif encoder not in av.codecs_available:
            untried.append(shown)
        else:
            (works if decodes(encoder, container) else broken).append(shown)
    needed = [shown for _, shown, _, _, required in _CODECS if required]
    lost = [shown for shown in broken if shown in needed]
    said = [", ".join(works)] if works else []
    said += [f"{', '.join(untried)} present"] if untried else []
    said += [f"not {', '.join(broken)}"] if broken else []
    yield Finding(
        "video",
        "decoders",
        "broken" if lost else "missing" if broken else "ok",
        f"{'; '.join(said)} (PyAV {av.__version__})",
        remedy=_REINSTALL_AV if broken else None,
        required=True,
        data={"decoded": works, "present": untried, "missing": broken, "pyav": av.__version__},
    )


def decodes(encoder: str, container: str) -> bool:
    """Return whether three frames survive being encoded and decoded."""
    import av
    import numpy as np

    pictures = [np.full((96, 128), level, np.uint8) for level in (40, 120, 200)]
    options = {"x265-params": "log-level=none"} if encoder == "libx265" else {}
    try:
        file = _clip(encoder, container, pictures, options)
        with av.open(file, "r") as source:
            means = [float(frame.to_ndarray(format="gray").mean()) for frame in source.decode(video=0)]
    except (av.FFmpegError, ValueError):
        return False
    return len(means) == 3 and means[0] < means[1] < means[2]


def _clip(encoder: str, container: str, pictures: list[Any], options: dict[str, str]) -> io.BytesIO:
    """Return a video of grey pictures in memory."""
    import av

    file = io.BytesIO()
    height, width = pictures[0].shape
    with av.open(file, "w", format=container) as target:
        stream: Any = target.add_stream(encoder, rate=5, options=options)
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuvj420p" if encoder == "mjpeg" else "yuv420p"
        for picture in pictures:
            target.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="gray")))
        target.mux(stream.encode())
    file.seek(0)
    return file


def _decodes_av1(decoder: str) -> bool:
    import av

    try:
        context: Any = av.CodecContext.create(decoder, "r")
        frames = [*context.decode(av.Packet(_AV1)), *context.decode(None)]
        return [float(frame.to_ndarray(format="gray").mean()) for frame in frames] == [40.0]
    except (av.FFmpegError, ValueError):
        return False


def look_at_hardware_decoders() -> Iterator[Finding]:
    """Yield which devices decode video here, by opening each one whose device file is there."""
    from av.codec.hwaccel import hwdevices_available

    known = [name for name in hwdevices_available() if name in _DEVICES]
    there = [name for name in known if any(Path(path).exists() for path in _DEVICES[name])]
    works = [name for name in there if device_decodes(name)]
    failed = [name for name in there if name not in works]
    if works:
        detail = ", ".join(works)
    elif failed:
        detail = f"{', '.join(failed)}: the device is there, but cannot be opened"
    else:
        detail = "no device here; videos are decoded on the processor"
    remedies = {
        "cuda": "install the NVIDIA driver, and run containers with --gpus all and "
        "NVIDIA_DRIVER_CAPABILITIES=compute,video,utility",
        "vaapi": "sudo apt-get install intel-media-va-driver && sudo usermod -aG render $USER",
    }
    remedies["qsv"] = remedies["drm"] = remedies["vaapi"]
    yield Finding(
        "video",
        "hardware decoders",
        "ok" if works else "missing",
        detail,
        remedy=remedies.get(failed[0]) if failed and not works else None,
        data={"usable": works, "failed": failed, "built_in": known},
    )


def device_decodes(device: str) -> bool:
    """Return whether a clip of H.264 can be decoded on a device, by FFmpeg's name of its kind."""
    import av
    import numpy as np
    from av.codec.hwaccel import HWAccel

    file = _clip("libx264", "mp4", [np.full((256, 256), 120, np.uint8)], {})
    try:
        accelerator = HWAccel(device, allow_software_fallback=False)
        with av.open(file, "r", hwaccel=accelerator) as source:
            return any(True for _ in source.decode(video=0))
    except (av.FFmpegError, RuntimeError, ValueError, NotImplementedError):
        return False


def look_at_opencv() -> Iterator[Finding]:
    """Yield OpenCV, tried on a resize, and whether two packages fight over it."""
    import cv2
    import numpy as np

    half = cv2.resize(np.full((8, 8, 3), 90, np.uint8), (4, 4))
    works = half.shape == (4, 4, 3) and int(half.max()) == 90
    packages = sorted(
        {
            distribution.metadata["Name"].lower()
            for distribution in importlib.metadata.distributions()
            if distribution.metadata["Name"].lower().startswith("opencv-")
            and distribution.metadata["Name"].lower().endswith(("python", "headless"))
        }
    )
    several = len(packages) > 1
    yield Finding(
        "video",
        "OpenCV",
        "broken" if not works else "missing" if several else "ok",
        f"{cv2.__version__}" + (f"; {' and '.join(packages)} overwrite each other" if several else ""),
        remedy=f"pip uninstall -y {' '.join(packages)} && pip install opencv-contrib-python-headless"
        if several or not works
        else None,
        required=True,
        data={"version": cv2.__version__, "packages": packages},
    )


def look_at_webcams(
    devices: Path = Path("/dev"), classes: Path = Path("/sys/class/video4linux")
) -> Iterator[Finding]:
    """Yield the webcams, and whether this user may read them."""
    found: list[dict[str, Any]] = []
    for device in sorted(devices.glob("video[0-9]*"), key=lambda path: int(path.name.removeprefix("video"))):
        try:
            name = (classes / device.name / "name").read_text().strip()
        except OSError:
            name = "camera"
        found.append({"device": str(device), "name": name, "readable": os.access(device, os.R_OK | os.W_OK)})
    closed = [camera["device"] for camera in found if not camera["readable"]]
    if not found:
        detail = "none connected"
    else:
        detail = ", ".join(f"{camera['device']} ({camera['name']})" for camera in found)
    if closed:
        detail += f"; no permission for {', '.join(closed)}"
    yield Finding(
        "video",
        "webcams",
        "ok" if found and not closed else "missing",
        detail,
        remedy="sudo usermod -aG video $USER, then log in again" if closed else None,
        data={"cameras": found},
    )
