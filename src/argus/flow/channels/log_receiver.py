"""The receiving end of a log, for one replica of its consumer."""

from __future__ import annotations

import zlib

import structlog

from argus.flow.channels.log_bells import OVERSLEPT_S, Bells
from argus.flow.channels.log_entries import Entries, Held
from argus.flow.channels.log_memory import LogMemory
from argus.flow.channels.log_spec import LogSpec
from argus.flow.channels.protocol import Delivery, ReliableReceiver
from argus.flow.codec import peek
from argus.flow.wire import MessageDamaged, unlay


class LogReceiver(ReliableReceiver):
    """See `ReliableReceiver`. What it hands out are bytes of their own: arrays of them may be kept."""

    def __init__(self, spec: LogSpec, replica: int, last_end: str = "") -> None:
        """Open the end; what an earlier process held as this replica comes again.

        Args:
            spec: The channel.
            replica: Which of the consumer's replicas this is; one living process each.
            last_end: How the process before ended, where that is known.

        Raises:
            LogUnreadable: the descriptor is of something else.
        """
        self.link = spec.link
        self._replica = replica
        self._event = spec.came[replica]
        self._memory = LogMemory(spec.fd, name=f"the log of {spec.link}")
        self._bells = Bells(self._memory, spec)
        self._entries = Entries(self._memory, spec, self._bells)
        self._held: dict[int, Held] = {}
        self._closed = False
        self._silent = False
        while not self._entries.take_back(replica, last_end or "its process ended without a word"):
            structlog.get_logger().warning("flow.log_held_up", link=self.link, replica=replica)
        self._bells.wake(replica)

    def fileno(self) -> int:
        """Return the eventfd that says that something came."""
        return self._event

    def receive(self) -> Delivery | None:
        """Return the next message."""
        while True:
            held = self._entries.claim(self._replica)
            if held is None:
                self._bells.hush(self._replica)
                self._silent = True
                held = self._entries.claim(self._replica)
                if held is None:
                    return None
            if self._silent:
                # There may be more, and nobody else will say so.
                self._bells.wake(self._replica)
                self._silent = False
            delivery = self._hand_out(held)
            if delivery is not None:
                return delivery

    def accept(self, delivery: Delivery) -> None:
        """Free it."""
        held = self._held.pop(delivery.handle, None)
        if held is not None:
            self._entries.deliver(held)

    def refuse(self, delivery: Delivery, reason: str) -> bool:
        """Let it come again later, or make it a dead letter."""
        held = self._held.pop(delivery.handle, None)
        return held is not None and self._entries.fail(held, reason)

    def set_aside(self, delivery: Delivery) -> None:
        """Take its try back while it waits for others."""
        held = self._held.get(delivery.handle)
        if held is not None:
            self._held[held.seq] = self._entries.set_aside(held)

    def take_up(self, delivery: Delivery) -> None:
        """Count its try again."""
        held = self._held.get(delivery.handle)
        if held is not None:
            self._held[held.seq] = self._entries.take_up(held)

    def next_look_s(self) -> float | None:
        """Return when a message may be tried again, or when to look for what a killed sender left unsaid."""
        again_s = self._entries.look_again_s
        return OVERSLEPT_S if again_s is None else min(again_s, OVERSLEPT_S)

    def drained(self, over_s: float | None) -> bool:
        """Return whether every entry is done or held by somebody, as nothing more will be sent."""
        return over_s is not None and not self._entries.waiting

    def close(self) -> None:
        """Put back what was not accepted."""
        if not self._closed:
            self._closed = True
            for held in self._held.values():
                self._entries.put_back(held)
            if self._held:
                self._bells.something_came()
            self._held.clear()
            self._memory.set_asleep(self._replica, False)
            self._entries.close()
            self._memory.close()

    def _hand_out(self, held: Held) -> Delivery | None:
        """Return an entry as a message; None where it is none any more, or must not be tried again."""
        if held.used_up:
            self._entries.bury(held, "its tries are used up")
            return None
        try:
            packed, buffers = unlay(memoryview(self._read(held)))
            header = peek(packed)
        except MessageDamaged as error:
            self._entries.bury(held, str(error))
            return None
        self._held[held.seq] = held
        return Delivery(header, packed, buffers, held.tries, held.seq)

    def _read(self, held: Held) -> bytes:
        entry = self._memory.entry(held.seq)
        if entry is None:
            raise MessageDamaged("the log's entry is damaged: what it held is lost")
        data = self._memory.read(entry)
        if self._memory.checked and zlib.crc32(data) != entry.checksum:
            raise MessageDamaged("the message is damaged: its checksum is wrong")
        return data
