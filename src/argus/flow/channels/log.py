"""DURABLE on one host, without a server: a bounded log in one file that processes share.

The file is memory alone (a memfd, gone with the system) or lies in a folder and outlives it. One process
sends; the replicas of one consumer share what comes; whoever is killed, and whenever, nothing that `send`
returned for is lost, and what was not accepted comes again. Not for several hosts: that is Redis.

A file on disk outlives the death of every process. A power cut may take what was sent in the last second,
as the file is written through that often; what was accepted in it may come again, and a message of which
only a part was written is found by its checksum and becomes a dead letter.

`log_memory` is how it lies in the file, `log_entries` what becomes of a message, `log_sender` and
`log_receiver` are its ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from argus.core.errors import ArgusError, OutputError, SpecError
from argus.flow.channels.log_bells import Bells
from argus.flow.channels.log_entries import Entries
from argus.flow.channels.log_memory import (
    DEAD,
    DELIVERED,
    MOST_REPLICAS,
    READY,
    LogMemory,
    LogUnreadable,
    Settled,
    becomes_of,
    belongs,
    state_of,
    tries_of,
    word,
)
from argus.flow.channels.log_receiver import LogReceiver
from argus.flow.channels.log_sender import LogSender
from argus.flow.channels.log_spec import LogSpec
from argus.flow.channels.protocol import LinkCounts
from argus.flow.codec import peek
from argus.flow.qos import Durable
from argus.flow.wire import Packed, unlay

__all__ = ["Log", "LogInUse", "LogReceiver", "LogSender", "LogSpec", "LogUnreadable"]

_SLOTS_PER_MESSAGE: Final = 4
"""More slots than may wait: what is done behind one that is not keeps its slot."""
_FEWEST_SLOTS: Final = 64
_ROOM: Final = 2
"""Bytes of data, sparse, per byte that may wait: gaps between messages leave room for one in one piece."""
MOST_CAPACITY: Final = 2**28
MOST_BYTES: Final = 2**44
"""Sparse, but addresses of each process that has an end."""
_LEAST_ROOM: Final = 64 * 1024 * 1024
_FLUSH_S: Final = 1.0
_GOING_S: Final = 5.0


class LogInUse(ArgusError, OSError):
    """Another system has the file of a log open."""

    def __str__(self) -> str:
        """Return the message alone."""
        return str(self.args[0])


class Log:
    """The owner's side of a log; safe from any thread. See `Channel`."""

    def __init__(self, spec: LogSpec, *, file: Path | None = None) -> None:
        """Own what `create` has made."""
        self.spec = spec
        self._memory = LogMemory(spec.fd, name=str(file) if file else f"the log of {spec.link}")
        self._bells = Bells(self._memory, spec)
        self._entries = Entries(self._memory, spec, self._bells)
        self._sender: LogSender | None = None
        self._left: dict[int, tuple[str, int]] = {}
        self._reading = threading.Lock()
        self._sending = threading.Lock()
        self._last: LinkCounts | None = None
        self._over = threading.Event()
        self._flusher: threading.Thread | None = None
        if file is not None:
            self._flusher = threading.Thread(target=self._flush, name="argus-log", daemon=True)
            self._flusher.start()

    @classmethod
    def create(cls, link: str, qos: Durable, replicas: int, *, file: Path | None = None, dead: Path) -> Log:
        """Return a log for a link.

        Args:
            link: Its id.
            qos: What it promises.
            replicas: How many processes share what comes.
            file: Where it outlives the system; what waits in it is handed out first. None: in memory.
            dead: The folder of dead letters.

        Raises:
            LogUnreadable: the file is no log of this version, or it is damaged.
            LogInUse: another system has it open.
            OutputError: it cannot be written.
            SpecError: no log holds as much as is promised.
        """
        if qos.capacity > MOST_CAPACITY or qos.max_bytes > MOST_BYTES:
            raise SpecError(
                f"{link}: capacity {qos.capacity:,} and max_bytes {qos.max_bytes:,}: "
                f"a log has at most {MOST_CAPACITY:,} and {MOST_BYTES:,}"
            )
        if not 1 <= replicas <= MOST_REPLICAS:
            raise ValueError(f"{link}: {replicas} replicas: a log has 1 to {MOST_REPLICAS}")
        fd = _in_memory(link, qos) if file is None else _on_disk(link, qos, file)
        opened = [fd]
        try:
            for _ in range(1 + replicas):
                opened.append(os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC))  # noqa: PERF401 - to be closed
            spec = LogSpec(link=link, qos=qos, fd=fd, room=opened[1], came=tuple(opened[2:]), dead=str(dead))
            return cls(spec, file=file)
        except BaseException:
            for each in opened:
                os.close(each)
            raise

    @property
    def fds(self) -> tuple[int, ...]:
        """Descriptors that processes with an end of it must inherit, under the same numbers."""
        return self.spec.fds

    def counts(self) -> dict[str, LinkCounts]:
        """Return what became of its messages; after `close`, as it was then."""
        with self._reading:
            if self._last is None:
                for replica in list(self._left):
                    self._take_back(replica)
                return {self.spec.link: self._entries.counts()}
            return {self.spec.link: self._last}

    def forget(self, link: str, replica: int, reason: str) -> None:
        """Hear that a replica has died: what it held comes again, or is a dead letter with the reason."""
        with self._reading:
            if self._last is None:
                self._left[replica] = reason, self._memory.incarnation(replica)
                self._take_back(replica)

    def replay(self, data: bytes, stopping: Callable[[], bool]) -> None:
        """Send a message once more, as it lies in a dead letter; waits like `Sender.send`.

        Raises:
            MessageDamaged: it is no message.
            ChannelClosed: `stopping` said so while it waited.
        """
        header, buffers = unlay(memoryview(data))
        with self._sending:
            if self._sender is None:
                self._sender = LogSender(self.spec)
            self._sender.send(Packed(bytes(header), buffers), peek(header), stopping)

    def close(self) -> None:
        """Free everything; idempotent. What waits in memory counts as `ended`, what waits in a file stays."""
        self._over.set()
        if self._flusher is not None:
            self._flusher.join()
        with self._sending, self._reading:
            if self._last is not None:
                return
            counts = self._entries.counts()
            if self._flusher is None and counts.pending:
                counts.dropped["ended"] = counts.pending
                counts.pending = 0
            self._last = counts
            if self._sender is not None:
                self._sender.close()
            self._entries.close()
            self._memory.close()
            for fd in self.fds:
                os.close(fd)

    def _take_back(self, replica: int) -> None:
        reason, incarnation = self._left[replica]
        if self._entries.take_back(replica, reason, incarnation):
            del self._left[replica]
            self._memory.set_asleep(replica, False)
            self._bells.wake_all()
        else:
            structlog.get_logger().warning("flow.log_held_up", link=self.spec.link, replica=replica)

    def _flush(self) -> None:
        """Write the file through every second in which something has changed."""
        written = None
        while True:
            ending = self._over.wait(_FLUSH_S)
            with self._reading:
                now = self._entries.counts()
            if now != written:
                try:
                    os.fdatasync(self.spec.fd)
                    written = now
                except OSError as error:
                    structlog.get_logger().error("flow.log_unwritten", link=self.spec.link, error=str(error))
            if ending:
                return


