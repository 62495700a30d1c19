"""A viewer of an MJPEG stream: real HTTP, read part by part."""

from __future__ import annotations

import re
import socket
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import cv2
import numpy as np


@dataclass(frozen=True)
class Part:
    """One picture of a stream."""

    index: int
    brightness: float


class Viewer:
    """Reads a stream in a thread of its own until it ends; `parts` grows."""

    def __init__(self, address: str, path: str, *, headers: str = "", slow: bool = False) -> None:
        """Ask for `path`; a slow one takes nothing after the head of the answer."""
        host, _, port = address.rpartition(":")
        self.parts: list[Part] = []
        self.ended = threading.Event()
        self._socket = socket.create_connection((host, int(port)), 10)
        if slow:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n".encode())
        self._stream = self._socket.makefile("rb")
        self.status = int(self._stream.readline().split()[1])
        while self._stream.readline() not in {b"\r\n", b""}:
            pass
        self._thread = threading.Thread(target=self._read, daemon=True)
        if not slow:
            self._thread.start()

    def start(self) -> None:
        """Take what comes, from now on."""
        self._thread.start()

    def leave(self) -> None:
        """Go without a word."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        if self._thread.is_alive():
            self._thread.join(10)
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.leave()
        except OSError:
            self._stream.close()

    def _read(self) -> None:
        data = b""
        try:
            while size := int(self._stream.readline() or b"0", 16):  # chunked, as HTTP/1.1 has it
                data += self._stream.read(size)
                self._stream.readline()
                while match := re.search(
                    rb"Content-Length: (\d+)\r\nX-Argus-Index: (\d+)\r\n.*?\r\n\r\n", data, re.DOTALL
                ):
                    end = match.end() + int(match[1])
                    if len(data) < end:
                        break
                    pixels = cv2.imdecode(np.frombuffer(data[match.end() : end], np.uint8), cv2.IMREAD_COLOR)
                    assert pixels is not None
                    self.parts.append(Part(int(match[2]), float(pixels.mean())))
                    data = data[end:]
        except (OSError, ValueError):
            pass
        finally:
            self.ended.set()
