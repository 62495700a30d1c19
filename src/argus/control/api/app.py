"""The whole API as one application: its routers, what guards them, and what lives as long as the server.

`create_app` opens nothing but the folder of uploads; what it needs besides begins and ends with the server
(ASGI's lifespan).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from argus.control.api import (
    apply,
    blobs,
    cameras,
    explain,
    jobs,
    metrics,
    models,
    resources,
    results,
    status,
    uploads,
    workloads,
)
from argus.control.api.access import Access
from argus.control.api.answers import as_json
from argus.control.api.counting import ResourceCounts
from argus.control.api.docs_page import POLICY, docs_page
from argus.control.api.endless import Closing
from argus.control.api.guard import Guard
from argus.control.api.live import LiveChanges
from argus.control.api.meter import ApiMeter
from argus.control.api.openapi import DESCRIPTION, document
from argus.control.api.parameters import known_parameters
from argus.control.api.patience import Patience
from argus.control.api.problems import Problem, problem_of
from argus.control.api.upload_jobs import keep_up, uploads_of
from argus.control.api.worker_link import WorkerLink
from argus.control.plane import Plane
from argus.core.errors import ArgusError
from argus.core.version import __version__

USUAL: Final = Patience()
_WHERE: Final = {"path": "the path", "query": "the query", "header": "a header", "body": "the body"}


def create_app(plane: Plane, access: Access, *, patience: Patience = USUAL) -> FastAPI:
    """Return the API of a control plane.

    `app.state.closing` ends all streams; `argus.control.api.server.Server` closes it when it stops.

    Raises:
        BlobsUnavailable: the folder of uploads cannot be made.
    """
    closing, link, meter = Closing(), WorkerLink(), ApiMeter()
    counts = ResourceCounts(plane.store)
    coming = uploads_of(plane)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        keeping = asyncio.create_task(keep_up(plane, coming, meter), name="uploads")
        try:
            yield
        finally:
            closing.close()
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            await link.close()

    app = FastAPI(
        title="Argus",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        dependencies=[Depends(known_parameters)],
    )
    app.state.closing = closing
    app.state.uploads = coming
    app.state.patience = patience
    app.state.meter = meter
    # What is longer comes before what is shorter: `/cameras/{name}` would take `gate:probe` for a name.
    for router in (
        status.router(plane, counts),
        metrics.router(plane, counts, link, meter),
        apply.router(plane),
        cameras.router(plane, closing, link),
        models.router(plane),
        jobs.router(plane),
        explain.router(plane),
        results.router(plane, closing, LiveChanges(plane.results)),
        blobs.router(plane),
        uploads.router(plane, coming),
        workloads.router(plane, closing),
        resources.router(plane, closing),
    ):
        app.include_router(router)
    _pages(app)
    for kind in (Problem, ArgusError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _answer)
    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    # The guard stands before Starlette's own net, which would answer what is unforeseen with a plain text.
    app.add_middleware(Guard, access=access, meter=meter, patience=patience)
    return app


def _pages(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    async def home() -> Response:
        return RedirectResponse("/docs", 307)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        page = docs_page(document(app))
        return Response(page, 200, {"Content-Security-Policy": POLICY}, "text/html; charset=utf-8")

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return as_json(document(app))


async def _answer(request: Request, error: Exception) -> Response:
    path = request.url.path
    if isinstance(error, HTTPException):
        return _http(request, error).response(path)
    if isinstance(error, RequestValidationError):
        return _not_valid(error).response(path)
    problem = problem_of(error)
    if problem is None:
        raise error
    return problem.response(path)


def _http(request: Request, error: HTTPException) -> Problem:
    path, headers = request.url.path[:200], dict(error.headers or {})
    match error.status_code:
        case 404:
            return Problem(404, "no-path", f"there is nothing at {path}", remedy="/docs lists all paths")
        case 405:
            allowed = headers.get("allow", headers.get("Allow", ""))
            return Problem(
                405,
                "wrong-method",
                f"{path} cannot be asked with {request.method[:20]}",
                remedy=f"it takes {allowed}" if allowed else "/docs lists what it takes",
                headers=headers,
            )
        case code:
            return Problem(code, "http", str(error.detail), headers=headers)


def _not_valid(error: RequestValidationError) -> Problem:
    entries = []
    for fault in error.errors():
        where, *rest = (str(part) for part in fault["loc"])
        name = ".".join(rest)
        message = str(fault["msg"])
        entries.append(
            {
                "pointer": f"#/{where}/{name}",
                "detail": f"{name}: {message[0].lower()}{message[1:]}" if message else name,
            }
        )
    where = _WHERE.get(str(error.errors()[0]["loc"][0]), "the request") if entries else "the request"
    detail = "; ".join(entry["detail"] for entry in entries)
    return Problem(422, "not-valid", f"{where}: {detail}", title="Not valid", errors=entries)
