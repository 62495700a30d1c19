"""How a record lies in a database: the columns that are searched by, and the whole of it as JSON.

The same for every engine, so that a record with a new field needs no new table. Nothing is written that
could not be read again: a record is decoded once before it is handed on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import msgspec
import structlog

from argus.storage.matching import time_of
from argus.storage.protocol import ResultRefused
from argus.storage.records import (
    AlertRecord,
    DetectionsRecord,
    EventRecord,
    Record,
    Run,
    TraceRecord,
    TrackRecord,
)

Kept = EventRecord | AlertRecord | TrackRecord | DetectionsRecord | TraceRecord | Run
Listed = EventRecord | AlertRecord | TrackRecord | DetectionsRecord
R = TypeVar("R", bound=Kept)
Row = dict[str, Any]

KINDS: Final[Mapping[type[Any], str]] = {EventRecord: "event", AlertRecord: "alert", TrackRecord: "track"}
"""Records that have a `seq`, and what they are called."""
_OCCASION: Final = (
    "camera", "pipeline", "job", "run", "type", "region", "class_name", "severity", "object_id",
    "acknowledged", "snapshot", "clip",
)  # fmt: skip
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "event": ("id", "seq", "at_us", "open", *_OCCASION),
    "alert": ("id", "seq", "at_us", "event", *_OCCASION),
    "track": (
        "id", "seq", "at_us", "camera", "pipeline", "job", "run", "class_name", "object_id", "open",
        "snapshot",
    ),
}  # fmt: skip
"""What those records are searched by, of each kind; beside it stands the body."""
_MADE: Final = frozenset({"at_us", "job", "open", "acknowledged"})
"""Columns that are not the record's field of that name as it is."""
_PLAIN: Final = {
    record: tuple(name for name in COLUMNS[kind] if name not in _MADE) for record, kind in KINDS.items()
}
DETECTIONS_KEY: Final = ("pipeline", "job", "run", "file", "frame")
"""Columns that tell frames of detections apart."""
TRACE_KEY: Final = ("pipeline", "camera", "at_us")
"""Likewise for traces."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LONGEST: Final = 512
_MOST: Final = 2**63
_WRONG: Final = (
    msgspec.MsgspecError, ValueError, TypeError, AttributeError, OverflowError, RecursionError,
)  # fmt: skip
"""What encoding raises for values that a record's type does not allow."""
_encode: Final = msgspec.json.Encoder().encode
_TIMES: Final[Mapping[type[Any], tuple[str, ...]]] = {
    EventRecord: ("started_at", "ended_at", "acknowledged_at"),
    AlertRecord: ("at", "acknowledged_at"),
    TrackRecord: ("first_seen", "last_seen"),
    DetectionsRecord: ("captured_at",),
    TraceRecord: ("at",),
    Run: ("started_at", "updated_at", "finished_at"),
}
_DECODERS: Final[Mapping[type[Any], Callable[[bytes | str], Any]]] = {
    kind: msgspec.json.Decoder(kind).decode for kind in _TIMES
}
_DEFAULTS: Final[Mapping[type[Any], tuple[tuple[str, Any], ...]]] = {
    kind: tuple(
        (field.name, field.default)
        for field in msgspec.structs.fields(kind)
        if field.name != "seq"  # has a column of its own, and changes with every write
    )
    for kind in _TIMES
}


def microseconds(at: datetime) -> int:
    """Return a moment as microseconds since 1970; without a zone it is UTC."""
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND


