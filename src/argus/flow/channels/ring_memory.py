"""The memory that the ends of a ring share: where each word lies, who may write it, and in which order.

One file without a name (`memfd`): nothing is ever seen in /dev/shm, and the kernel frees it with the last
process that has it open, however that one ends. First come words of 8 bytes, then the slots. A page of a
slot costs memory once it is written to.

Every word has one writer, so none needs an atomic change: an aligned store of 8 bytes is seen whole or not
at all. What must change together is in a `Cell`. Where two ends each write a word and then read
the other's, `settle` stands between; where one reads what another wrote in order, `order` does.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import platform
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Literal

import msgspec

from argus.core.errors import ArgusError, UnknownName
from argus.flow.channels.ring_cell import CELL_WORDS
from argus.flow.qos import Realtime

MOST_SLOTS: Final = 63
"""What a reader holds is one word, a bit per slot."""
PAGE: Final = 4096
NEWEST: Final = 1
"""Index of the word with the newest message: its number, first 1, times 256, plus its slot."""
TOO_BIG: Final = 2
"""Index of the word that counts the messages that no slot could hold."""

_GENERATIONS: Final = 8
_MAGIC: Final = 0x3130474E49525241
_FLOCK: Final = struct.Struct("@hhqqi4x")
_FENCES: Final = 1 << 40
_CLAIMS: Final = 1 << 48

Fence = Literal["processor", "kernel"]


class RingLink(msgspec.Struct, frozen=True):
    """One REALTIME link that a ring serves."""

    link: str
    qos: Realtime = Realtime()
    replicas: int = 1
    """Of its consumer; they share its messages."""


class RingSpec(msgspec.Struct, frozen=True, tag="ring"):
    """All that a process must know to open an end of a ring whose descriptors it inherited."""

    memory: int
    """Descriptor of the memory."""
    events: tuple[int, ...]
    """Descriptor of the wake-up of each reader: the replicas of the first link first."""
    links: tuple[RingLink, ...]
    slots: int
    slot_bytes: int
    views: int
    """Messages that a reader may hold views of; what it holds beyond them are copies."""
    fence: Fence
    """What `settle` is made of; `processor` is right on x86-64 alone."""

    @property
    def readers(self) -> int:
        """How many there are."""
        return sum(link.replicas for link in self.links)

    @property
    def words(self) -> int:
        """How many words come before the slots: whole pages of them."""
        return -(-8 * self.cell(self.readers) // PAGE) * PAGE // 8

    def cell(self, reader: int) -> int:
        """Return the index of the first word of a reader's account."""
        return _GENERATIONS + _whole_lines(self.slots) + 2 * _whole_lines(self.readers) + reader * CELL_WORDS

    def group(self, link: str) -> tuple[int, RingLink]:
        """Return the first reader of a link, and the link.

        Raises:
            UnknownName: the ring does not serve it.
        """
        first = 0
        for candidate in self.links:
            if candidate.link == link:
                return first, candidate
            first += candidate.replicas
        raise UnknownName("link of the ring", link, [candidate.link for candidate in self.links])

    def reader(self, link: str, replica: int) -> int:
        """Return which reader a replica of a link's consumer is.

        Raises:
            UnknownName: there is no such link or replica.
        """
        first, facts = self.group(link)
        if not 0 <= replica < facts.replicas:
            raise UnknownName(f"replica of {link}", str(replica), [str(at) for at in range(facts.replicas)])
        return first + replica


def fence_here() -> Fence:
    """Return the cheapest fence that is right on this processor."""
    return "processor" if platform.machine() in {"x86_64", "AMD64"} else "kernel"


class RingNotHere(ArgusError, ConnectionError):
    """The memory of a ring is not open in this process; it must be inherited from the one that made it."""


