"""The log files of a system, read: their last lines, and new ones as they come.

Who writes and puts them aside is `argus.processes.logfile`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from argus.core.errors import UnknownName

_BLOCK = 64 * 1024
_MOST = 16 * 1024 * 1024
"""Bytes that are read of one file in search of its last lines."""


class LogLine(NamedTuple):
    """One line of one process."""

    source: str
    """The process: the node, with a number where it has replicas."""
    text: str


def in_words(line: LogLine, width: int = 0) -> str:
    """Return a line with the process that it is of: `yolo.1 | loaded`."""
    return f"{line.source:{width}} | {line.text}"


def log_files(folder: Path, node: str | None = None) -> list[Path]:
    """Return the logs of a node's processes, or of all.

    Raises:
        UnknownName: the node has no log here.
    """
    files = sorted(folder.glob("*.log"))
    if node is None:
        return files
    found = [file for file in files if file.stem == node or file.stem.rpartition(".")[0] == node]
    if not found:
        raise UnknownName("node", node, {file.stem.partition(".")[0] for file in files})
    return found


def last_lines(file: Path, count: int) -> list[LogLine]:
    """Return the last lines of a log, oldest first; none of a file that is not there."""
    try:
        with file.open("rb") as log:
            at, data = log.seek(0, os.SEEK_END), b""
            while at and data.count(b"\n") <= count and len(data) < _MOST:
                begin = max(0, at - _BLOCK)
                log.seek(begin)
                data = log.read(at - begin) + data
                at = begin
    except FileNotFoundError:
        return []
    return [LogLine(file.stem, _text(line)) for line in data.splitlines()[-count:]] if count > 0 else []


class Follower:
    """Gives lines that have come since the last look; also of files that are new, put aside or cut."""

    def __init__(self, folder: Path, node: str | None = None, *, from_start: bool = False) -> None:
        """Begin behind what is there, or before it."""
        self._folder = folder
        self._node = node
        self._places: dict[str, tuple[int, int, bytes]] = {}
        if not from_start:
            for file in self._files():
                with contextlib.suppress(FileNotFoundError):
                    stat = file.stat()
                    self._places[file.name] = (stat.st_ino, stat.st_size, b"")

    def take(self) -> list[LogLine]:
        """Return the new lines that are whole, in the order of each process."""
        lines: list[LogLine] = []
        for file in self._files():
            with contextlib.suppress(FileNotFoundError):
                lines += self._new(file)
        return lines

    def rest(self) -> list[LogLine]:
        """Return what is left, also lines without an end."""
        lines = self.take()
        for name, (inode, at, begun) in self._places.items():
            if begun:
                lines.append(LogLine(name.removesuffix(".log"), _text(begun)))
                self._places[name] = (inode, at, b"")
        return lines

    def _files(self) -> Sequence[Path]:
        try:
            return log_files(self._folder, self._node)
        except UnknownName:
            return []

    def _new(self, file: Path) -> list[LogLine]:
        with file.open("rb") as log:
            stat = os.fstat(log.fileno())
            inode, at, begun = self._places.get(file.name, (stat.st_ino, 0, b""))
            lines: list[bytes] = []
            if inode != stat.st_ino or stat.st_size < at:
                # It was put aside: what came to it after the last look is in the newest of those.
                if inode != stat.st_ino:
                    lines, begun = self._aside(file, inode, at, begun)
                at = 0
            log.seek(at)
            data = begun + log.read()
            whole, _, begun = data.rpartition(b"\n")
            self._places[file.name] = (stat.st_ino, log.tell(), begun)
        lines += whole.split(b"\n") if whole or data.startswith(b"\n") else []
        return [LogLine(file.stem, _text(line)) for line in lines]

    def _aside(self, file: Path, inode: int, at: int, begun: bytes) -> tuple[list[bytes], bytes]:
        """Return the lines of a file that was put aside, from a place on, and what has no end."""
        older = file.with_name(f"{file.name}.1")
        with contextlib.suppress(FileNotFoundError), older.open("rb") as log:
            if os.fstat(log.fileno()).st_ino == inode:
                log.seek(at)
                *lines, begun = (begun + log.read()).split(b"\n")
                return lines, begun
        return [], b""


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r")
