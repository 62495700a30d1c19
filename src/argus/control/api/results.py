"""What was seen: events, alerts, tracks and detections, a page at a time; events and alerts as they come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from argus.control.api import sse
from argus.control.api.answers import as_json
from argus.control.api.bodies import read_object
from argus.control.api.endless import Closing, Endless
from argus.control.api.live import ChangeKind, LiveChanges
from argus.control.api.openapi import gives, page_of, ref, takes
from argus.control.api.parameters import LARGEST_SEQ, Cursor, Filters, Id, Limit, refused
from argus.control.api.problems import Problem
from argus.control.plane import Plane
from argus.core.resources.resource import utc_now
from argus.storage.matching import fits
from argus.storage.protocol import Page
from argus.storage.protocol import Query as Wanted

_RETRY_MS: Final = 1000
_PIECE: Final = 64 << 10
_LONGEST_BY: Final = 200

_ENCODER: Final = msgspec.json.Encoder()
_ACK: Final = {
    "type": "object",
    "properties": {
        "by": {
            "type": "string",
            "minLength": 1,
            "maxLength": _LONGEST_BY,
            "description": "Who has seen to it.",
        }
    },
}

After = Annotated[
    int | None,
    Query(ge=0, le=LARGEST_SEQ, description="`seq` to begin after; absent: tell only what is new."),
]


def router(plane: Plane, closing: Closing, live: LiveChanges) -> APIRouter:
    """Return the endpoints."""
    out = APIRouter()
    # First what is longer: else `stream` would be an id.
    for kind in ("event", "alert"):
        _stream(out, closing, live, kind)
        _known(out, plane, kind)

    @out.get("/api/v1/events", **_page("events", "EventRecord", "the latest start first"))
    async def events(query: Filters, limit: Limit = 100, cursor: Cursor = None) -> Response:
        return _paged(await plane.results.events(query, limit=limit, cursor=cursor))

    @out.get("/api/v1/alerts", **_page("alerts", "AlertRecord", "the latest first"))
    async def alerts(query: Filters, limit: Limit = 100, cursor: Cursor = None) -> Response:
        return _paged(await plane.results.alerts(query, limit=limit, cursor=cursor))

    @out.get("/api/v1/tracks", **_page("tracks", "TrackRecord", "the latest first seen first"))
    async def tracks(query: Filters, limit: Limit = 100, cursor: Cursor = None) -> Response:
        return _paged(await plane.results.tracks(query, limit=limit, cursor=cursor))

    @out.get("/api/v1/detections", **_page("detections", "DetectionsRecord", "the latest frame first"))
    async def detections(query: Filters, limit: Limit = 100, cursor: Cursor = None) -> Response:
        return _paged(await plane.results.detections(query, limit=limit, cursor=cursor))

    return out


def _known(out: APIRouter, plane: Plane, kind: Literal["event", "alert"]) -> None:
    record = f"{kind.title()}Record"

    @out.get(
        f"/api/v1/{kind}s/{{id_}}",
        operation_id=f"get_{kind}",
        tags=[f"{kind}s"],
        summary=f"One {kind}",
        responses=gives(ref(record), faults=(404,)),
        response_class=Response,
    )
    async def one(id_: Id) -> Response:
        return as_json(await (plane.results.event(id_) if kind == "event" else plane.results.alert(id_)))

    @out.post(
        f"/api/v1/{kind}s/{{id_}}:ack",
        operation_id=f"acknowledge_{kind}",
        tags=[f"{kind}s"],
        summary=f"Say that somebody has seen to the {kind}",
        responses=gives(ref(record), says="As it is now; who was first stays.", faults=(404, 408, 415)),
        openapi_extra=takes(_ACK, needed=False),
        response_class=Response,
    )
    async def acknowledge(request: Request, id_: Id) -> Response:
        by = _who(await read_object(request, needed=False))
        return as_json(await plane.results.acknowledge(kind, id_, by=by, at=utc_now()))


def _stream(out: APIRouter, closing: Closing, live: LiveChanges, kind: ChangeKind) -> None:
    @out.get(
        f"/api/v1/{kind}s/stream",
        operation_id=f"stream_{kind}s",
        tags=[f"{kind}s"],
        summary=f"New and changed {kind}s as they come, as server-sent events",
        responses=gives(
            {"type": "string"},
            says=f"Frames `event: {kind}`, `id: SEQ`, `data:` the record; `Last-Event-ID` replays.",
            types=(sse.MEDIA_TYPE,),
        ),
        response_class=Response,
    )
    async def stream(request: Request, query: Filters, after: After = None) -> Response:
        given = request.headers.get("last-event-id", "").strip()
        if given:
            if not given.isdecimal() or not given.isascii() or int(given) > LARGEST_SEQ:
                raise refused("Last-Event-ID", f"{given[:60]!r} is no id that this stream gave")
            after = int(given)
        last = await live.last_seq()
        # Beyond the last: of a database that is no longer there. Nothing would come for a long time.
        listener = _Listener(live, kind, query, last if after is None or after > last else after)
        return Endless(
            listener.frames(),
            closing,
            media_type=sse.MEDIA_TYPE,
            what=f"{kind}s",
            heartbeat=listener.heartbeat,
        )


class _Listener:
    """One client of a stream."""

    def __init__(self, live: LiveChanges, kind: ChangeKind, query: Wanted, after: int) -> None:
        self._live = live
        self._kind = kind
        self._query = query
        self._after = after

    def heartbeat(self) -> bytes:
        return sse.comment("alive") + sse.place(self._after)

    async def frames(self) -> AsyncIterator[bytes]:
        yield sse.place(self._after, retry_ms=_RETRY_MS)
        async for portion in self._live.changes(self._after, self._kind):
            if not portion:
                yield sse.comment("the results do not answer; this goes on when they do")
                continue
            # In pieces: what is sent in one cannot be held back while the client is slow.
            piece = bytearray()
            for change in portion:
                if fits(self._query, change):
                    piece += sse.frame(_ENCODER.encode(change), event=self._kind, id_=change.seq)
                if len(piece) >= _PIECE:
                    yield bytes(piece)
                    piece.clear()
            if piece:
                yield bytes(piece)
            self._after = portion[-1].seq


def _page(plural: str, record: str, order: str) -> dict[str, Any]:
    return {
        "operation_id": f"list_{plural}",
        "tags": [plural],
        "summary": f"{plural.title()}, {order}",
        "responses": gives(page_of(record), says="A page."),
        "response_class": Response,
    }


def _paged(page: Page[Any]) -> Response:
    return as_json({"items": page.items, "cursor": page.cursor})


def _who(told: dict[str, Any]) -> str:
    strange = [key for key in told if key != "by"]
    by = told.get("by", "somebody")
    if strange or not isinstance(by, str) or not 0 < len(by.strip()) <= _LONGEST_BY:
        place, detail = (
            (f"#/{strange[0][:80]}", "unknown field; known here: by")
            if strange
            else ("#/by", f"expected who has seen to it, a text of at most {_LONGEST_BY} characters")
        )
        raise Problem(
            422,
            "not-valid",
            f"the body: {detail}",
            title="Not valid",
            remedy='send {"by": "NAME"}',
            errors=[{"pointer": place, "detail": detail}],
        )
    return by.strip()
