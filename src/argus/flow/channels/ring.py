"""REALTIME between the processes of one host: one write, any number of readers, no copy for them.

The owner, here, makes the memory and the wake-ups and keeps them while processes with an end of it come
and go: see `ring_sender` and `ring_receiver` for the ends, `ring_memory` for what lies where. Only Linux has
what it takes.

Why not iceoryx2: decision 16.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence

from argus.core.errors import SpecError
from argus.flow.channels.protocol import LinkCounts
from argus.flow.channels.ring_cell import Account, Cell
from argus.flow.channels.ring_memory import (
    MOST_SLOTS,
    NEWEST,
    PAGE,
    TOO_BIG,
    Fence,
    RingLink,
    RingMemory,
    RingNotHere,
    RingSpec,
    fence_here,
)
from argus.flow.channels.ring_receiver import RingReceiver
from argus.flow.channels.ring_sender import MOST_LOANS, RingSender

__all__ = ["Ring", "RingLink", "RingNotHere", "RingReceiver", "RingSender", "RingSpec"]

SLOT_BYTES = 64 * 1024 * 1024
"""An 8K picture with room to spare. Higher costs addresses alone: memory is taken where a message lies."""
VIEWS = 4
"""Messages that a reader may keep views of."""
_WRITERS_OWN = MOST_LOANS + 2
"""Slots that no reader holds: the newest, the one being written, and those lent to the sender's node."""


class Ring:
    """See `Channel`."""

    def __init__(self, spec: RingSpec) -> None:
        """Use `create`."""
        self.spec = spec
        self._memory = RingMemory(spec, 0, fresh=True)
        self._cells = [Cell(self._memory, spec.cell(reader)) for reader in range(spec.readers)]
        self._last: dict[str, LinkCounts] | None = None

    @classmethod
    def create(
        cls,
        links: Sequence[RingLink],
        *,
        slot_bytes: int = SLOT_BYTES,
        views: int = VIEWS,
        fence: Fence | None = None,
    ) -> Ring:
        """Make one.

        Args:
            links: All REALTIME links of one output.
            slot_bytes: The largest message, in bytes with its header.
            views: Messages that each reader may keep views of. Higher lets nodes keep more pictures without
                a copy, at the price of as many slots in memory. Many readers get fewer.
            fence: None: the right one for this processor.

        Raises:
            SpecError: there are too many readers, or none.
        """
        readers = sum(link.replicas for link in links)
        most = MOST_SLOTS - _WRITERS_OWN
        if not 1 <= readers <= most:
            raise SpecError(
                f"{readers} readers of one output: a ring serves 1 to {most}; "
                "let a node in between hand on what it gets"
            )
        views = max(0, min(views, most // readers - 1))
        slots = _WRITERS_OWN + readers * (views + 1)
        slot_bytes = -(-slot_bytes // PAGE) * PAGE
        memory = os.memfd_create("argus-ring", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        events = tuple(os.eventfd(1, os.EFD_NONBLOCK | os.EFD_CLOEXEC) for _ in range(readers))
        spec = RingSpec(memory, events, tuple(links), slots, slot_bytes, views, fence or fence_here())
        os.ftruncate(memory, 8 * spec.words + slots * slot_bytes)
        # Nobody who has it can make it shorter under the feet of the others.
        fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
        return cls(spec)

    @property
    def fds(self) -> tuple[int, ...]:
        """Descriptors that processes with an end of it must inherit, under the same numbers."""
        return (self.spec.memory, *self.spec.events)

    def counts(self) -> dict[str, LinkCounts]:
        """Return what became of its messages, by link; the last known ones when it is closed.

        Only what readers did is counted; what none of them took was overtaken by something newer, or waits.
        """
        if self._last is not None:
            return self._last
        result = {}
        for link in self.spec.links:
            first, _ = self.spec.group(link.link)
            accounts = [cell.read() for cell in self._cells[first : first + link.replicas]]
            self._memory.order()
            # Read after the accounts: nobody has taken more than was sent.
            number, too_big = self._memory.words[NEWEST] // 256, self._memory.words[TOO_BIG]
            result[link.link] = _counts(accounts, number, too_big)
        return result

    def forget(self, link: str, replica: int, reason: str) -> None:
        """Hear that a receiving process has died: its slots are free, what it was looking at has failed.

        Raises:
            UnknownName: the ring does not serve the link, or it has no such replica.
        """
        reader = self.spec.reader(link, replica)
        if self._last is not None:
            return
        first, facts = self.spec.group(link)
        cell = self._cells[reader]
        cell.begin_life()
        self._memory.held[reader] = 0
        self._memory.asleep[reader] = 0
        for sister in range(first, first + facts.replicas):
            os.eventfd_write(self.spec.events[sister], 1)

    def close(self) -> None:
        """Free everything: the memory goes with the last process that has an end of it."""
        if self._last is None:
            self._last = self.counts()
            for cell in self._cells:
                cell.close()
            self._memory.close()
            for fd in self.fds:
                os.close(fd)


def _counts(accounts: Sequence[Account], number: int, too_big: int) -> LinkCounts:
    """Return what the replicas of one consumer did with so many messages."""
    waiting = int(number > max(account.last for account in accounts))
    dropped = {
        "newer": number - waiting - sum(account.taken for account in accounts),
        "stale": sum(account.stale for account in accounts),
        "overtaken": sum(account.overtaken for account in accounts),
        "failed": sum(account.failed for account in accounts),
        "too_big": too_big,
    }
    return LinkCounts(
        sent=number + too_big,
        delivered=sum(account.delivered for account in accounts),
        dropped={reason: count for reason, count in dropped.items() if count},
        pending=waiting + sum(account.looked_at for account in accounts),
    )
