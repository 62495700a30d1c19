"""Where Redis is: one address, or one for what steers and another for what is heavy.

Values only; `argus.flow.channels.redis_channel` goes there.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from argus.core.errors import SpecError
from argus.core.urls import mask_url, scheme_of
from argus.flow.graph import Broker

SCHEMES = ("redis", "rediss", "unix")


@dataclass(frozen=True, slots=True)
class DualRedis:
    """Two servers: `System(broker=DualRedis(control="redis://…", data="redis://…"))`.

    Entries, groups and counts go to `control`, which should write an append-only file; large messages lie
    at `data`, which may be a machine with more memory. Addresses are not shown, as they may hold passwords.
    """

    control: str = field(repr=False)
    """Where entries, groups and counts are."""
    data: str | None = field(default=None, repr=False)
    """Where messages of 16 KiB and more are; None: with the entries."""


def as_broker(broker: str | DualRedis | None) -> Broker:
    """Return what a system was given as its broker, checked.

    Raises:
        SpecError: it is no address of a Redis.
    """
    if broker is None:
        return Broker()
    if isinstance(broker, str):
        broker = DualRedis(control=broker)
    for what, url in (("control", broker.control), ("data", broker.data)):
        if url is not None and scheme_of(url) not in SCHEMES:
            raise SpecError(f"broker: {what}: {mask_url(url)}: an address like redis://host:6379/0 is needed")
    return Broker(control=broker.control, data=broker.data)
