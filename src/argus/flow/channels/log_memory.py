"""How a log lies in its file, and how each change to it becomes whole at once.

Nothing is decided here, and nothing waits. One page of numbers, an index of slots, and an area of bytes:

    page 0     what the log is (with a checksum), `tail`, `base`, two copies of `Settled` and which one holds,
               who sleeps
    words      one u64 per slot: state, holder, what it becomes, tries and the low half of the entry's number
    entries    64 bytes per slot: number, place, length, origin, checksums, and not before when
    data       the messages, anywhere, each in one piece

Entry `n` is in slot `n % slots`; those from `head` to `tail` exist. Whatever becomes of an entry is one store
of 8 bytes: `tail` makes it exist, its word says the rest. So a process that is killed leaves either the
state before or the one after, and counts, being sums over words, cannot disagree with it.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import zlib
from typing import Final, NamedTuple

from argus.core.errors import ArgusError

_MAGIC: Final = b"ARGUSLOG"
_VERSION: Final = 1
_KIND: Final = struct.Struct("<8sIIQII")
_PAGE: Final = mmap.PAGESIZE
MOST_REPLICAS: Final = 224
_TAIL, _BASE, _CHOICE, _COPIES, _SENDER_WAITS, _ASLEEP = 8, 9, 16, (24, 32), 40, 64
_INCARNATION: Final = _ASLEEP + MOST_REPLICAS

_ENTRY: Final = struct.Struct("<QQQII")
_ENTRY_SIZE: Final = 64
_CRC: Final = struct.Struct("<I")
_NOT_BEFORE: Final = 5
"""Which 8 bytes of an entry's 64."""

READY: Final = 1
"""Nobody has had it."""
HELD: Final = 2
"""Somebody looks at it."""
AGAIN: Final = 3
"""It failed, and is to be tried again, not before its time."""
DELIVERED: Final = 4
DEAD: Final = 5

MOST_TRIES: Final = 0x1FFF


class LogUnreadable(ArgusError, ValueError):
    """A file is no log that this version can read."""


class Entry(NamedTuple):
    """Where a message is."""

    seq: int
    offset: int
    """In the area of data."""
    length: int
    origin: int
    """Checksum of its origin's name: equal for messages whose order is kept."""
    checksum: int
    """CRC-32 of the message where the log is checked, or 0."""


class Settled(NamedTuple):
    """What is known of all entries before `head`, of which nothing else is left."""

    head: int
    dead: int
    redelivered: int


def word(state: int, seq: int, *, holder: int = 0, tries: int = 0, becomes: int = 0) -> int:
    """Return a slot's word; `becomes` says of one that is held what it is already, but for what it leaves."""
    return state | holder << 3 | becomes << 11 | min(tries, MOST_TRIES) << 19 | (seq & 0xFFFFFFFF) << 32


def state_of(word: int) -> int:
    """Return the state that a word says."""
    return word & 7


def holder_of(word: int) -> int:
    """Return the replica that holds it."""
    return word >> 3 & 0xFF


def becomes_of(word: int) -> int:
    """Return the state that its holder was giving it, `DELIVERED` or `DEAD`, or 0; no other can be."""
    becomes = word >> 11 & 0xFF
    return becomes if state_of(word) == HELD and becomes in {DELIVERED, DEAD} else 0


def tries_of(word: int) -> int:
    """Return how often it was handed out."""
    return word >> 19 & MOST_TRIES


def belongs(word: int, seq: int) -> bool:
    """Return whether a word is about this entry, and not about a later one in its slot."""
    return word >> 32 == seq & 0xFFFFFFFF


