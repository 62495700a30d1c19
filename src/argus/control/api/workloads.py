"""Workloads over HTTP: what runs, what it prints, and starting it again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response, StreamingResponse

from argus.control.api.answers import as_json, told
from argus.control.api.bodies import expect_nothing
from argus.control.api.endless import Closing, Endless
from argus.control.api.openapi import gives
from argus.control.plane import Plane
from argus.control.runtime.protocol import WorkloadNotFound, WorkloadStatus
from argus.core.errors import did_you_mean
from argus.core.resources.resource import API_VERSION, utc_now

_TEXT: Final = "text/plain"
_UTF8: Final = "text/plain; charset=utf-8"
_WORKLOAD: Final = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec", "status"],
    "properties": {
        "apiVersion": {"const": API_VERSION},
        "kind": {"const": "Workload"},
        "metadata": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
        "spec": {"type": "object"},
        "status": {"type": "object"},
    },
}
_LIST: Final = {
    "type": "object",
    "required": ["items", "metadata"],
    "properties": {"items": {"type": "array", "items": _WORKLOAD}, "metadata": {"type": "object"}},
}

WorkloadName = Annotated[
    str, Path(pattern=r"^[A-Za-z0-9]([-A-Za-z0-9_.]{0,251}[A-Za-z0-9])?$", description="Its name.")
]
Tail = Annotated[
    int | None, Query(ge=0, le=100_000, description="So many of the last lines; absent: all that is kept.")
]
Follow = Annotated[bool, Query(description="True: and what comes, without end.")]


def router(plane: Plane, closing: Closing) -> APIRouter:
    """Return the endpoints."""
    out = APIRouter(tags=["workloads"])

    @out.get(
        "/api/v1/workloads",
        operation_id="list_workloads",
        summary="All that runs, or waits to",
        responses=gives(_LIST, says="All of them, by name."),
        response_class=Response,
    )
    async def listing() -> Response:
        statuses = await plane.runtime.statuses()
        items = [workload_json(statuses[name]) for name in sorted(statuses)]
        return as_json({"items": items, "metadata": {}})

    @out.get(
        "/api/v1/workloads/{name}",
        operation_id="get_workload",
        summary="One workload",
        responses=gives(_WORKLOAD, faults=(404,)),
        response_class=Response,
    )
    async def one(name: WorkloadName) -> Response:
        return as_json(workload_json(await _status(plane, name)))

    @out.get(
        "/api/v1/workloads/{name}/logs",
        operation_id="workload_logs",
        summary="What a workload prints",
        responses=gives({"type": "string"}, says="Lines.", types=(_TEXT,), faults=(404,)),
        response_class=Response,
    )
    async def logs(name: WorkloadName, tail: Tail = None, follow: Follow = False) -> Response:
        await _status(plane, name)
        lines = plane.runtime.logs(name, tail=tail, follow=follow)
        if follow:
            # An empty portion would be no sign of life, and any other would be no line of the log.
            return Endless(lines, closing, media_type=_UTF8, what="logs")
        return StreamingResponse(_closed(lines), 200, {"Cache-Control": "no-store"}, _UTF8)

    @out.post(
        "/api/v1/workloads/{name}:restart",
        operation_id="restart_workload",
        summary="End it and start it again",
        status_code=202,
        responses=gives(_WORKLOAD, status=202, says="It is being started again.", faults=(404, 415)),
        response_class=Response,
    )
    async def restart(request: Request, name: WorkloadName) -> Response:
        await expect_nothing(request)
        await _status(plane, name)
        await plane.runtime.restart(name)
        plane.wake()
        return as_json(workload_json(await _status(plane, name)), 202)

    return out


def workload_json(status: WorkloadStatus) -> dict[str, Any]:
    """Return a workload in the form that resources have; nothing of its environment and config is in it."""
    fields: dict[str, Any] = msgspec.to_builtins(status)
    workload = fields.pop("workload", None) or {}
    spec = {
        key: workload[key]
        for key in ("kind", "command", "limits", "probes", "schedule", "deadline_s", "retries", "owner")
        if workload.get(key) is not None
    } or {"kind": status.kind}
    return {
        "apiVersion": API_VERSION,
        "kind": "Workload",
        "metadata": {"name": fields.pop("name")},
        "spec": spec,
        "status": {**fields, "uptime_s": _uptime_s(status), "since": told(status.since)},
    }


def _uptime_s(status: WorkloadStatus) -> float | None:
    if status.state != "running":
        return None
    return round(max(0.0, (utc_now() - status.since).total_seconds()), 1)


async def _status(plane: Plane, name: str) -> WorkloadStatus:
    statuses = await plane.runtime.statuses()
    try:
        return statuses[name]
    except KeyError:
        raise WorkloadNotFound(f"there is no workload {name!r}{did_you_mean(name[:80], statuses)}") from None


async def _closed(lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the same, and close the source whatever happens."""
    try:
        async for portion in lines:
            yield portion
    finally:
        close = getattr(lines, "aclose", None)
        if close is not None:
            await close()
