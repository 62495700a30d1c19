"""A log with its ends in this process, as its tests use it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from argus.core.errors import ArgusError
from argus.flow.channels.log import Log, LogReceiver, LogSender
from argus.flow.channels.protocol import LinkCounts, Receiver
from argus.flow.dead_letters import DeadLetters
from argus.flow.qos import Durable, QoS
from tests.flow.channels.contract import take, value_of

LINK = "cam->log"


class LogWire:
    """A log with its ends in this process."""

    def __init__(self, qos: Durable, replicas: int = 1, *, file: Path | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.letters = DeadLetters(Path(self._folder.name))
        try:
            self.log = Log.create(LINK, qos, replicas, file=file, dead=Path(self._folder.name))
        except ArgusError:
            self._folder.cleanup()
            raise
        self.sender = LogSender(self.log.spec)
        self.receivers: list[Receiver] = [LogReceiver(self.log.spec, i) for i in range(replicas)]
        self._old: list[Receiver] = []

    def counts(self) -> LinkCounts:
        return self.log.counts()[LINK]

    def dies(self, replica: int, reason: str = "killed") -> Receiver:
        self.log.forget(LINK, replica, reason)
        self._old.append(self.receivers[replica])
        self.receivers[replica] = LogReceiver(self.log.spec, replica)
        return self.receivers[replica]

    def dead(self) -> list[tuple[str, int]]:
        return [(letter.reason, letter.tries) for letter in self.letters.list(LINK)]

    def close(self) -> None:
        self.sender.close()
        for end in (*self.receivers, *self._old):
            end.close()
        self.log.close()
        self._folder.cleanup()


class Made(list[LogWire]):
    """Logs to be closed."""

    def one(self, qos: Durable = QoS.DURABLE, replicas: int = 1, *, file: Path | None = None) -> LogWire:
        self.append(LogWire(qos, replicas, file=file))
        return self[-1]


def accept_all(receiver: Receiver, count: int) -> list[object]:
    seen = []
    for _ in range(count):
        delivery = take(receiver)
        seen.append(value_of(delivery))
        receiver.accept(delivery)
    return seen
