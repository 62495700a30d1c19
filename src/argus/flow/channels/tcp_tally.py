"""What became of the messages that came to the receiving ends of one replica.

Twice: since an end met its sending end, which is told so (`Tally`), and over all ends and processes of the
replica, on the board of its own host, where there is one (`Ledger`). What is counted at the side that sends
is `tcp_accounts`.
"""

from __future__ import annotations

import threading
from typing import Self

from argus.flow.channels.protocol import LinkCounts, Reason
from argus.flow.channels.tcp_board import Board
from argus.flow.channels.tcp_spec import TcpSpec, row_of


class Ledger:
    """Everything that came to a replica by one link. Safe from any thread."""

    def __init__(self, board: Board | None, row: str) -> None:
        """Go on from what the board says; what a predecessor had not finished has failed."""
        self._lock = threading.Lock()
        self._board, self._row = board, row
        self._all = board.read()[row] if board is not None else LinkCounts(dropped={})
        if self._all.pending:
            self._add("failed", self._all.pending)
            self._all.pending = 0
        self._publish()

    @classmethod
    def of(cls, spec: TcpSpec, link: str, replica: int) -> Self:
        """Return that of a replica at a channel; only where it receives there is a board for it."""
        kept = spec.board >= 0 and spec.listening < 0
        return cls(Board.inherited(spec.board, spec.rows) if kept else None, row_of(link, replica))

    def came(self) -> None:
        """Count a message that has come."""
        with self._lock:
            self._all.sent += 1
            self._all.pending += 1
            self._publish()

    def done(self, reason: Reason | None) -> None:
        """Count what became of one; None: it was delivered."""
        with self._lock:
            self._all.pending -= 1
            if reason is None:
                self._all.delivered += 1
            else:
                self._add(reason, 1)
            self._publish()

    def close(self) -> None:
        """Let go of the board."""
        with self._lock:
            if self._board is not None:
                self._board.close()
                self._board = None

    def _add(self, reason: Reason, number: int) -> None:
        self._all.dropped[reason] = self._all.dropped.get(reason, 0) + number

    def _publish(self) -> None:
        if self._board is not None:
            self._board.write(self._row, self._all)


class Tally:
    """What came from one sending end. Used under the receiving end's lock."""

    def __init__(self, ledger: Ledger | None = None) -> None:
        """Begin at zero; what is counted here goes into the ledger as well."""
        self._ledger = ledger
        self.delivered = 0
        """Since the sending end was met."""
        self.dropped: dict[str, int] = {}
        """Likewise, by reason."""
        self.changes = 0
        """How often these two have changed."""

    def came(self) -> None:
        """Count a message that has come."""
        if self._ledger is not None:
            self._ledger.came()

    def done(self, reason: Reason | None, *, ours: bool) -> None:
        """Count what became of one.

        Args:
            reason: None: it was delivered.
            ours: It came from the sending end that there is now; the one before has counted what it had sent.
        """
        if self._ledger is not None:
            self._ledger.done(reason)
        if ours:
            self.changes += 1
            if reason is None:
                self.delivered += 1
            else:
                self.dropped[reason] = self.dropped.get(reason, 0) + 1

    def meet(self) -> None:
        """Begin anew with another sending end."""
        self.delivered, self.dropped = 0, {}
        self.changes += 1

    def counts(self) -> LinkCounts:
        """Return what there is to be told."""
        return LinkCounts(delivered=self.delivered, dropped=dict(self.dropped))
