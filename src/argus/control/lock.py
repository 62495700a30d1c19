"""One control plane per home: a lock that dies with its holder, and a note of where it listens."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from argus.core.errors import ArgusError, OutputError
from argus.core.settings import Settings

_GLANCE_S: Final = 0.5
"""How long those may hold it who only look whether it is held: a moment each, in which nobody can take it."""


class ControlNote(msgspec.Struct, frozen=True):
    """Where the control plane of a home is; lies in `run/control.json`."""

    url: str
    pid: int
    version: str
    web: str = ""
    """Where people look; empty: nowhere yet."""


class AlreadyRuns(ArgusError):
    """Another control plane works on this home."""


class ControlLock:
    """Held for as long as the control plane lives; the kernel lets it go when it is killed."""

    def __init__(self, settings: Settings) -> None:
        """Know the home; nothing is locked yet."""
        self._settings = settings
        self._fd = -1

    @property
    def _note(self) -> Path:
        return self._settings.run / "control.json"

    def __enter__(self) -> Self:
        """Take it.

        Raises:
            AlreadyRuns: somebody else has it.
            OutputError: the home cannot be written.
        """
        run = self._settings.run
        try:
            run.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._fd = os.open(run / "control.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise OutputError(run, error.strerror) from error
        try:
            taken = _takes(self._fd)
        except OSError as error:
            self._close()
            raise OutputError(run, f"it cannot be locked: {error.strerror}") from error
        if not taken:
            self._close()
            note = read_note(self._settings)
            who = f" (pid {note.pid}, {note.url})" if note else ""
            raise AlreadyRuns(
                f"a control plane runs on {self._settings.home} already{who}: "
                "see `argus status`, add to it with `argus apply`, or end it with `argus down`"
            )
        self._note.unlink(missing_ok=True)  # of one that was killed
        return self

    def tell(self, note: ControlNote) -> None:
        """Write down where it listens."""
        part = self._note.with_suffix(".part")
        try:
            fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(msgspec.json.encode(note))
            part.replace(self._note)
        except OSError as error:
            raise OutputError(self._note, error.strerror) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let it go."""
        self._note.unlink(missing_ok=True)
        self._close()

    def _close(self) -> None:
        os.close(self._fd)
        self._fd = -1


def read_note(settings: Settings) -> ControlNote | None:
    """Return where the control plane of a home is; None where none runs."""
    try:
        note = msgspec.json.decode((settings.run / "control.json").read_bytes(), type=ControlNote)
    except (OSError, msgspec.DecodeError):
        return None
    return note if _held(settings) else None


def _takes(fd: int) -> bool:
    """Return whether nobody has the lock, and take it; who only looks is waited for.

    Raises:
        OSError: this file system has no locks.
    """
    until_s = time.monotonic() + _GLANCE_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until_s:
                return False
            time.sleep(0.01)
        else:
            return True


def _held(settings: Settings) -> bool:
    """Return whether somebody has the lock: a note alone may be that of one who was killed."""
    try:
        fd = os.open(settings.run / "control.lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False
