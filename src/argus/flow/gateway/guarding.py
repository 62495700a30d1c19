"""What stands before every request to a gateway: who may ask, and what browsers may do with the answers.

Who that is `access` decides.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.websockets import WebSocket

from argus.flow.gateway.access import Access
from argus.flow.gateway.problems import Problem
from argus.flow.gateway.viewing import Receive, Scope, Send

App = Callable[[Scope, Receive, Send], Awaitable[None]]


def guarded(app: Any, access: Access) -> App:
    """Return `app` behind the rules of `access`."""

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            return
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        query = scope["query_string"].decode("latin-1")
        socket = scope["type"] == "websocket"
        refusal = access.refusal(scope["path"], query, headers, handshake=socket)
        if refusal is None:
            await app(scope, receive, _hardened(send))
            return
        response = Problem(*refusal).response()
        if socket:
            await WebSocket(scope, receive, send).send_denial_response(response)
        else:
            await response(scope, receive, send)

    return guard


def _hardened(send: Send) -> Send:
    """Return `send` that tells browsers to guess no types and to tell no other site where they were."""

    async def hardened(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [
                *message["headers"],
                (b"x-content-type-options", b"nosniff"),
                (b"referrer-policy", b"no-referrer"),
                (b"cross-origin-resource-policy", b"same-origin"),
            ]
        await send(message)

    return hardened