def _sizes(qos: Durable) -> tuple[int, int]:
    """Return slots and bytes of data."""
    slots = max(_FEWEST_SLOTS, _SLOTS_PER_MESSAGE * qos.capacity)
    return slots, -(-max(_LEAST_ROOM, _ROOM * qos.max_bytes) // mmap.PAGESIZE) * mmap.PAGESIZE


def _in_memory(link: str, qos: Durable) -> int:
    """Return an empty log that is nowhere but in memory; it cannot be cut off."""
    name = f"argus:{link}".encode()[:200].decode(errors="ignore")
    fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    slots, data_size = _sizes(qos)
    LogMemory.lay_out(fd, slots, data_size, checked=False)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return fd


def _on_disk(link: str, qos: Durable, file: Path) -> int:
    """Return the log in a file, as the last system left it, or a new one."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise OutputError(file, error) from error
    try:
        _expect_alone(fd, file)
        slots, data_size = _sizes(qos)
        if os.fstat(fd).st_size:
            memory = LogMemory(fd, name=str(file))
            waiting = _recover(memory)
            same = (memory.slots, memory.data_size) == (slots, data_size)
            memory.close()
            if waiting:
                structlog.get_logger().info("flow.log_found", link=link, waiting=waiting, file=str(file))
            if waiting or same:
                return fd
            os.ftruncate(fd, 0)  # nothing waits, and the link's settings have changed
        try:
            LogMemory.lay_out(fd, slots, data_size, checked=True)
            memory = LogMemory(fd, name=str(file))
            index_size = memory.index_size
            memory.close()
            os.posix_fallocate(fd, 0, index_size)
        except BaseException:
            os.ftruncate(fd, 0)  # half of a log would be none, or kill who writes where the disk has no room
            raise
    except OSError as error:
        os.close(fd)
        if isinstance(error, ArgusError):
            raise
        raise OutputError(file, error) from error
    except BaseException:
        os.close(fd)
        raise
    return fd


def _expect_alone(fd: int, file: Path) -> None:
    """Raise where another system has the file; one that is being killed has a moment for it."""
    until_s = time.monotonic() + _GOING_S
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        if time.monotonic() > until_s:
            raise LogInUse(f"{file} is in use by another system: stop that one, or name another folder")
        time.sleep(0.05)


def _recover(memory: LogMemory) -> int:
    """Make a log that was left in any state one that a new system can use; return how many messages wait."""
    head, tail = memory.settled.head, memory.tail
    # After a power cut the first page may be older than the rest: what is there as a whole exists.
    while (
        tail < head + memory.slots and memory.entry(tail) and belongs(memory.words[tail % memory.slots], tail)
    ):
        tail += 1
    memory.tail = tail
    waiting = 0
    for seq in range(head, tail):
        at = seq % memory.slots
        now = memory.words[at]
        known = belongs(now, seq) and READY <= state_of(now) <= DEAD
        if known and (state_of(now) >= DELIVERED or becomes_of(now)):
            memory.words[at] = word(DELIVERED, seq, tries=1)
            continue
        # Whoever held it is gone. A word that cannot be says nothing of its message, which is looked at.
        memory.words[at] = word(READY, seq, tries=tries_of(now) if known else 0)
        waiting += 1
    memory.base = tail - waiting
    memory.settle(Settled(head, 0, 0))
    memory.sender_waits = False
    for replica in range(MOST_REPLICAS):
        memory.set_asleep(replica, False)
    return waiting
