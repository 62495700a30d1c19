"""A real HTTP server on the loopback that serves weights the way servers do, bad days included."""

from __future__ import annotations

import hashlib
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast


@dataclass
class Served:
    """One file, and what happens to those who ask for it."""

    content: bytes = b""
    etag: str | None = '"one"'
    knows_ranges: bool = True
    knows_if_range: bool = True
    says_length: bool = True
    breaks_after: list[int] = field(default_factory=list)
    """The n-th request is cut off before this byte of the file."""
    hangs_after: list[int] = field(default_factory=list)
    """The n-th request falls silent before this byte of the file, until the server ends."""
    statuses: list[int] = field(default_factory=list)
    """The n-th request gets this status instead."""
    redirect: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class Asked:
    """One request that arrived."""

    path: str
    range: str | None
    authorization: str | None


class WeightsServer:
    """Files by path, and every request that arrived."""

    def __init__(self, scheme: str, port: int) -> None:
        self.files: dict[str, Served] = {}
        self.asked: list[Asked] = []
        self.over = threading.Event()
        self._base = f"{scheme}://127.0.0.1:{port}"

    def url(self, path: str, *, checksum: bool = True) -> str:
        address = f"{self._base}{path}"
        return f"{address}#sha256={self.files[path].sha256}" if checksum else address

    @property
    def ranges(self) -> list[str | None]:
        return [asked.range for asked in self.asked]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def weights(self) -> WeightsServer:
        return cast("WeightsServer", cast("Any", self.server).weights)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base's
        """Keep the terminal quiet."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        number = sum(asked.path == path for asked in self.weights.asked)
        wanted = self.headers.get("Range")
        self.weights.asked.append(Asked(path, wanted, self.headers.get("Authorization")))
        served = self.weights.files.get(path)
        if served is None:
            self._refuse(404)
        elif served.redirect is not None:
            self.send_response(302)
            self.send_header("Location", served.redirect)
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif number < len(served.statuses) and served.statuses[number] != 200:
            self._refuse(served.statuses[number])
        else:
            self._serve(served, number, wanted)

    def _refuse(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _serve(self, served: Served, number: int, wanted: str | None) -> None:
        total, start = len(served.content), 0
        condition = self.headers.get("If-Range")
        unchanged = condition in {None, served.etag} or not served.knows_if_range
        if wanted is not None and served.knows_ranges and unchanged:
            start = int(wanted.removeprefix("bytes=").partition("-")[0])
            if start >= total:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{total}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        else:
            self.send_response(200)
        if served.etag is not None:
            self.send_header("ETag", served.etag)
        for name, value in served.headers.items():
            self.send_header(name, value)
        if served.says_length:
            self.send_header("Content-Length", str(total - start))
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        end = total
        for ends in (served.breaks_after, served.hangs_after):
            if number < len(ends):
                end = min(end, ends[number])
        self.wfile.write(served.content[start:end])
        self.wfile.flush()
        if number < len(served.hangs_after):
            self.weights.over.wait()
        if end < total or not served.says_length:
            self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep the terminal quiet: clients that hang up in the middle are what is tested."""


@contextmanager
def serving(certificate: Path | None = None) -> Iterator[WeightsServer]:
    """Run a server; with a certificate (key and chain in one file) it speaks TLS."""
    http = _Server(("127.0.0.1", 0), _Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        http.socket = context.wrap_socket(http.socket, server_side=True)
    weights = WeightsServer("http" if certificate is None else "https", http.server_address[1])
    cast("Any", http).weights = weights
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield weights
    finally:
        weights.over.set()
        http.shutdown()
        http.server_close()
        thread.join()
