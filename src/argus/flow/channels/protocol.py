"""The ends of a channel, and the two promises that a receiving end can make.

A channel leads from one process that sends (one replica of one node, one output) to those that receive.
Nothing here moves a byte: that is the transports'.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Literal, Protocol

import msgspec

from argus.core.errors import ArgusError
from argus.flow.codec import peek
from argus.flow.message import Header
from argus.flow.wire import Packed

Reason = Literal["newer", "stale", "overtaken", "failed", "dead", "too_big", "ended"]
"""Why a message was not delivered: something newer came (or nobody was there to have it); it was too old;
something newer of its origin had been delivered already; `loop` failed with it (REALTIME); it is a dead
letter (DURABLE); it does not fit the channel; the system ended first."""


class ChannelClosed(ArgusError, ConnectionError):
    """The system is ending, or the other side is gone for good."""


class ChannelDown(ArgusError, ConnectionError):
    """A server between the two ends does not answer; the channel goes on when it does again."""


class LinkCounts(msgspec.Struct, kw_only=True):
    """What became of a link's messages: `sent == delivered + sum(dropped) + pending`, always."""

    sent: int = 0
    delivered: int = 0
    """Taken by a `loop` that has returned (REALTIME: handed to a `loop` that did not fail)."""
    dropped: dict[str, int] = {}
    """By `Reason`."""
    pending: int = 0
    """Waiting, or being looked at."""
    redelivered: int = 0
    """Handed out again after a failure or a death; not part of the sum."""

    @property
    def closes(self) -> bool:
        """Whether the sum does."""
        return self.sent == self.delivered + sum(self.dropped.values()) + self.pending

    def plus(self, other: LinkCounts) -> LinkCounts:
        """Return the counts of both, for the channels of one link."""
        reasons = {*self.dropped, *other.dropped}
        return LinkCounts(
            sent=self.sent + other.sent,
            delivered=self.delivered + other.delivered,
            dropped={r: self.dropped.get(r, 0) + other.dropped.get(r, 0) for r in sorted(reasons)},
            pending=self.pending + other.pending,
            redelivered=self.redelivered + other.redelivered,
        )


class Delivery(msgspec.Struct, eq=False):
    """A message that a receiving end hands out; `accept` or `refuse` must follow, before its bytes may go."""

    read: Header | None
    """What is said of it, as far as that was read already; see `header`."""
    data: bytes | memoryview
    """Its header as it lies, for `codec.decode`."""
    buffers: tuple[memoryview, ...]
    """Its buffers as they lie. Arrays made of them keep them; see the transport for how long they may."""
    tries: int = 1
    """Which try this is, first 1."""
    handle: Any = None
    """The transport's own."""

    @property
    def header(self) -> Header:
        """What is said of it.

        Raises:
            MessageDamaged: the bytes are no message.
        """
        if self.read is None:
            self.read = peek(self.data)
        return self.read

    @property
    def size(self) -> int:
        """Return how many bytes it has."""
        return len(self.data) + sum(buffer.nbytes for buffer in self.buffers)


class Sender(ABC):
    """The sending end of a channel, used by one thread."""

    @abstractmethod
    def send(self, packed: Packed, header: Header, stopping: Callable[[], bool]) -> None:
        """Send a message; returns when the channel has it. Its buffers may change afterwards.

        A channel to FRESH receivers never waits. One to RELIABLE receivers waits while it is full or down,
        asking `stopping` a few times a second.

        Raises:
            ChannelClosed: `stopping` said so while it waited; the message is not in the channel.
            MessageTooBig: it can never fit.
        """

    def flush(self, stopping: Callable[[], bool]) -> None:  # noqa: B027 - most have it when `send` returns
        """Return when the channel has everything that was sent, for those that say so late.

        Raises:
            ChannelClosed: `stopping` said so while it waited.
        """

    def end(self, stopping: Callable[[], bool]) -> None:  # noqa: B027 - most have an owner who tells both ends
        """Say that the stream is over, for those whose other end has no other way to hear of it.

        It is the last part of the stream: who takes from it has everything before, then this. A sending end
        that comes after it begins the stream anew.

        Raises:
            ChannelClosed: `stopping` said so while it waited; nobody may have heard of it.
        """

    @abstractmethod
    def close(self) -> None:
        """Close this end; what was sent is still delivered. Idempotent.

        That is no end of the stream: whoever is started again goes on with it.
        """


