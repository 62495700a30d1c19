"""What became of the messages that came to one receiving end.

Twice: since it met the sending end, which is told so, and over all processes of the replica, on the board
of its own host, where there is one. What is counted at the side that sends is `tcp_accounts`.
"""

from __future__ import annotations

from argus.flow.channels.protocol import LinkCounts, Reason
from argus.flow.channels.tcp_board import Board


class Tally:
    """Used under the receiving end's lock."""

    def __init__(self, board: Board | None, row: str) -> None:
        """Go on from what the board says; what a predecessor had not finished has failed."""
        self._board, self._row = board, row
        self._all = board.read()[row] if board is not None else LinkCounts(dropped={})
        if self._all.pending:
            self._add("failed", self._all.pending)
            self._all.pending = 0
        self.delivered = 0
        """Since the sending end was met."""
        self.dropped: dict[str, int] = {}
        """Likewise, by reason."""
        self.changes = 0
        """How often these two have changed."""
        self._publish()

    def came(self) -> None:
        """Count a message that has come."""
        self._all.sent += 1
        self._all.pending += 1
        self._publish()

    def done(self, reason: Reason | None, *, ours: bool) -> None:
        """Count what became of one.

        Args:
            reason: None: it was delivered.
            ours: It came from the sending end that there is now; the one before has counted what it had sent.
        """
        self._all.pending -= 1
        if reason is None:
            self._all.delivered += 1
        else:
            self._add(reason, 1)
        if ours:
            self.changes += 1
            if reason is None:
                self.delivered += 1
            else:
                self.dropped[reason] = self.dropped.get(reason, 0) + 1
        self._publish()

    def meet(self) -> None:
        """Begin anew with another sending end."""
        self.delivered, self.dropped = 0, {}
        self.changes += 1

    def counts(self) -> LinkCounts:
        """Return what there is to be told."""
        return LinkCounts(delivered=self.delivered, dropped=dict(self.dropped))

    def close(self) -> None:
        """Let go of the board."""
        if self._board is not None:
            self._board.close()

    def _add(self, reason: Reason, number: int) -> None:
        self._all.dropped[reason] = self._all.dropped.get(reason, 0) + number

    def _publish(self) -> None:
        if self._board is not None:
            self._board.write(self._row, self._all)
