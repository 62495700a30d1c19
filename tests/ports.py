"""Ports for parts of a system that must know them beforehand."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack

_FIRST, _LAST = 12_000, 30_000
"""Below those that the kernel gives to whoever wants any."""


def ports_in_a_row(count: int = 16) -> int:
    """Return the first of so many free ports on 127.0.0.1, one after the other."""
    for _ in range(100):
        first = random.randrange(_FIRST, _LAST, count)
        with ExitStack() as held:
            try:
                for port in range(first, first + count):
                    held.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            return first
    raise AssertionError(f"no {count} free ports in a row between {_FIRST} and {_LAST}")
