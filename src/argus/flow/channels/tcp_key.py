"""The key that hosts of one system share, and what ZeroMQ's CURVE makes of it.

Nobody sends the key: each side derives the same two key pairs from it, one for those who send and one for
those who receive. Who has another key can neither read nor pretend.

Source: scrypt, RFC 7914; CurveZMQ, ZeroMQ RFC 26.
"""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from typing import Final, NamedTuple

from argus.core.errors import SpecError
from argus.core.net_access import is_loopback

KEY_VARIABLE: Final = "ARGUS_FLOW_KEY"
_SHORTEST: Final = 16


class CurveKeys(NamedTuple):
    """One side's pair, as Z85 text, and the other side's public half."""

    secret: bytes
    public: bytes
    other: bytes


def flow_key(key: str | None = None) -> str | None:
    """Return the key: the one given, or the environment's; None where there is none.

    Raises:
        SpecError: it is so short that it can be guessed.
    """
    key = os.environ.get(KEY_VARIABLE) if key is None else key
    if not key:
        return None
    if len(key) < _SHORTEST:
        raise SpecError(
            f"{KEY_VARIABLE} has {len(key)} characters: take at least {_SHORTEST}, "
            "for example `openssl rand -hex 32`"
        )
    return key


def expect_key(address: str, key: str | None) -> bool:
    """Return whether there is a key.

    Raises:
        SpecError: there is none, and the address is not of this host alone.
    """
    if flow_key(key) is not None:
        return True
    if not is_loopback(address):
        raise SpecError(
            f"{address}: links between hosts need a key, as anybody could read and write them otherwise: set "
            f"{KEY_VARIABLE} to the same long random text on all hosts, for example `openssl rand -hex 32`"
        )
    return False


def curve_keys(key: str, *, sends: bool) -> CurveKeys:
    """Return the keys of the side that sends, or of the one that receives."""
    sender, receiver = _pair(key, b"sender"), _pair(key, b"receiver")
    mine, other = (sender, receiver) if sends else (receiver, sender)
    return CurveKeys(mine[0], mine[1], other[1])


@lru_cache(maxsize=8)
def _pair(key: str, role: bytes) -> tuple[bytes, bytes]:
    import zmq
    from zmq.utils import z85

    # A slow derivation, so that guessing keys is slow too: 50 ms once per process.
    seed = hashlib.scrypt(key.encode(), salt=b"argus-flow-1 " + role, n=2**14, r=8, p=1, dklen=32)
    secret = z85.encode(seed)
    return secret, zmq.curve_public(secret)
