"""What a workload has printed, and goes on to print: read from its log and those put aside.

Read from the files that `argus.processes.logfile` writes: whoever reads needs no keeper.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO, Final, Self

_PIECE: Final = 64 * 1024
_LONGEST: Final = 1024 * 1024
"""A line longer than this is handed on in parts."""
_MOST_KEPT: Final = 100


class LogReader:
    """Reads one workload's logs from some line on, over rotation. Not thread-safe; close it."""

    def __init__(self, path: Path, tail: int | None) -> None:
        """Begin at the last `tail` lines, or at the oldest that is kept; the log may not exist yet."""
        self._path = path
        self._file: BinaryIO | None = None
        self._put_aside = False
        self._unread = b""
        self._open_at(tail)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it; idempotent."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def more(self) -> bytes:
        """Return some whole lines that have not been read; empty: there are none yet."""
        while True:
            data = self._file.read(_PIECE) if self._file is not None else b""
            if data:
                self._unread += data
                end = self._unread.rfind(b"\n") + 1
                if not end and len(self._unread) >= _LONGEST:
                    end = len(self._unread)
                if end:
                    lines, self._unread = self._unread[:end], self._unread[end:]
                    return lines
            elif not self._go_on():
                return b""

    def rest(self) -> bytes:
        """Return the line that is not finished yet, for those who will not wait for it."""
        rest, self._unread = self._unread, b""
        return rest

    def _open_at(self, tail: int | None) -> None:
        left = tail
        for path in reversed(_files(self._path)):
            file = _opened(path)
            if file is None:
                continue  # put aside this very moment
            self.close()
            self._file = file
            if left is not None:
                left -= _seek_to_tail(file, left)
                if left <= 0:
                    return

    def _go_on(self) -> bool:
        """Turn to the file after the one that was read to its end; return whether to read again."""
        files = _files(self._path)
        if self._file is None:
            self._file = _opened(files[0]) if files else None
            return self._file is not None
        ours = _identity(os.fstat(self._file.fileno()))
        known = [_identity_of(path) for path in files]
        # Not found: it was put aside and away while nobody read; what is left begins with the oldest.
        newer = files[known.index(ours) + 1 :] if ours in known else files
        if not newer:
            return False
        if not self._put_aside:
            # Something may have been written between our look at its end and its being put aside.
            self._put_aside = True
            return True
        following = _opened(newer[0])
        if following is None:
            return False
        self._file.close()
        self._file, self._put_aside = following, False
        return True


def _files(path: Path) -> list[Path]:
    """Return a log and those put aside, the oldest first."""
    aside = []
    for number in range(1, _MOST_KEPT):
        one = path.with_name(f"{path.name}.{number}")
        if not one.exists():
            break
        aside.append(one)
    return [*reversed(aside), *([path] if path.exists() else [])]


def _seek_to_tail(file: BinaryIO, lines: int) -> int:
    """Go to where the last `lines` lines of a file begin, or to its beginning; return how many follow."""
    at = size = file.seek(0, os.SEEK_END)
    if not lines or not size:
        return 0
    file.seek(size - 1)
    unfinished = file.read(1) != b"\n"
    wanted = lines if unfinished else lines + 1
    breaks = 0
    while at > 0:
        begin = max(0, at - _PIECE)
        file.seek(begin)
        data = file.read(at - begin)
        end = len(data)
        while (end := data.rfind(b"\n", 0, end)) >= 0:
            breaks += 1
            if breaks == wanted:
                file.seek(begin + end + 1)
                return lines
        at = begin
    file.seek(0)
    return breaks + unfinished


def _opened(path: Path) -> BinaryIO | None:
    try:
        return path.open("rb", buffering=0)
    except OSError:
        return None


def _identity_of(path: Path) -> tuple[int, int] | None:
    try:
        return _identity(path.stat())
    except OSError:
        return None


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino
