"""Where a system keeps what outlives its processes: logs, dead letters, what waits on disk, its last account.

Paths only, below `$ARGUS_HOME/flow/<system>`; who writes there makes the folder (`made`).
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from pathlib import Path

import msgspec

from argus.core.errors import OutputError
from argus.core.settings import read_settings
from argus.flow.status import SystemStatus


def home_of(system: str) -> Path:
    """Return the folder of a system; it need not exist yet."""
    return read_settings().home / "flow" / system


def logs_of(system: str) -> Path:
    """Return the folder of its logs: one file per process, `<node>-<replica>.log`."""
    return home_of(system) / "logs"


def dead_of(system: str) -> Path:
    """Return the folder of its dead letters."""
    return home_of(system) / "dead"


def state_of(system: str) -> Path:
    """Return the folder of what it needs again when it is started again, such as links kept on disk."""
    return home_of(system) / "state"


def systems() -> list[str]:
    """Return the names of the systems that have kept something here, sorted."""
    try:
        return sorted(path.name for path in (read_settings().home / "flow").iterdir() if path.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def made(folder: Path) -> Path:
    """Return a folder that exists, for this user alone.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(folder, error.strerror or error) from error
    return folder


def begin_life(system: str) -> int:
    """Return which life of a system begins now: the millisecond, by UTC, but more than any it had here.

    Messages tell by it in which run they were sent, as some of an earlier one may wait in Redis or on disk.
    """
    file = state_of(system) / "life"
    try:
        before = int(file.read_text())
    except (OSError, ValueError):
        before = 0
    life = max(time.time_ns() // 1_000_000, before + 1)
    # Where it cannot be kept, the clock alone tells lives apart: good enough, unless it was set back.
    with contextlib.suppress(OSError, OutputError):
        made(file.parent)
        file.write_text(str(life))
    return life


def write_last_status(status: SystemStatus) -> None:
    """Keep how a system was when it ended: what `argus flow run` sums up, and `argus flow top --last` shows.

    Raises:
        OutputError: it cannot be written.
    """
    folder = made(state_of(status.name))
    try:
        # One rename: whoever reads meanwhile finds the old or the new one, never half of it.
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".last-", delete=False) as file:
            try:
                file.write(msgspec.json.encode(status))
                file.flush()
                os.replace(file.name, _last(status.name))  # noqa: PTH105 - one rename over what is there
            except BaseException:
                os.unlink(file.name)  # noqa: PTH108 - likewise
                raise
    except OSError as error:
        raise OutputError(folder, error.strerror or error) from error


def last_status(system: str) -> SystemStatus | None:
    """Return how a system was when it last ended; None where that is not known."""
    try:
        return msgspec.json.decode(_last(system).read_bytes(), type=SystemStatus)
    except (FileNotFoundError, NotADirectoryError, msgspec.MsgspecError):
        return None


def _last(system: str) -> Path:
    return state_of(system) / "last.json"
