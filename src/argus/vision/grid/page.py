"""A page that shows the grid live: a small web server for a browser on this machine.

It gives away what it is handed: who may see it is decided in `access`, the newest picture waits in
`newest`, and what the browser shows is in `templates`.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
import http.server
import json
import secrets
import select
import socket
import threading
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from importlib import resources
from string import Template
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

from argus.core.errors import SpecError
from argus.core.net_access import is_loopback, knows_host
from argus.core.version import __version__
from argus.vision.grid.access import is_foreign, token_fits, token_given
from argus.vision.grid.newest import Newest
from argus.vision.grid.watchers import StreamState, Watchers

STREAMS: Final = 8
"""Browsers that may watch the picture at the same time."""
_CONNECTIONS: Final = 32
_PATIENCE_S: Final = 5.0
"""Seconds that a client may take over one picture, or over asking for it, before it is let go."""
_BOUNDARY: Final = b"argus-picture"


class GridPage:
    """Serves `/`, `/grid.mjpg`, `/grid.jpg` and `/status.json` from threads of its own until closed.

    Beyond loopback it is only shown to those who have the address with its token, as `url` gives it.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Begin to listen.

        Args:
            host: Address of this machine to listen at; `0.0.0.0` is all of them.
            port: 0 takes any that is free.

        Raises:
            SpecError: the port is taken or not allowed, or the address is not of this machine.
        """
        self._newest = Newest()
        token = None if is_loopback(host) else secrets.token_urlsafe(18)
        try:
            self._server = _Server(host, port, token, self._newest)
        except (OSError, OverflowError) as error:
            raise SpecError(f"no page at {host}:{port}: {_why_not(error)}") from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="argus-page", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """The address to open in a browser; beyond loopback its token is in it."""
        return self._server.url

    @property
    def wanted(self) -> bool:
        """True while somebody looks at the picture: nobody needs to paint one otherwise."""
        return self._newest.wanted

    def publish(self, jpeg: bytes | Callable[[], bytes] | None, status: Mapping[str, Any]) -> None:
        """Replace what is shown; never waits for those who look.

        Args:
            jpeg: The picture; or what makes it, called here and only while somebody looks; None: as it was.
            status: What `/status.json` answers, as `grid_status` makes it.
        """
        self._newest.put(jpeg, json.dumps(status, separators=(",", ":"), allow_nan=False).encode())

    def close(self) -> None:
        """Stop listening and let every client go; no thread is left. Idempotent."""
        if self._newest.closed:
            return
        self._newest.close()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Server(http.server.ThreadingHTTPServer):
    """One thread per connection, a bounded number of them, all gone after `server_close`."""

    # Elsewhere a second program could share the port unseen; here it only lets a port be used again at once.
    allow_reuse_address = True
    request_queue_size = _CONNECTIONS

    def __init__(self, host: str, port: int, token: str | None, newest: Newest) -> None:
        self.host, self.token, self.newest = host, token, newest
        self.watchers = Watchers(STREAMS)
        self._open: dict[threading.Thread, socket.socket] = {}
        self._lock = threading.Lock()
        bare = host.strip("[]")
        if ":" in bare:
            self.address_family = socket.AF_INET6
        super().__init__((bare, port), _Handler)

    def server_bind(self) -> None:
        """Bind without asking a name server for our own name, as the base class does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.host, self.server_address[1]

    @cached_property
    def url(self) -> str:
        bare = self.host.strip("[]")
        bare = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(bare, bare)  # noqa: S104
        name = f"[{bare}]" if ":" in bare else bare
        return f"http://{name}:{self.server_port}/" + (f"?token={self.token}" if self.token else "")

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a connection's thread, or close it where there are too many."""
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), name="argus-page", daemon=True
        )
        with self._lock:
            self._open = {t: s for t, s in self._open.items() if t.is_alive()}
            full = len(self._open) >= _CONNECTIONS
            if not full:
                self._open[thread] = request
                thread.start()
        if full:
            self.shutdown_request(request)

    def server_close(self) -> None:
        """Free the port and end every connection."""
        super().server_close()
        with self._lock:
            left = {thread: connection for thread, connection in self._open.items() if thread.is_alive()}
        for connection in left.values():
            with contextlib.suppress(OSError):  # it has ended by itself
                connection.shutdown(socket.SHUT_RDWR)
        for thread in left:
            thread.join()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that leaves in the middle is no news."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    timeout = _PATIENCE_S
    server_version = "Argus"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer one request."""
        address = urlsplit(self.path)
        server = self.server
        if not knows_host(self.headers.get("Host"), server.host):
            self._refuse(403, "this page is not served under that name: open it at the address Argus printed")
            return
        if is_foreign(self.headers.get("Sec-Fetch-Site"), address.path):
            self._refuse(403, "this is shown on Argus's own page alone")
            return
        cookie = f"argus-{server.server_port}"
        token = token_given(address.query, self.headers.get("Cookie"), cookie)
        if not token_fits(token, server.token):
            self._refuse(403, "the token is missing or wrong: open the whole address Argus printed")
            return
        if address.path == "/" and address.query and server.token is not None:
            # Out of the address bar, where it would be seen over a shoulder, copied or kept.
            self.send_response(303)
            self.send_header("Location", "/")
            self.send_header("Set-Cookie", f"{cookie}={token}; HttpOnly; SameSite=Lax; Path=/")
            self._finish_headers(0)
        elif address.path == "/":
            page, policy = _page()
            self._answer("text/html; charset=utf-8", page, policy)
        elif address.path == "/status.json":
            # A browser takes a picture that comes no more for one that is loaded: it is told here.
            state = server.watchers.state(address.query)
            self._answer("application/json", server.newest.status(), stream=state)
        elif address.path == "/grid.jpg":
            picture = server.newest.look(within_s=2.0)
            if picture is None:
                self._refuse(503, "there is no picture yet: try again in a moment")
            else:
                self._answer("image/jpeg", picture)
        elif address.path == "/grid.mjpg":
            self._stream_if_room(address.query)
        else:
            self._refuse(404, "there is /, /grid.mjpg, /grid.jpg and /status.json")

    do_HEAD = do_GET  # noqa: N815 - the base class finds it by this name

    def _stream_if_room(self, name: str) -> None:
        with self.server.watchers.one_more(name) as is_room:
            if not is_room:
                self._refuse(503, f"{STREAMS} others are watching already: close one of them")
                return
            self.send_response(200)
            self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={_BOUNDARY.decode()}")
            self._finish_headers(None)
            if self.command != "HEAD":
                self._stream()

    def _stream(self) -> None:
        newest = self.server.newest
        # A short queue in the kernel: who is slow is to see the newest picture, not those that piled up.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 256 * 1024)
        number = newest.watch(1)
        try:
            self.wfile.write(b"--" + _BOUNDARY + b"\r\n")
            while not newest.closed and not self._has_left():
                number, picture = newest.after(number, within_s=0.5)
                if picture is not None:
                    head = f"Content-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
                    # The boundary at once: browsers show a picture only when they see where it ends.
                    self.wfile.write(b"".join((head.encode(), picture, b"\r\n--", _BOUNDARY, b"\r\n")))
        except OSError:
            self.close_connection = True  # it left, or took too long
        finally:
            newest.watch(-1)

    def _has_left(self) -> bool:
        """Return whether the client has closed its end; what it says is of no interest."""
        try:
            while select.select([self.connection], [], [], 0)[0]:
                if not self.connection.recv(4096):
                    return True
        except (OSError, ValueError):
            return True
        return False

    def _answer(
        self,
        kind: str,
        body: bytes,
        policy: str = "default-src 'none'",
        code: int = 200,
        stream: StreamState | None = None,
    ) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        if stream is not None:
            self.send_header("Argus-Stream", stream)
        self._finish_headers(len(body), policy)
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refuse(self, code: int, why: str) -> None:
        self._answer("text/plain; charset=utf-8", f"{why}\n".encode(), code=code)

    def _finish_headers(self, length: int | None, policy: str = "default-src 'none'") -> None:
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Frame-Options", "DENY")
        self.send_header(
            "Content-Security-Policy",
            f"{policy}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        )
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Say nothing."""


@lru_cache(maxsize=1)
def _page() -> tuple[bytes, str]:
    """Return the page, and the policy that lets nothing but its own script and style do anything."""
    parts = {
        name: (resources.files(__package__) / "templates" / f"grid.{name}").read_text(encoding="utf-8")
        for name in ("html", "css", "js")
    }
    style, script = parts["css"], parts["js"]
    text = Template(parts["html"]).substitute(style=style, script=script, version=__version__)
    policy = (
        "default-src 'none'; img-src 'self' data:; connect-src 'self'; "
        f"style-src '{_digest(style)}'; script-src '{_digest(script)}'"
    )
    return text.encode(), policy


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _why_not(error: OSError | OverflowError) -> str:
    if isinstance(error, OverflowError):
        return "there are no such ports; use one from 1024 to 65535, or 0 for any that is free"
    if error.errno == errno.EADDRINUSE:
        return "the port is taken; use another one, or 0 for any that is free"
    if error.errno == errno.EACCES:
        return "ports below 1024 are not for everybody; use another one, or 0 for any that is free"
    if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        return "that address is not of this machine; use 127.0.0.1 for this machine alone, 0.0.0.0 for all"
    return error.strerror or str(error)
