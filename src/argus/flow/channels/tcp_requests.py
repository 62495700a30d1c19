"""Who has asked the sending end of a link for a message, in which order, and who has fallen silent.

Decisions over what was heard; nothing is sent here.
"""

from __future__ import annotations

import time
from typing import Final, Literal

from argus.flow.channels.tcp_words import Ask

_SILENT_S: Final = 5.0
_MOST: Final = 256
"""Receiving ends that are remembered; the one heard of least lately goes first."""


class Asker:
    """A receiving end that was heard of."""

    def __init__(self, ask: Ask) -> None:
        """Begin with its first word."""
        self.ask = ask
        """Its last request."""
        self.way = b""
        """Its connection, as ZeroMQ calls it."""
        self.heard_ns = 0
        """When the request came."""
        self.heard_s = 0.0
        """When it was last heard of."""
        self.number = 0
        """Of its last request."""
        self.answered = 0
        """The last request that was answered on the connection it has."""
        self.silent = False
        self.told = False
        """It knows that the stream is over."""


class Requests:
    """Those of one link; used under the sending end's lock."""

    def __init__(self) -> None:
        """Begin with none."""
        self._askers: dict[str, Asker] = {}
        self._began_s = time.monotonic()
        self.waiting: dict[str, Asker] = {}
        """By session, whoever waits for a message, the one that has waited longest first."""
        self.told = 0
        """How many know that the stream is over."""

    def hear(self, ask: Ask, way: bytes, heard_ns: int) -> tuple[Asker, Literal["sign", "new", "again"]]:
        """Take a word; return whose it is, and whether it is a sign of life or a request that is open now."""
        asker = self._askers.setdefault(ask.session, Asker(ask))
        asker.heard_s, asker.silent = time.monotonic(), False
        if asker.way != way:
            # What was said on another connection may not have arrived: what is asked again is open again.
            asker.way, asker.answered = way, 0
        if ask.number in {0, asker.answered}:
            return asker, "sign"
        again = ask.number == asker.number
        asker.ask, asker.number, asker.heard_ns = ask, ask.number, heard_ns
        if not again:
            self.waiting.pop(ask.session, None)
        self.waiting[ask.session] = asker
        return asker, "again" if again else "new"

    def answered(self, asker: Asker) -> None:
        """Take note that its request is answered."""
        asker.answered = asker.number
        self.waiting.pop(asker.ask.session, None)

    def knows(self, asker: Asker) -> None:
        """Take note that it knows that the stream is over."""
        if not asker.told:
            asker.told = True
            self.told += 1

    def owed(self, replicas: int, seconds: float) -> bool:
        """Return whether somebody is still to be told of the end.

        Args:
            replicas: So many consumers there are: when as many know, nobody else waits.
            seconds: Who was not heard of for so long is not waited for; who never was, for so long after the
                beginning.
        """
        if self.told >= replicas:
            return False
        since_s = time.monotonic() - seconds
        waiting = [asker for asker in self._askers.values() if not asker.told]
        coming = self.told + len(waiting) < replicas and self._began_s > since_s
        return coming or any(asker.heard_s > since_s for asker in waiting)

    def forget(self, session: str) -> None:
        """Forget one that is gone."""
        self._askers.pop(session, None)
        self.waiting.pop(session, None)

    def too_many(self, session: str) -> list[str]:
        """Return whom to forget so that there is room for another."""
        if session in self._askers or len(self._askers) < _MOST:
            return []
        return [min(self._askers, key=lambda known: self._askers[known].heard_s)]

    def silent(self) -> list[str]:
        """Return who has just been silent for too long; they wait no more until they are heard again."""
        until_s = time.monotonic() - _SILENT_S
        fallen = [s for s, asker in self._askers.items() if not asker.silent and asker.heard_s < until_s]
        for session in fallen:
            self._askers[session].silent = True
            self.waiting.pop(session, None)
        return fallen

    def heard_within(self, seconds: float) -> bool:
        """Return whether anybody was heard of so lately."""
        now_s = time.monotonic()
        return any(now_s - asker.heard_s < seconds for asker in self._askers.values())
