"""Where the keeper of a home is: its lock, the note it leaves about itself, the path of its socket.

Used by the keeper and by those who look for it. A note alone proves nothing: after a reboot, or kill -9, its
process id may be anybody's, so it counts only where the process began when the note says.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
from pathlib import Path
from typing import Final

import msgspec

from argus.core.errors import ArgusError, OutputError
from argus.core.version import __version__
from argus.processes.usage import stat_fields

MARK: Final = "ARGUS_KEPT"
"""Environment variable of a keeper and of all that it starts: `mark_of` its home."""
LONGEST_PATH: Final = 107
"""Bytes that the path of a socket may have."""


class KeeperNote(msgspec.Struct, frozen=True):
    """What a keeper tells of itself in `run/keeper.json`."""

    pid: int
    born: int
    """See `born`."""
    socket: str
    version: str


class AlreadyKept(ArgusError):
    """Another keeper looks after this home."""


def born(pid: int) -> int | None:
    """Return when a process began, in ticks since the machine did; None where it is gone, or a zombie."""
    try:
        fields = stat_fields(pid)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def mark_of(home: Path) -> str:
    """Return what marks all that belongs to a home."""
    return hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:16]


def open_folder(path: Path) -> None:
    """Make a folder for its owner alone, or see to it that it is one.

    Raises:
        OutputError: it cannot be made, or is another's.
    """
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise OutputError(path, "it is no folder of this user: remove it, or name another home")
        if found.st_mode & 0o077:
            path.chmod(0o700)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(path, error.strerror) from error


def socket_path(run: Path, mark: str) -> Path:
    """Return where a keeper listens: in `run`, or where that is too long a path, in a folder of this user.

    Raises:
        OutputError: that folder is another's.
    """
    path = run / "keeper.sock"
    if len(os.fsencode(path)) <= LONGEST_PATH:
        return path
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp")  # noqa: S108 - its owner is looked at
    folder = base / f"argus-{os.geteuid()}"
    if len(os.fsencode(folder)) > LONGEST_PATH - len(mark) - 6:
        folder = Path("/tmp") / folder.name  # noqa: S108
    open_folder(folder)
    return folder / f"{mark}.sock"


def read_note(run: Path) -> KeeperNote | None:
    """Return the note of the keeper that lives; None where none does."""
    try:
        note = msgspec.json.decode((run / "keeper.json").read_bytes(), type=KeeperNote)
    except (OSError, msgspec.DecodeError):
        return None
    return note if born(note.pid) == note.born else None


def keeper_remark(run: Path) -> str:
    """Return what people should know of the keeper that lives, and what to do; empty: nothing.

    A keeper holds its workers by pipes that cannot be handed on, so another one takes over nothing of it.
    """
    note = read_note(run)
    if note is None or note.version == __version__:
        return ""
    return (
        f"the keeper of what runs (pid {note.pid}) is of Argus {note.version}, and this is {__version__}: "
        "all goes on, without what was mended in the keeper since; `argus down` and `argus up` replace it, "
        "while cameras are unwatched for some seconds"
    )


class KeeperLock:
    """Held by a keeper for as long as it lives; the kernel lets it go when it is killed."""

    def __init__(self, run: Path) -> None:
        """Take it.

        Raises:
            AlreadyKept: somebody else has it.
            OutputError: the folder cannot be written.
        """
        open_folder(run)
        self._path = run / "keeper.lock"
        self._note = run / "keeper.json"
        try:
            # Closed in every process that is started: the lock ends with the keeper.
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise OutputError(self._path, error.strerror) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._fd)
            raise AlreadyKept(f"{run.parent} has a keeper already") from None

    @property
    def lost(self) -> bool:
        """True when its file is gone or another: nobody finds this keeper any more, and one more may come."""
        try:
            there, ours = self._path.stat(), os.fstat(self._fd)
        except OSError:
            return True
        return (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino)

    def tell(self, note: KeeperNote) -> None:
        """Leave a note.

        Raises:
            OutputError: it cannot be written.
        """
        replace(self._note, msgspec.json.encode(note))

    def close(self) -> None:
        """Take the note back and let go."""
        if not self.lost:
            self._note.unlink(missing_ok=True)
        os.close(self._fd)


def replace(path: Path, data: bytes) -> None:
    """Put a file in the place of another as a whole, for its owner's eyes alone.

    Raises:
        OutputError: it cannot be written; what was there stays.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(data)
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise OutputError(path, error.strerror) from error
