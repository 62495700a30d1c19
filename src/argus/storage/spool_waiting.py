"""What waits to be written: in the spool's files, and in memory alone while the disk takes nothing more.

Decides what is kept where there is no more room. Not thread-safe: `writer` sees to that.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from argus.storage.records import DetectionsRecord, Record, TraceRecord
from argus.storage.spool import Spool, Taken
from argus.storage.spool_portions import payload_of
from argus.storage.spool_refused import Refused

_BULK: Final = (DetectionsRecord, TraceRecord)
_FOR_BULK: Final = 0.8
"""Part of the room that detections and traces may take; the rest is kept for events."""
_MOST_MEMORY: Final = 64 << 20
_AGAIN_S: Final = 1.0
"""How long a disk that is full is left alone."""
_UNWRITABLE: Final = (TypeError, ValueError, KeyError, OverflowError, RecursionError, AttributeError)
"""What encoding raises for a record that is none."""


@dataclass(frozen=True, slots=True)
class Front:
    """What waits longest."""

    payloads: tuple[bytes, ...]
    count: int
    """Records in them."""
    taken: Taken | None
    """None: from memory."""


class Waiting:
    """See the module."""

    def __init__(self, folder: Path, *, most_bytes: int, portion: int) -> None:
        """Begin with what the folder holds; raises as `Spool` does.

        Args:
            folder: Of the spool.
            most_bytes: So much may wait.
            portion: So many records lie in one portion at most.
        """
        self._spool = Spool(folder)
        self.refused = Refused(folder / "refused.jsonl")
        self.accepted = self._spool.waiting
        """Records taken so far, those that were found included."""
        self.done = 0
        """Of them, those that need no more be done for."""
        self.dropped = 0
        """Records that found no room."""
        self._most_bytes = most_bytes
        self._portion = portion
        self._memory: deque[tuple[bytes, int]] = deque()
        self._memory_bytes = 0
        self._is_lent = False
        self._is_full = False
        self._spill_at = 0.0
        self._log = structlog.get_logger().bind(spool=str(folder))

    @property
    def backlog(self) -> int:
        """Return how many records wait."""
        return self.accepted - self.done

    def put(self, records: Sequence[Record]) -> None:
        """Take records, as far as there is room, and those that can be written at all."""
        kept = self._with_room(records)
        for first in range(0, len(kept), self._portion):
            self._take(kept[first : first + self._portion])

    def front(self, most: int) -> Front | None:
        """Return what waits longest, about so many records; give it back with `forget` or not at all."""
        self._is_lent = False
        if taken := self._spool.front(most):
            return Front(tuple(portion.payload for portion in taken.portions), taken.count, taken)
        if self._memory:
            self._is_lent = True
            payload, count = self._memory[0]
            return Front((payload,), count, None)
        self.done = self.accepted  # what is missing was damaged on the disk, as the spool has said
        return None

    def forget(self, front: Front) -> None:
        """Let go what `front` gave last."""
        if front.taken is not None:
            self._spool.forget(front.taken)
        else:
            self._memory_bytes -= len(self._memory.popleft()[0])
        self._is_lent = False
        self.done += front.count

    def sync(self) -> list[int]:
        """Return descriptors of files to be synced and closed by the caller."""
        return self._spool.sync()

    def close(self) -> None:
        """Keep what waits in files; what the disk does not take even now is lost, loudly."""
        self._is_lent = False
        self._spill_at = 0.0
        self._spill()
        if self._memory:
            lost = sum(count for _, count in self._memory)
            self.dropped += lost
            self._log.error("results.lost", records=lost, error="the disk of the spool is full")
        self._spool.close()

    def _with_room(self, records: Sequence[Record]) -> Sequence[Record]:
        used = self._spool.size + self._memory_bytes
        if used < self._most_bytes * _FOR_BULK:
            self._is_full = False
            return records
        kept: list[Record] = []
        if used < self._most_bytes:
            kept = [record for record in records if not isinstance(record, _BULK)]
        self.dropped += len(records) - len(kept)
        if not self._is_full and len(kept) < len(records):
            self._is_full = True
            self._log.error("results.dropping", waiting=self.backlog, bytes=used)
        return kept

    def _take(self, records: Sequence[Record]) -> None:
        try:
            payload = payload_of(records)
        except _UNWRITABLE:
            records = [record for record in records if self._is_writable(record)]
            if not records:
                return
            payload = payload_of(records)
        self._spill()
        if not self._memory:
            try:
                self._spool.append([(payload, len(records))])
            except OSError as error:
                self._spill_at = time.monotonic() + _AGAIN_S
                self._log.error("results.spool_full", error=error.strerror, follows="kept in memory alone")
            else:
                self.accepted += len(records)
                return
        if self._memory_bytes + len(payload) > min(_MOST_MEMORY, self._most_bytes):
            self.dropped += len(records)
            return
        self._memory.append((payload, len(records)))
        self._memory_bytes += len(payload)
        self.accepted += len(records)

    def _is_writable(self, record: Record) -> bool:
        try:
            payload_of([record])
        except _UNWRITABLE as error:
            self.refused.add(record, str(error) or type(error).__name__)
            return False
        return True

    def _spill(self) -> None:
        """Move to the file what waits in memory, now and then: before anything newer goes there."""
        if not self._memory or self._is_lent or time.monotonic() < self._spill_at:
            return
        self._spill_at = time.monotonic() + _AGAIN_S
        with suppress(OSError):
            while self._memory:
                self._spool.append([self._memory[0]])
                self._memory_bytes -= len(self._memory.popleft()[0])
            self._log.warning("results.spool_has_room")
