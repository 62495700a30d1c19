"""Blobs over HTTP: pictures, clips, uploads and reports, whole or in part, in constant memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from email.utils import format_datetime
from hashlib import blake2b
from typing import Annotated, BinaryIO, Final

from fastapi import APIRouter, Path, Request
from starlette.responses import Response, StreamingResponse

from argus.control.api.openapi import empty, gives
from argus.control.api.problems import Problem
from argus.control.api.ranges import Unsatisfiable, asked_range
from argus.control.plane import Plane
from argus.storage.blobs import BlobInfo, Blobs

_CHUNK: Final = 256 << 10
_OTHER: Final = "application/octet-stream"
_TYPES: Final = {
    "jpg": "image/jpeg", "jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp", "gif": "image/gif",
    "mp4": "video/mp4", "mkv": "video/x-matroska", "webm": "video/webm", "avi": "video/x-msvideo",
    "mov": "video/quicktime", "ts": "video/mp2t", "json": "application/json", "jsonl": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8", "txt": "text/plain; charset=utf-8", "html": "text/html; charset=utf-8",
}  # fmt: skip
_SHOWN: Final = ("image/", "video/", "text/plain")
"""What a browser may show in place; all else is handed over as a file: a report may hold anybody's script."""

Key = Annotated[
    str, Path(max_length=1024, description="As events and alerts name it: `snapshots/gate/a.jpg`.")
]


def router(plane: Plane) -> APIRouter:
    """Return the endpoints."""
    out = APIRouter(tags=["blobs"])

    @out.get(
        "/api/v1/blobs/{key:path}",
        operation_id="get_blob",
        summary="The bytes under a key, or some of them",
        responses=gives(
            None,
            says="The bytes.",
            types=(_OTHER, "image/jpeg", "video/mp4"),
            faults=(404, 416),
            also={206: {}},
        ),
        response_class=Response,
    )
    async def get(request: Request, key: Key) -> Response:
        info = await asyncio.to_thread(plane.blobs.info, key)
        headers = _headers(info)
        if headers["ETag"] in request.headers.get("if-none-match", ""):
            return Response(None, 304, headers)
        # A part of what was replaced meanwhile would not fit the part that the client has.
        whole = request.headers.get("if-range", headers["ETag"]) != headers["ETag"]
        try:
            span = None if whole else asked_range(request.headers.get("range"), info.size)
        except Unsatisfiable:
            raise Problem(
                416,
                "no-such-bytes",
                f"blob {key!r} has {info.size} bytes",
                remedy="ask for bytes that it has",
                headers={"Content-Range": f"bytes */{info.size}"},
            ) from None
        first, end = span or (0, info.size)
        headers["Content-Length"] = str(end - first)
        if span is not None:
            headers["Content-Range"] = f"bytes {first}-{end - 1}/{info.size}"
        status = 200 if span is None else 206
        file = await asyncio.to_thread(plane.blobs.open, key)
        return StreamingResponse(_portions(file, first, end), status, headers, _type(key))

    @out.head(
        "/api/v1/blobs/{key:path}",
        operation_id="head_blob",
        summary="What is known of the bytes under a key",
        responses=empty("Their size, type and tag.", status=200, faults=(404,)),
        response_class=Response,
    )
    async def head(key: Key) -> Response:
        info = await asyncio.to_thread(plane.blobs.info, key)
        headers = {**_headers(info), "Content-Length": str(info.size)}
        return Response(None, 200, headers, _type(key))

    @out.delete(
        "/api/v1/blobs/{key:path}",
        operation_id="delete_blob",
        summary="Remove the bytes under a key",
        status_code=204,
        responses=empty("They are gone.", faults=(404,)),
        response_class=Response,
    )
    async def delete(key: Key) -> Response:
        if not await asyncio.to_thread(_delete, plane.blobs, key):
            raise Problem(404, "not-found", f"blob {key!r}: nothing is kept under this key")
        return Response(None, 204)

    return out


def _delete(blobs: Blobs, key: str) -> bool:
    return blobs.delete(key)


def _headers(info: BlobInfo) -> dict[str, str]:
    known = f"{info.key}\n{info.size}\n{info.modified_at.timestamp()!r}".encode()
    kind = _type(info.key)
    name = info.key.rpartition("/")[2]
    shown = "inline" if kind.startswith(_SHOWN) else "attachment"
    return {
        "ETag": f'"{blake2b(known, digest_size=12).hexdigest()}"',
        "Last-Modified": format_datetime(info.modified_at, usegmt=True),
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        # Keys are of letters, digits, `-`, `_` and `.` alone, so a name needs no quoting.
        "Content-Disposition": f'{shown}; filename="{name}"',
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }


def _type(key: str) -> str:
    return _TYPES.get(key.rpartition(".")[2].lower(), _OTHER)


async def _portions(file: BinaryIO, first: int, end: int) -> AsyncIterator[bytes]:
    try:
        await asyncio.to_thread(file.seek, first)
        left = end - first
        while left > 0:
            portion = await asyncio.to_thread(file.read, min(_CHUNK, left))
            if not portion:
                return  # it is shorter by now: the broken answer says so
            left -= len(portion)
            yield portion
    finally:
        with contextlib.suppress(OSError):
            file.close()
