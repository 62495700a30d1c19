"""How far a run has come, kept where everybody can read it: a thread with a loop and a store of its own.

Progress is told and forgotten; what must be kept (a file is done, the run is over) is waited for.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, Final, Self, TypeVar

import structlog

from argus.storage.opening import open_results
from argus.storage.protocol import ResultStore, ResultsUnavailable
from argus.storage.records import Run

T = TypeVar("T")

_CALL_S: Final = 60.0
"""How long one call may take."""
_LONGEST_WAIT_S: Final = 5.0
PATIENCE_S: Final = 600.0
"""How long a store that does not answer is waited for."""


class RunKeeper:
    """See the module. Use it with `with`; called by one thread."""

    def __init__(
        self,
        url: str,
        *,
        stopped: Callable[[], bool] = lambda: False,
        patience_s: float = PATIENCE_S,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Begin; the store is opened with the first call.

        Args:
            url: Of the results.
            stopped: Asked while waiting for a store: True gives up.
            patience_s: How long to wait for one.
            sleep: Waits.
        """
        self._url = url
        self._stopped = stopped
        self._patience_s = patience_s
        self._sleep = sleep
        self._store: ResultStore | None = None
        self._telling: Future[None] | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run_loop, name="argus-run", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def read(self, id_: str) -> Run | None:
        """Return a run as it was left; None: there was none.

        Raises:
            ResultsUnavailable: the store has not answered for too long, or the job was stopped.
            SpecError: nobody knows such a store.
            MissingExtra: what it needs is not installed.
        """

        async def read() -> Run | None:
            return await (await self._opened()).run(id_)

        return self._insist(read)

    def keep(self, run: Run) -> None:
        """Keep a run; returns when it is kept. Raises likewise."""
        if self._telling is not None:
            self._telling.cancel()  # what was true a moment ago must not come after this

        async def keep() -> None:
            await (await self._opened()).put_run(run)

        self._insist(keep)

    def tell(self, run: Run) -> None:
        """Keep a run if that is possible right now; returns at once."""
        if self._telling is not None and not self._telling.done():
            return

        async def tell() -> None:
            try:
                await (await self._opened()).put_run(run)
            except ResultsUnavailable as error:
                structlog.get_logger().info("job.progress_not_kept", reason=str(error))

        self._telling = asyncio.run_coroutine_threadsafe(tell(), self._loop)

    def close(self) -> None:
        """Let the store go; idempotent."""
        if self._loop.is_closed():
            return
        store, self._store = self._store, None
        if store is not None:
            try:
                asyncio.run_coroutine_threadsafe(store.close(), self._loop).result(_LONGEST_WAIT_S)
            except (ResultsUnavailable, FutureTimeout) as error:
                structlog.get_logger().info("job.store_not_closed", reason=str(error))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _opened(self) -> ResultStore:
        if self._store is None:
            self._store = await open_results(self._url)
        return self._store

    def _insist(self, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return what a call gives, tried again while the store is away."""
        until, wait_s = time.monotonic() + self._patience_s, 0.1
        while True:
            pending = asyncio.run_coroutine_threadsafe(call(), self._loop)
            try:
                return pending.result(_CALL_S)
            except FutureTimeout:
                pending.cancel()
                error: Exception = ResultsUnavailable(
                    f"the results' store has not answered for {_CALL_S:g} s: see whether it is overloaded"
                )
            except ResultsUnavailable as unavailable:
                error = unavailable
            if time.monotonic() >= until or self._stopped():
                raise error
            structlog.get_logger().warning("job.store_away", reason=str(error), tried_again_in_s=wait_s)
            self._sleep(wait_s)
            wait_s = min(_LONGEST_WAIT_S, 2 * wait_s)

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            left = asyncio.all_tasks(self._loop)
            for task in left:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
