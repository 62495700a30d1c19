"""From the body of a request to a checked draft: the path says kind and name, the body the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from argus.control.api.plain import expect_plain
from argus.control.api.problems import Problem, pointer
from argus.core.errors import SpecError
from argus.core.resources.kinds import Kind
from argus.core.resources.manifest import read_drafts
from argus.core.resources.resource import API_VERSION, Draft

T = TypeVar("T")

_MANY_BYTES = 64 << 10
"""Beyond that a body is checked in a thread, so that others need not wait for it."""


def draft_of(kind: Kind, told: Any, *, name: str | None = None) -> Draft:
    """Return the draft of one resource.

    Args:
        kind: As the path says it.
        told: The body, an envelope; what the path says may be left out.
        name: As the path says it; None: the body must say it.

    Raises:
        ManifestError: it is not valid.
        Problem: 422, the body says another kind or name than the path.
    """
    if not isinstance(told, dict):
        raise _not_so("#", "expected apiVersion, kind, metadata and spec (an object)")
    document: dict[str, Any] = {"apiVersion": API_VERSION, "kind": kind.name, **told}
    if document["kind"] != kind.name:
        raise _not_so(
            "#/kind", f"expected {kind.name!r}, as the path says, got {str(document['kind'])[:60]!r}"
        )
    metadata = document.get("metadata", {})
    if name is not None and isinstance(metadata, dict):
        if metadata.get("name", name) != name:
            raise _not_so("#/metadata/name", f"expected {name!r}, as the path says; a name never changes")
        document["metadata"] = {**metadata, "name": name}
    drafts = checked([document])
    if len(drafts) != 1:  # a body cannot hold several
        raise _not_so("#", f"expected one {kind.name}, got {len(drafts)} resources")
    return drafts[0]


def checked(documents: Sequence[Any]) -> tuple[Draft, ...]:
    """Return the drafts that documents describe, in either form.

    Raises:
        ManifestError: they are not valid; every fault is listed.
    """
    drafts = read_drafts(documents, "the body")
    return keepable(drafts)


def keepable(drafts: tuple[Draft, ...]) -> tuple[Draft, ...]:
    """Return the same drafts, all of which every store can keep.

    Raises:
        Problem: 422, one cannot be.
    """
    for index, draft in enumerate(drafts):
        try:
            expect_plain({"spec": draft.spec, "metadata": _metadata(draft)})
        except SpecError as error:
            place, _, fact = str(error).partition(": ")
            entry = {"pointer": pointer(place), "detail": fact, "kind": draft.kind, "name": draft.name}
            if len(drafts) > 1:
                entry["document"] = str(index)
            raise Problem(
                422, "not-plain", f"{draft.kind} {draft.name}: {error}", title="Not valid", errors=[entry]
            ) from None
    return drafts


async def aside(size: int, read: Callable[[], T]) -> T:
    """Return what reading a body of so many bytes gives; others are answered meanwhile."""
    return await asyncio.to_thread(read) if size > _MANY_BYTES else read()


def merged(target: Any, patch: Any) -> Any:
    """Return a document with a merge patch applied; None takes a field out.

    Source: RFC 7396, section 2.
    """
    if not isinstance(patch, Mapping):
        return patch
    out = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = merged(out.get(key), value)
    return out


def _metadata(draft: Draft) -> dict[str, Any]:
    return {"labels": draft.labels, "annotations": draft.annotations}


def _not_so(place: str, detail: str) -> Problem:
    return Problem(
        422,
        "not-valid",
        f"the body: {detail}",
        title="Not valid",
        remedy="change the field that is named in `errors`; nothing was changed",
        errors=[{"pointer": place, "detail": detail}],
    )
