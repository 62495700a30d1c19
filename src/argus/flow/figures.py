"""What the processes of a system tell of themselves, kept per process, with rates from one beat to the next.

How the processes are is the supervisor's to say; what became of messages is the channels'.
"""

from __future__ import annotations

import time
from typing import Any


class Figures:
    """The last beats of one process; taken by one thread, read by others."""

    def __init__(self) -> None:
        """Begin with nothing heard."""
        self.last: dict[str, Any] = {}
        self.rate = 0.0
        """Calls of `loop` per second."""
        self.cpu = 0.0
        """Cores in use."""
        self._at_s = 0.0
        self._cpu_at: tuple[float, float] = (0.0, 0.0)

    def take(self, message: dict[str, Any]) -> None:
        """Take what a beat brought."""
        now_s = time.monotonic()
        processed = int(message.get("processed", 0))
        before = int(self.last.get("processed", 0))
        if self._at_s and now_s > self._at_s and processed >= before:
            self.rate = (processed - before) / (now_s - self._at_s)
        self._at_s = now_s
        self.last = message

    def took_cpu(self, cpu_s: float) -> float:
        """Take the processor seconds of the process so far; return the cores in use since the last time."""
        now_s = time.monotonic()
        then_s, before = self._cpu_at
        if then_s and now_s - then_s > 0.2 and cpu_s >= before:
            self.cpu = (cpu_s - before) / (now_s - then_s)
            self._cpu_at = (now_s, cpu_s)
        elif not then_s or cpu_s < before:
            self._cpu_at = (now_s, cpu_s)
        return self.cpu
