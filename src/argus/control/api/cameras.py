"""What a camera shows and how it is: pictures handed on from the worker that reads it, and its health.

No picture is decoded or made here. Resources of cameras are in `resources`.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from argus.control.api.answers import as_json, told
from argus.control.api.bodies import read_object
from argus.control.api.camera_probe import probe
from argus.control.api.endless import Closing, Endless
from argus.control.api.openapi import gives, takes
from argus.control.api.parameters import Name
from argus.control.api.problems import Problem
from argus.control.api.resources import refused_body
from argus.control.api.worker_link import WorkerLink
from argus.control.plane import Plane
from argus.core.resources.resource import Resource, utc_now

_JPEG: Final = "image/jpeg"
_MJPEG: Final = "multipart/x-mixed-replace"
_HANDED_ON: Final = ("content-type", "last-modified", "x-argus-index", "x-argus-time", "x-argus-captured-at")

_HEALTH: Final = {
    "type": "object",
    "required": ["camera", "state", "report", "conditions", "worker", "at"],
    "properties": {
        "camera": {"type": "string"},
        "state": {"type": "string", "description": "As its worker says; `unknown`: none reads it."},
        "report": {"type": ["object", "null"], "description": "What its worker says of it."},
        "conditions": {"type": "array", "items": {"type": "object"}},
        "worker": {"type": ["string", "null"]},
        "at": {"type": "string", "format": "date-time"},
    },
}
_PROBED: Final = {
    "type": "object",
    "required": ["url", "outcome", "detail", "seconds"],
    "properties": {
        "url": {"type": "string", "description": "Without its secrets."},
        "outcome": {
            "enum": [
                "answers",
                "credentials-refused",
                "not-found",
                "unreachable",
                "blocked",
                "strange",
                "unasked",
            ]
        },
        "detail": {"type": "string", "description": "What was found, and what to do about it."},
        "seconds": {"type": "number"},
        "codecs": {"type": "array", "items": {"type": "string"}},
    },
}


def router(plane: Plane, closing: Closing, link: WorkerLink) -> APIRouter:
    """Return the endpoints."""
    out = APIRouter(tags=["cameras"])

    @out.get(
        "/api/v1/cameras/{name}/snapshot.jpg",
        operation_id="camera_snapshot",
        summary="The camera's newest picture",
        responses=gives(None, says="A JPEG.", types=(_JPEG,), faults=(404, 502)),
        response_class=Response,
    )
    async def snapshot(name: Name) -> Response:
        worker = await _worker(plane, name)
        answer = await link.get(f"{worker}/snapshot.jpg", {"camera": name})
        if answer.status_code != 200:
            await _no_picture(plane, name, answer.status_code, answer.content)
        return Response(
            answer.content, 200, {"Cache-Control": "no-store", **_handed_on(answer.headers)}, _JPEG
        )

    @out.get(
        "/api/v1/cameras/{name}/stream.mjpeg",
        operation_id="camera_stream",
        summary="The camera's pictures as they come",
        responses=gives(None, says="Motion JPEG, endless.", types=(_MJPEG,), faults=(404, 502)),
        response_class=Response,
    )
    async def stream(name: Name) -> Response:
        worker = await _worker(plane, name)
        answer, portions = await link.stream(f"{worker}/stream.mjpeg", {"camera": name})
        if answer.status_code != 200:
            try:
                said = await anext(portions, b"")
            finally:
                await answer.aclose()
            await _no_picture(plane, name, answer.status_code, said)
        return Endless(portions, closing, media_type=answer.headers.get("content-type", _MJPEG), what="video")

    @out.get(
        "/api/v1/cameras/{name}/health",
        operation_id="camera_health",
        summary="How the camera is",
        responses=gives(_HEALTH, faults=(404,)),
        response_class=Response,
    )
    async def health(name: Name) -> Response:
        camera = await plane.store.get("Camera", name)
        worker, report = _report(plane, name)
        return as_json(
            {
                "camera": name,
                "state": report["state"] if report is not None else "unknown",
                "report": report,
                "conditions": camera.status.get("conditions", []),
                "worker": worker,
                "at": told(utc_now()),
            }
        )

    @out.post(
        "/api/v1/cameras/{name}:probe",
        operation_id="camera_probe",
        summary="Try an address: does a camera answer, and does it let us in?",
        responses=gives(_PROBED, says="What was found.", faults=(404, 408, 415)),
        openapi_extra=takes(
            {
                "type": "object",
                "properties": {
                    "url": {"type": "string", "minLength": 1, "description": "Absent: the camera's own."}
                },
            },
            needed=False,
        ),
        response_class=Response,
    )
    async def try_address(request: Request, name: Name) -> Response:
        wanted = await read_object(request, needed=False)
        strange = [key for key in wanted if key != "url"]
        if strange:
            raise refused_body(f"#/{strange[0][:80]}", "unknown field; known here: url")
        url, verify_tls = wanted.get("url"), True
        if url is None:
            camera = await plane.store.get("Camera", name)
            url = plane.secrets.fill(camera.spec["url"], f"Camera {name}")
            verify_tls = camera.spec.get("verify_tls", True) is not False
        if not isinstance(url, str) or not 0 < len(url) <= 4096:
            raise refused_body("#/url", "expected an address, a text of at most 4096 characters")
        return as_json(await probe(url, verify_tls=verify_tls))

    return out


async def _worker(plane: Plane, name: str) -> str:
    """Return the address of the worker that reads a camera.

    Raises:
        ResourceNotFound: there is no such camera.
        Problem: 503, none reads it; says why.
    """
    camera = await plane.store.get("Camera", name)
    worker = plane.worker_of_camera(name)
    if worker is None:
        raise _unread(camera)
    return worker


def _unread(camera: Resource) -> Problem:
    said = [c for c in camera.conditions if c.status != "True"] or list(camera.conditions)
    why = "; ".join(f"{c.reason}: {c.message}" if c.message else c.reason for c in said)
    return Problem(
        503,
        "camera-unread",
        f"no worker reads camera {camera.name!r} at present" + (f": {why}" if why else ""),
        remedy="a camera is read when a pipeline names it; see the conditions of both",
        conditions=msgspec.to_builtins(camera.conditions),
    )


async def _no_picture(plane: Plane, name: str, status: int, said: bytes) -> NoReturn:
    """Say why a worker gave no picture."""
    camera = await plane.store.get("Camera", name)
    _, report = _report(plane, name)
    state = f"the camera is {report['state']}" if report is not None else "its worker does not know it yet"
    reason = _reason(said)
    raise Problem(
        503 if status in {404, 503} else 502,
        "no-picture",
        f"camera {name!r} gave no picture: {state}" + (f" ({reason})" if reason else ""),
        remedy="try again when it is online; GET …/health says how it is",
        conditions=msgspec.to_builtins(camera.conditions),
    )


def _reason(said: bytes) -> str:
    """Return what a worker said, in a line: the detail of its problem document, or its text."""
    try:
        document = msgspec.json.decode(said)
        text = document.get("detail", "") if isinstance(document, dict) else ""
    except msgspec.DecodeError:
        text = said[:300].decode("utf-8", "replace")
    return " ".join(str(text).split())[:300]


def _report(plane: Plane, name: str) -> tuple[str | None, dict[str, Any] | None]:
    for worker, report in plane.reports.items():
        for camera in report.cameras:
            if camera.name == name:
                return worker, msgspec.to_builtins(camera)
    return None, None


def _handed_on(headers: Any) -> dict[str, str]:
    return {name: headers[name] for name in _HANDED_ON[1:] if name in headers}
