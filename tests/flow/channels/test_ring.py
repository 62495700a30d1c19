"""Channels over shared memory, all ends in this process; processes are in `test_ring_processes`."""

from __future__ import annotations

from typing import Any

from argus.flow.channels.protocol import LinkCounts, Receiver
from argus.flow.channels.ring import Ring, RingLink, RingReceiver, RingSender
from argus.flow.channels.ring_memory import Fence
from tests.flow.channels.contract import FreshContract

MB = 1024 * 1024


class RingWire:
    def __init__(self, qos: Any, replicas: int, fence: Fence | None = None) -> None:
        self.ring = Ring.create([RingLink("a->b", qos, replicas)], slot_bytes=8 * MB, fence=fence)
        self.sender = RingSender(self.ring.spec)
        self.receivers: list[Receiver] = [
            RingReceiver(self.ring.spec, "a->b", replica) for replica in range(replicas)
        ]
        self._others: list[Receiver] = []

    def counts(self) -> LinkCounts:
        return self.ring.counts()["a->b"]

    def dies(self, replica: int, reason: str = "killed") -> Receiver:
        self.ring.forget("a->b", replica, reason)
        self._others.append(RingReceiver(self.ring.spec, "a->b", replica))
        return self._others[-1]

    def dead(self) -> list[tuple[str, int]]:
        return []

    def close(self) -> None:
        self.sender.close()
        for end in (*self.receivers, *self._others):
            end.close()
        self.ring.close()
        self.ring.close()


class TestFresh(FreshContract):
    def open(self, qos: Any, replicas: int = 1) -> RingWire:
        return RingWire(qos, replicas)


class TestFreshWithTheKernelsFence(FreshContract):
    """What processors other than x86-64 use."""

    def open(self, qos: Any, replicas: int = 1) -> RingWire:
        return RingWire(qos, replicas, "kernel")
