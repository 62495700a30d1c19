"""What the process of a node is told: its node, and the ends of its channels.

A value that travels as MessagePack in an inherited file, for it may hold the address of a broker with its
password; JSON has no infinity. What is in it was decided by `transport`.
"""

from __future__ import annotations

import mmap
import os
import zlib
from typing import Final

import msgspec

from argus.flow.channels.log_spec import LogSpec
from argus.flow.channels.redis_spec import RedisSpec
from argus.flow.channels.ring_memory import RingSpec
from argus.flow.channels.tcp_spec import TcpSpec
from argus.flow.graph import NodeSpec
from argus.flow.qos import Promise

EndSpec = RingSpec | LogSpec | RedisSpec | TcpSpec

PLAN: Final = "ARGUS_FLOW_PLAN"
"""The variable that holds the descriptor of the plan."""
SOCKET: Final = "ARGUS_FLOW_SOCKET"
"""The variable that holds the path of the system's control socket, for gateways."""


class InletPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One link into the node: a channel from every replica of its source."""

    link: str
    input: str
    qos: Promise
    senders: int = 1
    """Replicas of its source."""
    channels: tuple[EndSpec, ...]


class SenderPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One channel out of the node."""

    output: str | None
    """The output's name; None: the node's first."""
    channel: EndSpec
    jpeg: int | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All that the process of one replica needs."""

    system: str
    folder: str
    node: NodeSpec
    replica: int
    inlets: tuple[InletPlan, ...]
    senders: tuple[SenderPlan, ...]
    page: int
    """Descriptor of its `Page`."""
    source: str
    """What it is called in origins and ids."""
    life: int
    """In which life of the system: the same for all of its processes."""


def source_name(node: NodeSpec, replica: int) -> str:
    """Return what a replica is called: the node's name, with a number where there are several."""
    return node.name if node.replicas == 1 else f"{node.name}.{replica}"


_SIZE: Final = 8
"""Which number of a page is the length of its text."""
_TEXT: Final = 8 * (_SIZE + 1)
"""Where that begins."""


class Page:
    """What of a replica outlives its processes: how many there were, the next index, a fault, the last end.

    It ends with the life of the system.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        """Make a page, or open an inherited one."""
        self.fd = os.memfd_create("argus-page", os.MFD_CLOEXEC) if descriptor is None else descriptor
        if descriptor is None:
            os.ftruncate(self.fd, mmap.PAGESIZE)
        self._map = mmap.mmap(self.fd, mmap.PAGESIZE)
        self._numbers = memoryview(self._map).cast("Q")

    @property
    def next_index(self) -> int:
        """The index of the next message that begins here."""
        return self._numbers[1]

    @next_index.setter
    def next_index(self, index: int) -> None:
        self._numbers[1] = index

    @property
    def last_end(self) -> str:
        """How the process before ended, as its parent saw it; empty: there was none."""
        return self._map[_TEXT : _TEXT + self._numbers[_SIZE]].decode(errors="replace")

    @last_end.setter
    def last_end(self, reason: str) -> None:
        data = reason.encode(errors="replace")[: mmap.PAGESIZE - _TEXT]
        self._map[_TEXT : _TEXT + len(data)] = data
        self._numbers[_SIZE] = len(data)

    def is_news(self, fault: str) -> bool:
        """Note why a process could not begin; return whether it is another reason than the last time."""
        before, self._numbers[2] = self._numbers[2], zlib.crc32(fault.encode()) + 1
        return self._numbers[2] != before

    def forget_fault(self) -> None:
        """Note that it has begun."""
        self._numbers[2] = 0

    def begin(self) -> int:
        """Count one more process; return which it is, first 1."""
        self._numbers[0] += 1
        return self._numbers[0]

    def close(self) -> None:
        """Let it go; idempotent."""
        if self.fd >= 0:
            self._numbers.release()
            self._map.close()
            os.close(self.fd)
            self.fd = -1
