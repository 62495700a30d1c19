"""The tables of results, as statements see them; `migrations` makes them, and their indexes.

Which columns records with a `seq` have is said in `rows`, for every engine.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Identity,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
)

from argus.storage.results.rows import COLUMNS

metadata: Final = MetaData()

_NUMBER = BigInteger().with_variant(Integer(), "sqlite")  # the only type that SQLite takes for a rowid
# Compared byte by byte: `zone.*` is a range of texts, whatever the language of the server.
_TEXT = String().with_variant(String(collation="C"), "postgresql")


def _number() -> Column[int]:
    """Return the number that never changes: the order of arrival among records of one time."""
    return Column("n", _NUMBER, primary_key=True, autoincrement=False)


def _counted() -> Column[int]:
    return Column("n", _NUMBER, Identity(), primary_key=True)


state: Final = Table(
    "argus_results_state",
    metadata,
    Column("name", _TEXT, primary_key=True),
    Column("value", BigInteger, nullable=False),
)
"""`seq`: the last number given to a change. Whoever changes events, alerts or tracks locks this row first."""

_TYPES: Final = {
    "seq": BigInteger(),
    "at_us": BigInteger(),
    "object_id": BigInteger(),
    "open": SmallInteger(),
    "acknowledged": SmallInteger(),
}
"""Of columns that hold no text."""
_UNKNOWN: Final = frozenset({"pipeline", "region", "class_name", "severity", "object_id", "snapshot", "clip"})
"""Columns that may be without a value."""


def _changed(name: str, kind: str) -> Table:
    """Return the table of a kind of records that have a `seq`."""
    columns = [
        Column(column, _TYPES.get(column, _TEXT), nullable=column in _UNKNOWN) for column in COLUMNS[kind]
    ]
    return Table(name, metadata, _number(), *columns, Column("body", Text, nullable=False))


events: Final = _changed("argus_events", "event")
alerts: Final = _changed("argus_alerts", "alert")
tracks: Final = _changed("argus_tracks", "track")

detections: Final = Table(
    "argus_detections",
    metadata,
    _counted(),
    Column("at_us", BigInteger, nullable=False),
    Column("camera", _TEXT, nullable=False),
    Column("pipeline", _TEXT, nullable=False),
    Column("job", _TEXT, nullable=False),
    Column("run", _TEXT, nullable=False),
    Column("file", _TEXT, nullable=False),
    Column("frame", BigInteger, nullable=False),
    Column("classes", Text, nullable=False),
    Column("objects", Text, nullable=False),
    Column("body", Text, nullable=False),
)

traces: Final = Table(
    "argus_traces",
    metadata,
    _counted(),
    Column("pipeline", _TEXT, nullable=False),
    Column("camera", _TEXT, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
)

attachments: Final = Table(
    "argus_attachments",
    metadata,
    Column("event", _TEXT, primary_key=True),
    Column("snapshot", _TEXT),
    Column("clip", _TEXT),
    Column("at_us", BigInteger, nullable=False),
    Column("clip_note", _TEXT),
)
"""What has come to be for an event, which may arrive later. Goes when the event goes."""

runs: Final = Table(
    "argus_runs",
    metadata,
    Column("id", _TEXT, primary_key=True),
    Column("job", _TEXT, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
)

BY_KIND: Final = {
    "event": events,
    "alert": alerts,
    "track": tracks,
    "detections": detections,
    "trace": traces,
}
"""Tables that grow without end, by kind of record."""
