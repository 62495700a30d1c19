"""Whether a message is still worth delivering over a REALTIME link.

A decision over its header: what is not worth it is counted by the transport.
"""

from __future__ import annotations

import time

from argus.flow.channels.protocol import Reason
from argus.flow.message import Header
from argus.flow.qos import Realtime

_SOURCES_KEPT = 1024


class Freshness:
    """Remembers the newest life and index that were let through per origin; used by one thread."""

    def __init__(self, qos: Realtime) -> None:
        """Begin with nothing let through."""
        self._qos = qos
        self.looks = qos.ordered or qos.max_age is not None
        """Whether there is anything to ask: where not, a header need not be read for it."""
        self._newest: dict[str, tuple[int, int]] = {}

    def fault(self, header: Header) -> Reason | None:
        """Return why not to deliver a message; None lets it through."""
        if self._qos.max_age is not None and header.age_s(time.monotonic_ns()) > self._qos.max_age:
            return "stale"
        if not self._qos.ordered:
            return None
        # Of a producer whose system was started again, the index begins anew.
        source, place = header.origin.source, (header.origin.life, header.origin.index)
        if place <= self._newest.get(source, (0, -1)):
            return "overtaken"
        if len(self._newest) >= _SOURCES_KEPT:
            del self._newest[next(iter(self._newest))]
        self._newest[source] = place
        return None
