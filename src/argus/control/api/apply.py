"""Applying documents: many resources of any kind in one transaction, all of them or none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from argus.control.api.answers import as_json
from argus.control.api.bodies import JSON, MOST_BYTES_APPLY, YAML, json_of, media_type, read_body
from argus.control.api.drafts import aside, checked, keepable
from argus.control.api.openapi import gives, ref, takes
from argus.control.api.parameters import DryRun
from argus.control.api.problems import Problem
from argus.control.plane import Plane
from argus.control.store.protocol import ResourceNotFound, ResourceStore
from argus.core.resources.manifest import read_drafts_text
from argus.core.resources.resource import Draft, Resource

_FEW: Final = 20
"""So many of a kind are read one by one; more are read as a list."""

_ANSWER: Final = {
    "type": "object",
    "required": ["items"],
    "properties": {
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["outcome", "resource", "before"],
                "properties": {
                    "outcome": {"enum": ["created", "configured", "unchanged"]},
                    "resource": ref("AnyResource"),
                    "before": {
                        "oneOf": [{"type": "null"}, ref("AnyResource")],
                        "description": "As it was; told by a dry run, null where there was none.",
                    },
                },
            },
        }
    },
}
_BODY: Final = {
    "oneOf": [
        {
            "type": "object",
            "required": ["documents"],
            "properties": {"documents": {"type": "array", "items": {"type": "object"}}},
        },
        {"type": "object", "description": "One document, in the short form or the envelope."},
        {"type": "array", "items": {"type": "object"}},
    ]
}


def router(plane: Plane) -> APIRouter:
    """Return the endpoint."""
    out = APIRouter(tags=["apply"])
    extra = takes(_BODY)
    extra["requestBody"]["content"] |= {kind: {"schema": {"type": "string"}} for kind in YAML[:1]}

    @out.post(
        "/api/v1/apply",
        operation_id="apply",
        summary="Make resources as documents say: all, or none",
        responses=gives(_ANSWER, says="What became of each, in the order given.", faults=(408, 409, 415)),
        openapi_extra=extra,
        response_class=Response,
    )
    async def apply(request: Request, dry_run: DryRun = False) -> Response:
        drafts = await _drafts(request)
        before = await _before(plane.store, drafts) if dry_run else {}
        applied = await plane.store.apply(drafts, dry_run=dry_run)
        items = [
            {
                "outcome": one.outcome,
                "resource": one.resource.to_json(),
                "before": was.to_json() if (was := before.get(one.resource.key)) is not None else None,
            }
            for one in applied
        ]
        return as_json({"items": items})

    return out


async def _drafts(request: Request) -> tuple[Draft, ...]:
    body = await read_body(request, (*YAML, JSON), most=MOST_BYTES_APPLY)
    if media_type(request) == JSON:
        return await aside(len(body), lambda: checked(_documents(json_of(body))))
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Problem(
            400,
            "not-text",
            f"the body is no text in UTF-8: byte {error.start} fits nowhere",
            remedy="send YAML",
        ) from None
    return await aside(len(body), lambda: keepable(read_drafts_text(text, "the body")))


def _documents(told: Any) -> list[Any]:
    if isinstance(told, list):
        return told
    if isinstance(told, dict) and set(told) == {"documents"} and isinstance(told["documents"], list):
        documents: list[Any] = told["documents"]
        return documents
    return [told]


async def _before(store: ResourceStore, drafts: Sequence[Draft]) -> dict[tuple[str, str], Resource]:
    """Return those of the drafts' resources that exist."""
    found: dict[tuple[str, str], Resource] = {}
    for kind, count in Counter(draft.kind for draft in drafts).items():
        if count > _FEW:
            found |= {resource.key: resource for resource in (await store.list(kind)).items}
            continue
        for draft in drafts:
            if draft.kind == kind:
                try:
                    found[kind, draft.name] = await store.get(kind, draft.name)
                except ResourceNotFound:
                    continue
    return found
