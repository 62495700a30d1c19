"""Bodies of requests: read up to a size and within a time, of the types that an endpoint takes.

Uploads do not come through here: they are of any size and take as long as they take.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from fastapi import Request
from starlette.requests import ClientDisconnect

from argus.control.api.plain import NotJson, parse_json
from argus.control.api.problems import Problem
from argus.core.errors import SpecError

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"
YAML: Final = ("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml")
MOST_BYTES: Final = 1 << 20
MOST_BYTES_APPLY: Final = 16 << 20
_DRAIN_S: Final = 1.0


def media_type(request: Request) -> str:
    """Return the type that a request says its body has, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_body(
    request: Request, types: Sequence[str], *, most: int = MOST_BYTES, needed: bool = True
) -> bytes:
    """Return the body of a request.

    Args:
        request: Whose.
        types: Content types that are taken.
        most: Bytes at most.
        needed: False where none at all is right, too.

    Raises:
        Problem: 415 another type or an encoding, 413 too large, 408 too slow, 400 none.
    """
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding not in {"", "identity"}:
        raise Problem(
            415,
            "encoded",
            f"the body is encoded with {coding[:40]}, which is not taken",
            remedy="send it as it is",
            headers={"Accept-Encoding": "identity", **_CLOSE},
        )
    given = request.headers.get("content-length", "")
    if given.isdecimal() and int(given) > most:
        await _drain(request)
        raise _too_large(most)
    body = bytearray()
    patience_s = request.app.state.patience.body_s
    try:
        async with asyncio.timeout(patience_s):
            async for part in request.stream():
                body += part
                if len(body) > most:
                    break
    except TimeoutError:
        raise Problem(
            408,
            "too-slow",
            f"the body was not here within {patience_s:g} s",
            remedy="send it at once",
            headers=_CLOSE,
        ) from None
    except ClientDisconnect:
        raise Problem(400, "broken-off", "the client went before its body was here") from None
    if len(body) > most:
        await _drain(request)
        raise _too_large(most)
    if not body:
        if not needed:
            return b""
        raise Problem(400, "no-body", "the request has no body", remedy=f"send one of type {types[0]}")
    kind = media_type(request)
    if kind not in types:
        raise Problem(
            415,
            "wrong-type",
            f"the body is {kind[:80] or 'of no type'}",
            remedy=f"send `Content-Type: {types[0]}`"
            + (f" (or {', '.join(types[1:])})" if types[1:] else ""),
            headers={"Accept": ", ".join(types)},
        )
    return bytes(body)


async def read_json(
    request: Request, *, types: Sequence[str] = (JSON,), most: int = MOST_BYTES, needed: bool = True
) -> Any:
    """Return what the JSON body of a request says; None where there is none and none is needed.

    Raises:
        Problem: see `read_body`; 400 no JSON, 422 it holds what cannot be kept.
    """
    body = await read_body(request, types, most=most, needed=needed)
    return json_of(body) if body else None


def json_of(body: bytes) -> Any:
    """Return what JSON says; raises likewise."""
    try:
        return parse_json(body)
    except NotJson as error:
        raise Problem(400, "not-json", f"the body cannot be read: {error}", remedy="send JSON") from None
    except SpecError as error:
        place = str(error).partition(":")[0]
        raise Problem(
            422,
            "not-plain",
            f"the body holds what cannot be kept: {error}",
            errors=[{"pointer": "#/" + place.replace(".", "/"), "detail": str(error)}],
        ) from None


async def read_object(request: Request, *, needed: bool = True) -> dict[str, Any]:
    """Return the object that the JSON body of a request is; empty where there is none and none is needed.

    Raises:
        Problem: see `read_json`; 422 it is something else.
    """
    told = await read_json(request, needed=needed)
    if told is None and not needed:
        return {}
    if not isinstance(told, dict):
        raise Problem(
            422,
            "not-valid",
            "the body is no object",
            errors=[{"pointer": "#", "detail": "expected fields and their values (an object)"}],
        )
    return told


async def expect_nothing(request: Request) -> None:
    """Check that a request brings no body that anybody would have to read.

    Raises:
        Problem: 413 it brings a large one; see `read_body`.
    """
    if request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers:
        await read_json(request, needed=False)


_CLOSE: Final = {"Connection": "close"}


def _too_large(most: int) -> Problem:
    size = f"{most >> 20} MiB"
    return Problem(
        413,
        "too-large",
        f"the body is larger than {size}",
        remedy="send less at once; videos go to /api/v1/uploads",
        headers=_CLOSE,
    )


async def _drain(request: Request) -> None:
    """Let a client finish its sentence, for a moment: else the closed connection hides the answer from it."""
    try:
        async with asyncio.timeout(_DRAIN_S):
            async for _ in request.stream():
                pass
    except (TimeoutError, ClientDisconnect, RuntimeError):
        # RuntimeError: the stream was begun before; what is left is the kernel's.
        return
