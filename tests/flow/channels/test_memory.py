"""Channels within one process."""

from __future__ import annotations

from typing import Any

from argus.flow.channels.memory import MemoryChannel
from argus.flow.channels.protocol import LinkCounts, Receiver
from tests.flow.channels.contract import FreshContract, ReliableContract


class _Wire:
    def __init__(self, qos: Any, replicas: int) -> None:
        self._letters: list[tuple[str, int]] = []
        self._channel = MemoryChannel([("a->b", qos)], self._bury)
        self.sender = self._channel.sender()
        self.receivers: list[Receiver] = [self._channel.receiver("a->b")] * replicas

    def _bury(self, link: str, data: bytes, reason: str, tries: int) -> None:
        self._letters.append((reason, tries))

    def counts(self) -> LinkCounts:
        return self._channel.counts()["a->b"]

    def dies(self, replica: int, reason: str = "killed") -> Receiver:
        self._channel.forget("a->b", replica, reason)
        return self._channel.receiver("a->b")

    def dead(self) -> list[tuple[str, int]]:
        return self._letters

    def close(self) -> None:
        self._channel.close()


class TestFresh(FreshContract):
    def open(self, qos: Any, replicas: int = 1) -> _Wire:
        return _Wire(qos, replicas)


class TestReliable(ReliableContract):
    def open(self, qos: Any, replicas: int = 1) -> _Wire:
        return _Wire(qos, replicas)
