"""What the two ends of a TCP channel say to each other, and when a message has been too long on its way.

Values and arithmetic only: sockets are `tcp_sender`'s and `tcp_receiver`'s. A message of ZeroMQ is a word,
and after an `Answer` that has one, the message in parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from argus.flow.message import Header, Hop

VERSION: Final = 1
HEARTBEAT_MS: Final = 1000
"""How often each side of a silent connection asks whether the other is there."""
SILENCE_MS: Final = 3000
"""After so long without a byte that makes sense, a connection is given up."""
_SMALLEST_PART: Final = 65_536
_FIRST_PART: Final = 262_144
_PART_S: Final = 0.5
_LATE_S: Final = 0.1
_TIMES_USUAL: Final = 4.0
_DRIFT: Final = 1e-4
"""Seconds per second that two clocks may part, and more than they do."""


class Ask(msgspec.Struct, frozen=True, array_like=True):
    """A consumer's word: give me one message; and what became of those before."""

    version: int
    link: str
    session: str
    """The receiving end, as long as it is open."""
    number: int
    """Which request this is, first 1, repeated until it is answered; 0: a sign of life; -1: goodbye."""
    newer_than: int
    """0: answer when there is a message. Else one is held: answer at once, with a newer one or with none."""
    part: int
    """Bytes that one part of the answer may have."""
    asked_ns: int
    """The consumer's clock."""
    sender: str
    """The sending end that the counts are about; empty: none is known yet."""
    delivered: int
    dropped: dict[str, int]
    held: int
    """Messages that are there and of which nothing has become yet."""
    heard: bool = False
    """It knows that the stream of this sender is over."""


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """A producer's word."""

    number: int
    """Which request is answered; 0: none, a sign of life."""
    message: int
    """Number of the message that follows, first 1; 0: none does."""
    asked_ns: int
    """As it was asked."""
    heard_ns: int
    """When the question came, on the producer's clock."""
    sent_ns: int
    """When this was sent, likewise."""
    sender: str
    problem: str = ""
    """Why this consumer is not served: other versions, or another system."""
    over: bool = False
    """The stream is over, and nothing of it waits for this consumer."""


class Clocks:
    """How much the producer's clock is ahead of ours.

    Nothing arrives before it was sent: each question bounds the difference from above, each answer from
    below, and the truth is between the narrowest bounds. They widen with time, as clocks drift.
    """

    def __init__(self) -> None:
        """Begin without an idea."""
        self._bounds: tuple[int, int, int] | None = None

    def learn(self, asked_ns: int, heard_ns: int, sent_ns: int, now_ns: int) -> None:
        """Take the four times of a question and its answer."""
        low, high = sent_ns - now_ns, heard_ns - asked_ns
        if self._bounds is not None:
            drift = int((now_ns - self._bounds[2]) * _DRIFT)
            before = (self._bounds[0] - drift, self._bounds[1] + drift)
            if max(low, before[0]) <= min(high, before[1]):  # else a clock was set anew
                low, high = max(low, before[0]), min(high, before[1])
        self._bounds = (low, high, now_ns)

    def forget(self) -> None:
        """Begin anew: there may be another producer."""
        self._bounds = None

    @property
    def ahead_ns(self) -> int | None:
        """The difference; None: nothing was measured yet."""
        return None if self._bounds is None else (self._bounds[0] + self._bounds[1]) // 2


class Pace:
    """What a connection carries per second, and whether a message stood still on its way."""

    def __init__(self) -> None:
        """Begin without an idea."""
        self._bytes_per_s: float | None = None

    def learn(self, size: int, took_s: float) -> None:
        """Take the size and the time of a message that was accepted as it came."""
        if size >= _SMALLEST_PART:
            self._bytes_per_s = size / max(took_s, 1e-6)

    def forget(self) -> None:
        """Begin anew: there may be another way."""
        self._bytes_per_s = None

    def is_late(self, size: int, took_s: float) -> bool:
        """Return whether it took much longer than such a message does."""
        usual_s = size / self._bytes_per_s if self._bytes_per_s else 0.0
        return took_s > max(_LATE_S, _TIMES_USUAL * usual_s)

    @property
    def part(self) -> int:
        """Bytes that take so short a time that a connection which carries them is not taken for dead."""
        if self._bytes_per_s is None:
            return _FIRST_PART
        return max(_SMALLEST_PART, int(self._bytes_per_s * _PART_S))


class _Ticket(msgspec.Struct, array_like=True):
    header: Header
    value: msgspec.Raw


_tickets: Final = msgspec.msgpack.Decoder(_Ticket)
_encoder: Final = msgspec.msgpack.Encoder()


def on_our_clock(data: memoryview, ahead_ns: int) -> tuple[Header, bytes]:
    """Return what is said of a message and its header's bytes, with the producer's times turned into ours.

    Raises:
        msgspec.MsgspecError: the bytes are no header.
    """
    ticket = _tickets.decode(data)
    origin = ticket.header.origin
    header = Header(
        ticket.header.id,
        msgspec.structs.replace(origin, born_ns=origin.born_ns - ahead_ns),
        tuple(
            Hop(hop.node, hop.received_ns - ahead_ns, hop.sent_ns - ahead_ns) for hop in ticket.header.hops
        ),
    )
    return header, _encoder.encode(_Ticket(header, ticket.value))


def parts_of(data: memoryview, part: int) -> list[memoryview]:
    """Return views of `data` of at most `part` bytes each, or somewhat more where that is very little."""
    step = max(part, _SMALLEST_PART)
    return [data[at : at + step] for at in range(0, len(data), step)]


def joined(parts: Sequence[memoryview]) -> memoryview:
    """Return the parts as one; copied only where there are several."""
    return parts[0] if len(parts) == 1 else memoryview(b"".join(parts))
