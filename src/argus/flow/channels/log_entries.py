"""What becomes of the entries of a log: handed out, done, tried again, given up.

For those who read it, and for its owner when one of them has died. Whoever holds an entry changes its
state alone, by one store; taking one, taking what a dead one held, and moving `head` need the readers' lock.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import structlog

from argus.core.errors import OutputError
from argus.flow.channels.log_bells import Bells
from argus.flow.channels.log_lock import KernelLock
from argus.flow.channels.log_memory import (
    AGAIN,
    DEAD,
    DELIVERED,
    HELD,
    MOST_TRIES,
    READY,
    LogMemory,
    Settled,
    becomes_of,
    holder_of,
    state_of,
    tries_of,
    word,
)
from argus.flow.channels.log_spec import LogSpec
from argus.flow.channels.protocol import LinkCounts
from argus.flow.dead_letters import DeadLetters

READERS: Final = 0
"""The byte of the file by which readers exclude each other."""
_SOON_S: Final = 0.02
_PATIENCE_S: Final = 2.0
_UNBURIED_S: Final = 5.0
"""When to try again to write a letter that could not be written."""
_KEPT: Final = 32 * 1024 * 1024
"""Bytes of data that stay with the log when they are free; what lies behind them goes back to the system."""
_NEAR: Final = 8


class Held(NamedTuple):
    """An entry in somebody's hands."""

    seq: int
    word: int
    """What its slot says as long as that is so."""
    used_up: bool
    """True when it has had all its tries already, and is only to be buried."""
    aside: bool = False
    """True while it waits for others: this time is not counted."""

    @property
    def tries(self) -> int:
        """How often it was handed out, this time included unless it is set aside."""
        return tries_of(self.word)


