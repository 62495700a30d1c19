"""Looks that wait for their turn at a busy model: bounded, the best first, what gives way is counted.

For live cameras only: of a recording everything is looked at.
"""

from __future__ import annotations

from typing import Final

from argus.vision.branches.choosing import Candidate

MOST_WAITING: Final = 32
"""Crops of one camera and branch that wait. Each may hold a frame: higher forgets fewer when many objects
come at once; lower holds less memory."""
MOST_ON_THE_WAY: Final = 32
"""Looks of one camera and branch that are with the models at once."""


class Waiting:
    """Which looks of one camera and branch are on their way, and which come next."""

    def __init__(self) -> None:
        self.dropped = 0
        """How many crops gave way to a better or a newer one of the same object, or to those of others."""
        self._waiting: dict[int, Candidate] = {}
        self._on_the_way: set[int] = set()

    def __len__(self) -> int:
        """Number of crops that wait."""
        return len(self._waiting)

    def put(self, candidates: list[Candidate]) -> list[Candidate]:
        """Take crops, and return those that found no room: the least good ones.

        A crop takes the place of an older one of its object.
        """
        for candidate in candidates:
            self.dropped += candidate.track in self._waiting
            self._waiting[candidate.track] = candidate
        if len(self._waiting) <= MOST_WAITING:
            return []
        ranked = sorted(self._waiting.values(), key=lambda candidate: -candidate.goodness)
        out = ranked[MOST_WAITING:]
        for candidate in out:
            del self._waiting[candidate.track]
        self.dropped += len(out)
        return out

    def take(self) -> list[Candidate]:
        """Return the crops that may go to the models now, the best first; one look per object at a time."""
        if not self._waiting:
            return []
        room = MOST_ON_THE_WAY - len(self._on_the_way)
        free = [c for c in self._waiting.values() if c.track not in self._on_the_way]
        chosen = sorted(free, key=lambda candidate: -candidate.goodness)[:room]
        for candidate in chosen:
            del self._waiting[candidate.track]
            self._on_the_way.add(candidate.track)
        return chosen

    def arrived(self, candidate: Candidate) -> None:
        """Note that the look at a crop is over."""
        self._on_the_way.discard(candidate.track)

    def clear(self) -> None:
        """Drop all that wait."""
        self.dropped += len(self._waiting)
        self._waiting.clear()
