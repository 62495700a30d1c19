"""One message on its way: whose it is, when it was made, and what it holds.

The bytes are `wire`, the values in them `codec`.
"""

from __future__ import annotations

import time
from typing import Any

import msgspec


class Hop(msgspec.Struct, frozen=True, array_like=True):
    """One node that a message went through."""

    node: str
    received_ns: int
    """When the node had it, on this host's monotonic clock; equal to `sent_ns` for its origin."""
    sent_ns: int
    """When the node sent what became of it, likewise."""


class Origin(msgspec.Struct, frozen=True, array_like=True):
    """Where a message, or what it was made of, began. Nodes in between hand it on unchanged."""

    source: str
    """The producer, with its replica: order is kept per source."""
    index: int
    """Its number there, first 0; goes on over restarts of the producer, and begins anew with each life."""
    time_s: float
    """Its time there in seconds, for matching what belongs together: the presentation time of a frame."""
    born_ns: int
    """When it was made, on this host's `time.monotonic_ns`; channels between hosts carry ages."""
    life: int = 0
    """In which life of its system (`argus.flow.home.begin_life`); later ones are greater. 0: not known."""


class Header(msgspec.Struct, frozen=True, array_like=True):
    """All that is said of a message besides its value."""

    id: str
    """Sender, life and process, number: `yolo.1/19d0c3c47fb.2/42`. No two messages of a system share one, in
    whichever life they were sent; a redelivered one keeps it."""
    origin: Origin
    hops: tuple[Hop, ...] = ()
    """The nodes it went through, the sender last."""

    def age_s(self, now_ns: int | None = None) -> float:
        """Return the seconds since its origin made it."""
        return ((time.monotonic_ns() if now_ns is None else now_ns) - self.origin.born_ns) / 1e9


class Message(msgspec.Struct, frozen=True):
    """A message that a node has received."""

    header: Header
    value: Any
    input: str = "in"
    """The name of the input it came in by."""
    link: str = ""
    """The link it came by."""
    tries: int = 1
    """Which try this is, first 1."""
