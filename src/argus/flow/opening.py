"""The ends of channels that a node's process opens: of each kind of transport only what it needs is loaded.

Which transport a link has, and the channels themselves, is `transport`.
"""

from __future__ import annotations

from argus.flow.channels.freshness import Freshness
from argus.flow.channels.log_spec import LogSpec
from argus.flow.channels.protocol import Receiver, Sender
from argus.flow.channels.ring_memory import RingSpec
from argus.flow.channels.tcp_spec import TcpSpec
from argus.flow.plan import EndSpec, InletPlan
from argus.flow.qos import Realtime


def open_sender(spec: EndSpec) -> Sender:
    """Return the sending end of a channel."""
    if isinstance(spec, RingSpec):
        from argus.flow.channels.ring_sender import RingSender

        return RingSender(spec)
    if isinstance(spec, LogSpec):
        from argus.flow.channels.log_sender import LogSender

        return LogSender(spec)
    if isinstance(spec, TcpSpec):
        from argus.flow.channels.tcp_sender import TcpSender

        return TcpSender(spec)
    from argus.flow.channels.redis_sender import RedisSender

    return RedisSender(spec)


def open_receivers(inlet: InletPlan, replica: int, last_end: str = "") -> list[Receiver]:
    """Return the receiving ends of a link's channels for a replica.

    Args:
        inlet: The link.
        replica: Which of the consumer's replicas it is.
        last_end: How the process before it ended, where that is known.
    """
    # One memory for all of them: what is newer may have come by another channel.
    freshness = Freshness(inlet.qos) if isinstance(inlet.qos, Realtime) else None
    return [_open_receiver(spec, inlet.link, replica, freshness, last_end) for spec in inlet.channels]


def _open_receiver(
    spec: EndSpec, link: str, replica: int, freshness: Freshness | None, last_end: str
) -> Receiver:
    if isinstance(spec, RingSpec):
        from argus.flow.channels.ring_receiver import RingReceiver

        return RingReceiver(spec, link, replica, freshness=freshness)
    if isinstance(spec, LogSpec):
        from argus.flow.channels.log_receiver import LogReceiver

        return LogReceiver(spec, replica, last_end)
    if isinstance(spec, TcpSpec) and spec.several:
        from argus.flow.channels.tcp_several import TcpSeveral

        return TcpSeveral(spec, link, replica, freshness=freshness)
    if isinstance(spec, TcpSpec):
        from argus.flow.channels.tcp_receiver import TcpReceiver

        return TcpReceiver(spec, link, replica, freshness=freshness)
    from argus.flow.channels.redis_receiver import RedisReceiver

    return RedisReceiver(spec, replica, last_end)
