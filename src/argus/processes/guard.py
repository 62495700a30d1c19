"""What is left of a supervisor that was killed: ends all that it had started, and then itself.

One process per supervisor, run as a script with nothing but Python's own modules. It is needed because the
kernel's parent death signal is lost on what a process has started in turn, and because commands that know
nothing of us do not ask for it. Processes are found by session, as every one has its own, and by a mark in
their environment, which also those carry that have begun a session themselves.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from typing import Final

MARK: Final = "ARGUS_SUPERVISORS"
_LONGEST_S: Final = 5.0


def stand_by(parent: int, mark: str) -> None:
    """Wait for the end of the parent; then end what it has started, unless it has said goodbye.

    Args:
        parent: Its process id.
        mark: Found in the environment of all that it has started.
    """
    sessions: set[int] = set()
    poll = select.poll()
    poll.register(0, select.POLLIN)
    try:
        poll.register(os.pidfd_open(parent), select.POLLIN)
        alive = os.getppid() == parent
    except ProcessLookupError:
        alive = False
    unread = b""
    while alive:
        # Its descriptors alone do not tell: a process that it has forked may hold a copy.
        ready = dict(poll.poll())
        alive = set(ready) == {0}
        if 0 in ready:
            data = os.read(0, 65536)
            alive = alive and bool(data)
            *lines, unread = (unread + data).split(b"\n")
            for line in lines:
                if line == b"bye":
                    return
                note = sessions.add if line[:1] == b"+" else sessions.discard
                note(int(line[1:]))
    end(sessions, mark.encode())


def end(sessions: set[int], mark: bytes) -> None:
    """Kill every process that is of one of the sessions or carries the mark, until none is left."""
    until = time.monotonic() + _LONGEST_S
    clean = 0
    while clean < 3 and time.monotonic() < until:
        found = [pid for pid in _all_pids() if _is_one(pid, sessions, mark)]
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        # Who was just being started shows its mark a moment later.
        clean = 0 if found else clean + 1
        time.sleep(0.02)


# pathlib takes longer to load than all the rest of this program, and each supervisor starts one.
def _all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208


def _read(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123
        return file.read()


def _is_one(pid: int, sessions: set[int], mark: bytes) -> bool:
    if pid == os.getpid():
        return False
    try:
        fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
        if fields[0] in b"ZX":
            return False
        return int(fields[3]) in sessions or mark in _read(f"/proc/{pid}/environ")
    except OSError:
        return False


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    stand_by(int(sys.argv[1]), sys.argv[2])
