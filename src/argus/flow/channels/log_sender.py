"""The sending end of a log: finds room, lays the message there, and makes it exist by one store."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable
from typing import Final

import structlog

from argus.flow.channels.log_bells import Bells
from argus.flow.channels.log_entries import Entries
from argus.flow.channels.log_lock import KernelLock, fence
from argus.flow.channels.log_memory import DELIVERED, READY, Entry, LogMemory, state_of, word
from argus.flow.channels.log_space import Space
from argus.flow.channels.log_spec import LogSpec
from argus.flow.channels.protocol import ChannelClosed, MessageTooBig, Sender
from argus.flow.message import Header
from argus.flow.wire import Packed

WRITERS: Final = 1
"""The byte of the file by which writers exclude each other: the sender, and the owner who replays."""
_ASK_S: Final = 0.25
_LINE: Final = 64
_PAGE: Final = 4096
_PAGES_FROM: Final = 64 * 1024
"""Messages of so many bytes have pages of their own."""


class LogSender(Sender):
    """See `Sender`."""

    def __init__(self, spec: LogSpec) -> None:
        """Open the end; what was sent before is known from the log.

        Raises:
            LogUnreadable: the descriptor is of something else.
        """
        self._spec = spec
        self._memory = memory = LogMemory(spec.fd, name=f"the log of {spec.link}")
        self._bells = Bells(memory, spec)
        self._entries = Entries(memory, spec, self._bells)
        self._lock = KernelLock(spec.fd, WRITERS)
        self._space = Space(memory.data_size)
        self._waiting: deque[tuple[int, int, int]] = deque()
        self._bytes = 0
        self._tail = -1
        self._disk_full = False
        self._closed = False
        self._bells.wake_all()  # one that was killed may not have come to it

    def send(self, packed: Packed, header: Header, stopping: Callable[[], bool]) -> None:
        """Send a message; waits while `capacity` or `max_bytes` are reached, or the log's disk is full."""
        size = packed.size
        if size > self._memory.data_size:
            raise MessageTooBig(
                f"{self._spec.link}: a message of {size:,} bytes does not fit its log of "
                f"{self._memory.data_size:,}: raise the link's max_bytes, or send less at once"
            )
        origin = zlib.crc32(header.origin.source.encode())
        while not self._append(packed, size, origin):
            if stopping():
                raise ChannelClosed(f"{self._spec.link}: the system is ending, and the link is full")
            self._bells.wait_for_room(_ASK_S)
        self._bells.something_came()

    def close(self) -> None:
        """Close this end."""
        if not self._closed:
            self._closed = True
            self._lock.close()
            self._entries.close()
            self._memory.close()

    def _append(self, packed: Packed, size: int, origin: int) -> bool:
        """Return whether there was room for it, and it is in the log."""
        if not self._lock.take(_ASK_S):
            return False
        try:
            memory = self._memory
            seq = memory.tail
            if seq != self._tail:
                self._look_anew(seq)
            taken, align = _taken(size)
            offset = self._place(seq, size, taken, align)
            if offset is None:
                return False
            if memory.checked and not self._reserve(offset, taken):
                self._space.give(offset, taken)
                return False
            target = memory.room(offset, size)
            packed.lay(target)
            memory.describe(Entry(seq, offset, size, origin, zlib.crc32(target) if memory.checked else 0))
            memory.words[seq % memory.slots] = word(READY, seq)
            target.release()
            fence()
            memory.tail = self._tail = seq + 1
            self._waiting.append((seq, offset, taken))
            self._bytes += taken
            return True
        finally:
            self._lock.give()

    def _place(self, seq: int, size: int, taken: int, align: int) -> int | None:
        """Return where a message may lie; None: there is no room, and who makes some will say so."""
        waiting = self._waiting
        while waiting and self._done(waiting[0][0]):
            self._free(waiting.popleft())
        offset = self._room_for(seq, size, taken, align)
        if offset is None:
            self._bells.want_room()
            self._entries.settle()
            self._waiting = deque()
            for item in waiting:
                if self._done(item[0]):
                    self._free(item)
                else:
                    self._waiting.append(item)
            offset = self._room_for(seq, size, taken, align)
        return offset

    def _room_for(self, seq: int, size: int, taken: int, align: int) -> int | None:
        qos = self._spec.qos
        if len(self._waiting) >= qos.capacity or (self._waiting and self._bytes + size > qos.max_bytes):
            return None
        if seq - self._memory.settled.head >= self._memory.slots:
            return None
        return self._space.take(taken, align)

    def _done(self, seq: int) -> bool:
        return state_of(self._memory.words[seq % self._memory.slots]) >= DELIVERED

    def _free(self, item: tuple[int, int, int]) -> None:
        self._space.give(item[1], item[2])
        self._bytes -= item[2]

    def _look_anew(self, tail: int) -> None:
        """Learn from the log what is free: at first, and when somebody else has written to it."""
        self._waiting.clear()
        for seq in range(self._memory.settled.head, tail):
            entry = self._memory.entry(seq)
            if entry is not None and not self._done(seq):
                self._waiting.append((seq, entry.offset, _taken(entry.length)[0]))
        self._space = Space(self._memory.data_size, [(offset, taken) for _, offset, taken in self._waiting])
        self._bytes = sum(taken for _, _, taken in self._waiting)
        self._tail = tail

    def _reserve(self, offset: int, taken: int) -> bool:
        """Return whether the disk has room for it; says so when it has not, and when it has again."""
        try:
            self._memory.reserve(offset, taken)
        except OSError as error:
            if not self._disk_full:
                self._disk_full = True
                structlog.get_logger().error(
                    "flow.log_disk_full", link=self._spec.link, error=str(error), sending="waits"
                )
            return False
        if self._disk_full:
            self._disk_full = False
            structlog.get_logger().warning("flow.log_disk_has_room", link=self._spec.link)
        return True


def _taken(size: int) -> tuple[int, int]:
    """Return how many bytes a message takes up, and where it may begin."""
    align = _PAGE if size >= _PAGES_FROM else _LINE
    return -(-size // align) * align, align
