"""What a stream is encoded as, where FFmpeg has no decoder for it: only FFmpeg's log says so.

To hear that log, PyAV has FFmpeg's threads call into the interpreter. A codec that is freed while
one of its threads does so waits for ever, each for the other, so no process that decodes may turn
the log on. It is therefore read in a process of its own, which this module is when run:
the path on standard input, the name on standard output.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from typing import Any, Final, cast

UNKNOWN: Final = "an unknown codec"
_PATIENCE_S: Final = 10.0
_REMEMBERED_S: Final = 600.0
_MOST: Final = 256

_remembered: dict[str, tuple[float, str]] = {}


def codec_name(path: str) -> str:
    """Return the codec's name or four-letter code of the first video stream, for a message.

    An address is asked once in ten minutes. To ask is to open it a second time, in a process that has to
    start: whoever calls a camera again and again would burden the machine, and be late when it is back.

    Args:
        path: A file or an address, with its secrets.
    """
    if "://" not in path:
        return _asked(path)
    now_s = time.monotonic()
    known = _remembered.get(path)
    if known is None or now_s - known[0] > _REMEMBERED_S:
        if len(_remembered) >= _MOST:
            _remembered.clear()
        known = _remembered[path] = now_s, _asked(path)
    return known[1]


def _asked(path: str) -> str:
    command = [sys.executable, "-m", "argus.vision.sources.codec_name"]
    try:
        done = subprocess.run(
            command, input=path, capture_output=True, text=True, timeout=_PATIENCE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return UNKNOWN
    return done.stdout.strip() or UNKNOWN


def _read(path: str) -> str:
    import av

    with av.open(path) as container:
        av.logging.set_level(av.logging.INFO)
        text = str(cast("Any", container).dumps_format())
    match = re.search(r"Video: (\w+)(?: \([^)]*\))*? ?(?:\((\w+) / 0x\w+\))?", text)
    if match is None:
        return UNKNOWN
    name, code = match[1], match[2]
    if name not in {"none", "unknown"}:
        return name
    return repr(code) if code else UNKNOWN


if __name__ == "__main__":
    print(_read(sys.stdin.read()))
