"""Batch jobs over HTTP: held, let go on, ended, run once more; and how far their runs have come.

Each changes the resource alone: what follows is the reconciler's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from argus.control.api.answers import as_json, as_resource, told
from argus.control.api.bodies import expect_nothing
from argus.control.api.changing import changed
from argus.control.api.openapi import gives, ref
from argus.control.api.parameters import Name
from argus.control.api.problems import Problem
from argus.control.job_decision import CANCEL, RUN_AT
from argus.control.plane import Plane
from argus.core.resources.resource import utc_now

_RUNS: Final = {
    "type": "object",
    "required": ["items"],
    "properties": {"items": {"type": "array", "items": ref("Run")}},
}
_GOING: Final = frozenset({"active", "suspended"})
RunLimit = Annotated[int, Query(ge=1, le=100, description="Runs at most.")]


def router(plane: Plane) -> APIRouter:
    """Return the endpoints."""
    out = APIRouter(tags=["jobs"])

    @out.get(
        "/api/v1/jobs/{name}/runs",
        operation_id="list_runs",
        summary="The runs of a job, the latest first",
        responses=gives(_RUNS, faults=(404,)),
        response_class=Response,
    )
    async def runs(name: Name, limit: RunLimit = 20) -> Response:
        await plane.store.get("BatchJob", name)
        return as_json({"items": await plane.results.runs(name, limit=limit)})

    def action(verb: str, summary: str, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> None:
        @out.post(
            f"/api/v1/jobs/{{name}}:{verb}",
            operation_id=f"{verb}_job",
            summary=summary,
            responses=gives(ref("BatchJob"), says="As it is now.", faults=(404, 409, 415)),
            response_class=Response,
        )
        async def act(request: Request, name: Name) -> Response:
            await expect_nothing(request)
            current = await plane.store.get("BatchJob", name)

            def changing(envelope: dict[str, Any]) -> None:
                change(envelope, current.status)

            return as_resource(await changed(plane.store, "BatchJob", name, changing))

    action("suspend", "Stop it; what is finished of it stays", _suspend)
    action("resume", "Let it go on from where it was", _resume)
    action("cancel", "End the present run for good", _cancel)
    action("run", "Run it once more, now", _run)
    return out


def _suspend(envelope: dict[str, Any], _: dict[str, Any]) -> None:
    envelope["spec"]["suspend"] = True


def _resume(envelope: dict[str, Any], _: dict[str, Any]) -> None:
    envelope["spec"]["suspend"] = False


def _cancel(envelope: dict[str, Any], status: dict[str, Any]) -> None:
    name = envelope["metadata"]["name"]
    if status.get("runState") not in _GOING:
        raise Problem(
            409,
            "nothing-runs",
            f"BatchJob {name!r} has no run that could be cancelled",
            remedy="suspend it to keep it from running; DELETE removes it and its results",
        )
    envelope["metadata"].setdefault("annotations", {})[CANCEL] = str(status["run"])


def _run(envelope: dict[str, Any], _: dict[str, Any]) -> None:
    envelope["metadata"].setdefault("annotations", {})[RUN_AT] = told(utc_now())
