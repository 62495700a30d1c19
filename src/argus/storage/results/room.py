"""Whether an error means that a disk is full, and what to say then. Pure.

A row that cannot be read is left out of a file that is made anew; one that finds no room must not be.
"""

from __future__ import annotations

import errno
from typing import Final

from sqlalchemy.exc import DBAPIError

_ERRNOS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_CODES: Final = (
    "SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_FSYNC", "SQLITE_IOERR_SHMSIZE",
    "SQLITE_IOERR_TRUNCATE",
)  # fmt: skip
"""Of a file that may not grow beyond a limit, SQLite says that it cannot be written."""


def is_full(error: BaseException) -> bool:
    """Return whether something could not be done for want of room."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    if isinstance(cause, OSError):
        return cause.errno in _ERRNOS
    return str(getattr(cause, "sqlite_errorname", "")).startswith(_CODES)


def why_not(what: str, error: BaseException, needed: int) -> str:
    """Return what is said where something could not be done.

    Args:
        what: What cannot be done, and where.
        error: Why.
        needed: Bytes of room that it takes, about.
    """
    if is_full(error):
        mib = -(-needed // (1 << 20))
        return f"there is no room on its disk: free at least {mib} MiB there; nothing is left out meanwhile"
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return f"{what}: {cause}"
