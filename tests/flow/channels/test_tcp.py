"""Newest-only delivery to other hosts, over loopback."""

from __future__ import annotations

from typing import Any

from argus.flow.channels.protocol import LinkCounts, Receiver
from argus.flow.channels.tcp import TcpChannel
from argus.flow.channels.tcp_receiver import TcpReceiver
from argus.flow.channels.tcp_sender import TcpSender
from tests.flow.channels.contract import FreshContract
from tests.sources.settling import comes_true


class _Wire:
    def __init__(self, qos: Any, replicas: int) -> None:
        self.channel = TcpChannel.create([("a->b", qos, replicas)])
        self.sender = TcpSender(self.channel.spec)
        self._ends = [TcpReceiver(self.channel.spec, "a->b", n) for n in range(replicas)]

    @property
    def receivers(self) -> list[Receiver]:
        return list(self._ends)

    def counts(self) -> LinkCounts:
        """Return what the producer knows when the consumers have told it of everything."""
        told = [end.totals for end in self._ends]
        comes_true(lambda: _covers(self.channel.counts()["a->b"], told))
        return self.channel.counts()["a->b"]

    def dies(self, replica: int, reason: str = "killed") -> Receiver:
        self._ends[replica].close()
        self.channel.forget("a->b", replica, reason)
        self._ends[replica] = TcpReceiver(self.channel.spec, "a->b", replica)
        return self._ends[replica]

    def dead(self) -> list[tuple[str, int]]:
        return []

    def close(self) -> None:
        for end in self._ends:
            end.close()
        self.sender.close()
        self.channel.close()


def _covers(counts: LinkCounts, told: list[LinkCounts]) -> bool:
    done = counts.delivered + sum(counts.dropped.values())
    return done >= sum(t.delivered + sum(t.dropped.values()) for t in told) and counts.delivered >= sum(
        t.delivered for t in told
    )


class TestFresh(FreshContract):
    def open(self, qos: Any, replicas: int = 1) -> _Wire:
        return _Wire(qos, replicas)
