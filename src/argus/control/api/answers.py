"""Answers: JSON made by msgspec straight from values, resources with their version as `ETag`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from starlette.responses import Response

from argus.core.resources.resource import Resource

_NO_STORE = {"Cache-Control": "no-store"}


def as_json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a value as JSON: mappings, lists, scalars, structs, times."""
    return Response(msgspec.json.encode(value), status, {**_NO_STORE, **(headers or {})}, "application/json")


def etag(resource: Resource) -> str:
    """Return the entity tag of a resource: its version."""
    return f'"{resource.metadata.resource_version}"'


def as_resource(resource: Resource, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return one resource."""
    return as_json(resource.to_json(), status, {"ETag": etag(resource), **(headers or {})})


def as_list(items: Iterable[Resource], *, version: str, after: str | None) -> Response:
    """Return a list of resources with the version that it shows."""
    metadata = {"resourceVersion": version}
    if after is not None:
        metadata["continue"] = after
    return as_json({"items": [item.to_json() for item in items], "metadata": metadata})


def told(at: datetime) -> str:
    """Return a time as answers have it: RFC 3339, UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
