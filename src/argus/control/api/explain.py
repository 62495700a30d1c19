"""Why no alert came: what a pipeline did in the seconds around a moment, put into words by `argus.vision`."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from argus.control.api.answers import as_json, told
from argus.control.api.openapi import gives
from argus.control.api.parameters import Name, moment, refused
from argus.control.plane import Plane
from argus.core.errors import UnknownName
from argus.core.resources.pipeline import PipelineSpec
from argus.core.resources.resource import utc_now

if TYPE_CHECKING:
    from argus.vision.explain import Explanation

_ANSWER: Final = {
    "type": "object",
    "required": ["pipeline", "at", "verdict", "reasons", "stages"],
    "properties": {
        "pipeline": {"type": "string"},
        "at": {"type": "string", "format": "date-time"},
        "windowSeconds": {"type": "number"},
        "zone": {"type": ["string", "null"]},
        "verdict": {"type": "string", "description": "In one sentence."},
        "reasons": {"type": "array", "items": {"type": "object"}},
        "stages": {"type": "array", "items": {"type": "object"}},
    },
}
At = Annotated[
    str | None,
    Query(max_length=64, description="RFC 3339, or how long ago (`10m`); absent: what was last."),
]
_WINDOW_S: Final = 10.0
Window = Annotated[float, Query(ge=1, le=3600, description="Seconds to look at, half of them before.")]
ZoneName = Annotated[str | None, Query(max_length=200, description="Look at this zone, line or crowd alone.")]


def router(plane: Plane) -> APIRouter:
    """Return the endpoint."""
    out = APIRouter(tags=["pipelines"])

    @out.get(
        "/api/v1/pipelines/{name}:explain",
        operation_id="explain_pipeline",
        summary="Why no alert came",
        responses=gives(_ANSWER, says="What happened then, and what kept it from an alert.", faults=(404,)),
        response_class=Response,
    )
    async def why(name: Name, at: At = None, window: Window = _WINDOW_S, zone: ZoneName = None) -> Response:
        pipeline = await plane.store.get("Pipeline", name)
        half = timedelta(seconds=window / 2)
        now = utc_now()
        # Half of a window around now would lie in the future, of which nobody knows anything.
        when = moment(at, "at") or now - half
        if when > now + timedelta(minutes=1):
            raise refused("at", f"{told(when)} is in the future")
        try:
            since, until = when - half, when + half
        except OverflowError:
            raise refused("at", f"{told(when)} is too far away") from None
        traces = await plane.results.traces(name, since, until)
        spec = PipelineSpec.read(pipeline.spec, f"Pipeline {name}")
        seconds = [{"at": trace.at, **trace.data} for trace in traces]
        try:
            explained = await asyncio.to_thread(_explained, spec, seconds, when, window, zone)
        except UnknownName as error:
            raise refused("zone", str(error)) from None
        return as_json({"pipeline": name, **explained.to_json()})

    return out


def _explained(
    spec: PipelineSpec, seconds: list[dict[str, Any]], when: datetime, window_s: float, zone: str | None
) -> Explanation:
    # With numpy and shapely it takes a third of a second and 30 MB, which who never asks is spared.
    from argus.vision.explain import explain

    return explain(spec, seconds, when, window_s, zone)
