"""One link as the sending end of a TCP channel serves it: who asks, what they had, what is owed to them.

Decisions over what was heard; nothing is sent here. Used under the sending end's lock.
"""

from __future__ import annotations

from typing import Final

from argus.flow.channels.tcp_accounts import Account
from argus.flow.channels.tcp_board import Board
from argus.flow.channels.tcp_requests import Requests
from argus.flow.channels.tcp_spec import TcpLink
from argus.flow.channels.tcp_words import Ask

_THERE_S: Final = 2.0
_ABSENT_S: Final = 30.0
"""The end of the stream is told to consumers that come back within so long."""


class ServedLink:
    """See the module; what is counted is on the board, where the owner of the channel reads it."""

    def __init__(self, served: TcpLink, board: Board) -> None:
        """Go on from what the board says."""
        self.name, self.max_age, self.replicas = served.link, served.qos.max_age, served.replicas
        self.account = Account(board.read()[served.link])
        self.requests = Requests()
        self.taken = 0
        """Number of the last message that somebody got, or that was too old."""
        self._board = board
        self.publish()

    @property
    def owes_end(self) -> bool:
        """Whether somebody is to be told that the stream is over."""
        return self.requests.owed(self.replicas, _ABSENT_S)

    def owes(self, newest: int) -> bool:
        """Return whether somebody is there who may have the newest message, or tell what became of one."""
        waits = newest > self.taken and self.requests.heard_within(_THERE_S)
        return bool(self.account.under_way) or waits

    def told(self, ask: Ask, sender: str) -> None:
        """Take what a consumer says has become of the messages of this sending end."""
        ours = ask.sender == sender
        self.account.told(ask.session, ask.delivered if ours else 0, ask.dropped if ours else {})

    def write_off(self) -> None:
        """Write off what those had who have just fallen silent."""
        for session in self.requests.silent():
            self.account.silent(session)
            self.publish()

    def gone(self, session: str) -> None:
        """Forget a consumer that is gone."""
        self.requests.forget(session)
        self.account.gone(session)

    def publish(self) -> None:
        """Put the counts on the board."""
        self._board.write(self.name, self.account.counts())
