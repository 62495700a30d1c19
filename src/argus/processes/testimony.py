"""What one run of a process leaves behind of itself: what it printed last, where it was stuck, why it failed.

Bytes in, words out; whoever reads them from the process is `charge`.
"""

from __future__ import annotations

from typing import Final

from argus.processes.endings import exit_text, last_line, one_line, place_in

_TAIL: Final = 8192
_LONGEST_DUMP: Final = 256 * 1024


class Testimony:
    """See the module."""

    def __init__(self) -> None:
        """Begin with nothing heard."""
        self.failed = ""
        """Why it failed, as it said itself."""
        self.thread: int | None = None
        """The one whose place is told where it is stuck; None: the first."""
        self._printed = b""
        self._dump = b""

    @property
    def printed(self) -> str:
        """The last that it printed: 8 KiB at most."""
        return self._printed.decode(errors="replace")

    @property
    def traceback(self) -> str:
        """Where all its threads were, as it wrote last; empty: it wrote nothing."""
        return self._dump.decode(errors="replace").strip()

    def hear_failure(self, reason: str) -> None:
        """Hear why it fails."""
        self.failed = one_line(reason)

    def keep_printed(self, data: bytes) -> None:
        """Keep what it printed."""
        self._printed = (self._printed + data)[-_TAIL:]

    def keep_dump(self, data: bytes) -> None:
        """Keep what it wrote of tracebacks."""
        self._dump = (self._dump + data)[-_LONGEST_DUMP:]

    def forget_dump(self) -> None:
        """Let go of tracebacks: another is asked for."""
        self._dump = b""

    def reason(self, code: int, *, blame: str, asked: bool) -> str:
        """Return in a line why it ended.

        Args:
            code: How it ended, as `subprocess` says it.
            blame: Why it was ended, where it was for a fault; empty: it was not.
            asked: It was asked to end.
        """
        traceback = self.traceback
        if blame:
            place = place_in(traceback, self.thread)
            return f"{blame}, at {place}" if place else blame
        if asked:
            return "stopped"
        told = self.failed
        if not told and code < 0:
            place = place_in(traceback, None)
            told = f"at {place}" if place else ""
        elif not told and code > 0:
            told = last_line(self._printed)
        return f"{exit_text(code)}: {told}" if told else exit_text(code)
