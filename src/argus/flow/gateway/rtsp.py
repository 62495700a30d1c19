"""The interface `rtsp`: each topic with pictures as H.264, for players and video recorders.

The server is GStreamer's, in a process of its own (`rtsp_script`), as its bindings are the operating
system's. It is given pictures of those topics alone that somebody looks at.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import structlog
from pydantic import Field

from argus.core.errors import SpecError
from argus.core.resources.spec import Spec
from argus.flow.gateway.access import KEY, Access
from argus.flow.gateway.hub import Hub
from argus.vision.lab.gstreamer import PACKAGES, rtsp_problem, system_python

_SCRIPT: Final = Path(__file__).with_name("rtsp_script.py")
_ELEMENTS: Final = ("appsrc", "jpegdec", "videoconvert", "x264enc", "rtph264pay", "rtpbin")
_AGAIN_S: Final = 1.0
_SELDOM_S: Final = 30.0
"""How often it is tried at most to start a server that cannot begin."""


class Options(Spec):
    """What a gateway says under `options: {rtsp: …}`."""

    host: str = Field(default="127.0.0.1", min_length=1)
    """Address to listen at; beyond loopback only with a key, which is the password of the user `argus`."""
    port: int = Field(default=8554, ge=0, le=65535)
    """0 takes any that is free."""


class Rtsp:
    """See `Interface`."""

    def __init__(self) -> None:
        """Serve nothing yet."""
        self.url = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._leave: Callable[[], None] = lambda: None
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._beginning = threading.Lock()
        self._asked: dict[str, Any] = {}
        self._given: dict[str, int] = {}
        """Topics that the server knows of, with the number of the last picture it was given."""
        self._watched: dict[str, int] = {}
        self._threads: list[threading.Thread] = []

    def start(self, hub: Hub, options: Mapping[str, Any]) -> None:
        """Start the server.

        Raises:
            SpecError: GStreamer is not here, the port is taken, or others could look without a key.
        """
        asked = Options.model_validate(dict(options))
        key = os.environ.get(KEY, "")
        Access(asked.host, asked.port, key)
        if problem := rtsp_problem(*_ELEMENTS):
            raise SpecError(f"interface rtsp: {problem}: install Debian's packages {', '.join(PACKAGES)}")
        self._asked = {"host": asked.host, "port": asked.port, "key": key}
        port = self._begin()
        if port is None:
            raise SpecError(
                f"interface rtsp: {asked.host}:{asked.port} cannot be listened on: give another port"
            )
        self._asked["port"] = port
        self.url = f"rtsp://{asked.host}:{port}"
        self._leave = hub.listen(lambda _: self._news.set())
        self._threads = [
            threading.Thread(target=work, args=[hub], name="argus-gateway-rtsp", daemon=True)
            for work in (self._give, self._hear)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the server; idempotent."""
        self._stopping.set()
        self._leave()
        self._news.set()
        with self._beginning:
            process, self._process = self._process, None
        if process is not None:
            process.kill()
        for thread in self._threads:
            thread.join()
        if process is not None:
            _buried(process)

    def _begin(self) -> int | None:
        """Start the server; return its port, None where it cannot listen."""
        with self._beginning:
            if self._stopping.is_set():
                return None
            process = subprocess.Popen(
                [system_python() or "python3", str(_SCRIPT)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C ends us first, and then it
            )
            with contextlib.suppress(OSError):  # it has ended, as its silence says
                _write(process, self._asked)
            self._given.clear()  # it knows of no topic yet
            self._process = process
        assert process.stdout is not None
        line = process.stdout.readline()
        return int(json.loads(line)["port"]) if line else None

    def _give(self, hub: Hub) -> None:
        """Let the server know of topics, and give it the newest pictures of those looked at."""
        while not self._stopping.is_set():
            self._news.wait(_AGAIN_S)
            self._news.clear()
            with contextlib.suppress(OSError, ValueError):  # the server has ended: the next one is told all
                self._give_all(hub)

    def _give_all(self, hub: Hub) -> None:
        given, process = self._given, self._process
        if process is None:
            return
        for name, topic in hub.topics.items():
            if topic.kind != "picture":
                continue
            if name not in given:
                _write(process, {"topic": name, "bytes": 0})
                given[name] = 0
            if self._watched.get(name) and (jpeg := topic.jpeg(hub.settings.quality, given.get(name, 0))):
                _write(process, {"topic": name, "bytes": len(jpeg.data)}, jpeg.data)
                given[name] = jpeg.number

    def _hear(self, hub: Hub) -> None:
        """Hear who is looked at, of one server after the other."""
        pause_s = _AGAIN_S
        while not self._stopping.is_set():
            process = self._process
            if process is not None and process.stdout is not None:
                for line in process.stdout:
                    told = json.loads(line)
                    self._look(hub, told["topic"], told["watched"])
            for name, watched in self._watched.items():
                self._look(hub, name, -watched)
            if process is None or self._stopping.wait(pause_s):
                return
            code = process.wait()
            structlog.get_logger().warning("gateway.rtsp_ended", code=code, consequence="it is started again")
            _buried(process)
            pause_s = min(_SELDOM_S, 2 * pause_s) if self._begin() is None else _AGAIN_S

    def _look(self, hub: Hub, name: str, more: int) -> None:
        self._watched[name] = self._watched.get(name, 0) + more
        hub.topic(name).watch(more)
        self._news.set()


def _write(process: subprocess.Popen[bytes], told: Mapping[str, Any], payload: bytes = b"") -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(told).encode() + b"\n" + payload)
    process.stdin.flush()


def _buried(process: subprocess.Popen[bytes]) -> None:
    """Wait for a server that has been killed, or has ended, and close what led to it."""
    process.wait()
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(OSError):  # what was not written is not wanted
        process.stdin.close()
    process.stdout.close()
