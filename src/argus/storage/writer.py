"""Results on their way into a store: taken at once, kept through bad days, written in batches.

For workers: `put` never waits for a database. What was put is in a file (the spool) before `put` returns, so
that neither kill -9 nor a database that is gone for an hour loses it; what a killed worker left is written by
the next one that opens the same spool. Where it waits for more than a second, the file is written through to
the disk every second, and a power cut takes no more than that.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal, Self

import structlog

from argus.core.errors import ArgusError
from argus.storage.opening import check_results_url, open_results
from argus.storage.protocol import ResultStore, ResultsUnavailable
from argus.storage.records import Record
from argus.storage.spool_portions import Unreadable, records_of
from argus.storage.spool_waiting import Waiting

BATCH: Final = 500
"""Records that are written together. More cost less each; fewer come sooner."""
GATHER_S: Final = 0.1
"""How long records wait for others of their batch."""
_FIRST_WAIT_S: Final = 0.1
_LONGEST_WAIT_S: Final = 5.0
_SYNC_S: Final = 1.0


class ResultWriter:
    """See the module. Safe from any thread; has one of its own."""

    def __init__(self, url: str, spool: Path, *, most_bytes: int = 1 << 30) -> None:
        """Begin with what the spool holds.

        Args:
            url: The store; see `argus.storage.opening`.
            spool: A folder of one worker; two at once are refused.
            most_bytes: So much may wait there; beyond four fifths of it traces and detections are dropped,
                and counted, and beyond all of it everything.

        Raises:
            SpecError: nobody knows such a URL.
            MissingExtra: its extra is not installed.
            SpoolInUse: another process has the spool.
            SpoolUnusable: the folder cannot be used.
        """
        check_results_url(url)
        self._url = url
        self._log = structlog.get_logger().bind(spool=str(spool))
        self._lock = threading.Lock()
        self._written = threading.Condition(self._lock)
        self._waiting = Waiting(spool, most_bytes=most_bytes, portion=BATCH)
        self._problem = ""
        self._flushing = 0
        self._closing = False
        self._closed = False
        self._state: Literal["asleep", "gathering", "busy"] = "busy"
        self._loop: asyncio.AbstractEventLoop | None = None
        self._working: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="argus-results", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def put(self, records: Sequence[Record]) -> None:
        """Take records; returns when the spool has them. Never raises for what a record holds.

        Raises:
            RuntimeError: it has been closed.
        """
        with self._lock:
            if self._closing:
                raise RuntimeError("this writer of results has been closed")
            self._waiting.put(records)
            if self._state == "asleep" or (self._state == "gathering" and self._waiting.backlog >= BATCH):
                self._rouse()

    def flush(self, timeout_s: float | None = None) -> bool:
        """Wait until all that was put is in the store; return whether it is."""
        with self._lock:
            target = self._waiting.accepted
            self._flushing += 1
            self._rouse()
            try:
                return self._written.wait_for(lambda: self._waiting.done >= target, timeout_s)
            finally:
                self._flushing -= 1

    @property
    def backlog(self) -> int:
        """Records that are not in the store yet."""
        with self._lock:
            return self._waiting.backlog

    @property
    def problem(self) -> str:
        """Why nothing is being written; empty where all is well."""
        return self._problem

    @property
    def dropped(self) -> int:
        """Records that found no room."""
        return self._waiting.dropped

    @property
    def refused(self) -> int:
        """Records that no database could take; they lie in `refused.jsonl` of the spool."""
        return self._waiting.refused.count

    def close(self, timeout_s: float = 5.0) -> None:
        """Write what can be written in so long; the rest stays in the spool. Idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closing = True
            self._rouse()
        self._thread.join(timeout_s)
        with self._lock:
            loop, self._closed = self._loop, True
            if loop is not None:
                with suppress(RuntimeError):
                    loop.call_soon_threadsafe(self._end_work)
        self._thread.join(timeout_s + 5.0)
        if not self._thread.is_alive():  # else what waits is in the files, and stays locked
            with self._lock:
                self._waiting.close()

    def _rouse(self) -> None:
        self._state = "busy"
        if self._loop is not None:
            with suppress(RuntimeError):  # its loop has ended meanwhile
                self._loop.call_soon_threadsafe(self._wake.set)

    def _run(self) -> None:
        with suppress(asyncio.CancelledError):
            asyncio.run(self._work())

    async def _work(self) -> None:
        with self._lock:
            self._loop = asyncio.get_running_loop()
            self._working = asyncio.current_task()
            if self._closed:
                return
        syncing = asyncio.create_task(self._sync())
        store: ResultStore | None = None
        wait_s = 0.0
        try:
            while await self._is_something_there(wait_s):
                try:
                    store = store or await open_results(self._url)
                    await self._write_front(store)
                except Exception as error:  # noqa: BLE001 - whatever it is, what waits must not be lost
                    wait_s = min(_LONGEST_WAIT_S, max(_FIRST_WAIT_S, wait_s * 2))
                    self._say(error)
                else:
                    wait_s = 0.0
        finally:
            syncing.cancel()
            if store is not None:
                with suppress(Exception):
                    await asyncio.wait_for(store.close(), 5.0)

    def _end_work(self) -> None:
        if self._working is not None:
            self._working.cancel()

    async def _is_something_there(self, wait_s: float) -> bool:
        """Wait for records, and for others of their batch; return False where none will come."""
        if wait_s:
            with self._lock:
                self._state = "busy"
                self._wake.clear()
            await self._until(wait_s)
            return not (self._closing and not self._waiting.backlog)
        while True:
            with self._lock:
                waiting = self._waiting.backlog
                hurry = self._closing or self._flushing or waiting >= BATCH
                if waiting and hurry:
                    return True
                if self._closing:
                    return False
                self._wake.clear()
                self._state = "gathering" if waiting else "asleep"
            if waiting:
                await self._until(GATHER_S)
                self._state = "busy"
                return True
            await self._wake.wait()

    async def _until(self, seconds: float) -> None:
        """Wait so long, or until somebody is in a hurry."""
        if self._closing:
            seconds = min(seconds, _FIRST_WAIT_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
                if self._closing:
                    await asyncio.sleep(_FIRST_WAIT_S)

    async def _write_front(self, store: ResultStore) -> None:
        with self._lock:
            front = self._waiting.front(BATCH)
            if front is None:
                self._written.notify_all()
                return
        records = [record for payload in front.payloads for record in records_of(payload)]
        refused: list[tuple[Record | Unreadable, str]] = [
            (record, record.why) for record in records if isinstance(record, Unreadable)
        ]
        sound = [record for record in records if not isinstance(record, Unreadable)]
        await self._write(store, sound, refused)
        for record, why in refused:  # only now: what is tried again would be put aside twice
            self._waiting.refused.add(record, why)
        with self._lock:
            self._waiting.forget(front)
            if self._problem:
                self._problem = ""
                self._log.warning("results.written_again", waiting=self._waiting.backlog)
            self._written.notify_all()

    async def _write(
        self, store: ResultStore, records: Sequence[Record], refused: list[tuple[Record | Unreadable, str]]
    ) -> None:
        """Write records; those that the store can never take are found, and added to `refused`."""
        if not records:
            return
        try:
            await store.write(records)
        except ResultsUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - a fault of ours must not hold up the rest either
            if len(records) == 1:
                refused.append((records[0], str(error) or type(error).__name__))
                return
            middle = len(records) // 2
            await self._write(store, records[:middle], refused)
            await self._write(store, records[middle:], refused)

    def _say(self, error: Exception) -> None:
        said = str(error) if isinstance(error, ArgusError) else f"{type(error).__name__}: {error}"
        if not self._problem:
            self._log.error("results.not_written", error=said, follows="they wait in the spool")
        self._problem = said

    async def _sync(self) -> None:
        """Write the spool through to the disk every second in which something waits."""
        while True:
            await asyncio.sleep(_SYNC_S)
            try:
                with self._lock:
                    if not self._waiting.backlog:
                        continue
                    descriptors = self._waiting.sync()
                await asyncio.to_thread(_sync_all, descriptors)
            except OSError as error:
                self._log.error("results.spool_unsynced", error=error.strerror)


def _sync_all(descriptors: Sequence[int]) -> None:
    try:
        for descriptor in descriptors:
            os.fdatasync(descriptor)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
