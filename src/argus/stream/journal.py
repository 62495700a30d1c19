"""Which events and tracks are open, on the disk: a worker that was killed ends them at its next start.

Every change of one is noted here before it goes on its way; forgotten is what has ended. Nothing is
stored here for others: that is `argus.storage.writer`.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal

import msgspec
import structlog

from argus.storage.records import EventRecord, Record, TrackRecord

_LARGEST: Final = 1 << 20
"""Bytes after which the file is written anew with what is open alone."""

Open = EventRecord | TrackRecord
_Kind = Literal["event", "track"]
_encode = msgspec.json.Encoder().encode


_OVER: Final = msgspec.Raw(b"null")


class _Line(msgspec.Struct):
    kind: _Kind
    id: str
    record: msgspec.Raw = _OVER
    """Null: it has ended, and that is on its way."""


class Journal:
    """One file of one worker; used by one thread. A disk that is full costs the journal alone."""

    def __init__(self, path: Path) -> None:
        """Read what the last worker left, but for a line that it could not finish."""
        self._path = path
        self._open: dict[tuple[_Kind, str], bytes] = {}
        self._fd = -1
        self._size = 0
        self._broken = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                for line in path.read_bytes().splitlines():
                    with contextlib.suppress(msgspec.DecodeError):
                        self._apply(msgspec.json.decode(line, type=_Line))
            self._rewrite()
        except OSError as error:
            self._say(error)

    def left(self) -> tuple[Open, ...]:
        """Return what is noted, as it shall be kept: open no longer, and without an end where it had none."""
        found: list[Open] = []
        for (kind, _), data in self._open.items():
            with contextlib.suppress(msgspec.DecodeError):  # of another version
                if kind == "event":
                    event = msgspec.json.decode(data, type=EventRecord)
                    found.append(msgspec.structs.replace(event, open=False))
                else:
                    track = msgspec.json.decode(data, type=TrackRecord)
                    found.append(msgspec.structs.replace(track, open=False))
        return tuple(found)

    def note(self, records: Iterable[Record]) -> None:
        """Note what changes, before it goes on its way."""
        lines = []
        for record in records:
            if isinstance(record, Open):
                kind = _kind(record)
                data = _encode(record)
                known = (kind, record.id) in self._open
                if record.open or known:
                    self._open[kind, record.id] = data
                    lines.append(_encode(_Line(kind, record.id, msgspec.Raw(data))))
        self._append(lines)

    def forget(self, records: Iterable[Record]) -> None:
        """Forget those of them that have ended, now that they are on their way."""
        lines = [
            _encode(_Line(_kind(record), record.id))
            for record in records
            if isinstance(record, Open)
            and not record.open
            and self._open.pop((_kind(record), record.id), None) is not None
        ]
        self._append(lines)

    def close(self) -> None:
        """Close the file; idempotent. What it lacks, for the disk was full, is written now."""
        if self._broken:
            with contextlib.suppress(OSError):
                self._rewrite()
        self._let_go()

    def _let_go(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _apply(self, line: _Line) -> None:
        if bytes(line.record) == bytes(_OVER):
            self._open.pop((line.kind, line.id), None)
        else:
            self._open[line.kind, line.id] = bytes(line.record)

    def _append(self, lines: list[bytes]) -> None:
        if not lines:
            return
        data = b"\n".join(lines) + b"\n"
        full = self._size + len(data) > _LARGEST + 2 * sum(map(len, self._open.values()))
        try:
            # One that lacks a line is wrong from there on: it may say that what has ended goes on.
            if self._fd < 0 or self._broken or full:
                self._rewrite()  # with what these lines say
            else:
                _write_all(self._fd, data)
                self._size += len(data)
        except OSError as error:
            self._say(error)

    def _say(self, error: OSError) -> None:
        if not self._broken:
            structlog.get_logger().warning(
                "journal.not_written",
                error=str(error),
                consequence="events that are open when this worker is killed stay open",
            )
        self._broken = True

    def _rewrite(self) -> None:
        beside = self._path.with_suffix(".new")
        lines = [
            _encode(_Line(kind, id_, msgspec.Raw(data))) + b"\n" for (kind, id_), data in self._open.items()
        ]
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            data = b"".join(lines)
            _write_all(fd, data)
            beside.replace(self._path)
        except OSError:
            os.close(fd)
            raise
        self._let_go()
        self._fd, self._size, self._broken = fd, len(data), False


def _write_all(fd: int, data: bytes) -> None:
    if os.write(fd, data) < len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _kind(record: Open) -> _Kind:
    return "event" if isinstance(record, EventRecord) else "track"