class Entries:
    """The entries of a log, as one reader or its owner sees them; used by one thread."""

    def __init__(self, memory: LogMemory, spec: LogSpec, bells: Bells) -> None:
        """Look at a log."""
        self._memory = memory
        self._words = memory.words
        self._link = spec.link
        self._qos = spec.qos
        self._limit = min(spec.qos.tries, MOST_TRIES)
        self._bells = bells
        self._lock = KernelLock(spec.fd, READERS)
        self._letters = DeadLetters(Path(spec.dead))
        self._reasons: dict[int, str] = {}
        self.look_again_s: float | None = None
        """After how long `claim`, which has returned None, may return something without anybody's doing."""

    def claim(self, replica: int) -> Held | None:
        """Take the next entry for a replica, but none whose origin has an earlier one waiting for a try."""
        memory, words = self._memory, self._words
        self.look_again_s = None
        if not self._lock.take(_SOON_S):
            self.look_again_s = _SOON_S
            return None
        try:
            head = self._settle()
            now_ns = 0
            waiting: set[int] = set()
            for seq in self._open(head, memory.tail):
                at = seq % memory.slots
                now = words[at]
                if waiting and memory.origin(seq) in waiting:
                    continue
                if state_of(now) == AGAIN:
                    now_ns = now_ns or time.monotonic_ns()
                    left_ns = memory.not_before_ns(seq) - now_ns
                    if left_ns > 0:
                        waiting.add(memory.origin(seq))
                        self.look_again_s = min(left_ns / 1e9, self.look_again_s or left_ns / 1e9)
                        continue
                tries = tries_of(now)
                used_up = tries >= self._limit
                # Counted before anybody sees it: a message that kills who looks at it was tried.
                words[at] = taken = word(HELD, seq, holder=replica, tries=tries + (not used_up))
                return Held(seq, taken, used_up)
            return None
        finally:
            self._lock.give()

    @property
    def waiting(self) -> bool:
        """Whether there is an entry that nobody holds and that is not done."""
        memory = self._memory
        return any(True for _ in self._open(memory.settled.head, memory.tail))

    def deliver(self, held: Held) -> None:
        """Note that it is done."""
        self._end(held, DELIVERED)

    def put_back(self, held: Held) -> None:
        """Let it be as if it had never been handed out."""
        tries = max(0, held.tries - (not (held.used_up or held.aside)))
        self._store(held, word(AGAIN if tries else READY, held.seq, tries=tries))

    def set_aside(self, held: Held) -> Held:
        """Take its try back while it stays in the same hands."""
        return held if held.aside else self._recount(held, held.tries - 1, aside=True)

    def take_up(self, held: Held) -> Held:
        """Count its try again."""
        return self._recount(held, held.tries + 1, aside=False) if held.aside else held

    def fail(self, held: Held, reason: str) -> bool:
        """Note that a try failed: it comes again (True), or goes to the dead letters."""
        if held.tries >= self._limit:
            self.bury(held, reason)
            return False
        self._memory.set_not_before(held.seq, time.monotonic_ns() + int(self._qos.delay_s(held.tries) * 1e9))
        self._store(held, word(AGAIN, held.seq, tries=held.tries))
        return True

    def bury(self, held: Held, reason: str) -> None:
        """Give it up: a dead letter, and out of the log.

        While the letter cannot be written (a full disk), the entry stays and what comes after it waits:
        standing still can be seen and mended, a lost message cannot.
        """
        if self._words[held.seq % self._memory.slots] != held.word:
            return
        entry = self._memory.entry(held.seq)
        reason = self._reasons.get(held.seq, reason)
        try:
            self._letters.bury(self._link, self._memory.read(entry) if entry else b"", reason, held.tries)
        except OutputError as error:
            self._reasons[held.seq] = reason
            self._memory.set_not_before(held.seq, time.monotonic_ns() + int(_UNBURIED_S * 1e9))
            self._store(held, word(AGAIN, held.seq, tries=max(held.tries, self._limit)))
            structlog.get_logger().error(
                "flow.dead_letter_unwritten", link=self._link, error=str(error), reason=reason
            )
            return
        self._reasons.pop(held.seq, None)
        self._end(held, DEAD)

    def take_back(self, replica: int, reason: str, incarnation: int | None = None) -> bool:
        """Take what a replica held that is no more; False: not now, as somebody stopped in the middle.

        Args:
            replica: Which.
            reason: How it ended.
            incarnation: Which process of it; where another has begun, that one has taken all. None: I begin.
        """
        if not self._lock.take(_PATIENCE_S):
            return False
        given_up = []
        try:
            if incarnation is None:
                self._memory.begin_incarnation(replica)
            elif self._memory.incarnation(replica) != incarnation:
                return True
            head = self._settle()
            for seq in range(head, self._memory.tail):
                now = self._words[seq % self._memory.slots]
                if state_of(now) == HELD and holder_of(now) == replica:
                    held = Held(seq, now, used_up=tries_of(now) >= self._limit)
                    if becomes_of(now):  # all was done with it; its bytes may be gone
                        self._end(held, becomes_of(now))
                    elif held.used_up:
                        given_up.append(held)
                    elif held.tries:
                        self.fail(held, reason)
                    else:  # it was set aside
                        self._store(held, word(READY, seq))
        finally:
            self._lock.give()
        # Without the lock, as files are written; until then they stay the replica's, to be taken back again.
        for held in given_up:
            self.bury(held, reason)
        return True

    def settle(self) -> None:
        """Free the slots of what is done at the beginning, if nobody else is at it."""
        if self._lock.take(_SOON_S):
            try:
                self._settle()
            finally:
                self._lock.give()

    def counts(self) -> LinkCounts:
        """Return what became of all messages; the sum closes, whoever does what meanwhile."""
        memory = self._memory
        while True:
            settled, tail = memory.settled, memory.tail
            words = self._between(settled.head, tail)
            belonging = words >> np.uint64(32) == np.arange(settled.head, tail, dtype=np.uint64) & np.uint64(
                0xFFFFFFFF
            )
            if memory.settled.head <= settled.head or belonging.all():
                break
        states = words & np.uint64(7)
        tries = (words >> np.uint64(19) & np.uint64(MOST_TRIES)).astype(np.int64)
        sent = tail - memory.base
        pending = int((states < DELIVERED).sum())
        dead = settled.dead + int((states == DEAD).sum())
        return LinkCounts(
            sent=sent,
            delivered=sent - pending - dead,
            dropped={"dead": dead} if dead else {},
            pending=pending,
            redelivered=settled.redelivered + int(np.maximum(tries - 1, 0).sum()),
        )

    def close(self) -> None:
        """Look no longer."""
        self._lock.close()

    def _end(self, held: Held, state: int) -> None:
        entry = self._memory.entry(held.seq)
        if entry is not None and entry.offset + entry.length > _KEPT:
            # Said before: nobody may read it again should we die between. And freed after: nobody else's yet.
            going = word(HELD, held.seq, holder=holder_of(held.word), tries=held.tries, becomes=state)
            if not self._store(held, going):
                return
            held = held._replace(word=going)
            self._memory.give_back(entry)
        self._store(held, word(state, held.seq, tries=held.tries))
        self._bells.room_again()

    def _recount(self, held: Held, tries: int, *, aside: bool) -> Held:
        now = word(HELD, held.seq, holder=holder_of(held.word), tries=tries)
        self._store(held, now)
        return held._replace(word=now, aside=aside)

    def _store(self, held: Held, new: int) -> bool:
        """Return whether it was still in our hands, and its word is the new one."""
        at = held.seq % self._memory.slots
        if self._words[at] != held.word:
            return False
        self._words[at] = new
        return True

    def _settle(self) -> int:
        """Move `head` over what is done; return it. Under the lock."""
        memory, words = self._memory, self._words
        head, dead, redelivered = memory.settled
        tail, first = memory.tail, head
        while head < tail:
            now = words[head % memory.slots]
            if state_of(now) < DELIVERED:
                break
            dead += state_of(now) == DEAD
            redelivered += max(0, tries_of(now) - 1)
            head += 1
        if head != first:
            memory.settle(Settled(head, dead, redelivered))
        return head

    def _open(self, head: int, tail: int) -> Iterator[int]:
        """Yield the entries that nobody holds and that are not done, in order."""
        near = min(tail, head + _NEAR)
        for seq in range(head, near):
            if state_of(self._words[seq % self._memory.slots]) in {READY, AGAIN}:
                yield seq
        if near < tail:
            states = self._between(near, tail) & np.uint64(7)
            for after in np.flatnonzero((states == READY) | (states == AGAIN)).tolist():
                yield near + after

    def _between(self, first: int, end: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
        """Return a copy of the words of the entries from `first` to before `end`."""
        slots = self._memory.slots
        at, count = first % slots, end - first
        words = np.frombuffer(self._words, np.uint64)
        return np.concatenate((words[at : at + count], words[: max(0, at + count - slots)]))
