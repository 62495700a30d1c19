"""Changing a model's weights while it runs, and going back. The reconciler and its workers do the rest."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from argus.control.api.answers import as_resource
from argus.control.api.bodies import expect_nothing, read_object
from argus.control.api.changing import changed
from argus.control.api.openapi import gives, ref, takes
from argus.control.api.parameters import DryRun, Name
from argus.control.api.problems import Problem
from argus.control.api.resources import refused_body
from argus.control.plane import Plane

PREVIOUS: Final = "argus.dev/previous-paths"
"""Annotation of a Model: the paths that it had before, as a JSON list, the latest last."""
_MOST: Final = 20
_SWAP: Final = {
    "type": "object",
    "required": ["path"],
    "properties": {
        "path": {"type": "string", "minLength": 1, "description": "Of the weights to run from now on."}
    },
}


def router(plane: Plane) -> APIRouter:
    """Return the endpoints."""
    out = APIRouter(tags=["models"])
    answers = gives(ref("Model"), says="As it is now.", faults=(404, 408, 409, 415))

    @out.post(
        "/api/v1/models/{name}:swap",
        operation_id="swap_model",
        summary="Run other weights from now on; they are loaded beside the old ones first",
        responses=answers,
        openapi_extra=takes(_SWAP),
        response_class=Response,
    )
    async def swap(request: Request, name: Name, dry_run: DryRun = False) -> Response:
        wanted = await read_object(request)
        strange = [key for key in wanted if key != "path"]
        if strange:
            raise refused_body(f"#/{strange[0][:80]}", "unknown field; known here: path")
        path = wanted.get("path")
        if not isinstance(path, str) or not path.strip():
            raise refused_body("#/path", "expected the path of the weights, a text")

        def swapped(told: dict[str, Any]) -> None:
            now = told["spec"]["path"]
            if now != path:
                _remember(told, [*previous(told), now])
                told["spec"]["path"] = path

        return as_resource(await changed(plane.store, "Model", name, swapped, dry_run=dry_run))

    @out.post(
        "/api/v1/models/{name}:rollback",
        operation_id="rollback_model",
        summary="Run the weights again that ran before the last swap",
        responses=answers,
        response_class=Response,
    )
    async def rollback(request: Request, name: Name, dry_run: DryRun = False) -> Response:
        await expect_nothing(request)

        def rolled_back(told: dict[str, Any]) -> None:
            before = previous(told)
            if not before:
                raise Problem(
                    409,
                    "nothing-before",
                    f"Model {name!r} has run no other weights before",
                    remedy=f"POST /api/v1/models/{name}:swap names others",
                )
            told["spec"]["path"] = before.pop()
            _remember(told, before)

        return as_resource(await changed(plane.store, "Model", name, rolled_back, dry_run=dry_run))

    return out


def previous(told: dict[str, Any]) -> list[str]:
    """Return the paths that a model had before; none where somebody has spoilt the annotation."""
    text = told["metadata"].get("annotations", {}).get(PREVIOUS, "[]")
    try:
        return msgspec.json.decode(text, type=list[str])
    except msgspec.DecodeError:
        return []


def _remember(told: dict[str, Any], paths: list[str]) -> None:
    annotations = told["metadata"].setdefault("annotations", {})
    if paths:
        annotations[PREVIOUS] = msgspec.json.encode(paths[-_MOST:]).decode()
    else:
        annotations.pop(PREVIOUS, None)