class LogMemory:
    """A log's file, mapped."""

    def __init__(self, fd: int, *, name: str = "the log") -> None:
        """Map what `lay_out` has prepared.

        Raises:
            LogUnreadable: something else is there.
        """
        self._fd = fd
        self.slots, self.data_size, self.checked = _kind(fd, name)
        words_at, entries_at, self._data_at, size = _places(self.slots, self.data_size)
        self._map = mmap.mmap(fd, size)
        whole = memoryview(self._map)
        self._numbers = whole[:_PAGE].cast("Q")
        self.words = whole[words_at : words_at + 8 * self.slots].cast("Q")
        """By slot; each is loaded and stored at once."""
        self._entries = whole[entries_at : entries_at + _ENTRY_SIZE * self.slots]
        self._times = self._entries.cast("Q")
        self._whole = whole
        if not self.settled.head <= self.tail <= self.settled.head + self.slots:
            self.close()
            raise LogUnreadable(f"{name} is damaged: its numbers cannot be: {_REMEDY}")

    @staticmethod
    def lay_out(fd: int, slots: int, data_size: int, *, checked: bool) -> None:
        """Make an empty file an empty log; `checked` ones keep a checksum of each message."""
        os.ftruncate(fd, _places(slots, data_size)[3])
        kind = _KIND.pack(_MAGIC, _VERSION, slots, data_size, checked, 0)[:-4]
        os.pwrite(fd, kind + _CRC.pack(zlib.crc32(kind)), 0)

    @property
    def index_size(self) -> int:
        """How many bytes come before the data."""
        return self._data_at

    @property
    def tail(self) -> int:
        """The number of the next entry."""
        return self._numbers[_TAIL]

    @tail.setter
    def tail(self, seq: int) -> None:
        self._numbers[_TAIL] = seq

    @property
    def base(self) -> int:
        """The number from which on this run counts."""
        return self._numbers[_BASE]

    @base.setter
    def base(self, seq: int) -> None:
        self._numbers[_BASE] = seq

    @property
    def settled(self) -> Settled:
        """What is known of all before `head`; never torn, whoever writes meanwhile."""
        while True:
            choice = self._numbers[_CHOICE]
            at = _COPIES[choice & 1]
            head, dead, redelivered = self._numbers[at : at + 3]
            if self._numbers[_CHOICE] == choice:
                return Settled(head, dead, redelivered)

    def settle(self, settled: Settled) -> None:
        """Replace it, by one store; for who holds the readers' lock."""
        choice = self._numbers[_CHOICE] + 1
        at = _COPIES[choice & 1]
        numbers = self._numbers
        numbers[at], numbers[at + 1], numbers[at + 2] = settled
        numbers[_CHOICE] = choice

    @property
    def sender_waits(self) -> bool:
        """Whether somebody who sends waits for room."""
        return self._numbers[_SENDER_WAITS] != 0

    @sender_waits.setter
    def sender_waits(self, waits: bool) -> None:
        self._numbers[_SENDER_WAITS] = waits

    def sleeps(self, replica: int) -> bool:
        """Return whether a replica has found nothing, and wants to be woken."""
        return self._numbers[_ASLEEP + replica] != 0

    def set_asleep(self, replica: int, asleep: bool) -> None:
        """Note it."""
        self._numbers[_ASLEEP + replica] = asleep

    def incarnation(self, replica: int) -> int:
        """Return how many processes have been this replica."""
        return self._numbers[_INCARNATION + replica]

    def begin_incarnation(self, replica: int) -> None:
        """Count one more; for who holds the readers' lock."""
        self._numbers[_INCARNATION + replica] += 1

    def entry(self, seq: int) -> Entry | None:
        """Return an entry; None where its description is damaged."""
        at = seq % self.slots * _ENTRY_SIZE
        entry = Entry(*_ENTRY.unpack_from(self._entries, at))
        [crc] = _CRC.unpack_from(self._entries, at + _ENTRY.size)
        if crc != zlib.crc32(self._entries[at : at + _ENTRY.size]) or entry.seq != seq:
            return None
        return entry if entry.offset + entry.length <= self.data_size else None

    def origin(self, seq: int) -> int:
        """Return whose order an entry keeps."""
        return int(_CRC.unpack_from(self._entries, seq % self.slots * _ENTRY_SIZE + 24)[0])

    def describe(self, entry: Entry) -> None:
        """Write an entry that does not exist yet."""
        at = entry.seq % self.slots * _ENTRY_SIZE
        _ENTRY.pack_into(self._entries, at, *entry)
        _CRC.pack_into(self._entries, at + _ENTRY.size, zlib.crc32(self._entries[at : at + _ENTRY.size]))

    def not_before_ns(self, seq: int) -> int:
        """Return before when not to try an entry again, on the monotonic clock."""
        return self._times[seq % self.slots * (_ENTRY_SIZE // 8) + _NOT_BEFORE]

    def set_not_before(self, seq: int, at_ns: int) -> None:
        """Note it; before the word says so."""
        self._times[seq % self.slots * (_ENTRY_SIZE // 8) + _NOT_BEFORE] = at_ns

    def room(self, offset: int, length: int) -> memoryview:
        """Return the bytes of a place, to be written; released before the log is closed."""
        return self._whole[self._data_at + offset : self._data_at + offset + length]

    def read(self, entry: Entry) -> bytes:
        """Return a message, as bytes of its own."""
        at = self._data_at + entry.offset
        return self._map[at : at + entry.length]

    def reserve(self, offset: int, length: int) -> None:
        """Have the disk's room for a place, which a mapping cannot ask for: it would be killed instead.

        Raises:
            OSError: the disk is full.
        """
        first = (self._data_at + offset) // _PAGE * _PAGE
        os.posix_fallocate(self._fd, first, self._data_at + offset + length - first)

    def give_back(self, entry: Entry) -> None:
        """Give the pages that hold nothing but this message back to the system."""
        first = -(-(self._data_at + entry.offset) // _PAGE) * _PAGE
        end = (self._data_at + entry.offset + entry.length) // _PAGE * _PAGE
        if end > first:
            with contextlib.suppress(OSError):  # some file systems cannot
                self._map.madvise(mmap.MADV_REMOVE, first, end - first)

    def close(self) -> None:
        """Unmap it; idempotent. The descriptor stays open."""
        if not self._map.closed:
            for view in (self._numbers, self.words, self._times, self._entries, self._whole):
                view.release()
            self._map.close()


_REMEDY: Final = "move it away, and the next start begins with an empty one"


def _kind(fd: int, name: str) -> tuple[int, int, bool]:
    """Return slots, bytes of data, and whether messages are checked."""
    raw = os.pread(fd, _KIND.size, 0)
    if len(raw) < _KIND.size or raw[: len(_MAGIC)] != _MAGIC:
        raise LogUnreadable(f"{name} is no log of Argus: {_REMEDY}")
    _, version, slots, data_size, checked, crc = _KIND.unpack(raw)
    if version != _VERSION:
        raise LogUnreadable(f"{name} is a log of version {version}, and this is {_VERSION}: {_REMEDY}")
    if crc != zlib.crc32(raw[:-4]):
        raise LogUnreadable(f"{name} is damaged: {_REMEDY}")
    size, expected = os.fstat(fd).st_size, _places(slots, data_size)[3]
    if size != expected:
        raise LogUnreadable(f"{name} is cut off: {size} of {expected} bytes: {_REMEDY}")
    return slots, data_size, bool(checked)


def _places(slots: int, data_size: int) -> tuple[int, int, int, int]:
    """Return where words, entries and data begin, and the size of all."""
    words_at = _PAGE
    entries_at = words_at + -(-slots * 8 // _ENTRY_SIZE) * _ENTRY_SIZE
    data_at = -(-(entries_at + slots * _ENTRY_SIZE) // _PAGE) * _PAGE
    return words_at, entries_at, data_at, data_at + -(-data_size // _PAGE) * _PAGE
