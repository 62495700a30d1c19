"""A real RTSP server on loopback, run by GStreamer in a process of its own.

It needs Debian's `python3-gi`, `gir1.2-gst-rtsp-server-1.0` and the GStreamer plugins base, good
and ugly; `rtsp_server_problem` says what is missing.
"""

from __future__ import annotations

import signal
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from argus.vision.lab.gstreamer import rtsp_problem, system_python

_SCRIPT = Path(__file__).with_name("rtsp_server.py")


def rtsp_server_problem() -> str | None:
    """Return why no RTSP server can be run here, or None when it can."""
    return rtsp_problem("x264enc", "rtph264pay", "qtdemux", "rtpbin")


class RtspServer:
    """Serves one stream at `url` while it is entered; `kill` breaks it off as a power cut would."""

    def __init__(
        self,
        *,
        file: Path | None = None,
        pattern: str = "64x48@10",
        user: str | None = None,
        password: str = "",
        digest: bool = False,
        over: Literal["tcp", "udp"] | None = None,
    ) -> None:
        """Say what to serve.

        Args:
            file: An MP4 holding H.264, served from its beginning to each client; else a live pattern.
            pattern: Width x height @ frames per second of the live pattern.
            user: Who is let in; None lets everybody in.
            password: Of that user.
            digest: Ask by digest instead of basic authentication.
            over: Send pictures so alone; None: as the client likes.
        """
        self._arguments = ["--file", str(file)] if file is not None else ["--pattern", pattern]
        if user is not None:
            self._arguments += ["--user", user, "--password", password]
        if digest:
            self._arguments.append("--digest")
        if over is not None:
            self._arguments += ["--over", over]
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    def __enter__(self) -> Self:
        """Start the server and wait until it listens.

        Raises:
            RuntimeError: it did not start; the message is what it said.
        """
        python = system_python() or "python3"
        self._process = subprocess.Popen(
            [python, str(_SCRIPT), *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        guard = threading.Timer(30, self._process.kill)
        guard.start()
        line = self._process.stdout.readline()
        guard.cancel()
        if not line.startswith("ready "):
            said = self._process.stderr.read()
            self.kill()
            raise RuntimeError(f"the RTSP server did not start: {said.strip()}")
        self.port = int(line.split()[1])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the server."""
        self.kill()

    def url(self, path: str = "stream", *, user: str | None = None, password: str | None = None) -> str:
        """Return the address of the stream, with credentials where given."""
        who = "" if user is None else f"{user}@" if password is None else f"{user}:{password}@"
        return f"rtsp://{who}127.0.0.1:{self.port}/{path}"

    def freeze(self) -> None:
        """Fall silent without closing a connection, as a camera does whose network cable is pulled."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        """End the process at once; idempotent."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