def body_of(record: Kept) -> str:
    """Return a record as JSON, without `seq` and without what has its default.

    Raises:
        ResultRefused: it cannot be written, or not be read again.
    """
    kind = type(record)
    try:
        content = {
            name: value for name, default in _DEFAULTS[kind] if (value := getattr(record, name)) != default
        }
        for name in _TIMES[kind]:
            at = content.get(name)
            if at is not None and at.tzinfo is not UTC:
                content[name] = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
        data = _encode(content)
        _DECODERS[kind](data)
        return data.decode()
    except (
        msgspec.MsgspecError,
        ValueError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise ResultRefused(f"{called(record)} cannot be kept: {error}") from error


def record_of(kind: type[R], body: str, seq: int | None = None) -> R:
    """Return the record that a body holds."""
    record: R = _DECODERS[kind](body)
    return record if seq is None else msgspec.structs.replace(record, seq=seq)


def readable(kind: type[R], rows: Iterable[Any]) -> Iterator[R]:
    """Yield the records of rows with a `body`, and a `seq` where there is one.

    What a disk has damaged within a body is left out, loudly: it must not hide all others.
    """
    for row in rows:
        try:
            yield record_of(kind, row.body, getattr(row, "seq", None))
        except (msgspec.MsgspecError, ValueError) as error:
            structlog.get_logger().error("results.unreadable", kind=kind.__name__, error=str(error))


def normal(record: R) -> R:
    """Return a record as it would be read again: times in UTC, tuples where lists were; raises likewise."""
    return record_of(type(record), body_of(record))


def called(record: Record | Run) -> str:
    """Return what to call a record in a message."""
    name = getattr(record, "id", None) or getattr(record, "event", None) or getattr(record, "pipeline", "")
    return f"{type(record).__name__} {str(name)[:80]!r}"


def changed_row(record: EventRecord | AlertRecord | TrackRecord) -> Row:
    """Return the columns of a record that has a `seq`.

    Raises:
        ResultRefused: it can never be kept.
    """
    row = {name: getattr(record, name) for name in _PLAIN[type(record)]}
    row["at_us"] = microseconds(time_of(record))
    row["job"] = record.job or ""
    if not isinstance(record, AlertRecord):
        row["open"] = int(record.open)
    if not isinstance(record, TrackRecord):
        row["acknowledged"] = int(record.acknowledged_at is not None)
    return _sound(record, row)


def detections_row(record: DetectionsRecord) -> Row:
    """Return the columns of a frame of detections."""
    body = body_of(record)
    try:
        classes = {str(name) for item in record.objects if (name := item.get("class")) is not None}
        tracks = {str(number) for item in record.objects if (number := item.get("track_id")) is not None}
    except AttributeError as error:
        raise ResultRefused(f"{called(record)} cannot be kept: {error}") from error
    row = {
        "at_us": microseconds(record.captured_at),
        "camera": record.camera,
        "pipeline": record.pipeline,
        "job": record.job or "",
        "run": record.run,
        "file": record.file or "",
        "frame": record.frame,
        "classes": listed(classes),
        "objects": listed(tracks),
    }
    return _sound(record, row, body)


def trace_row(record: TraceRecord) -> Row:
    """Return the columns of a second of a pipeline."""
    body = body_of(record)
    row = {"pipeline": record.pipeline, "camera": record.camera, "at_us": microseconds(record.at)}
    return _sound(record, row, body)


def run_row(run: Run) -> Row:
    """Return the columns of a run."""
    body = body_of(run)
    return _sound(run, {"id": run.id, "job": run.job, "at_us": microseconds(run.started_at)}, body)


def listed(words: set[str]) -> str:
    """Return words as one text in which `held` finds each."""
    return "".join(f"\x1f{word}" for word in sorted(words)) + "\x1f" if words else ""


def held(word: object) -> str:
    """Return the text that a column made by `listed` holds where the word is in it."""
    return f"\x1f{word}\x1f"


def possible(values: Sequence[Any]) -> tuple[Any, ...]:
    """Return those values that a column can hold; nothing that is kept equals the others."""
    return tuple(value for value in values if _is_possible(value))


def _is_possible(value: object) -> bool:
    if isinstance(value, int):
        return -_MOST <= value < _MOST
    if not isinstance(value, str) or "\0" in value or len(value) > _LONGEST:
        return False
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _sound(record: Kept, row: Row, body: str | None = None) -> Row:
    """Return the row with its body, where every engine can take it."""
    row["body"] = body or body_of(record)
    for name, value in row.items():
        if value is None or name == "body":
            continue
        if isinstance(value, str):
            if len(value) > _LONGEST and name not in {"classes", "objects"}:
                fact = f"its {name} has {len(value)} characters, the most are {_LONGEST}"
                raise ResultRefused(f"{called(record)} cannot be kept: {fact}")
            if "\0" in value:
                raise ResultRefused(f"{called(record)} cannot be kept: its {name} holds a NUL")
        elif not -_MOST <= value < _MOST:
            raise ResultRefused(f"{called(record)} cannot be kept: its {name} is beyond 64 bits")
    return row
