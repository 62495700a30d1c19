"""Calling what a user wrote, whether it is `async` or not, a generator or not.

One asyncio loop per node, begun when it is first needed; tasks that the node's code starts live in it
and move on during its calls.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import asyncio


_END = object()


class Guard(Protocol):
    """Hears when a call into the user's code begins and ends; see `argus.processes.line.Line`."""

    def enter(self) -> None:
        """Hear that one begins."""
        ...

    def leave(self) -> None:
        """Hear that it has ended."""
        ...


class Caller:
    """Calls functions and coroutine functions alike; used by one thread."""

    def __init__(self, guard: Guard | None = None) -> None:
        """Begin without a loop; `guard` hears of what is `watched`."""
        self._guard = guard
        self._loop: asyncio.AbstractEventLoop | None = None

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return what it returns, awaited where it must be."""
        result = function(*arguments)
        if not inspect.iscoroutine(result):
            return result
        if self._loop is None:
            import asyncio

            self._loop = asyncio.new_event_loop()
        return self._loop.run_until_complete(result)

    def watched(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return what it returns; it must come back, or is taken for stuck."""
        guard = self._guard
        if guard is None:
            return self.call(function, *arguments)
        guard.enter()
        try:
            return self.call(function, *arguments)
        finally:
            guard.leave()

    def results(self, function: Callable[..., Any], *arguments: Any) -> Iterator[Any]:
        """Yield what it returns: nothing for None, a value, or each that a generator gives, `async` or not.

        Each part of it that the user wrote must come back, or is taken for stuck.
        """
        result = self.watched(function, *arguments)
        if isinstance(result, Iterator):
            while (value := self.watched(next, result, _END)) is not _END:
                if value is not None:
                    yield value
        elif isinstance(result, AsyncIterator):
            while (value := self.watched(_following, result)) is not _END:
                if value is not None:
                    yield value
        elif result is not None:
            yield result

    def close(self) -> None:
        """End the loop and what still runs in it."""
        if self._loop is None:
            return
        import asyncio

        loop, self._loop = self._loop, None
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _following(values: AsyncIterator[Any]) -> Any:
    return await anext(values, _END)
