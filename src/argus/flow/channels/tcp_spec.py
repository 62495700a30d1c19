"""Which TCP channel an end belongs to, as it is told to a process. It holds no secret.

Light to import: ZeroMQ is not loaded here.
"""

from __future__ import annotations

import msgspec

from argus.core.errors import UnknownName
from argus.flow.qos import QoS, Realtime


class TcpLink(msgspec.Struct, frozen=True, kw_only=True):
    """One link that the channel serves."""

    link: str
    qos: Realtime = QoS.REALTIME
    replicas: int = 1
    """Processes of the consumer, which share the messages: each goes to one of them."""


class TcpSpec(msgspec.Struct, frozen=True, kw_only=True, tag="tcp"):
    """One channel: from one output of one replica of a producer to other hosts."""

    links: tuple[TcpLink, ...]
    address: str
    """What consumers call the host that sends: a name or a number; several are joined by `+`."""
    port: int
    listen: str = "127.0.0.1"
    """Which of its addresses the sending end listens on."""
    listening: int = -1
    """Descriptor of the listening socket, inherited; -1 on hosts that only receive."""
    board: int = -1
    """Descriptor of the memory that the counts lie in, inherited; -1: they are not kept."""
    several: bool = False
    """The address may lead to several processes, each of which sends by this channel, as pods do."""
    senders: int = 1
    """How many of them there are to be."""
    secured: bool = False
    """Both ends know a key (`ARGUS_FLOW_KEY`); False: only within a host."""

    def of(self, link: str) -> TcpLink:
        """Return one of its links.

        Raises:
            UnknownName: the channel does not serve it.
        """
        for served in self.links:
            if served.link == link:
                return served
        raise UnknownName("link", link, [served.link for served in self.links])

    @property
    def rows(self) -> tuple[str, ...]:
        """What the counts are kept by: links where it sends, else the replicas of their consumers."""
        if self.listening >= 0:
            return tuple(served.link for served in self.links)
        return tuple(row_of(served.link, n) for served in self.links for n in range(served.replicas))


def row_of(link: str, replica: int) -> str:
    """Return what the counts of a receiving end are kept by."""
    return f"{link}/{replica}"
