"""The OpenAPI document: what endpoints say of themselves, with the schemas of kinds and records put in.

Bodies are checked by `argus.core.resources.manifest` and answers are made by msgspec: neither is described a
second time here, the schemas are theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from fastapi import FastAPI

from argus.control.api.problems import MEDIA_TYPE
from argus.core.resources.kinds import Kind, kinds
from argus.core.resources.resource import API_VERSION, Condition, Metadata
from argus.storage.records import AlertRecord, DetectionsRecord, EventRecord, Run, TrackRecord

_REF: Final = "#/components/schemas/"
_RECORDS: Final = (EventRecord, AlertRecord, TrackRecord, DetectionsRecord, Run)
_DOMAIN: Final = {
    400: "The request cannot be read.",
    401: "The server asks for its key.",
    403: "Asked by a foreign name or page.",
    404: "There is no such thing.",
    405: "Not to be asked in this way.",
    408: "The body took too long.",
    409: "Somebody else has changed it meanwhile, or it exists already.",
    410: "No longer remembered.",
    412: "It is another version by now.",
    413: "The body is too large.",
    414: "The address is too long.",
    415: "The body is of another type.",
    416: "There are no such bytes.",
    422: "It was read, and is not valid.",
    423: "Somebody else is sending to it.",
    431: "Too many headers.",
    502: "A worker answered with something else than was asked for.",
    503: "A part of the control plane does not answer, or no worker has it.",
}

DESCRIPTION: Final = "Resources, what became of them, and what cameras saw."

Schema = Mapping[str, Any]
_ALWAYS: Final = (400, 401, 403, 413, 414, 422, 431, 503)
"""Statuses of problems that every endpoint has."""


def ref(name: str) -> dict[str, Any]:
    """Return a reference to a schema of the document."""
    return {"$ref": _REF + name}


def takes(
    schema: Schema, *, types: Sequence[str] = ("application/json",), needed: bool = True
) -> dict[str, Any]:
    """Return the `openapi_extra` of an endpoint with a body."""
    return {"requestBody": {"required": needed, "content": {kind: {"schema": schema} for kind in types}}}


def gives(
    schema: Schema | None,
    *,
    status: int = 200,
    says: str = "As asked.",
    types: Sequence[str] = ("application/json",),
    faults: Sequence[int] = (),
    also: Mapping[int, Schema] | None = None,
) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of an endpoint.

    Args:
        schema: Of the answer; None: bytes.
        status: Of the answer.
        says: What it is.
        types: Its content types.
        faults: Statuses of problems that are its own; those that all have are added.
        also: Other good statuses and their schemas.
    """
    binary = {"type": "string", "format": "binary"}
    out: dict[int | str, dict[str, Any]] = {
        status: {"description": says, "content": {kind: {"schema": schema or binary} for kind in types}}
    }
    for other, its in (also or {}).items():
        out[other] = {"description": says, "content": {kind: {"schema": its or binary} for kind in types}}
    for fault in sorted({*_ALWAYS, *faults} - set(out)):
        out[fault] = {
            "description": _DOMAIN[fault],
            "content": {MEDIA_TYPE: {"schema": ref("Problem")}},
        }
    return out


def empty(says: str, *, status: int = 204, faults: Sequence[int] = ()) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of an endpoint whose answer has no body."""
    out = gives({}, status=status, says=says, faults=faults)
    del out[status]["content"]
    return out


def page_of(name: str) -> dict[str, Any]:
    """Return the schema of one page of results."""
    return {
        "type": "object",
        "required": ["items", "cursor"],
        "properties": {
            "items": {"type": "array", "items": ref(name)},
            "cursor": {
                "type": ["string", "null"],
                "description": "Give it back for the next page; null: this is the last.",
            },
        },
    }


def list_of(name: str) -> dict[str, Any]:
    """Return the schema of a list of resources."""
    return {
        "type": "object",
        "required": ["items", "metadata"],
        "properties": {
            "items": {"type": "array", "items": ref(name)},
            "metadata": {
                "type": "object",
                "required": ["resourceVersion"],
                "properties": {
                    "resourceVersion": {
                        "type": "string",
                        "description": "What it shows; watching from there misses nothing.",
                    },
                    "continue": {"type": "string", "description": "Where the next page begins."},
                },
            },
        },
    }


def document(app: FastAPI) -> dict[str, Any]:
    """Return the whole document; made once."""
    if app.openapi_schema is None:
        made = FastAPI.openapi(app)
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        schemas.update(_schemas())
        made["components"]["securitySchemes"] = {
            "key": {"type": "http", "scheme": "bearer", "description": "The server's ARGUS_API_KEY."}
        }
        made["security"] = [{}, {"key": []}]
        app.openapi_schema = made
    return app.openapi_schema


def _schemas() -> dict[str, Any]:
    _, schemas = msgspec.json.schema_components(
        (*_RECORDS, Metadata, Condition), ref_template=_REF + "{name}"
    )
    # Empty metadata is left out of answers, and bodies need none of it but the name.
    schemas["Metadata"]["required"] = ["name"]
    schemas["Problem"] = _PROBLEM
    schemas["AnyResource"] = {"oneOf": [ref(kind.name) for kind in kinds()]}
    for kind in kinds():
        spec = kind.spec.model_json_schema(by_alias=True, ref_template=_REF + "{model}")
        schemas.update(spec.pop("$defs", {}))
        schemas[f"{kind.name}Spec"] = spec
        schemas[kind.name] = _envelope(kind)
    return schemas


def _envelope(kind: Kind) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["metadata", "spec"],
        "properties": {
            "apiVersion": {"const": API_VERSION},
            "kind": {"const": kind.name},
            "metadata": ref("Metadata"),
            "spec": ref(f"{kind.name}Spec"),
            "status": {"type": "object", "description": "Written by Argus alone.", "readOnly": True},
        },
    }


_PROBLEM: Final = {
    "type": "object",
    "description": "What is wrong, as RFC 9457 has it.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "Subject and fact."},
        "instance": {"type": "string", "description": "Path of the request."},
        "remedy": {"type": "string", "description": "What to do about it."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "JSON pointer to the field."},
                    "detail": {"type": "string"},
                    "document": {"type": "string"},
                    "kind": {"type": "string"},
                    "name": {"type": "string"},
                },
            },
        },
    },
}
