"""What all processes of a supervisor share: its thread, its guard, the logs, and those who listen to it.

Used by the supervisor's thread. What happens to one process is `charge`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from argus.processes.child import NotStarted
from argus.processes.logfile import LogFile
from argus.processes.rounds import Rounds
from argus.processes.spec import ProcessSpec, ProcessStatus
from argus.processes.standby import Standby


class House:
    """See the module; a listener that raises is told of in the log and harms nobody."""

    def __init__(
        self,
        rounds: Rounds,
        *,
        on_message: Callable[[str, dict[str, Any]], None],
        on_end: Callable[[str, str], None],
        on_change: Callable[[ProcessStatus], None],
    ) -> None:
        """Begin empty; see `Supervisor` for the listeners."""
        self.rounds = rounds
        self.standby = Standby(rounds)
        self._on_message = on_message
        self._on_end = on_end
        self._on_change = on_change
        self._logs: dict[str, LogFile] = {}

    def environment(self, spec: ProcessSpec) -> dict[str, str]:
        """Return all variables of a process but those of its line."""
        return self.standby.marked({**os.environ, **spec.env})

    def open_log(self, spec: ProcessSpec) -> None:
        """Open its log; several processes may share one.

        Raises:
            NotStarted: it cannot be written.
        """
        if spec.log is None or spec.log in self._logs:
            return
        try:
            self._logs[spec.log] = LogFile(Path(spec.log), most_bytes=spec.log_bytes, keep=spec.log_keep)
        except OSError as error:
            raise NotStarted(
                f"cannot start: its log {spec.log} cannot be written: {error.strerror}"
            ) from error

    def print(self, spec: ProcessSpec, data: bytes) -> None:
        """Append to its log."""
        if spec.log is not None and spec.log in self._logs:
            self._logs[spec.log].write(data)

    def close_log(self, path: str) -> None:
        """Close a log; it is opened again where it is needed again."""
        log = self._logs.pop(path, None)
        if log is not None:
            log.close()

    def said(self, name: str, message: dict[str, Any]) -> None:
        """Hand on what a process told."""
        self._safely(lambda: self._on_message(name, message))

    def ended(self, name: str, reason: str) -> None:
        """Tell that a process has ended and was reaped; it is not started again before this returns."""
        self._safely(lambda: self._on_end(name, reason))

    def changed(self, status: ProcessStatus) -> None:
        """Tell of a new status."""
        self._safely(lambda: self._on_change(status))

    def close(self) -> None:
        """Close the logs and send the guard home; idempotent."""
        self.standby.close()
        for path in tuple(self._logs):
            self.close_log(path)

    def _safely(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception:  # noqa: BLE001 - a listener's trouble must not end the watch over the processes
            structlog.get_logger().exception("supervisor.listener_failed")
