"""What became of the messages of one link, as its sending end knows it and its consumers tell.

Arithmetic only. A message is the newest and waits, or was replaced, or was handed to a receiving end; of
those each receiving end tells how many it has done with, and what it holds. What it was given and does not
know of was lost with a connection.
"""

from __future__ import annotations

from collections.abc import Mapping

from argus.flow.channels.protocol import LinkCounts, Reason
from argus.flow.channels.tcp_board import counted


class _Consumer:
    """One receiving end; what it told before it was known here was counted before."""

    def __init__(self, before: Mapping[str, int]) -> None:
        self.before = before
        self.handed = 0
        self.lost = 0
        self.done: dict[str, int] = {}
        """Messages by reason; those delivered by an empty one."""
        self.silent = False

    @property
    def under_way(self) -> int:
        return self.handed - self.lost - sum(self.done.values())


class Account:
    """The sum of one link: `counts` closes after every call, whatever consumers say."""

    def __init__(self, before: LinkCounts) -> None:
        """Go on from what an earlier sending end has counted; what it had not finished is lost."""
        self._sent = before.sent
        self._done = {"": before.delivered, **before.dropped}
        self._count("failed", before.pending)
        self._waits = False
        self._consumers: dict[str, _Consumer] = {}

    def sent(self) -> None:
        """Count a message, which is the newest now and waits."""
        self._sent += 1
        if self._waits:
            self._count("newer")
        self._waits = True

    def dropped(self, reason: Reason) -> None:
        """Count what waits as dropped."""
        if self._waits:
            self._waits = False
            self._count(reason)

    def handed(self, session: str) -> None:
        """Count what waits as given to a receiving end that has asked."""
        self._waits = False
        self._consumers[session].handed += 1

    def told(self, session: str, delivered: int, dropped: Mapping[str, int]) -> None:
        """Take what a receiving end says has become of messages since this sending end began."""
        said = {"": delivered, **counted(dropped)}
        consumer = self._consumers.setdefault(session, _Consumer(said))
        room = consumer.handed - consumer.lost
        consumer.silent, consumer.done = False, {}
        for reason, number in said.items():
            consumer.done[reason] = max(0, min(room, number - consumer.before.get(reason, 0)))
            room -= consumer.done[reason]

    def holds(self, session: str, held: int) -> None:
        """Take how many messages a receiving end has, at a moment when none is on its way to it."""
        consumer = self._consumers[session]
        consumer.lost += max(0, consumer.under_way - max(0, held))

    def silent(self, session: str) -> None:
        """Write off what a receiving end had, until it says something again."""
        self._consumers[session].silent = True

    def gone(self, session: str) -> None:
        """Close the account of a receiving end."""
        consumer = self._consumers.pop(session, None)
        if consumer is not None:
            for reason, number in consumer.done.items():
                self._count(reason, number)
            self._count("failed", consumer.lost + consumer.under_way)

    def ended(self) -> None:
        """Close it: nothing more will be told."""
        self.dropped("ended")
        for session, consumer in list(self._consumers.items()):
            unfinished = consumer.under_way
            self._count("ended", unfinished)
            consumer.handed -= unfinished
            self.gone(session)

    @property
    def under_way(self) -> int:
        """Messages with receiving ends that can be heard."""
        return sum(c.under_way for c in self._consumers.values() if not c.silent)

    def counts(self) -> LinkCounts:
        """Return the sum."""
        done, pending = dict(self._done), int(self._waits)
        for consumer in self._consumers.values():
            for reason, number in consumer.done.items():
                done[reason] = done.get(reason, 0) + number
            pending += 0 if consumer.silent else consumer.under_way
            failed = consumer.lost + (consumer.under_way if consumer.silent else 0)
            done["failed"] = done.get("failed", 0) + failed
        delivered = done.pop("")
        return LinkCounts(sent=self._sent, delivered=delivered, dropped=counted(done), pending=pending)

    def _count(self, reason: str, number: int = 1) -> None:
        self._done[reason] = self._done.get(reason, 0) + number
