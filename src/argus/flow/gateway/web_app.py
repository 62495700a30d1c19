"""The endpoints: what can be asked of a gateway over HTTP and WebSocket.

Nothing is decided here about who may ask: `guarded` puts `access` before it all.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from importlib import resources
from typing import Any, Final

import msgspec
import structlog
from fastapi import FastAPI, Request, WebSocket
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse, Response

from argus.core.errors import ArgusError, UnknownName
from argus.flow.control import RequestRefused, SystemNotRunning
from argus.flow.gateway.access import Access
from argus.flow.gateway.guarding import App, guarded
from argus.flow.gateway.hub import Hub
from argus.flow.gateway.problems import Problem, field_faults
from argus.flow.gateway.topic import Topic
from argus.flow.gateway.viewing import Pictures, send_results
from argus.flow.gateway.watching import Watchers

_SNAPSHOT_S: Final = 1.0
"""How long a snapshot waits for the next picture before it is the last one."""
_MOST_BYTES: Final = 65_536
_PAGE: Final = {
    "dashboard.css": "text/css; charset=utf-8",
    "dashboard.js": "text/javascript; charset=utf-8",
    "drawing.js": "text/javascript; charset=utf-8",
    "graph.js": "text/javascript; charset=utf-8",
    "params.js": "text/javascript; charset=utf-8",
}

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def make_app(hub: Hub, access: Access, watchers: Watchers) -> App:
    """Return the whole application, guarded."""
    app = FastAPI(title="Argus flow gateway", docs_url=None, redoc_url=None, openapi_url="/api/openapi.json")
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(ClientDisconnect, _nobody)
    app.add_exception_handler(Exception, _failure)

    def known(name: str) -> Topic:
        try:
            return hub.topic(name)
        except UnknownName as error:
            raise Problem(
                404, "unknown-topic", "No such topic", str(error), topics=sorted(hub.topics)
            ) from None  # fmt: skip

    def shown(name: str) -> Topic:
        topic = known(name)
        if topic.kind == "picture":
            return topic
        over = hub.picture_of(name) if topic.kind == "detections" else None
        where = f"; the picture they are of is {over}" if over else ""
        raise Problem(
            404,
            "no-picture",
            "Not a picture",
            f"topic {name!r} has {topic.kind}, no pictures: its results are at /ws/{name}{where}",
            topics=sorted(t.name for t in hub.topics.values() if t.kind == "picture"),
        )

    @app.get("/", include_in_schema=False)
    async def home(request: Request) -> Response:
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"/dashboard{query}", 307)

    @app.get("/dashboard", include_in_schema=False)
    async def dashboard(request: Request) -> Response:
        headers = {"Content-Security-Policy": _POLICY}
        cookie = access.cookie(request.url.query)
        if cookie is not None:
            headers["Set-Cookie"] = cookie
        return Response(_page("dashboard.html"), 200, headers, "text/html; charset=utf-8")

    @app.get("/dashboard/{name}", include_in_schema=False)
    async def part(name: str) -> Response:
        if name not in _PAGE:
            raise Problem(404, "not-found", "Not found", f"the page has no part {name!r}")
        return Response(_page(name), 200, None, _PAGE[name])

    @app.get("/healthz")
    async def healthz() -> Response:
        return Response("ok\n", 200, None, "text/plain")

    @app.get("/api/topics")
    async def topics() -> Response:
        return _json(hub.listing())

    @app.get("/api/status")
    async def status() -> Response:
        return _json(await _asked(hub.status))

    @app.get("/api/config")
    async def config(node: str | None = None) -> Response:
        told = await _asked(hub.status)
        params = {one["name"]: one["params"] for one in told["nodes"]}
        if node is None:
            return _json(params)
        _expect_node(node, params)
        return _json({node: params[node]})

    @app.post("/api/config")
    async def configure(request: Request) -> Response:
        node, params = await _wanted(request)
        told = await _asked(hub.status)
        _expect_node(node, {one["name"] for one in told["nodes"]})
        try:
            change = await _asked(hub.set, node, params)
        except RequestRefused as error:
            raise Problem(
                422,
                "params-refused",
                "Params not valid",
                f"nothing has changed: {error}",
                node=node,
                errors=field_faults(str(error), params),
            ) from None
        if change.waiting:
            return _json({"node": node, "params": change.params, "waiting": list(change.waiting)}, 202)
        return _json({"node": node, "params": change.params})

    @app.get("/snapshot/{name}.jpg")
    async def snapshot(name: str) -> Response:
        topic = shown(name)
        jpeg = await asyncio.to_thread(topic.look, hub.settings.quality, _SNAPSHOT_S)
        if jpeg is None:
            raise Problem(503, "no-picture-yet", "No picture yet", f"topic {name!r} gave none yet: ask again")
        origin = jpeg.header.origin
        headers = {
            "Cache-Control": "no-store",
            "X-Argus-Index": str(origin.index),
            "X-Argus-Time": f"{origin.time_s:.6f}",
        }
        return Response(jpeg.data, 200, headers, "image/jpeg")

    @app.get("/stream/{name}.mjpeg")
    async def stream(name: str, request: Request) -> Response:
        topic = shown(name)
        with watchers.watching(topic):  # says now what could not be said in the middle of a stream
            pass
        return Pictures(topic, watchers, browser="sec-fetch-dest" in request.headers)

    @app.websocket("/ws")
    async def all_results(socket: WebSocket) -> None:
        await send_results(socket, hub, watchers, None)

    @app.websocket("/ws/{name}")
    async def results(socket: WebSocket, name: str) -> None:
        try:
            topic = known(name)
        except Problem as problem:
            await socket.send_denial_response(problem.response())
            return
        await send_results(socket, hub, watchers, topic)

    return guarded(app, access)


async def _wanted(request: Request) -> tuple[str, dict[str, Any]]:
    """Return the node and the params of a request to change them."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Problem(
            415,
            "not-json",
            "Not JSON",
            f"the body is {kind or 'of no type'}: send `Content-Type: application/json`",
        )
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MOST_BYTES:
            raise Problem(
                413, "too-large", "Too large", f"params are at most {_MOST_BYTES} bytes: send fewer"
            )
    try:
        told = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, "not-json", "Not JSON", f"the body cannot be read: {error}") from None
    node = told.get("node") if isinstance(told, dict) else None
    params = told.get("params") if isinstance(told, dict) else None
    faults = []
    if not isinstance(node, str) or not node:
        faults.append({"pointer": "#/node", "detail": "expected the name of a node"})
    if not isinstance(params, dict) or not params:
        faults.append({"pointer": "#/params", "detail": "expected params and their values (an object)"})
    if faults:
        example = '{"node": "detector", "params": {"confidence": 0.6}}'
        raise Problem(422, "not-a-change", "Not a change of params", f"send {example}", errors=faults)
    assert isinstance(node, str)
    assert isinstance(params, dict)
    return node, params


