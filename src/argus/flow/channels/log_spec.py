"""What a process must know to have an end of a log: the descriptors that it inherited, and the promise."""

from __future__ import annotations

import msgspec

from argus.flow.qos import Durable


class LogSpec(msgspec.Struct, frozen=True, kw_only=True, tag="log"):
    """A log, as its owner tells the processes it starts."""

    link: str
    qos: Durable
    fd: int
    """The log's file."""
    room: int
    """An eventfd: there is room again."""
    came: tuple[int, ...]
    """An eventfd per replica: something came."""
    dead: str
    """The folder of dead letters."""

    @property
    def fds(self) -> tuple[int, ...]:
        """All of them."""
        return (self.fd, self.room, *self.came)
