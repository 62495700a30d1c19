"""One running process as the system sees it: started, written to, listened to, signalled, reaped.

Everything here is one call into the kernel or two and never waits; what it means is `charge`'s.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping
from typing import Final

from argus.processes.spec import ProcessSpec
from argus.processes.traces import DUMP_SIGNAL
from argus.processes.usage import stat_fields
from argus.processes.words import LARGEST, VARIABLE, Ear, FromChild

_READ: Final = 256 * 1024
_LAST_WORDS: Final = 4 * 1024 * 1024
"""Bytes that are read of what a process has left behind: what it started may write for ever."""


class NotStarted(Exception):
    """It could not be started; the message says why."""


class Child:
    """A process that was started and not yet reaped. Used by one thread, which must outlive it (`line`)."""

    def __init__(self, spec: ProcessSpec, env: Mapping[str, str]) -> None:
        """Start it.

        Args:
            spec: What to run.
            env: All its variables but those of its line.

        Raises:
            NotStarted: there is no such command, folder or descriptor, or no room for another process.
        """
        self._ear = Ear(FromChild)
        self._unsent = bytearray()
        self.heard_bytes = 0
        """How much it has said."""
        self.line, theirs = socket.socketpair()
        self.dump, dump_end = os.pipe()
        self.output, output_end = os.pipe() if spec.log is not None else (-1, -1)
        try:
            self.line.setblocking(False)
            for reader in (self.dump, self.output):
                if reader >= 0:
                    os.set_blocking(reader, False)
            _expect_open(spec.fds)
            self._process = subprocess.Popen(
                spec.command,
                stdin=subprocess.DEVNULL,
                stdout=output_end if output_end >= 0 else None,
                stderr=output_end if output_end >= 0 else None,
                cwd=spec.cwd,
                env={**env, VARIABLE: f"{theirs.fileno()},{dump_end}"},
                pass_fds=(*spec.fds, theirs.fileno(), dump_end),
                # Ctrl-C in a terminal reaches its foreground group only, and a group of its own is what
                # makes it possible to end all that it started.
                start_new_session=True,
            )
        except (OSError, ValueError, TypeError, subprocess.SubprocessError) as error:
            self._close()
            raise NotStarted(_told(error, spec)) from error
        finally:
            theirs.close()
            os.close(dump_end)
            if output_end >= 0:
                os.close(output_end)
        self.pid = self._process.pid
        self.pidfd = os.pidfd_open(self.pid)

    @property
    def garbled(self) -> int:
        """Lines from it that could not be understood."""
        return self._ear.garbled

    @property
    def unsent(self) -> bool:
        """True when something waits to be sent."""
        return bool(self._unsent)

    @property
    def halted(self) -> bool:
        """True when it is stopped by a signal or a debugger, and so can neither speak nor listen."""
        try:
            return stat_fields(self.pid)[0] in "Tt"
        except (FileNotFoundError, ProcessLookupError):
            return False

    def send(self, data: bytes) -> bool:
        """Send an encoded word, or let it wait until there is room; False where too much waits already."""
        if len(self._unsent) + len(data) > LARGEST:
            return False
        self._unsent += data
        self.flush()
        return True

    def flush(self) -> None:
        """Send what waits, as far as there is room."""
        while self._unsent:
            try:
                sent = self.line.send(memoryview(self._unsent)[: 1024 * 1024], socket.MSG_NOSIGNAL)
            except BlockingIOError:
                return
            except OSError:
                self._unsent.clear()  # it listens no longer
                return
            del self._unsent[:sent]

    def hear(self) -> list[FromChild] | None:
        """Return what it has said; None when it will say nothing more."""
        data = self._read_line()
        self.heard_bytes += len(data or b"")
        return None if data is None else self._ear.hear(data)

    def read_output(self) -> bytes | None:
        """Return what it has printed; None when it will print nothing more."""
        return _read(self.output)

    def read_dump(self) -> bytes | None:
        """Return what it has written of tracebacks; None when nothing more will come."""
        return _read(self.dump)

    def last_words(self) -> tuple[list[FromChild], bytes, bytes]:
        """Return what it said, printed and dumped and nobody has read yet; after its end."""
        said = self._ear.hear(_all_of(self._read_line))
        return said, _all_of(self.read_output), _all_of(self.read_dump)

    def ask_for_traceback(self) -> None:
        """Let it write where all its threads are; only to a program that has said hello."""
        self._signal(DUMP_SIGNAL)

    def terminate(self, *, group: bool) -> None:
        """Ask it to end, or with `group` it and all that it started; also where it is stopped."""
        for number in (signal.SIGTERM, signal.SIGCONT):
            if group:
                self._signal_group(number)
            else:
                self._signal(number)

    def kill(self) -> None:
        """End it and all that it started and that is still of its group."""
        # The leader is not reaped yet, so the number of the group cannot be somebody else's.
        self._signal_group(signal.SIGKILL)

    def reap(self) -> int:
        """Return how it ended, as `subprocess` says it (below 0: a signal); killed, where it has not yet."""
        code = self._process.poll()
        return -signal.SIGKILL if code is None else code

    def close(self) -> None:
        """Close every descriptor; after `reap`."""
        os.close(self.pidfd)
        self._close()

    def _close(self) -> None:
        self.line.close()
        os.close(self.dump)
        if self.output >= 0:
            os.close(self.output)

    def _read_line(self) -> bytes | None:
        try:
            return self.line.recv(_READ) or None
        except BlockingIOError:
            return b""
        except OSError:
            return None

    def _signal(self, number: int) -> None:
        try:
            signal.pidfd_send_signal(self.pidfd, number)
        except (ProcessLookupError, PermissionError):
            return  # ended meanwhile, which its pidfd will tell, or another user's (a setuid program)

    def _signal_group(self, number: int) -> None:
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            return  # likewise for all that is left of it


def _read(fd: int) -> bytes | None:
    try:
        return (os.read(fd, _READ) or None) if fd >= 0 else None
    except BlockingIOError:
        return b""


def _all_of(read: Callable[[], bytes | None]) -> bytes:
    data = bytearray()
    while len(data) < _LAST_WORDS and (piece := read()):
        data += piece
    return bytes(data)


def _expect_open(fds: tuple[int, ...]) -> None:
    for fd in fds:
        try:
            os.fstat(fd)
        except OSError as error:
            raise ValueError(
                f"descriptor {fd} is not open here: keep it open as long as the process may be started"
            ) from error


def _told(error: Exception, spec: ProcessSpec) -> str:
    program = spec.command[0]
    if isinstance(error, FileNotFoundError | NotADirectoryError) and error.filename == spec.cwd:
        return f"cannot start: there is no folder {spec.cwd}"
    if isinstance(error, FileNotFoundError):
        return f"cannot start: there is no command {program}: check its name and PATH"
    if isinstance(error, PermissionError):
        return f"cannot start: {error.filename or program} may not be run: check its permissions"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot start {program}: {error.strerror}"
    return f"cannot start: {error}"
