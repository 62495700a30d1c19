"""Waking those who wait at a log, and only those: who is busy costs no call of the system.

Who is about to wait says so in the log and then looks once more; who changed something looks who said so.
With a fence on both sides one of the two sees the other. Nothing depends on it but time: a bell that a
killed process did not ring any more is made up for by looking after `OVERSLEPT_S` at the latest.
"""

from __future__ import annotations

import contextlib
import os
import select
from typing import Final

from argus.flow.channels.log_lock import fence
from argus.flow.channels.log_memory import LogMemory
from argus.flow.channels.log_spec import LogSpec

OVERSLEPT_S: Final = 1.0
"""After so long who waits looks by itself."""


class Bells:
    """The eventfds of a log."""

    def __init__(self, memory: LogMemory, spec: LogSpec) -> None:
        """Use the descriptors of `spec`; they are not closed here."""
        self._memory = memory
        self._room = spec.room
        self._came = spec.came
        self._next = 0

    def something_came(self) -> None:
        """Wake one replica that sleeps, if one does: in turn."""
        fence()
        count = len(self._came)
        for i in range(self._next, self._next + count):
            if self._memory.sleeps(i % count):
                self._next = (i + 1) % count
                self.wake(i % count)
                return

    def wake(self, replica: int) -> None:
        """Make a replica's descriptor readable."""
        self._memory.set_asleep(replica, False)
        os.eventfd_write(self._came[replica], 1)

    def wake_all(self) -> None:
        """Wake all replicas."""
        for replica in range(len(self._came)):
            self.wake(replica)

    def hush(self, replica: int) -> None:
        """Make a replica's descriptor silent, and say that it wants to be woken."""
        _clear(self._came[replica])
        self._memory.set_asleep(replica, True)
        fence()

    def room_again(self) -> None:
        """Wake who waits for room, if somebody does."""
        fence()
        if self._memory.sender_waits:
            self._memory.sender_waits = False
            os.eventfd_write(self._room, 1)

    def want_room(self) -> None:
        """Say that room is waited for."""
        self._memory.sender_waits = True
        fence()

    def wait_for_room(self, within_s: float) -> None:
        """Wait until there may be room."""
        waiting = select.poll()
        waiting.register(self._room, select.POLLIN)
        waiting.poll(within_s * 1000)
        _clear(self._room)


def _clear(fd: int) -> None:
    with contextlib.suppress(BlockingIOError):
        os.eventfd_read(fd)
