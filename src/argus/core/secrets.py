"""Values that come from the environment, and that nothing prints again.

Text only: where `${NAME}` may stand is for the readers of files to say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from argus.core.errors import SpecError

_REFERENCE: Final = re.compile(r"\$\$|\$\{([^}]*)\}")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Secrets:
    """The values that were taken from the environment so far; showing it shows their names."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._taken: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"Secrets({', '.join(sorted(self._taken))})"

    @property
    def names(self) -> frozenset[str]:
        """Names of the variables that were asked for."""
        return frozenset(self._taken)

    def fill(self, text: str, where: str) -> str:
        """Return `text` with each `${NAME}` replaced by its value, and `$$` by `$`.

        Raises:
            SpecError: the variable is not set, or `NAME` is no name of one.
        """
        return _REFERENCE.sub(lambda match: "$" if match[1] is None else self._value(match[1], where), text)

    def hide(self, text: str) -> str:
        """Return `text` with every value taken so far replaced by its `${NAME}` again."""
        for name, value in sorted(self._taken.items(), key=lambda item: -len(item[1])):
            if value:
                text = text.replace(value, f"${{{name}}}")
                text = text.replace(repr(value)[1:-1], f"${{{name}}}")
        return text

    def hide_in(self, value: Any) -> Any:
        """Return the same lists and mappings with every text in them hidden."""
        if isinstance(value, str):
            return self.hide(value)
        if isinstance(value, Mapping):
            return {self.hide_in(key): self.hide_in(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self.hide_in(item) for item in value)
        return value

    def _value(self, name: str, where: str) -> str:
        if not _NAME.fullmatch(name):
            raise SpecError(f"{where}: ${{{name}}} is no variable of the environment; for a plain $ write $$")
        try:
            self._taken[name] = self._environment[name]
        except KeyError:
            raise SpecError(
                f"{where}: the environment variable {name} is not set: export {name}=… first"
            ) from None
        return self._taken[name]
