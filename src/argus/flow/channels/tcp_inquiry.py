"""The request that a receiving end of a TCP channel has open: what it wants, and how long that is waited for.

Decisions over times that are given; nothing is said here. Used under the receiving end's lock.
"""

from __future__ import annotations

from typing import Final, Literal

Want = Literal["", "any", "newer"]

_CHECK_S: Final = 1.0
"""A producer that does not answer within this whether there is anything newer, or within twice what the last
message took, has nothing to give."""
_LONGEST_CHECK_S: Final = 10.0


class Inquiry:
    """One at a time: a request stays open until it is answered, also over several connections."""

    def __init__(self) -> None:
        """Begin with nothing asked."""
        self.number = 0
        """Of the last request, first 1."""
        self.want: Want = ""
        """What the open one wants: a message, or only one that is newer than what is held; empty: none is."""
        self.unsaid = False
        """It has not been made on this connection."""
        self._since_s = 0.0
        self._check_s = _CHECK_S

    def open(self, want: Want, now_s: float) -> bool:
        """Ask, unless something is asked already; return whether there is a new request to be said."""
        if self.want:
            return False
        self.number += 1
        self.want, self._since_s, self.unsaid = want, now_s, True
        return True

    def answered(self, number: int) -> Want:
        """Take an answer; return what was wanted, empty where it answers no open request."""
        if number != self.number:
            return ""
        want, self.want = self.want, ""
        return want

    def in_vain(self, now_s: float) -> bool:
        """Return whether a question for something newer has been open for too long, and close it."""
        vain = self.want == "newer" and now_s - self._since_s > self._check_s
        if vain:
            self.want = ""
        return vain

    def learn(self, took_s: float) -> None:
        """Take how long a message was on its way."""
        self._check_s = min(max(_CHECK_S, 2 * took_s), _LONGEST_CHECK_S)