class RingMemory:
    """One end's view of it; used by one thread."""

    def __init__(self, spec: RingSpec, end: int, *, writes: bool = False, fresh: bool = False) -> None:
        """Map it.

        Args:
            spec: Of the ring.
            end: 0 for the owner, 1 for the sender, 2 and on for the readers.
            writes: Whether slots can be written; the arrays of others are read-only, whatever they try.
            fresh: Whether it was just made.

        Raises:
            RingNotHere: the descriptor is not that of a ring.
        """
        self._end = end
        try:
            # A description of our own: its locks are not shared with those who inherited the same one.
            self._file = os.open(f"/proc/self/fd/{spec.memory}", os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise RingNotHere(
                f"descriptor {spec.memory}, the memory of a ring, is not open here: "
                f"it must be inherited ({error})"
            ) from error
        size = 8 * spec.words
        if os.fstat(self._file).st_size != size + spec.slots * spec.slot_bytes:
            os.close(self._file)
            raise RingNotHere(
                f"descriptor {spec.memory} is not the memory of this ring: it must be inherited"
            )
        self._control = mmap.mmap(self._file, size)
        self.words = memoryview(self._control).cast("Q")
        self.slots = mmap.mmap(
            self._file,
            spec.slots * spec.slot_bytes,
            access=mmap.ACCESS_WRITE if writes else mmap.ACCESS_READ,
            offset=size,
        )
        held = _GENERATIONS + _whole_lines(spec.slots)
        asleep = held + _whole_lines(spec.readers)
        self.generations = self.words[_GENERATIONS : _GENERATIONS + spec.slots]
        """One word per slot, the sender's: the number of the message in it; 0 while it is written."""
        self.held = self.words[held : held + spec.readers]
        """One word per reader, its own: a bit for each slot that it holds."""
        self.asleep = self.words[asleep : asleep + spec.readers]
        """One word per reader, its own: a number that is new each time it falls asleep."""
        if fresh:
            self.words[0] = _MAGIC
        elif self.words[0] != _MAGIC:
            self.close()
            raise RingNotHere(f"descriptor {spec.memory} holds something else: it must be inherited")
        by_processor = spec.fence == "processor"
        self.settle = _settling(None if by_processor else self._file, end)
        """Returns when all that was written before is seen by all, and before anything after is read."""
        self.order: Callable[[], object] = tuple if by_processor else self.settle
        """Returns when what was read and written before is so for all, then what is read and written after.
        x86-64 keeps that order by itself: there it is a call that does nothing, at the lowest price."""

    def try_claim(self, group: int, number: int) -> bool:
        """Return whether a message of a group is ours alone from now to `unclaim`, or to our death."""
        try:
            fcntl.fcntl(
                self._file, fcntl.F_OFD_SETLK, _claim(fcntl.F_WRLCK, _CLAIMS + (group << 52) + number)
            )
        except (BlockingIOError, PermissionError):
            return False
        return True

    def unclaim(self, group: int, number: int) -> None:
        """Let others claim it."""
        fcntl.fcntl(self._file, fcntl.F_OFD_SETLK, _claim(fcntl.F_UNLCK, _CLAIMS + (group << 52) + number))

    def close(self) -> None:
        """Let go of it; what arrays still show stays for as long as they do."""
        for view in (self.generations, self.held, self.asleep, self.words):
            view.release()
        self._control.close()
        with suppress(BufferError):
            self.slots.close()
        del self.slots
        os.close(self._file)


def _settling(file: int | None, end: int) -> Callable[[], None]:
    """Return what lets no read pass an earlier write: by the processor, or by a file's locks.

    On x86-64 only a load may pass an earlier store, and any atomic change, such as takes a lock, lets none
    pass. Elsewhere a byte of the file that is ours alone is locked and unlocked. The kernel takes one spin
    lock for each of these calls, the same for all ends: so they have one order, and whoever comes later in
    it sees what was written before by those who came earlier.

    Source: Intel 64 and IA-32 Architectures SDM, volume 3, "Memory Ordering"; Linux, `fs/locks.c`.
    """
    if file is None:
        lock = threading.Lock()

        def by_processor() -> None:
            with lock:
                pass

        return by_processor
    requests = _claim(fcntl.F_WRLCK, _FENCES + end), _claim(fcntl.F_UNLCK, _FENCES + end)

    def by_kernel() -> None:
        for request in requests:
            with suppress(OSError):  # a predecessor that still ends has the byte; the order is as good
                fcntl.fcntl(file, fcntl.F_OFD_SETLK, request)

    return by_kernel


def _whole_lines(words: int) -> int:
    """Return so many words, rounded up to lines of the cache, so that no end writes to another's."""
    return -(-words // 8) * 8


def _claim(kind: int, byte: int) -> bytes:
    return _FLOCK.pack(kind, os.SEEK_SET, byte, 1, 0)
