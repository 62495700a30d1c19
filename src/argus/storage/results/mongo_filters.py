"""What is asked for, as MongoDB's filters: plain dictionaries, for who knows no server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from argus.storage.protocol import Query
from argus.storage.results.cursors import Place
from argus.storage.results.rows import microseconds, possible

Filter = dict[str, Any]

_CHANGED: Final = frozenset({"camera", "pipeline", "region", "class_name", "severity", "object_id", "type"})
FIELDS: Final[Mapping[str, Mapping[str, str]]] = {
    "event": {name: name for name in (*_CHANGED, "open", "acknowledged")},
    "alert": {name: name for name in (*_CHANGED, "acknowledged")},
    "track": {name: name for name in ("camera", "pipeline", "class_name", "object_id", "open")},
    "detections": {
        "camera": "camera",
        "pipeline": "pipeline",
        "class_name": "classes",
        "object_id": "objects",
    },
}
"""Per kind, what can be asked for and the field that has it."""
ORDER: Final = (("at_us", -1), ("_id", -1))
"""How lists are sorted."""


def page_filter(kind: str, query: Query, after: Place | None) -> Filter | None:
    """Return the filter of a page; None: nothing can fit.

    Args:
        kind: `event`, `alert`, `track` or `detections`.
        query: Which.
        after: Behind which place.
    """
    fields = FIELDS[kind]
    terms: list[Filter] = []
    for name in ("camera", "pipeline", "region", "class_name", "severity"):
        asked = getattr(query, name)
        if asked:
            if name not in fields or not (values := possible(asked)):
                return None
            terms.append(_one_of(fields[name], values))
    if query.object_id is not None:
        if "object_id" not in fields or not possible((query.object_id,)):
            return None
        # Frames list the numbers of their objects as texts, as the other engines do.
        number = str(query.object_id) if kind == "detections" else query.object_id
        terms.append({fields["object_id"]: number})
    if query.type:
        if "type" not in fields or not (types := possible(query.type)):
            return None
        terms.append(_types(types))
    for name in ("open", "acknowledged"):
        asked = getattr(query, name)
        if asked is not None:
            if name not in fields:
                return None
            terms.append({name: int(asked)})
    if query.job is not None:
        if query.job and not possible(query.job):
            return None
        terms.append(
            _one_of("job", [job for job in possible(query.job) if job]) if query.job else {"job": ""}
        )
    terms += _span(query, after)
    return {"$and": terms} if terms else {}


def _span(query: Query, after: Place | None) -> list[Filter]:
    at: Filter = {}
    if query.since is not None:
        at["$gte"] = microseconds(query.since)
    if query.until is not None:
        at["$lt"] = microseconds(query.until)
    terms: list[Filter] = [{"at_us": at}] if at else []
    if after is not None:
        terms.append({"at_us": {"$lte": after.at_us}})  # a bound for the index; the next says it exactly
        terms.append({"$or": [{"at_us": {"$lt": after.at_us}}, {"_id": {"$lt": after.tie}}]})
    return terms


def _one_of(field: str, values: Sequence[Any]) -> Filter:
    return {field: values[0]} if len(values) == 1 else {field: {"$in": list(values)}}


def _types(patterns: Sequence[str]) -> Filter:
    exact = [pattern for pattern in patterns if not pattern.endswith("*")]
    terms: list[Filter] = [_one_of("type", exact)] if exact else []
    for pattern in patterns:
        if pattern.endswith("*"):
            prefix = pattern[:-1]
            # A range of texts, which an index finds; MongoDB compares them byte by byte.
            bounds = (
                {"$gte": prefix, "$lt": prefix[:-1] + chr(ord(prefix[-1]) + 1)} if prefix else {"$gte": ""}
            )
            terms.append({"type": bounds})
    return terms[0] if len(terms) == 1 else {"$or": terms}
