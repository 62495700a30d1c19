"""What the branches of one camera have found out about its tracks, for as long as those may be asked for.

What is asked, and when, is `runner`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from argus.vision.branches.finding import Finding

_SWEEP_S: Final = 1.0


class Memory:
    """That of one pipeline; `roots`: paths of its branches at the top, in order."""

    def __init__(self, roots: Sequence[str]) -> None:
        """Begin with nothing known."""
        self.told: dict[int, tuple[Finding, ...]] = {}
        """Track → what is known of it, in order of the branches; to be looked at."""
        self._roots = tuple(roots)
        self._known: dict[int, dict[str, tuple[Finding, ...]]] = {}
        """Track → path of the branch at the top → what it and those below it found out."""
        self._seen_s: dict[int, float] = {}
        self._swept_s = 0.0

    def see(self, tracks: Iterable[int], now_s: float) -> None:
        """Note which tracks are in the picture."""
        self._seen_s.update(dict.fromkeys(tracks, now_s))

    def take(self, track: int, root: str, findings: Iterable[Finding], not_due: frozenset[str]) -> None:
        """Note what a branch at the top, and those below it, found out about a track.

        Args:
            track: Its id.
            root: Path of the branch at the top.
            findings: What was found out now.
            not_due: Paths of branches below it whose turn it was not: what they said before stands.
        """
        known = self._known.setdefault(track, {})
        kept = [f for f in known.get(root, ()) if f.branch in not_due]
        known[root] = (*findings, *kept)
        self.told[track] = tuple(finding for path in self._roots for finding in known.get(path, ()))

    def sweep(self, now_s: float, unseen_s: float) -> list[int]:
        """Once a second forget tracks that were not seen for so long; return which."""
        if 0 <= now_s - self._swept_s < _SWEEP_S:
            return []
        self._swept_s = now_s
        gone = [track for track, at in self._seen_s.items() if not abs(now_s - at) <= unseen_s]
        for track in gone:
            del self._seen_s[track]
            self._known.pop(track, None)
            self.told.pop(track, None)
        return gone
