"""A Redis of the tests, and a channel on it with all of its ends in this process."""

from __future__ import annotations

import itertools
from typing import Any

from argus.flow.channels.protocol import LinkCounts, Receiver
from argus.flow.channels.redis_channel import RedisChannel
from argus.flow.channels.redis_dead_letters import RedisDeadLetters
from argus.flow.channels.redis_receiver import RedisReceiver
from argus.flow.channels.redis_sender import RedisSender
from argus.flow.graph import Broker

_systems = itertools.count()


class RedisWire:
    """See `tests.flow.channels.contract.Wire`."""

    def __init__(
        self, broker: Broker, qos: Any, replicas: int = 1, *, system: str | None = None, answer_s: float = 1.0
    ) -> None:
        self.system = f"system-{next(_systems)}" if system is None else system
        self.channel = RedisChannel.create(self.system, "a->b", qos, replicas, broker)
        self._answer_s = answer_s
        self.sender = RedisSender(self.channel.spec, answer_s=answer_s)
        self.ends = [self._end(replica) for replica in range(replicas)]
        self.receivers: list[Receiver] = [*self.ends]
        self.letters = RedisDeadLetters([self.channel.spec])

    def counts(self) -> LinkCounts:
        self.sender.flush()
        for end in self.ends:
            assert end.flush()
        return self.channel.counts()["a->b"]

    def dies(self, replica: int, reason: str = "killed") -> Receiver:
        self.ends[replica].close(goodbye=False)
        self.channel.forget("a->b", replica, reason)
        return self.comes(replica)

    def comes(self, replica: int) -> Receiver:
        self.ends[replica] = self._end(replica)
        self.receivers[replica] = self.ends[replica]
        return self.ends[replica]

    def dead(self) -> list[tuple[str, int]]:
        self.counts()
        return [(letter.reason, letter.tries) for letter in self.letters.list()]

    def close(self) -> None:
        for end in self.ends:
            end.close()
        self.sender.close()
        self.channel.close()

    def _end(self, replica: int) -> RedisReceiver:
        return RedisReceiver(self.channel.spec, replica, answer_s=self._answer_s)
