"""Changes of events and alerts as they come, for any number of listeners, at the cost of one.

One task asks the store while somebody listens. What it heard last is kept in a window that all listeners read
from, each at its own place; who falls behind the window, or begins further back, reads from the store by
itself until it has caught up. So nobody misses anything, and a slow listener costs no memory.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Final, Literal

import structlog

from argus.storage.protocol import ResultStore, ResultsUnavailable
from argus.storage.records import AlertRecord, EventRecord

Change = EventRecord | AlertRecord
ChangeKind = Literal["event", "alert"]

EVERY_S: Final = 0.1
_AGAIN_S: Final = 1.0
"""How long is waited where the store does not answer."""
_WINDOW: Final = 2000
_PAGE: Final = 500


class LiveChanges:
    """See the module. From one event loop."""

    def __init__(self, results: ResultStore, *, every_s: float = EVERY_S) -> None:
        """Begin without listeners."""
        self._results = results
        self._every_s = every_s
        self._window: deque[Change] = deque(maxlen=_WINDOW)
        self._begins = 0
        """All changes after this `seq`, up to `_heard`, are in the window."""
        self._heard: int | None = None
        """None until the store has said where it stands."""
        self._listeners = 0
        self._task: asyncio.Task[None] | None = None
        self._news = asyncio.Event()

    @property
    def listeners(self) -> int:
        """How many listen."""
        return self._listeners

    async def last_seq(self) -> int:
        """Return the `seq` from which on everything is new."""
        return await self._results.last_seq()

    async def changes(self, after: int, kind: ChangeKind) -> AsyncIterator[Sequence[Change]]:
        """Yield changes of a kind after a `seq`, in its order, a few at a time, without end.

        A portion may be empty: then the store did not answer, and is asked again.
        """
        self._listeners += 1
        try:
            if self._task is None:
                self._window.clear()
                self._heard = None
                self._task = asyncio.create_task(self._listen(), name="live-changes")
            while True:
                news, begins = self._news, self._begins
                if self._heard is None:
                    await news.wait()
                elif after < begins:
                    try:
                        portion = await self._results.changes(after, limit=_PAGE, kinds=(kind,))
                    except ResultsUnavailable:
                        yield ()
                        await asyncio.sleep(_AGAIN_S)
                        continue
                    if portion:
                        yield portion
                    # A short page was all there was: what it leaves up to the window is of the other kind.
                    last = portion[-1].seq if portion else after
                    after = last if len(portion) == _PAGE else max(last, begins)
                else:
                    own = [
                        c
                        for c in self._window
                        if c.seq > after and isinstance(c, EventRecord) == (kind == "event")
                    ]
                    after = max(after, self._heard)
                    if own:
                        yield own
                    else:
                        await news.wait()
        finally:
            self._listeners -= 1
            if self._listeners == 0 and self._task is not None:
                self._task.cancel()
                self._task = None

    async def _listen(self) -> None:
        troubled = False
        while True:
            wait_s = self._every_s
            try:
                if self._heard is None:
                    self._begins = self._heard = await self._results.last_seq()
                    self._tell()
                new = await self._results.changes(self._heard, limit=_PAGE)
                troubled = False
                if new:
                    self._take(new)
                    wait_s = 0.0 if len(new) == _PAGE else wait_s
            except ResultsUnavailable as error:
                if not troubled:
                    structlog.get_logger().warning("api.live_changes_interrupted", reason=str(error))
                troubled = True
                wait_s = _AGAIN_S
            except Exception:  # noqa: BLE001 - whoever listens would wait for ever
                structlog.get_logger().exception("api.live_changes_failed")
                wait_s = _AGAIN_S
            await asyncio.sleep(wait_s)

    def _take(self, new: Sequence[Change]) -> None:
        for change in new:
            if len(self._window) == _WINDOW:
                self._begins = self._window[0].seq
            self._window.append(change)
        self._heard = new[-1].seq
        self._tell()

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
