"""What a killed keeper has left, where its guard was killed too: found by mark, ended, waited for."""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from argus.control.runtime.homes import MARK
from argus.processes import guard

_LONGEST_S: Final = 5.0


def end_leftovers(mark: str, sessions: Collection[int] = ()) -> None:
    """Kill all that belongs to a home and is not this process, and return when it is gone.

    Who does not go within five seconds waits in the kernel, and will run no line of its program any more.

    Args:
        mark: `mark_of` the home.
        sessions: Sessions that are known to be of it, also without the mark.
    """
    text = f"{MARK}={mark}".encode()
    with contextlib.ExitStack() as stack:
        # A process whose first thread is gone looks like one that is, and others of its threads may still
        # run; a pidfd is ready when all are gone.
        pidfds = [_opened(pid, stack) for pid in (*sessions, *_marked(text))]
        guard.end(set(sessions), text)
        until = time.monotonic() + _LONGEST_S
        for pidfd in pidfds:
            if pidfd is not None:
                poll = select.poll()
                poll.register(pidfd, select.POLLIN)
                poll.poll(max(0.0, until - time.monotonic()) * 1000)


def _marked(text: bytes) -> Iterator[int]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            with contextlib.suppress(OSError):
                if text in (folder / "environ").read_bytes():
                    yield int(folder.name)


def _opened(pid: int, stack: contextlib.ExitStack) -> int | None:
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return None
    stack.callback(os.close, pidfd)
    return pidfd