def _expect_node(name: str, known: Any) -> None:
    if name not in known:
        error = UnknownName("node", name, known)
        raise Problem(404, "unknown-node", "No such node", str(error), nodes=sorted(known))


async def _asked(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what the system answers; it may take its time."""
    try:
        return await _aside(function, *arguments)
    except SystemNotRunning as error:
        raise Problem(503, "no-system", "The system does not answer", str(error)) from None
    except OSError as error:
        text = f"the system does not answer: {error}: look at its log"
        raise Problem(503, "no-system", "The system does not answer", text) from None


async def _aside(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function returns that may be stuck: in a thread that nobody waits for in the end."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()

    def settle(result: Any, error: BaseException | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(result)
        else:
            done.set_exception(error)

    def work() -> None:
        result, failure = None, None
        try:
            result = function(*arguments)
        except Exception as error:  # noqa: BLE001 - raised where it is awaited
            failure = error
        with contextlib.suppress(RuntimeError):  # the gateway has ended meanwhile
            loop.call_soon_threadsafe(settle, result, failure)

    threading.Thread(target=work, name="argus-gateway-asking", daemon=True).start()
    return await done


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, {"Cache-Control": "no-store"}, "application/json")


def _page(name: str) -> bytes:
    return resources.files("argus.flow.gateway").joinpath("page", name).read_bytes()


def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path
    detail = {
        404: f"there is nothing at {path}: see /api/topics, /api/status, /dashboard",
        405: f"{path} cannot be asked with {request.method}",
    }.get(error.status_code, str(error.detail))
    return Problem(error.status_code, "http", str(error.detail), detail).response()


def _nobody(_: Request, __: Exception) -> Response:
    """Answer who has gone in the middle of a request: nobody reads it."""
    return Response(status_code=400)


def _failure(request: Request, error: Exception) -> Response:
    structlog.get_logger().error("gateway.request_failed", path=request.url.path, exc_info=error)
    said = str(error) if isinstance(error, ArgusError) else "a defect; the gateway's log has it"
    return Problem(500, "failed", "The gateway failed", said).response()
