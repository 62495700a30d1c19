"""Resources over HTTP: the same five ways for every kind there is, and a list over all of them.

Source: Kubernetes API conventions (lists, watch, concurrency); RFC 9110, preconditions; RFC 7396.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from argus.control.api import sse
from argus.control.api.answers import as_list, as_resource, etag
from argus.control.api.bodies import JSON, MERGE_PATCH, expect_nothing, read_json
from argus.control.api.drafts import draft_of, merged
from argus.control.api.endless import Closing, Endless
from argus.control.api.openapi import gives, list_of, ref, takes
from argus.control.api.parameters import DryRun, ManyLimit, Name, Watch, refused
from argus.control.api.problems import Problem
from argus.control.api.watching import ResourceWatch
from argus.control.plane import Plane
from argus.control.store.protocol import (
    AlreadyThere,
    Applied,
    Conflict,
    ResourceNotFound,
    ResourceStore,
)
from argus.core.errors import SpecError
from argus.core.resources.kinds import Kind, kinds
from argus.core.resources.resource import Draft, Resource
from argus.core.resources.selectors import Selector, parse_selector

_TRIES: Final = 5
_OUTCOME: Final = "Argus-Outcome"
"""Header of an answer to a change: `created`, `configured` or `unchanged`."""

Labels = Annotated[
    str | None,
    Query(alias="labelSelector", max_length=4096, description="As `kubectl -l` has it: `site=north,!old`."),
]
Since = Annotated[
    str | None,
    Query(
        alias="resourceVersion",
        pattern=r"^[0-9]{1,18}$",
        description="Of a watch: the version to begin after; without it, all there is comes first.",
    ),
]
After = Annotated[
    str | None,
    Query(alias="continue", max_length=1000, description="`metadata.continue` of the page before."),
]


def router(plane: Plane, closing: Closing) -> APIRouter:
    """Return the endpoints of all kinds that are registered."""
    out = APIRouter()
    _listing(out, plane, closing, None)
    for kind in kinds():
        _listing(out, plane, closing, kind)
        _single(out, plane, kind)
    return out


def _listing(out: APIRouter, plane: Plane, closing: Closing, kind: Kind | None) -> None:
    plural = "resources" if kind is None else kind.plural
    item = "AnyResource" if kind is None else kind.name
    answers = gives(list_of(item), says=f"A page of {plural}.", faults=(400,))
    answers[200]["content"][sse.MEDIA_TYPE] = {"schema": {"type": "string"}}

    @out.get(
        f"/api/v1/{plural}",
        operation_id=f"list_{plural}",
        tags=[plural],
        summary=f"List or watch {plural}",
        responses=answers,
        response_class=Response,
    )
    async def list_or_watch(
        request: Request,
        labels: Labels = None,
        limit: ManyLimit = 500,
        after: After = None,
        watch: Watch = False,
        since: Since = None,
    ) -> Response:
        selector = _selector(labels)
        name = kind.name if kind is not None else None
        if watch:
            begins = _last_event(request) or since
            view = ResourceWatch(plane.store, name, selector, begins)
            return Endless(
                view.frames(), closing, media_type=sse.MEDIA_TYPE, what="watch", heartbeat=view.heartbeat
            )
        page = await plane.store.list(name, selector=selector, limit=limit, after=after)
        return as_list(page.items, version=page.resource_version, after=page.after)


def _single(out: APIRouter, plane: Plane, kind: Kind) -> None:
    path = f"/api/v1/{kind.plural}/{{name}}"
    one = kind.name.lower()
    told: dict[str, Any] = {"tags": [kind.plural], "response_class": Response}

    @out.post(
        f"/api/v1/{kind.plural}",
        operation_id=f"create_{one}",
        summary=f"Create a {kind.name}",
        status_code=201,
        responses=gives(ref(kind.name), status=201, says="It was created.", faults=(408, 409, 415)),
        openapi_extra=takes(ref(kind.name)),
        **told,
    )
    async def create(request: Request, dry_run: DryRun = False) -> Response:
        draft = draft_of(kind, await read_json(request))
        applied = await _create(plane.store, draft, dry_run=dry_run)
        location = {"Location": f"/api/v1/{kind.plural}/{draft.name}"}
        return _changed(applied, location)

    @out.get(
        path,
        operation_id=f"get_{one}",
        summary=f"One {kind.name}",
        responses=gives(ref(kind.name), faults=(404,)),
        **told,
    )
    async def get(request: Request, name: Name) -> Response:
        resource = await plane.store.get(kind.name, name)
        if etag(resource) in _tags(request.headers.get("if-none-match")):
            return Response(None, 304, {"ETag": etag(resource)})
        return as_resource(resource)

    @out.put(
        path,
        operation_id=f"put_{one}",
        summary=f"Create or replace a {kind.name}",
        responses=gives(
            ref(kind.name), says="As it is now.", faults=(408, 409, 412, 415), also={201: ref(kind.name)}
        ),
        openapi_extra=takes(ref(kind.name)),
        **told,
    )
    async def put(request: Request, name: Name, dry_run: DryRun = False) -> Response:
        draft = draft_of(kind, await read_json(request), name=name)
        if "if-none-match" in request.headers:
            return _changed(await _create(plane.store, draft, dry_run=dry_run, status=412))
        expected = await _expected(plane.store, kind, name, request)
        return _changed(await _apply(plane.store, draft, expected, dry_run=dry_run))

    @out.patch(
        path,
        operation_id=f"patch_{one}",
        summary=f"Change parts of a {kind.name}",
        responses=gives(ref(kind.name), says="As it is now.", faults=(404, 408, 409, 412, 415)),
        openapi_extra=takes({"type": "object"}, types=(MERGE_PATCH, JSON)),
        **told,
    )
    async def patch(request: Request, name: Name, dry_run: DryRun = False) -> Response:
        wanted = await read_json(request, types=(MERGE_PATCH, JSON))
        if not isinstance(wanted, dict):
            raise refused_body("#", "expected the fields to change (an object)")
        if "status" in wanted:
            raise refused_body("#/status", "status is written by Argus alone: leave it out")
        for attempt in range(_TRIES):
            expected = await _expected(plane.store, kind, name, request)
            current = await plane.store.get(kind.name, name)
            draft = draft_of(kind, merged(editable(current), wanted), name=name)
            if draft.resource_version is None:
                draft = msgspec.structs.replace(draft, resource_version=current.metadata.resource_version)
            own = expected is None and "resourceVersion" not in (wanted.get("metadata") or {})
            try:
                return _changed(await _apply(plane.store, draft, expected, dry_run=dry_run))
            except Conflict:
                # Nobody said which version was meant: the patch is put onto the newer one.
                if not own or attempt == _TRIES - 1 or current.metadata.deletion_timestamp is not None:
                    raise
        raise AssertionError

    @out.delete(
        path,
        operation_id=f"delete_{one}",
        summary=f"Delete a {kind.name}",
        responses=gives(
            ref(kind.name),
            says="It is gone; 202: it goes when what it has started is in order.",
            faults=(404, 409, 412),
            also={202: ref(kind.name)},
        ),
        **told,
    )
    async def delete(request: Request, name: Name, dry_run: DryRun = False) -> Response:
        await expect_nothing(request)
        expected = await _expected(plane.store, kind, name, request)
        if dry_run:
            return as_resource(await plane.store.get(kind.name, name))
        try:
            gone = await plane.store.delete(kind.name, name, resource_version=expected)
        except Conflict as error:
            raise (_overtaken(str(error)) if expected else error) from None
        return as_resource(gone, 202 if gone.metadata.finalizers else 200)


def editable(resource: Resource) -> dict[str, Any]:
    """Return the envelope of a resource without what only Argus writes."""
    told = resource.to_json()
    metadata = {k: v for k, v in told["metadata"].items() if k in {"name", "labels", "annotations"}}
    return {**{k: told[k] for k in ("apiVersion", "kind", "spec")}, "metadata": metadata}


def refused_body(place: str, detail: str) -> Problem:
    """Return the problem of one field of a body."""
    return Problem(
        422,
        "not-valid",
        f"the body: {detail}",
        title="Not valid",
        errors=[{"pointer": place, "detail": detail}],
    )


async def _create(store: ResourceStore, draft: Draft, *, dry_run: bool, status: int = 409) -> Applied:
    fresh = msgspec.structs.replace(draft, resource_version=None)
    try:
        return (await store.apply([fresh], dry_run=dry_run, create=True))[0]
    except AlreadyThere as error:
        raise Problem(
            status, "exists", str(error), remedy="change it with PUT or PATCH, or take another name"
        ) from None


async def _apply(store: ResourceStore, draft: Draft, expected: str | None, *, dry_run: bool) -> Applied:
    if expected is not None:
        draft = msgspec.structs.replace(draft, resource_version=expected)
    try:
        return (await store.apply([draft], dry_run=dry_run))[0]
    except Conflict as error:
        if expected is None:
            raise
        raise _overtaken(str(error)) from None


async def _expected(store: ResourceStore, kind: Kind, name: str, request: Request) -> str | None:
    """Return the version that `If-Match` asks for; None where it asks for none.

    Raises:
        Problem: 412, it is another version by now, or there is none.
    """
    header = request.headers.get("if-match")
    if header is None:
        return None
    try:
        current = await store.get(kind.name, name)
    except ResourceNotFound as error:
        raise _overtaken(f"{error}, and If-Match asks for one") from None
    if header.strip() != "*" and etag(current) not in _tags(header):
        raise _overtaken(f"{kind.name} {name!r} is version {current.metadata.resource_version} by now")
    return current.metadata.resource_version


def _overtaken(detail: str) -> Problem:
    return Problem(412, "overtaken", detail, remedy="read it again and decide again")


def _tags(header: str | None) -> set[str]:
    """Return the entity tags of a header; `"7"`, `W/"7"` and `7` are one."""
    return {f'"{tag}"' for tag in re.findall(r"(?:W/)?\"?([^\",\s]+)\"?", header or "")}


def _changed(applied: Applied, headers: dict[str, str] | None = None) -> Response:
    created = applied.outcome == "created"
    more = {_OUTCOME: applied.outcome, **(headers or {})}
    return as_resource(applied.resource, 201 if created else 200, more)


def _selector(text: str | None) -> Selector | None:
    try:
        return parse_selector(text) if text else None
    except SpecError as error:
        raise refused("labelSelector", str(error)) from None


def _last_event(request: Request) -> str | None:
    given = request.headers.get("last-event-id", "").strip()
    if given and not re.fullmatch(r"[0-9]{1,18}", given):
        raise refused("Last-Event-ID", f"{given[:60]!r} is no version that this stream gave")
    return given or None
