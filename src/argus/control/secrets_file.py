"""Where the control plane looks up `${NAME}`: its environment, and `secrets.env` below its home.

The file is for what is added while it runs: lines of `NAME=value`, read again when they change.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import structlog

from argus.core.secrets import Secrets
from argus.core.settings import Settings

FILE = "secrets.env"


class _Sources(Mapping[str, str]):
    """The environment over the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._values: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        if name in os.environ:
            return os.environ[name]
        return self._file()[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._file(), **os.environ})

    def __len__(self) -> int:
        return len({**self._file(), **os.environ})

    def _file(self) -> dict[str, str]:
        try:
            stat = self._path.stat()
        except OSError:
            self._stamp, self._values = None, {}
            return self._values
        stamp = (stat.st_mtime_ns, stat.st_size)
        if stamp != self._stamp:
            if stat.st_mode & 0o077:
                structlog.get_logger().warning(
                    "secrets.readable_by_others", path=str(self._path), remedy=f"chmod 600 {self._path}"
                )
            self._stamp, self._values = stamp, _read(self._path)
        return self._values


def secrets_of(settings: Settings) -> Secrets:
    """Return the secrets of a home; the file may come later."""
    return Secrets(_Sources(settings.home / FILE))


def _read(path: Path) -> dict[str, str]:
    values = {}
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        structlog.get_logger().error("secrets.unreadable", path=str(path), reason=str(error))
        return {}
    for line in lines:
        name, sign, value = line.strip().removeprefix("export ").partition("=")
        if sign and not name.startswith("#"):
            value = value.strip()
            quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
            values[name.strip()] = value[1:-1] if quoted else value
    return values
