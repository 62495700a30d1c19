"""Whether GStreamer's RTSP server can be run here, and by which Python.

Its bindings are installed for the Python of the operating system and nowhere else, so whatever uses
them is a script in a process of its own.
"""

from __future__ import annotations

import shutil
import subprocess
from functools import lru_cache
from typing import Final

PACKAGES: Final = (
    "python3-gi",
    "gir1.2-gst-rtsp-server-1.0",
    "gstreamer1.0-plugins-base",
    "gstreamer1.0-plugins-good",
    "gstreamer1.0-plugins-bad",
    "gstreamer1.0-plugins-ugly",
)
"""What it takes of Debian."""

_PROBE = """
import sys
import gi
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
missing = [name for name in sys.argv[1:] if Gst.ElementFactory.find(name) is None]
raise SystemExit("no " + ", ".join(missing) if missing else 0)
"""


def system_python() -> str | None:
    """Return the Python of the operating system, or None where there is none."""
    return shutil.which("python3", path="/usr/bin:/bin")


@lru_cache(maxsize=8)
def rtsp_problem(*elements: str) -> str | None:
    """Return why GStreamer's RTSP server cannot be run with these elements, or None when it can."""
    python = system_python()
    if python is None:
        return "no /usr/bin/python3"
    try:
        probe = subprocess.run(
            [python, "-c", _PROBE, *elements], capture_output=True, text=True, timeout=60, check=False
        )
    except subprocess.TimeoutExpired:
        return "no GStreamer RTSP server (it did not answer within 60 s)"
    if probe.returncode == 0:
        return None
    last = (probe.stderr.strip().splitlines() or ["it does not start"])[-1]
    return f"no GStreamer RTSP server ({last})"
