"""One process at a time: a lock that the kernel takes back when its holder dies.

It guards folders of this machine; on network file systems it is as good as their `flock`.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from argus.core.errors import OutputError

_POLL_S = 0.02


@contextmanager
def locked(path: Path, what: str, patience_s: float) -> Iterator[None]:
    """Hold the lock file `path` while the block runs; its folder is made when it is missing.

    Args:
        path: The lock file; only its holder may remove it.
        what: What is guarded, in the words of the message.
        patience_s: How long another holder is waited for.

    Raises:
        OutputError: it could not be made or locked, or somebody held it longer than `patience_s`.
    """
    deadline = time.monotonic() + patience_s
    descriptor = _held(path, what, deadline)
    while not _is_at(descriptor, path):  # whoever held it before has removed it with its folder
        os.close(descriptor)
        descriptor = _held(path, what, deadline)
    try:
        with suppress(OSError):  # a full disk: who waits is not told who is waited for
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _held(path: Path, what: str, deadline: float) -> int:
    """Return a descriptor of the lock file, which is ours."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise OutputError(path, error.strerror) from error
    try:
        _acquire(descriptor, path, what, deadline)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _acquire(descriptor: int, path: Path, what: str, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
                raise OutputError(
                    path, f"process {holder} is still busy with {what}; try again when it is done"
                ) from None
            time.sleep(_POLL_S)
        except OSError as error:
            raise OutputError(path, f"it cannot be locked: {error.strerror}") from error
        else:
            return
