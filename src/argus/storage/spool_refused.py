"""Records that no database can take: put aside in a file for people, so that they hold up no other."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from argus.storage.records import Record
from argus.storage.spool_portions import Unreadable, content_of

_MOST_BYTES: Final = 16 << 20
"""How large the file may become; beyond that, records are counted and logged alone."""


class Refused:
    """A file of JSON lines: when, why, what."""

    def __init__(self, path: Path) -> None:
        """Name the file; it is made when something is refused."""
        self._path = path
        self.count = 0

    def add(self, record: Record | Unreadable, why: str) -> None:
        """Put a record aside; loudly."""
        self.count += 1
        what: Any = content_of(record.data) if isinstance(record, Unreadable) else record
        kind = "unreadable" if isinstance(record, Unreadable) else type(record).__name__
        structlog.get_logger().error("results.refused", file=str(self._path), kind=kind, why=why)
        line = _line({"at": datetime.now(UTC), "why": why, "kind": kind, "record": what})
        try:
            with self._path.open("ab") as file:
                if file.tell() + len(line) <= _MOST_BYTES:
                    file.write(line)
        except OSError as error:
            structlog.get_logger().error("results.refused_and_lost", error=error.strerror)


def _line(content: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(content, enc_hook=repr) + b"\n"
    except (TypeError, ValueError, OverflowError, RecursionError):
        return msgspec.json.encode(content | {"record": ascii(content["record"])}) + b"\n"
