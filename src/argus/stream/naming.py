"""Ids under which events are kept: unique over pipelines, workers, connections and starts.

The engine's own are unique within one pipeline and one connection of its camera: two pipelines that see one
object give it the same id, and a recording that begins again gives the ids of the first time.
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import b32encode
from typing import NamedTuple

from argus.vision.results import Event


class Named(NamedTuple):
    """A change of an event, with its id."""

    event: Event
    id: str
    """16 letters and digits (80 bits): the same until it has ended."""
    new: bool
    """True where the event is raised with this."""


class Names:
    """Gives out ids for one pipeline, or for the cameras of one worker. Used by one thread at a time."""

    def __init__(self, owner: str) -> None:
        """Begin; nobody else gives out the same, whatever his owner is called."""
        self._salt = f"{owner}\n{secrets.token_hex(12)}"
        self._count = 0
        self._open: dict[str, str] = {}

    def told(self, event: Event) -> Named:
        """Return a change of an event with its id."""
        known = self._open.pop(event.id, None) if event.phase == "end" else self._open.get(event.id)
        if known is not None:
            return Named(event, known, new=False)
        self._count += 1
        digest = hashlib.blake2b(f"{self._salt}\n{self._count}".encode(), digest_size=10).digest()
        name = b32encode(digest).decode().lower()
        if event.phase != "end":
            self._open[event.id] = name
        return Named(event, name, new=True)
