"""One output of a running node: every link that leaves by it gets what is sent.

How values become bytes is `codec`, how bytes travel the channels' business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from argus.flow.channels.protocol import Sender
from argus.flow.codec import Encoder
from argus.flow.message import Header


class Outlet:
    """Sends one value to all channels of an output; used by one thread."""

    def __init__(self, senders: Sequence[tuple[Sender, int | None]]) -> None:
        """Send by `senders`, each with the quality of its JPEGs (None: raw pictures)."""
        self._groups: list[tuple[Encoder, list[Sender]]] = []
        for quality in dict.fromkeys(quality for _, quality in senders):
            chosen = [sender for sender, asked in senders if asked == quality]
            self._groups.append((Encoder(jpeg=quality), chosen))
        self._senders = [sender for sender, _ in senders]
        self._late = [s for s in self._senders if type(s).flush is not Sender.flush]

    def send(self, header: Header, value: Any, stopping: Callable[[], bool]) -> None:
        """Send; returns when every channel has it.

        Raises:
            ValueUnsendable: the value cannot travel.
            ChannelClosed: the system is ending while a channel is full.
        """
        for encoder, senders in self._groups:
            packed = encoder.encode(header, value)
            for sender in senders:
                sender.send(packed, header, stopping)

    def flush(self, stopping: Callable[[], bool]) -> None:
        """Return when every channel has everything that was sent.

        Raises:
            ChannelClosed: the system is ending while a channel is full or down.
        """
        for sender in self._late:
            sender.flush(stopping)

    def end(self, stopping: Callable[[], bool]) -> None:
        """Say on every channel that the stream is over.

        Raises:
            ChannelClosed: the system is ending, and somebody may not know of it.
        """
        for sender in self._senders:
            sender.end(stopping)

    def loan(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Return an array in a channel that lends its memory, or a plain one."""
        import numpy as np

        for sender in self._senders:
            lend = getattr(sender, "loan", None)
            if lend is not None:
                return lend(shape, dtype)
        return np.empty(shape, dtype)

    def close(self) -> None:
        """Close the sending ends; what was sent is still delivered."""
        for sender in self._senders:
            sender.close()
