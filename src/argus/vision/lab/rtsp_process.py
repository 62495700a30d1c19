"""The process behind an RTSP camera of the lab: start it, tell it something, kill it.

What it serves and how is `rtsp_script`, which runs under the operating system's Python; what a fault
is made of is for `rtsp_camera`.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Final, cast

from argus.core.errors import ArgusError
from argus.vision.lab.gstreamer import PACKAGES, rtsp_problem, system_python

_SCRIPT: Final = Path(__file__).with_name("rtsp_script.py")
_START_S: Final = 30.0
"""GStreamer looks at all its plugins when it runs for the first time."""
_ANSWER_S: Final = 10.0
_ELEMENTS: Final = ("appsrc", "x264enc", "rtph264pay", "capssetter", "rtpbin")


def rtsp_camera_problem() -> str | None:
    """Return why no RTSP camera can be run here, or None when it can."""
    return rtsp_problem(*_ELEMENTS)


class RtspProcess:
    """A running server. One thread at a time."""

    def __init__(self, fps: float) -> None:
        """Start it and wait until it listens.

        Raises:
            ArgusError: it does not start; the message names what to install.
        """
        # A file and not a pipe: nobody reads what GStreamer grumbles, and a full pipe would stop it.
        self._grumble = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `kill`
        self._process: subprocess.Popen[bytes] | None = None
        self._unread = b""
        try:
            self._process = subprocess.Popen(
                [system_python() or "python3", str(_SCRIPT), "--fps", f"{fps:g}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._grumble,
                bufsize=0,
                start_new_session=True,  # Ctrl-C ends us first, and then it
            )
            assert self._process.stdin is not None
            os.set_blocking(self._process.stdin.fileno(), False)
            self.port = int(self._line(_START_S)["port"])
        except FileNotFoundError as error:
            self.kill()
            raise self._failure("does not start", "no /usr/bin/python3") from error
        except BaseException:
            self.kill()
            raise

    @property
    def pid(self) -> int:
        """The process's number."""
        assert self._process is not None
        return self._process.pid

    def tell(self, what: str, *, payload: bytes = b"", **more: object) -> None:
        """Have one command carried out; see `rtsp_script`.

        Raises:
            ArgusError: the process is gone, hangs or refuses.
        """
        command = {"do": what, **more, "bytes": len(payload)}
        self._write(json.dumps(command).encode() + b"\n" + payload)
        answer = self._line(_ANSWER_S)
        if "error" in answer:
            raise ArgusError(f"the RTSP camera of the lab refuses {what!r}: {answer['error']}")

    def kill(self) -> None:
        """End it at once, as a power cut does; idempotent."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                pipe.close()
        self._grumble.close()

    def _write(self, data: bytes) -> None:
        pipe = self._pipe("stdin")
        poll = select.poll()
        poll.register(pipe, select.POLLOUT)
        until = time.monotonic() + _ANSWER_S
        rest = memoryview(data)
        while rest:
            left_s = until - time.monotonic()
            if left_s <= 0 or not poll.poll(left_s * 1000):
                raise self._failure("takes no commands")
            try:
                rest = rest[os.write(pipe, rest) :]
            except BlockingIOError:
                continue
            except BrokenPipeError as error:
                raise self._failure("has ended") from error

    def _line(self, within_s: float) -> dict[str, Any]:
        pipe = self._pipe("stdout")
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        until = time.monotonic() + within_s
        while b"\n" not in self._unread:
            left_s = until - time.monotonic()
            if left_s <= 0 or not poll.poll(left_s * 1000):
                raise self._failure(f"does not answer within {within_s:g} s")
            more = os.read(pipe, 65536)
            if not more:
                raise self._failure("has ended")
            self._unread += more
        line, _, self._unread = self._unread.partition(b"\n")
        return cast("dict[str, Any]", json.loads(line))

    def _pipe(self, which: str) -> int:
        if self._process is None:
            raise ArgusError("the RTSP camera of the lab has been killed: heal it, or make another")
        return int(getattr(self._process, which).fileno())

    def _failure(self, fact: str, cause: str = "") -> ArgusError:
        if not cause:
            self._grumble.seek(0)
            said = self._grumble.read().decode(errors="replace").strip().splitlines()
            cause = rtsp_camera_problem() or (said[-1] if said else "it says nothing")
        return ArgusError(
            f"the RTSP camera of the lab {fact} ({cause}): it needs Debian's packages {', '.join(PACKAGES)}"
        )
