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
from typing import Any, cast

UNKNOWN = "an unknown codec"
_PATIENCE_S = 10.0


def codec_name(path: str) -> str:
    """Return the codec's name or four-letter code of the first video stream in a file, for a message."""
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
    return f"{code!r}" if name in {"none", "unknown"} and code else name


if __name__ == "__main__":
    print(_read(sys.stdin.read()))
