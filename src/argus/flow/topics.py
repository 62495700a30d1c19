"""What a message's topic is: the output that it came from, as gateways and recordings call it."""

from __future__ import annotations

from argus.flow.message import Message


def topic_of(message: Message) -> str:
    """Return the node that sent it, with `.output` where that is not its first."""
    source, arrow, _ = message.link.partition("->")
    if arrow:
        return source
    hops = message.header.hops
    return hops[-1].node if hops else message.header.origin.source
