"""Calling what a user wrote, whether it is `async` or not.

One asyncio loop per node, begun when it is first needed; tasks that the node's code starts live in it
and move on during its calls.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio


class Caller:
    """Calls functions and coroutine functions alike; used by one thread."""

    def __init__(self) -> None:
        """Begin without a loop."""
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
