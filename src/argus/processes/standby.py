"""A supervisor's side of its guard: started once, told who lives, told goodbye; see `guard`."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time

import structlog

from argus.processes import guard
from argus.processes.rounds import Rounds

_AT_LEAST_S = 1.0


class Standby:
    """Keeps one guard running from the first process on. Used by the supervisor's thread."""

    def __init__(self, rounds: Rounds) -> None:
        """Begin without one."""
        self._rounds = rounds
        self._mark = secrets.token_hex(8)
        self._living: set[int] = set()
        self._process: subprocess.Popen[bytes] | None = None
        self._pidfd = -1
        self._started_s = 0.0
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The guard's."""
        return None if self._process is None else self._process.pid

    def marked(self, env: dict[str, str]) -> dict[str, str]:
        """Return variables with our mark, behind those of supervisors above us."""
        above = env.get(guard.MARK)
        return {**env, guard.MARK: f"{above}:{self._mark}" if above else self._mark}

    def born(self, pid: int) -> None:
        """Hear that a process runs."""
        self._living.add(pid)
        if self._process is None:
            self._start()
        else:
            self._note(f"+{pid}")

    def buried(self, pid: int) -> None:
        """Hear that it was reaped."""
        self._living.discard(pid)
        self._note(f"-{pid}")

    def close(self) -> None:
        """Send it home and wait until it has gone; idempotent."""
        self._closed = True
        if self._process is not None:
            self._note("bye")
            self._bury(self._process)

    def _start(self) -> None:
        if self._closed or self._process is not None:
            return
        self._started_s = time.monotonic()
        command = [sys.executable, "-I", "-S", guard.__file__, str(os.getpid()), self._mark]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, bufsize=0, start_new_session=True
            )
        except OSError as error:
            self._lost(str(error))
            return
        assert self._process.stdin is not None
        os.set_blocking(self._process.stdin.fileno(), False)
        self._pidfd = os.pidfd_open(self._process.pid)
        self._rounds.watch(self._pidfd, self._ended)
        for pid in self._living:
            self._note(f"+{pid}")

    def _ended(self) -> None:
        if self._process is not None:
            self._bury(self._process)
            self._lost("it has ended")

    def _lost(self, reason: str) -> None:
        structlog.get_logger().warning("supervisor.unguarded", reason=reason)
        self._rounds.at(self._started_s + _AT_LEAST_S, self._start)

    def _bury(self, process: subprocess.Popen[bytes]) -> None:
        self._rounds.unwatch(self._pidfd)
        os.close(self._pidfd)
        assert process.stdin is not None
        process.stdin.close()
        process.wait()
        self._process = None

    def _note(self, text: str) -> None:
        if self._process is None or self._process.stdin is None:
            return
        try:
            self._process.stdin.write(f"{text}\n".encode())
        except (BlockingIOError, BrokenPipeError):
            return  # it finds by the mark whom it is not told of; its own end is told by its pidfd
