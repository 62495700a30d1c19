"""A limit on calls that know none, or not a reliable one: whoever waits leaves, the call ends by itself."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


def within(timeout_s: float, call: Callable[[], T], dispose: Callable[[T], object]) -> T:
    """Return what `call` returns, made in a thread of its own.

    Args:
        timeout_s: How long to wait for it.
        call: What may take too long; it must end some day.
        dispose: Gets what comes too late.

    Raises:
        TimeoutError: it took too long. A `TimeoutError` that the call itself raises is passed on alike.
    """
    return _Attempt(call, dispose).wait(timeout_s)


class _Attempt(Generic[T]):
    def __init__(self, call: Callable[[], T], dispose: Callable[[T], object]) -> None:
        self._call = call
        self._dispose = dispose
        self._lock = threading.Lock()
        self._given_up = False
        self._results: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="argus-opening", daemon=True)
        self._thread.start()

    def wait(self, timeout_s: float) -> T:
        self._thread.join(timeout_s)
        with self._lock:
            if self._error is not None:
                raise self._error
            if self._results:
                return self._results[0]
            self._given_up = True
        raise TimeoutError

    def _run(self) -> None:
        try:
            result = self._call()
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            with self._lock:
                self._error = error
            return
        with self._lock:
            if not self._given_up:
                self._results.append(result)
                return
        self._dispose(result)
