"""A camera that speaks HTTP on loopback: MJPEG, snapshots and files, well-behaved or not.

The query of an address says how it is to behave, so that a test reads without looking here:

    /mjpeg?count=5&end=closed&length=no&boundary=--frame
    /snapshot.jpg      /status/503      /silent      /page      /files/live.m3u8
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import itertools
import re
import secrets
import ssl
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

_KINDS = {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".ts": "video/mp2t",
    ".mp4": "video/mp4",
    ".png": "image/png",
}


class WebCamera:
    """Serves pictures in turn while it is entered.

    `/mjpeg` sends `count` parts (all pictures once unless told) `interval` seconds apart, each with its
    length unless `length=no`, under `boundary`; at the end (`end=`) `closed` drops the connection,
    `said` sends the closing boundary first, `silent` holds it open.
    """

    def __init__(
        self,
        pictures: Sequence[bytes] = (),
        *,
        folder: Path | None = None,
        user: str | None = None,
        password: str = "",
        digest: bool = False,
        certificate: Path | None = None,
    ) -> None:
        """Say what to serve.

        Args:
            pictures: Encoded pictures; snapshots give them in turn, over and over.
            folder: Its files lie below `/files/`.
            user: Who is let in; None lets everybody in.
            password: Of that user.
            digest: Ask by digest instead of basic authentication.
            certificate: A file of its key and certificate; it speaks https then.
        """
        self.pictures = list(pictures)
        self.folder = folder
        self.user = user
        self.password = password
        self.digest = digest
        self.closing = threading.Event()
        self.requests = 0
        """How many were answered or left hanging so far."""
        self._next = itertools.cycle(self.pictures) if self.pictures else iter(())
        camera = self

        class Handler(_Handler):
            owner = camera

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._scheme = "http" if certificate is None else "https"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            # Whoever hangs up in the middle of greeting is no defect of the camera.
            self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        """Start serving."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop serving and drop every connection."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def url(self, path: str, *, user: str | None = None, password: str = "") -> str:
        """Return the address of a path, with credentials where given."""
        who = f"{user}:{password}@" if user is not None else ""
        return f"{self._scheme}://{who}127.0.0.1:{self._server.server_port}/{path}"

    def next_picture(self) -> bytes:
        """Return the picture whose turn it is."""
        return next(self._next)


class _Handler(http.server.BaseHTTPRequestHandler):
    owner: WebCamera

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        self.owner.requests += 1
        if not self._let_in():
            return
        query = {key: values[0] for key, values in parse_qs(address.query).items()}
        path = unquote(address.path)
        if path == "/mjpeg":
            self._mjpeg(query)
        elif path == "/snapshot.jpg":
            self._answer(200, "image/jpeg", self.owner.next_picture())
        elif path == "/silent":
            self.owner.closing.wait()
        elif path == "/page":
            self._answer(200, "text/html", b"<html>Log in, please</html>")
        elif match := re.fullmatch(r"/status/(\d+)", path):
            self._answer(int(match[1]), "text/plain", b"")
        else:
            self._file(path)

    def _file(self, path: str) -> None:
        folder = self.owner.folder
        file = (
            folder / path.removeprefix("/files/")
            if folder is not None and path.startswith("/files/")
            else None
        )
        if file is None or ".." in file.parts or not file.is_file():
            self._answer(404, "text/plain", b"")
            return
        self._answer(200, _KINDS.get(file.suffix, "application/octet-stream"), file.read_bytes())

    def _mjpeg(self, query: dict[str, str]) -> None:
        boundary = query.get("boundary", "frame")
        dashed = boundary if boundary.startswith("--") else f"--{boundary}"
        self.send_response(200)
        self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={boundary}")
        self.end_headers()
        count = int(query.get("count", len(self.owner.pictures)))
        for _ in range(count):
            data = self.owner.next_picture()
            length = "" if query.get("length") == "no" else f"Content-Length: {len(data)}\r\n"
            self._send(f"{dashed}\r\nContent-Type: image/jpeg\r\n{length}\r\n".encode() + data + b"\r\n")
            if self.owner.closing.wait(float(query.get("interval", 0))):
                return
        if query.get("end") == "said":
            self._send(f"{dashed}--\r\n".encode())
        elif query.get("end") == "silent":
            self.owner.closing.wait()

    def _let_in(self) -> bool:
        """Return whether the request may go on; answer 401 otherwise."""
        if self.owner.user is None:
            return True
        given = self.headers.get("Authorization", "")
        if self.owner.digest:
            allowed, wanted = (
                self._digest_fits(given),
                f'Digest realm="camera", nonce="{secrets.token_hex(8)}"',
            )
        else:
            plain = f"{self.owner.user}:{self.owner.password}".encode()
            allowed, wanted = given == f"Basic {base64.b64encode(plain).decode()}", 'Basic realm="camera"'
        if not allowed:
            self._answer(401, "text/plain", b"", {"WWW-Authenticate": wanted})
        return allowed

    def _digest_fits(self, given: str) -> bool:
        """Return whether the response is right, by RFC 2069: MD5 over secret, nonce and request."""
        fields = dict(re.findall(r'(\w+)="?([^",]+)"?', given))

        def digest(text: str) -> str:
            return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

        secret = digest(f"{self.owner.user}:camera:{self.owner.password}")
        request = digest(f"GET:{fields.get('uri', '')}")
        return fields.get("response") == digest(f"{secret}:{fields.get('nonce', '')}:{request}")

    def _answer(self, code: int, kind: str, body: bytes, more: dict[str, str] | None = None) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (more or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self._send(body)

    def _send(self, data: bytes) -> None:
        try:
            self.wfile.write(data)
            self.wfile.flush()
        except OSError:
            self.close_connection = True  # the client has left

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Say nothing."""
