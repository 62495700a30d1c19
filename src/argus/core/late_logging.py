"""structlog when it is first used: most processes of nodes say nothing, and it is a quarter of their start.

Whoever loads it, it comes without rich, which it would load for tracebacks that Argus never shows: those
print the values of variables, which may be secrets. Whoever wants rich for something else has it as always.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from threading import get_ident
from types import ModuleType
from typing import Any


class LateLogger:
    """A logger of structlog with some values bound; it loads structlog when it is first used."""

    def __init__(self, **values: Any) -> None:
        """Say these with everything."""
        self._values = values

    def bind(self, **values: Any) -> LateLogger:
        """Return one that says these as well."""
        return LateLogger(**self._values, **values)

    def __getattr__(self, name: str) -> Any:
        """Return what a bound logger has of this name: `info`, `warning` and so on."""
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            import structlog
        except (OSError, MemoryError):  # what is to be said may be that there are no descriptors left
            return self._plain
        return getattr(structlog.get_logger().bind(**self._values), name)

    def _plain(self, event: str, **values: Any) -> None:
        """Say it without structlog."""
        given = values.pop("exc_info", None)
        error = given if isinstance(given, BaseException) else sys.exception()
        said = " ".join(f"{name}={value}" for name, value in {**self._values, **values}.items())
        print(event, said, repr(error) if error else "", file=sys.stderr, flush=True)


class _Finder:
    """Finds structlog where it is, and has it loaded as above."""

    def __init__(self) -> None:
        self.then: Callable[[], None] | None = None
        self._thread = 0
        """The one that is loading structlog: it alone does not find rich meanwhile."""

    def find_spec(
        self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name == "rich" and self._thread == get_ident():
            raise ModuleNotFoundError("structlog is loaded without rich", name=name)
        if name != "structlog":
            return None
        spec = PathFinder.find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = self._loading(spec.loader.exec_module)  # type: ignore[method-assign,assignment]
        return spec

    def _loading(self, load: Callable[[ModuleType], None]) -> Callable[[ModuleType], None]:
        def load_alone(module: ModuleType) -> None:
            self._thread = get_ident()
            try:
                load(module)
            finally:
                self._thread = 0
            if self.then is not None:
                self.then()

        return load_alone


_finder = _Finder()


def keep_rich_out() -> None:
    """Have structlog come without rich, if it is not there yet; idempotent."""
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)


def when_loaded(then: Callable[[], None]) -> None:
    """Call `then` as soon as structlog is there: now, or when whoever it is loads it."""
    if "structlog" in sys.modules:
        then()
        return
    keep_rich_out()
    _finder.then = then
