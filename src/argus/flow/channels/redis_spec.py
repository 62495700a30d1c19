"""Which Redis channel an end belongs to, as it is told to a process, and the names of its keys.

Light to import: no Redis client is loaded here. An address may hold a password, so it is never shown.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

import msgspec

from argus.core.urls import mask_url
from argus.flow.qos import Durable

GROUP: Final = b"argus"
"""The consumer group; each replica of the consumer is a consumer, named by its number."""
APART_BYTES: Final = 16 * 1024
"""With a Redis for data, messages of this size lie there."""


class RedisSpec(msgspec.Struct, frozen=True, kw_only=True, tag="redis"):
    """One channel: from one replica of a producer to the replicas of the consumer of one link."""

    system: str
    link: str
    sender: int = 0
    """The producer's replica."""
    sender_pod: str = ""
    """Which of several pods sends here, each counted for itself; empty: there is one sender."""
    consumer_pod: str = ""
    """Which of several pods receives here, whose replicas' numbers are the same; empty: there is one."""
    senders: int = 1
    """How many must say that the stream is over, so that it is."""
    heard: str = ""
    """An end that was had before this part of the system began, and that is none for it."""
    qos: Durable
    replicas: int = 1
    """Of the consumer."""
    control: str
    """Address of the Redis with entries, groups and counts."""
    data: str | None = None
    """Address of the Redis with large messages; None: with the entries."""
    silent_s: float = 30.0
    """Seconds without a sign of life after which a receiver counts as dead where nobody watches it."""

    def __repr__(self) -> str:
        """Return it without secrets."""
        return f"RedisSpec({self.system!r}, {self.link!r}, sender={self.sender}, at={self.where!r})"

    @property
    def where(self) -> str:
        """The address to show."""
        return mask_url(self.control)

    @property
    def prefix(self) -> bytes:
        """What every key of the channel begins with; no key of another system or link does.

        The braces keep all keys of a channel on one server of a cluster.
        """
        names = "/".join(quote(part, safe="->.") for part in (self.system, self.link, str(self.sender)))
        return f"argus:{{{names}}}".encode()

    @property
    def place(self) -> bytes:
        """What tells the fields of a sender from those of others, behind their names."""
        return f":{self.sender_pod}".encode() if self.sender_pod else b""

    def consumer(self, replica: int) -> bytes:
        """Return the name of a receiving end among those of the group."""
        return f"{self.consumer_pod}.{replica}".encode() if self.consumer_pod else b"%d" % replica

    @property
    def keys(self) -> Keys:
        """The names of its keys."""
        return Keys(self.prefix)


class Keys:
    """The keys of one channel."""

    def __init__(self, prefix: bytes) -> None:
        """Name them."""
        self.prefix = prefix
        self.entries = prefix + b":entries"
        """Stream of what waits or is being looked at; what is delivered is gone from it."""
        self.counts = prefix + b":counts"
        """Hash: sent, delivered, dead, redelivered, bytes that wait; the end that was had; of each sender its
        name, its last number, its name again when it has ended; of one of several when it showed life."""
        self.tries = prefix + b":tries"
        """Hash from an entry that has failed to how often it has."""
        self.dead = prefix + b":dead"
        """Stream of dead letters."""
        self.loose = prefix + b":loose"
        """Hash of blobs that no entry speaks of: `i` for one to be written, `g` for one to be freed."""
        self.alive = prefix + b":alive"
        """Hash from a consumer to when it last showed life, in ms of the server."""
        self.all = (self.entries, self.counts, self.tries, self.dead, self.loose, self.alive)
        """In the order that the scripts expect."""

    def blob(self, name: bytes) -> bytes:
        """Return the key of a message at the data Redis."""
        return self.prefix + b":blob:" + name

    def hand(self, consumer: bytes) -> bytes:
        """Return the key of what a consumer has in hand."""
        return self.prefix + b":hand:" + consumer
