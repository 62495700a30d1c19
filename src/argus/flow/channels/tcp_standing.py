"""How the connection of a receiving end stands, and what a node is told where it does not.

Facts that are given; nothing is connected here. Used under the receiving end's lock.
"""

from __future__ import annotations

import time
from typing import Final

_DOWN_S: Final = 2.0
_SILENT: Final = "it does not answer: check that it runs, its address, and the firewall between"


class Standing:
    """Connected or not, since when, and why not."""

    def __init__(self) -> None:
        """Begin without a connection."""
        self.connected = False
        self.problem = ""
        """Why the other side does not serve us, though it answers."""
        self._since_s = time.monotonic()
        self._why = _SILENT

    def up(self) -> None:
        """Hear that there is a connection."""
        self.connected, self._why = True, _SILENT

    def down(self, why: str) -> bool:
        """Hear that there is none, and why, where that is known; return whether there was one."""
        if why:
            self._why = why
        was, self.connected = self.connected, False
        if was:
            self._since_s = time.monotonic()
        return was

    @property
    def good(self) -> bool:
        """Whether the other side is there and serves us."""
        return self.connected and not self.problem

    @property
    def fault(self) -> str:
        """Why nothing comes; empty where nothing is wrong, or has not been for long."""
        if self.problem:
            return self.problem
        away_s = 0.0 if self.connected else time.monotonic() - self._since_s
        return self._why if away_s > _DOWN_S or (away_s and self._why != _SILENT) else ""
