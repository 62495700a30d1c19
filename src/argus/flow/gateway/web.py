"""The gateway over HTTP: pictures, results, status and params, and the page that shows them.

One asyncio loop in one thread, imported when it is started. The endpoints are `web_app`, who may use them
`access`.
"""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import structlog

from argus.core.errors import SpecError
from argus.flow.gateway.access import KEY, Access
from argus.flow.gateway.hub import Hub

if TYPE_CHECKING:
    import uvicorn

    from argus.flow.gateway.watching import Watchers

_STOP_S: Final = 5.0
_BUFFER: Final = 256 * 1024
"""Bytes that the kernel keeps for one viewer: what lies there is old when a slow one reads it."""


class Web:
    """The interface that is built in."""

    def __init__(self) -> None:
        """Begin closed."""
        self._url = ""
        self._server: uvicorn.Server | None = None
        self._watchers: Watchers | None = None
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """The address of the page; the key is not in it."""
        return self._url

    def start(self, hub: Hub, options: Mapping[str, Any]) -> None:
        """Listen; whoever comes at once waits for a moment until the server is there.

        Raises:
            SpecError: the port is taken or not allowed, the address is not of this machine, or it would be
                reached by others without a key.
        """
        host, port = str(options["host"]), int(options["port"])
        # Said before a port is taken: it may be the wrong address altogether.
        Access(host, port, os.environ.get(KEY))
        listening = _listening(host, port)
        port = listening.getsockname()[1]
        access = Access(host, port, os.environ.get(KEY))
        self._url = f"http://{_shown(host)}:{port}/"
        self._thread = threading.Thread(
            target=self._serve,
            args=(hub, access, listening, int(options["viewers"])),
            name="argus-gateway",
            daemon=True,
        )
        self._thread.start()

    def stop(self) -> None:
        """Let every viewer go and end the thread."""
        with self._lock:
            self._stopping = True
            if self._watchers is not None:
                self._watchers.close()
            if self._server is not None:
                self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(_STOP_S)
            if self._thread.is_alive() and self._server is not None:
                self._server.force_exit = True
                self._thread.join(_STOP_S)

    def _serve(self, hub: Hub, access: Access, listening: socket.socket, viewers: int) -> None:
        try:
            self._run(hub, access, listening, viewers)
        except Exception:  # noqa: BLE001 - a thread's last word; the node goes on
            structlog.get_logger().exception("gateway.failed", url=self._url)
        finally:
            listening.close()

    def _run(self, hub: Hub, access: Access, listening: socket.socket, viewers: int) -> None:
        import asyncio

        import uvicorn

        from argus.flow.gateway.watching import Watchers
        from argus.flow.gateway.web_app import make_app

        async def main() -> None:
            watchers = Watchers(hub, most=viewers)
            config = uvicorn.Config(
                make_app(hub, access, watchers),
                log_config=None,
                log_level="critical",
                access_log=False,
                lifespan="off",
                http="h11",
                ws="websockets-sansio",
                ws_per_message_deflate=False,
                ws_max_size=4096,
                server_header=False,
                timeout_graceful_shutdown=1,
                timeout_keep_alive=30,
            )
            server = uvicorn.Server(config)
            with self._lock:
                if self._stopping:
                    return
                self._watchers, self._server = watchers, server
            try:
                await server.serve(sockets=[listening])
            finally:
                watchers.close()

        asyncio.run(main())


def _listening(host: str, port: int) -> socket.socket:
    bare = host.strip("[]")
    listening = socket.socket(
        socket.AF_INET6 if ":" in bare else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP
    )
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        listening.bind((bare, port))
        listening.listen(128)
    except (OSError, OverflowError) as error:
        listening.close()
        raise SpecError(f"the gateway cannot listen at {host}:{port}: {_why_not(error)}") from error
    listening.setblocking(False)
    return listening


def _why_not(error: OSError | OverflowError) -> str:
    code = getattr(error, "errno", None)
    if code == errno.EADDRINUSE:
        return "another program has this port: give another `port`, or 0 for any that is free"
    if code == errno.EACCES:
        return "this user may not have that port: give one above 1023"
    if code == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        return "this is no address of this machine: give 127.0.0.1, or one of its own"
    return str(error)


def _shown(host: str) -> str:
    """Return the host as one would write it into a browser."""
    bare = host.strip("[]")
    bare = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(bare, bare)  # noqa: S104
    return f"[{bare}]" if ":" in bare else bare
