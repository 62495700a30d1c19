"""How the control plane itself is: for people, for load balancers, and for those who look for the reason."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable
from typing import Any, Final

import msgspec
from fastapi import APIRouter
from starlette.responses import Response

from argus.control.api.answers import as_json, told
from argus.control.api.counting import ResourceCounts
from argus.control.api.openapi import gives
from argus.control.api.parameters import Limit
from argus.control.api.problems import Problem
from argus.control.glance import phase_of
from argus.control.plane import Plane
from argus.core.errors import ArgusError, UnknownName
from argus.core.resources.kinds import kind_called, kinds
from argus.core.resources.resource import utc_now
from argus.core.resources.schema import schema_of, schema_of_files
from argus.core.version import __version__

_ANSWER_S: Final = 2.0
_ANY: Final = {"type": "object"}
_DECISIONS: Final = {
    "type": "object",
    "required": ["items"],
    "properties": {"items": {"type": "array", "items": _ANY}},
}


def router(plane: Plane, counts: ResourceCounts) -> APIRouter:
    """Return the endpoints."""
    out = APIRouter(tags=["status"])

    @out.get(
        "/healthz",
        operation_id="healthz",
        summary="Whether the server answers",
        responses=gives({"type": "string"}, says="It does.", types=("text/plain",)),
        response_class=Response,
    )
    async def healthz() -> Response:
        return Response("ok\n", 200, {"Cache-Control": "no-store"}, "text/plain")

    @out.get(
        "/readyz",
        operation_id="readyz",
        summary="Whether all parts answer",
        responses=gives(_ANY, says="They do."),
        response_class=Response,
    )
    async def readyz() -> Response:
        parts = await _parts(plane)
        wrong = {part: why for part, why in parts.items() if why}
        if not wrong:
            return as_json({"ready": True, "parts": dict.fromkeys(parts, "ok")})
        raise Problem(
            503,
            "not-ready",
            "; ".join(f"{part}: {why}" for part, why in wrong.items()),
            title="Not ready",
            remedy="see to what does not answer; the server goes on by itself when it does",
            parts={part: why or "ok" for part, why in parts.items()},
        )

    @out.get(
        "/api/v1/status",
        operation_id="status",
        summary="Version, counts and problems",
        responses=gives(_ANY),
        response_class=Response,
    )
    async def status() -> Response:
        return as_json(await _status(plane, counts))

    @out.get(
        "/api/v1/decisions",
        operation_id="list_decisions",
        summary="What the reconciler did and why, the latest first",
        responses=gives(_DECISIONS),
        response_class=Response,
    )
    async def decisions(limit: Limit = 100) -> Response:
        latest = list(plane.decisions)[-limit:]
        items = [
            {"at": told(one.at), "action": one.action, "subject": one.subject, "reason": one.reason}
            for one in reversed(latest)
        ]
        return as_json({"items": items})

    @out.get(
        "/api/v1/schema",
        operation_id="schema",
        summary="JSON Schema of files of resources, for editors",
        responses=gives(_ANY, types=("application/schema+json",)),
        response_class=Response,
    )
    async def schema() -> Response:
        return _schema(schema_of_files())

    @out.get(
        "/api/v1/schema/{plural}",
        operation_id="schema_of_kind",
        summary="JSON Schema of one kind",
        responses=gives(_ANY, types=("application/schema+json",), faults=(404,)),
        response_class=Response,
    )
    async def schema_one(plural: str) -> Response:
        try:
            kind = kind_called(plural)
        except UnknownName as error:
            raise Problem(404, "not-found", str(error)) from None
        return _schema(schema_of(kind))

    return out


async def _parts(plane: Plane) -> dict[str, str]:
    """Return for each part why it does not answer; empty where it does."""

    async def ask(call: Awaitable[Any]) -> str:
        try:
            async with asyncio.timeout(_ANSWER_S):
                await call
        except TimeoutError:
            return f"it does not answer within {_ANSWER_S:g} s"
        except ArgusError as error:
            return str(error)
        return ""

    store, results, runtime = await asyncio.gather(
        ask(plane.store.version()), ask(plane.results.last_seq()), ask(plane.runtime.statuses())
    )
    return {"store": store, "results": results, "runtime": runtime}


async def _status(plane: Plane, counts: ResourceCounts) -> dict[str, Any]:
    parts = await _parts(plane)
    problems = dict(plane.problems) | {part: why for part, why in parts.items() if why}
    for name, report in plane.reports.items():
        if why := report.storage_problem or report.config_problem:
            problems[name] = why
    results: dict[str, int] = {}
    if not parts["store"]:
        await counts.look()
    if not parts["results"]:
        results = await plane.results.counts()
    now = utc_now()
    return {
        "version": __version__,
        "pid": os.getpid(),
        "home": str(plane.settings.home),
        "startedAt": told(plane.started_at),
        "uptimeSeconds": round((now - plane.started_at).total_seconds(), 1),
        "at": told(now),
        "ready": not any(parts.values()),
        "resources": {kind.plural: counts.by_kind[kind.name] for kind in kinds()},
        "readyResources": {kind.plural: counts.ready[kind.name] for kind in kinds()},
        "results": results,
        "workloads": dict(Counter(status.state for status in plane.workloads.values())),
        "cameras": dict(Counter(phase_of(c) for r in plane.reports.values() for c in r.cameras)),
        "problems": problems,
    }


def _schema(schema: dict[str, Any]) -> Response:
    return Response(
        msgspec.json.encode(schema), 200, {"Cache-Control": "no-cache"}, "application/schema+json"
    )
