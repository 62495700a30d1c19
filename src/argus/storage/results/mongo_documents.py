"""How a record lies in MongoDB: its document, its key, the indexes; and MongoDB's errors in our words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from bson.errors import InvalidDocument
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import BulkWriteError, DocumentTooLarge, PyMongoError

from argus.core.urls import mask_urls
from argus.storage.protocol import ResultRefused, ResultsUnavailable
from argus.storage.results.mongo_turns import Document
from argus.storage.results.rows import DETECTIONS_KEY, Row

COLLECTIONS: Final = {
    "event": "argus_events",
    "alert": "argus_alerts",
    "track": "argus_tracks",
    "detections": "argus_detections",
    "trace": "argus_traces",
}
ATTACHMENTS: Final = "argus_attachments"
RUNS: Final = "argus_runs"
PORTION: Final = 500
_BAD_VALUES: Final = frozenset({2, 9, 14, 15, 17280, 10334, 51075})
"""Codes of errors that a document itself is at fault for."""
_SEARCHED: Final[Mapping[str, Sequence[str]]] = {
    "event": (
        "camera", "pipeline", "type", "class_name", "region", "severity", "object_id", "job", "open",
        "acknowledged",
    ),
    "alert": (
        "camera", "pipeline", "type", "class_name", "region", "severity", "object_id", "job", "acknowledged",
    ),
    "track": ("camera", "pipeline", "class_name", "object_id", "job", "open"),
    "detections": ("camera", "pipeline", "classes", "job"),
    "trace": ("pipeline",),
}  # fmt: skip
"""Fields with an index that goes on with the time."""
_ALONE: Final[Mapping[str, Sequence[str]]] = {
    "event": ("seq", "snapshot", "clip"),
    "alert": ("seq", "snapshot", "clip", "event"),
    "track": ("seq", "snapshot"),
}
"""Fields with an index of their own."""


class Found:
    """A document as `readable` wants it."""

    __slots__ = ("at_us", "body", "id", "seq")

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.id = document["_id"]
        # BSON's whole numbers are of a type of their own, which nobody else encodes.
        self.at_us = int(document.get("at_us", 0))
        self.body = document["body"]
        self.seq = int(document["seq"]) if "seq" in document else None


def document_of(row: Row, id_: str) -> Document:
    """Return the document of a row; what is not known is left out, and so out of sparse indexes."""
    return {"_id": id_, **{name: value for name, value in row.items() if name != "id" and value is not None}}


def document_of_frame(row: Row) -> Document:
    """Return a frame's document, with lists where SQL has texts."""
    lists = {name: [word for word in row[name].split("\x1f") if word] for name in ("classes", "objects")}
    return document_of(row | lists, key_of(row, DETECTIONS_KEY))


def key_of(row: Row, names: Iterable[str]) -> str:
    """Return the `_id` of what is told apart by several columns."""
    # Numbers with leading zeros: neighbours in time are neighbours in the index.
    return "\x1f".join(f"{row[name]:020}" if isinstance(row[name], int) else row[name] for name in names)


def indexes_of(kind: str) -> list[IndexModel]:
    """Return the indexes of a kind's collection."""
    time = [("at_us", DESCENDING), ("_id", DESCENDING)]
    models = [IndexModel(time)]
    models += [IndexModel([(name, ASCENDING), *time]) for name in _SEARCHED[kind]]
    models += [IndexModel([(name, ASCENDING)], sparse=True) for name in _ALONE.get(kind, ())]
    return models


def portions(values: Iterable[str]) -> Iterable[list[str]]:
    """Yield values in lists that fit into one request."""
    ordered = sorted(values)
    return (ordered[first : first + PORTION] for first in range(0, len(ordered), PORTION))


@contextmanager
def in_our_words(where: str) -> Iterator[None]:
    """Say errors of MongoDB in our words; `where` is what to call the database, without a password."""
    try:
        yield
    except (InvalidDocument, DocumentTooLarge, OverflowError) as error:
        raise ResultRefused(f"{where} cannot keep this: {error}") from error
    except BulkWriteError as error:
        faults = error.details.get("writeErrors", []) if isinstance(error.details, dict) else []
        said = "; ".join(str(fault.get("errmsg", ""))[:200] for fault in faults[:3])
        if faults and all(fault.get("code") in _BAD_VALUES for fault in faults):
            raise ResultRefused(f"{where} cannot keep this: {said}") from error
        raise ResultsUnavailable(f"{where} does not do what it should: {said or error}") from error
    except PyMongoError as error:
        fact = mask_urls(" ".join(str(error).split()))[:300]
        raise ResultsUnavailable(f"{where} does not do what it should: {fact}") from error
