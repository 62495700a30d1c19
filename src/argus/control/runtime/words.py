"""What a control plane and the keeper say to each other on its socket: one JSON object per line.

Values only; how they travel is `argus.processes.words.Ear`, who answers is `keep` and who asks `connection`.
Newer and older ones must understand each other at least as far as `Shutdown`: fields are added with defaults
and never change their type.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from argus.control.runtime.protocol import Workload, WorkloadStatus

PROTOCOL: Final = 1
"""Raised when a word changes its meaning."""
LONGEST_READ: Final = 256 * 1024


class Greeting(msgspec.Struct, frozen=True, kw_only=True, tag="greeting"):
    """The keeper's first word to everybody who connects."""

    version: str
    """Of Argus."""
    pid: int
    home: str
    protocol: int = PROTOCOL


class Ensure(msgspec.Struct, frozen=True, kw_only=True, tag="ensure"):
    """See `Runtime.ensure`."""

    id: int
    workload: Workload


class Remove(msgspec.Struct, frozen=True, kw_only=True, tag="remove"):
    """See `Runtime.remove`."""

    id: int
    name: str


class Restart(msgspec.Struct, frozen=True, kw_only=True, tag="restart"):
    """See `Runtime.restart`."""

    id: int
    name: str


class Statuses(msgspec.Struct, frozen=True, kw_only=True, tag="statuses"):
    """See `Runtime.statuses`."""

    id: int


class Subscribe(msgspec.Struct, frozen=True, kw_only=True, tag="subscribe"):
    """Say `Changed` from now on."""

    id: int


class Shutdown(msgspec.Struct, frozen=True, kw_only=True, tag="shutdown"):
    """End all in good order, forget what has not ended by itself, and go; answered when all have ended."""

    id: int


class Done(msgspec.Struct, frozen=True, kw_only=True, tag="done"):
    """The answer to what has no other."""

    id: int


class Listing(msgspec.Struct, frozen=True, kw_only=True, tag="listing"):
    """The answer to `Statuses`."""

    id: int
    statuses: list[WorkloadStatus]


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag="refused"):
    """The answer where something could not be."""

    id: int
    why: Literal["not-found", "wrong", "unavailable"]
    message: str


class Changed(msgspec.Struct, frozen=True, kw_only=True, tag="changed"):
    """Something is different."""


ToKeeper = Ensure | Remove | Restart | Statuses | Subscribe | Shutdown
FromKeeper = Greeting | Done | Listing | Refused | Changed

_encoder = msgspec.json.Encoder()


def encoded(word: ToKeeper | FromKeeper) -> bytes:
    """Return it as it travels."""
    return _encoder.encode(word) + b"\n"
