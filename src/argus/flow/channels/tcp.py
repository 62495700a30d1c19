"""A REALTIME channel to other hosts: the consumer asks for one message and gets the newest there is.

What its owner holds, on the host that sends and on those that receive; bytes are moved by `tcp_sender` and
`tcp_receiver`, which load ZeroMQ, and this module does not. No message is on its way that nobody has asked
for, so no old one waits in a socket: see decision 20.

The owner is the parent of the processes with the ends. It keeps the listening socket, so that the port
stays the same when the process that sends is started again, and the memory that the counts lie in.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Final, Self

import msgspec

from argus.core.errors import ArgusError
from argus.core.net_access import is_loopback
from argus.flow.channels.protocol import LinkCounts
from argus.flow.channels.tcp_board import Board
from argus.flow.channels.tcp_key import expect_key
from argus.flow.channels.tcp_spec import TcpLink, TcpSpec, row_of
from argus.flow.qos import Realtime

_BACKLOG: Final = 64


class AddressRefused(ArgusError, OSError):
    """The address that consumers should find a channel at cannot be listened on."""

    def __str__(self) -> str:
        """Return the message alone; OSError would print an errno that nobody set."""
        return str(self.args[0]) if self.args else ""


class TcpChannel:
    """One output of one producer and the REALTIME links that leave its host. See `Channel`."""

    def __init__(self, spec: TcpSpec, listening: socket.socket | None, board: Board) -> None:
        """Own what `create` made."""
        self.spec = spec
        """What the processes with an end of it must know."""
        self._socket = listening
        self._board = board
        self._closed = False

    @classmethod
    def create(
        cls,
        links: Sequence[tuple[str, Realtime, int]],
        *,
        address: str = "127.0.0.1",
        port: int = 0,
        sends: bool = True,
        several: bool = False,
        senders: int = 1,
        key: str | None = None,
    ) -> Self:
        """Return a channel that listens, or one that connects.

        Args:
            links: Name, promise and replicas of the consumer of each link.
            address: What other hosts call the one that sends. It listens there where that is loopback, else
                on all of its addresses.
            port: 0 takes a free one.
            sends: False on a host that receives.
            several: The address leads to several processes that send, each by a channel of its own.
            senders: How many of them there are to be.
            key: What both hosts know; None: as `ARGUS_FLOW_KEY` says.

        Raises:
            SpecError: others could connect, and there is no key.
            AddressRefused: the port is taken.
        """
        for each in address.split("+"):
            secured = expect_key(each, key)
        listen = address if is_loopback(address) else "::" if ":" in address else "0.0.0.0"  # noqa: S104
        spec = TcpSpec(
            links=tuple(TcpLink(link=link, qos=qos, replicas=n) for link, qos, n in links),
            address=address,
            port=port,
            listen=listen,
            several=several,
            senders=senders,
            secured=secured,
        )
        listening = _listen(listen, port) if sends else None
        if listening is not None:
            port = int(listening.getsockname()[1])
            spec = msgspec.structs.replace(spec, port=port, listening=listening.fileno())
        board = Board.make(spec.rows)
        return cls(msgspec.structs.replace(spec, board=board.fd), listening, board)

    @property
    def fds(self) -> tuple[int, ...]:
        """Descriptors that the processes with an end of it must inherit."""
        return tuple(fd for fd in (self.spec.listening, self.spec.board) if fd >= 0)

    def counts(self) -> dict[str, LinkCounts]:
        """Return what became of its messages, by link.

        Where it sends: as far as consumers have told. Where it receives: of those that have come.
        """
        read = self._board.read()
        if self.spec.listening >= 0:
            return read
        total = {}
        for served in self.spec.links:
            total[served.link] = LinkCounts(dropped={})
            for replica in range(served.replicas):
                total[served.link] = total[served.link].plus(read[row_of(served.link, replica)])
        return total

    def forget(self, link: str, replica: int, reason: str) -> None:
        """Do nothing: who has died is not heard of any more, and is written off for that."""

    def close(self) -> None:
        """Listen no longer; idempotent."""
        if not self._closed:
            self._closed = True
            if self._socket is not None:
                self._socket.close()
            self._board.close()


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.create_server(
            (address if address != "localhost" else "127.0.0.1", port), family=family, backlog=_BACKLOG
        )
    except OSError as error:
        raise AddressRefused(
            f"{address}:{port} cannot be listened on: {error.strerror or error}: "
            "end what uses the port, or give the host another address"
        ) from error