class MessageTooBig(ArgusError, ValueError):
    """A message is larger than its channel can hold; a larger channel is the remedy."""


class Receiver(ABC):
    """The receiving end of a channel, used by one thread. Not to be subclassed but by the two kinds below."""

    link: str
    """The link that it is an end of."""

    @abstractmethod
    def fileno(self) -> int:
        """Return a descriptor that `poll` finds readable when `receive` may have something."""

    @abstractmethod
    def receive(self) -> Delivery | None:
        """Return the next message, or None when there is none now. Never waits.

        Raises:
            ChannelDown: a server does not answer; try again later (`next_look_s`).
        """

    @abstractmethod
    def accept(self, delivery: Delivery) -> None:
        """Say that it was looked at, and what it gave was accepted: it is delivered and never comes again."""

    @abstractmethod
    def refuse(self, delivery: Delivery, reason: str) -> bool:
        """Say that `loop` failed with it; `reason` is for people, with the traceback.

        Returns:
            Whether it comes again.
        """

    def set_aside(self, delivery: Delivery) -> None:  # noqa: B027 - a death is a try of RELIABLE ones only
        """Say that it waits for others: until `take_up` nobody looks at it, and no death is its fault."""

    def take_up(self, delivery: Delivery) -> None:  # noqa: B027 - see `set_aside`
        """Say that what was set aside is looked at from now on."""

    @property
    def up(self) -> bool:
        """Whether what was sent can come: False while a server between the ends is not reached."""
        return True

    @property
    def ended(self) -> bool:
        """Whether the sending end has said that the stream is over, and all of it was had; from any thread.

        False for good where the owner of the channel tells both ends. It is taken back when the stream
        begins anew.
        """
        return False

    def drained(self, over_s: float | None) -> bool:
        """Return whether all of the stream was handed out, accepted or not, and none of it waits for a try.

        For those who hold what was handed out until something else has come. Asked after `receive` had
        nothing; from any thread.

        Args:
            over_s: When the owner of the channel said that nothing more will be sent, on the monotonic
                clock; None: it has not, and only the sending end's own word counts.
        """
        return over_s is not None

    @abstractmethod
    def close(self) -> None:
        """Close this end. What was handed out and not accepted is as if it had never been. Idempotent."""

    def next_look_s(self) -> float | None:
        """Return after how many seconds to ask `receive` again though nothing is said; None: never."""
        return None


class FreshReceiver(Receiver):
    """In order, skipping what is old: a slow consumer loses messages, never time.

    `receive` gives the newest message that nobody of the consumer's replicas has had. A refused message
    is dropped (`failed`). Views of a message stay as they are for as long as they are held, or asking for
    more raises; they are never overwritten.
    """


class ReliableReceiver(Receiver):
    """In order per origin, skipping nothing, at least once: a slow consumer slows its producer.

    A message that was handed out and not accepted comes again: to whoever of the replicas is there, after the
    death of the one that had it; after a pause, when it was refused; not before those of its origin that came
    before it. Being handed out is a try, unless it was set aside when its holder died. After `tries` it goes
    to the dead letters. Views are valid until `accept` or `refuse`.
    """


class Channel(Protocol):
    """What the owner of a channel holds: the process that made it and outlives both ends."""

    @property
    def fds(self) -> tuple[int, ...]:
        """Descriptors that processes with an end of it must inherit, under the same numbers."""
        ...

    def counts(self) -> dict[str, LinkCounts]:
        """Return what became of its messages, by link."""
        ...

    def forget(self, link: str, replica: int, reason: str) -> None:
        """Hear that a receiving process has died, and how: what it held is free, or comes again."""
        ...

    def close(self) -> None:
        """Free everything; idempotent."""
        ...
