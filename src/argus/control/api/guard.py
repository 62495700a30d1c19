"""What stands before every endpoint: who may ask, how long an address may be, what every answer says.

Whatever no endpoint foresaw ends here: as a problem document without a traceback, and in the log with one.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final
from urllib.parse import unquote

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from argus.control.api.access import Access
from argus.control.api.meter import ApiMeter
from argus.control.api.patience import Patience
from argus.control.api.problems import Problem

_LONGEST_ADDRESS: Final = 16 << 10
_MOST_HEADERS: Final = 100
_HARDENED: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)


class Guard:
    """An ASGI application around another."""

    def __init__(self, app: ASGIApp, access: Access, meter: ApiMeter, patience: Patience) -> None:
        """Guard an application."""
        self._patience = patience
        self._app = app
        self._access = access
        self._meter = meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or say why not."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        answering = _Answering(send, self._patience.send_s)
        began_s = time.perf_counter()
        try:
            problem = self._refusal(scope)
            if problem is None:
                await self._app(scope, receive, answering.send)
            else:
                await problem.response(scope["path"])(scope, receive, answering.send)
        except _ClientStuck:
            structlog.get_logger().info("api.client_stuck", path=scope["path"])
        except Exception as error:  # noqa: BLE001 - the last word; nobody shall see a traceback
            structlog.get_logger().error("api.failed", path=scope["path"], exc_info=error)
            if not answering.started:
                await _DEFECT.response(scope["path"])(scope, receive, answering.send)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            seconds = None if answering.endless else time.perf_counter() - began_s
            self._meter.note(scope["method"], route, answering.status, seconds)

    def _refusal(self, scope: Scope) -> Problem | None:
        query = scope["query_string"].decode("latin-1")
        if len(scope.get("raw_path") or b"") + len(query) > _LONGEST_ADDRESS:
            return Problem(
                414, "too-long", "the address is longer than 16 KiB", remedy="ask for less at once"
            )
        if len(scope["headers"]) > _MOST_HEADERS:
            return Problem(431, "too-many-headers", f"the request has more than {_MOST_HEADERS} headers")
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        problem = self._access.refusal(scope["method"], scope["path"], query, headers)
        # No database keeps it, and some cut a text there.
        if problem is None and ("\0" in scope["path"] or "\0" in unquote(query)):
            return Problem(400, "not-text", "the address holds the character NUL", remedy="leave it out")
        return problem


_DEFECT: Final = Problem(
    500,
    "failed",
    "a defect of the server; its log has it",
    remedy="look into the log of the control plane, and report it",
)


class _ClientStuck(Exception):
    """A client takes nothing any more."""


class _Answering:
    """`send`, with what every answer says, and eyes for what was sent."""

    def __init__(self, send: Send, patience_s: float) -> None:
        self._send = send
        self._patience_s = patience_s
        self.started = False
        self.status = 0
        self.endless = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self.status = message["status"]
            message["headers"] = [*message["headers"], *_HARDENED]
            self.endless = not any(name == b"content-length" for name, _ in message["headers"])
        try:
            async with asyncio.timeout(self._patience_s):
                await self._send(message)
        except TimeoutError:
            raise _ClientStuck from None
