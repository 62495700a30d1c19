"""From the threads of models to the store of results: a queue, so that no camera waits for a disk.

What a record is made of is `entries`; how it reaches the database is `argus.storage.writer`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Final, Protocol

import structlog

from argus.core.errors import ArgusError
from argus.storage.records import Record
from argus.stream.journal import Journal
from argus.stream.promises import Promises

_AT_ONCE: Final = 256
"""Entries that are put together at most."""
_LONGEST_QUEUE: Final = 20_000
"""Entries that wait at most; beyond that those that may be spared are."""
_AGAIN_S: Final = 1.0

Entry = Callable[[], Sequence[Record]]
"""Makes records, in the scribe's thread."""


class Writer(Protocol):
    """What the scribe wants of `argus.storage.writer.ResultWriter`."""

    def put(self, records: Sequence[Record]) -> None:
        """Take records; returns when they are safe."""
        ...

    @property
    def backlog(self) -> int:
        """Records that are not in the store yet."""
        ...

    @property
    def problem(self) -> str:
        """Why nothing is being written."""
        ...

    @property
    def dropped(self) -> int:
        """Records that found no room."""
        ...

    def flush(self, timeout_s: float | None = None) -> bool:
        """Wait until all is in the store."""
        ...

    def close(self, timeout_s: float = 5.0) -> None:
        """Write what can be written in so long."""
        ...


class Scribe:
    """Takes entries from any thread, in order; puts their records to a writer, in a thread of its own."""

    def __init__(self, writer: Writer, journal: Journal, promises: Promises) -> None:
        """Begin with ending what the last worker left open; all become the scribe's."""
        self.left_out = 0
        """Entries that found no room while nothing could be written."""
        self._writer = writer
        self._journal = journal
        self.promises = promises
        """What entries may ask; for the scribe's thread alone."""
        self._queue: SimpleQueue[Entry | None] = SimpleQueue()
        self._problem = ""
        self._stuck_since_s: float | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="argus-scribe", daemon=True)
        self._queue.put(journal.left)
        self._queue.put(promises.broken)
        self._thread.start()

    @property
    def backlog(self) -> int:
        """Records and entries that are not in the store yet."""
        return self._queue.qsize() + self._writer.backlog

    @property
    def problem(self) -> str:
        """Why nothing is being stored; empty where all is well."""
        return self._problem or self._writer.problem

    @property
    def dropped(self) -> int:
        """Records that are lost because there was no room for them."""
        return self._writer.dropped + self.left_out

    def take(self, entry: Entry, *, spare: bool = False) -> None:
        """Take an entry; never waits. `spare`: it may be left out where too much waits."""
        if spare and self._queue.qsize() >= _LONGEST_QUEUE:
            self.left_out += 1
            return
        self._queue.put(entry)

    def stuck_s(self, now_s: float) -> float:
        """Return for how many seconds nothing could be stored; to be asked now and then."""
        if not self.problem:
            self._stuck_since_s = None
            return 0.0
        if self._stuck_since_s is None:
            self._stuck_since_s = now_s
        return now_s - self._stuck_since_s

    def close(self, timeout_s: float = 5.0) -> None:
        """Put what waits, and let the writer write, for so long at most; idempotent."""
        until = time.monotonic() + timeout_s
        self._queue.put(None)
        self._thread.join(timeout_s)
        self._closing.set()
        self._thread.join(1.0)
        self._writer.close(max(0.5, until - time.monotonic()))
        if not self._thread.is_alive():
            self._journal.close()

    def _run(self) -> None:
        going_on = True
        while going_on and not self._closing.is_set():
            entries, going_on = self._next()
            records: list[Record] = []
            for entry in entries:
                try:
                    records += entry()
                except Exception:  # noqa: BLE001 - a defect of ours; the other records are to be kept
                    structlog.get_logger().exception("record.not_made")
            if records:
                self._put(records)

    def _next(self) -> tuple[list[Entry], bool]:
        entries: list[Entry] = []
        entry = self._queue.get()
        while entry is not None:
            entries.append(entry)
            if len(entries) >= _AT_ONCE:
                return entries, True
            try:
                entry = self._queue.get_nowait()
            except Empty:
                return entries, True
        return entries, False

    def _put(self, records: list[Record]) -> None:
        self.promises.note()
        self._journal.note(records)
        while not self._closing.is_set():
            try:
                self._writer.put(records)
            except (ArgusError, OSError) as error:
                if str(error) != self._problem:
                    structlog.get_logger().warning(
                        "records.not_written", error=str(error), consequence="they wait in memory"
                    )
                self._problem = str(error)
                self._closing.wait(_AGAIN_S)
            else:
                self._problem = ""
                self._journal.forget(records)
                self.promises.forget()
                return
