"""Uploads over HTTP: a body of any size in one request, or tus 1.0 where it may break off and go on.

Bytes go to the disk as they come. What an upload becomes is `upload_jobs`.

The words of tus are `argus.control.api.tus`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import msgspec
import structlog
from fastapi import APIRouter, Path, Query, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from argus.control.api.answers import as_json
from argus.control.api.bodies import media_type
from argus.control.api.openapi import empty, gives
from argus.control.api.problems import Problem
from argus.control.api.tus import (
    ABILITIES,
    OFFSET_TYPE,
    VERSION,
    answer_headers,
    count_in,
    expect_version,
    length_of,
    metadata_of,
)
from argus.control.api.upload_jobs import PIPELINE, TTL, follow_up, job_draft, job_name
from argus.control.plane import Plane
from argus.core.errors import ArgusError
from argus.storage.uploads import Upload, Uploads

_UPLOAD: Final = {
    "type": "object",
    "required": ["id", "filename", "key", "offset", "state", "job"],
    "properties": {
        "id": {"type": "string"},
        "filename": {"type": "string"},
        "key": {"type": "string", "description": "Among the blobs, once it is complete."},
        "length": {"type": ["integer", "null"]},
        "offset": {"type": "integer"},
        "state": {"enum": ["open", "moving", "complete"]},
        "job": {"type": ["string", "null"], "description": "Name of the BatchJob that goes through it."},
    },
}
_BODY: Final = {
    "requestBody": {
        "required": False,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_OFFSET_HEADER: Final = {
    "name": "Upload-Offset", "in": "header", "required": True, "schema": {"type": "integer", "minimum": 0},
}  # fmt: skip

UploadId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="Of the upload.")]
FileName = Annotated[str | None, Query(max_length=255, description="What it is called: `gate.mp4`.")]
PipelineName = Annotated[
    str | None,
    Query(alias=PIPELINE, max_length=63, description="Pipeline that it shall go through, as a BatchJob."),
]
TimeToLive = Annotated[
    str | None, Query(alias=TTL, max_length=20, description="When the job is deleted after its end: `1h`.")
]


def router(plane: Plane, uploads: Uploads) -> APIRouter:
    """Return the endpoints."""
    out = APIRouter(tags=["uploads"])

    async def completed(request: Request, upload: Upload) -> Upload:
        upload = await uploads.complete(upload.id)
        request.app.state.meter.uploads["complete"] += 1
        try:
            upload = await follow_up(plane.store, uploads, upload)
        except ArgusError as error:
            # It is kept, and its job follows when the store is back.
            structlog.get_logger().warning("upload.waits_for_its_job", id=upload.id, reason=str(error))
        plane.wake()
        return upload

    @out.get(
        "/api/v1/uploads",
        operation_id="list_uploads",
        summary="Uploads that go on or were completed lately",
        responses=gives({"type": "object", "properties": {"items": {"type": "array", "items": _UPLOAD}}}),
        response_class=Response,
    )
    async def listing() -> Response:
        return as_json({"items": [_told(upload) for upload in await asyncio.to_thread(uploads.list)]})

    @out.post(
        "/api/v1/uploads",
        operation_id="create_upload",
        summary="Upload a file at once, or begin one that may break off (tus)",
        status_code=201,
        responses=gives(
            _UPLOAD, status=201, says="Complete; or begun, with `Location`.", faults=(400, 408, 412, 413)
        ),
        openapi_extra=_BODY,
        response_class=Response,
    )
    async def create(
        request: Request, filename: FileName = None, pipeline: PipelineName = None, ttl: TimeToLive = None
    ) -> Response:
        resumable = "tus-resumable" in request.headers or "upload-length" in request.headers
        metadata = metadata_of(request.headers.get("upload-metadata", "")) if resumable else {}
        metadata |= {key: value for key, value in ((PIPELINE, pipeline), (TTL, ttl)) if value}
        job_draft("0" * 32, "uploads/0/0", metadata)  # said before a gigabyte has come
        name = filename or metadata.pop("filename", None) or metadata.pop("name", None) or "upload"
        if not resumable:
            return await at_once(request, name, metadata)
        expect_version(request)
        length = length_of(request)
        upload = uploads.create(name, length, metadata)
        if media_type(request) == OFFSET_TYPE:
            upload = await uploads.append(upload.id, 0, _bytes(request))
        if upload.length is not None and upload.offset == upload.length:
            upload = await completed(request, upload)
        headers = {**answer_headers(upload), "Location": f"/api/v1/uploads/{upload.id}"}
        return as_json(_told(upload), 201, headers)

    async def at_once(request: Request, name: str, metadata: dict[str, str]) -> Response:
        given = request.headers.get("content-length", "")
        upload = uploads.create(name, int(given) if given.isdecimal() else None, metadata)
        try:
            upload = await uploads.append(upload.id, 0, _bytes(request))
            _expect_bytes(upload)
            upload = await completed(request, upload)
        except BaseException:
            # Nobody knows its id, so nobody could go on with it.
            if uploads.status(upload.id).state == "open":
                uploads.delete(upload.id)
            raise
        return as_json(_told(upload), 201, {"Location": f"/api/v1/uploads/{upload.id}"})

    @out.options("/api/v1/uploads", include_in_schema=False)
    async def abilities() -> Response:
        return Response(None, 204, ABILITIES)

    @out.get(
        "/api/v1/uploads/{id_}",
        operation_id="get_upload",
        summary="One upload",
        responses=gives(_UPLOAD, faults=(404,)),
        response_class=Response,
    )
    async def one(id_: UploadId) -> Response:
        return as_json(_told(uploads.status(id_)))

    @out.head(
        "/api/v1/uploads/{id_}",
        operation_id="head_upload",
        summary="How far an upload has come (tus)",
        responses=empty("`Upload-Offset` says it.", status=200, faults=(404,)),
        response_class=Response,
    )
    async def head(id_: UploadId) -> Response:
        upload = uploads.status(id_)
        return Response(None, 200, {**answer_headers(upload), "Cache-Control": "no-store"})

    @out.patch(
        "/api/v1/uploads/{id_}",
        operation_id="append_upload",
        summary="Go on with an upload (tus)",
        status_code=204,
        responses=empty(
            "Taken; `Upload-Offset` says how far it has come.", faults=(404, 408, 409, 412, 415, 423)
        ),
        openapi_extra={
            "parameters": [_OFFSET_HEADER],
            "requestBody": {
                "required": True,
                "content": {OFFSET_TYPE: {"schema": {"type": "string", "format": "binary"}}},
            },
        },
        response_class=Response,
    )
    async def append(request: Request, id_: UploadId) -> Response:
        expect_version(request)
        if media_type(request) != OFFSET_TYPE:
            raise Problem(
                415,
                "wrong-type",
                f"the body is {media_type(request)[:80] or 'of no type'}",
                remedy=f"send `Content-Type: {OFFSET_TYPE}`",
            )
        offset = count_in(request, "upload-offset")
        if offset is None:
            raise Problem(400, "no-offset", "the request says no Upload-Offset", remedy="HEAD tells it")
        length = count_in(request, "upload-length")
        if length is not None:
            uploads.declare(id_, length)
        upload = await uploads.append(id_, offset, _bytes(request))
        if upload.length is not None and upload.offset == upload.length:
            upload = await completed(request, upload)
        return Response(None, 204, answer_headers(upload))

    @out.delete(
        "/api/v1/uploads/{id_}",
        operation_id="delete_upload",
        summary="Give an upload up; the blob of a complete one stays",
        status_code=204,
        responses=empty("It is forgotten.", faults=(404, 423)),
        response_class=Response,
    )
    async def delete(request: Request, id_: UploadId) -> Response:
        await asyncio.to_thread(uploads.delete, id_)
        request.app.state.meter.uploads["deleted"] += 1
        return Response(None, 204, {"Tus-Resumable": VERSION})

    return out


async def _bytes(request: Request) -> AsyncIterator[bytes]:
    """Yield a body as it comes; however it ends, what has come is kept by whoever takes it."""
    stream = request.stream()
    silence_s = request.app.state.patience.silence_s
    while True:
        try:
            async with asyncio.timeout(silence_s):
                portion = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise Problem(
                408, "too-slow", f"nothing came for {silence_s:g} s", remedy="go on where HEAD says",
                headers={"Connection": "close"},
            ) from None  # fmt: skip
        except ClientDisconnect:
            raise Problem(400, "broken-off", "the client went in the middle of its file") from None
        if portion:
            request.app.state.meter.upload_bytes += len(portion)
            yield portion


def _expect_bytes(upload: Upload) -> None:
    if upload.offset == 0:
        raise Problem(400, "no-body", "the request has no body", remedy="send the file as the body")


def _told(upload: Upload) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(upload)
    return {**told, "job": job_name(upload)}
