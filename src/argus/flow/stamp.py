"""What a message is called and where it comes from, and what of a result is sent: one way for every mode."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from argus.flow.message import Header, Hop, Message, Origin


class Stamps:
    """Makes the headers of what one node sends. Used by one thread."""

    def __init__(
        self,
        source: str,
        *,
        life: int = 0,
        process: int = 1,
        first_index: int = 0,
        on_index: Callable[[int], None] | None = None,
    ) -> None:
        """Begin.

        Args:
            source: Its name and replica, in origins and ids.
            life: Tells its ids from those of the same system when it ran before; see `Origin`.
            process: Tells its ids from those of the process before it.
            first_index: The index of the first message that begins here.
            on_index: Hears the index that the next one will have.
        """
        self._source = source
        self._life = life
        self._prefix = f"{source}/{life:x}.{process}/"
        self._base = self._index = first_index
        self._on_index = on_index
        self._sent = 0

    def header(
        self, value: Any, about: Message | None, received_ns: int, *, time_s: float | None, index: int | None
    ) -> Header:
        """Return the header of a value.

        Args:
            value: What is sent; one that knows its time says so (`time_s`, `received_s`).
            about: What the node is looking at: the value comes of it. None: the value begins here.
            received_ns: When it got that, by the monotonic clock.
            time_s: Its time in the stream; None: as it says itself, or that of what it comes of.
            index: Its place in the stream; None: likewise, or the next one.

        Raises:
            ValueError: the time is not finite: nothing could be put in order, or matched, by it.
        """
        if time_s is None and about is None:
            time_s = getattr(value, "time_s", None)
        if time_s is not None and not math.isfinite(time_s):
            raise ValueError(f"time_s: {time_s}: it must be a finite number of seconds")
        now_ns = time.monotonic_ns()
        self._sent += 1
        id_ = f"{self._prefix}{self._sent}"
        if about is not None:
            header = about.header
            origin = header.origin
            if time_s is not None or index is not None:
                origin = Origin(
                    origin.source,
                    origin.index if index is None else index,
                    origin.time_s if time_s is None else time_s,
                    origin.born_ns,
                    origin.life,
                )
            return Header(id_, origin, (*header.hops, Hop(self._source, received_ns, now_ns)))
        at = self._index if index is None else self._base + index
        self._index = max(self._index, at + 1)
        if self._on_index is not None:
            self._on_index(self._index)
        born_s = getattr(value, "received_s", None)
        origin = Origin(
            self._source,
            at,
            now_ns / 1e9 if time_s is None else float(time_s),
            now_ns if born_s is None else int(born_s * 1e9),
            self._life,
        )
        return Header(id_, origin, (Hop(self._source, now_ns, now_ns),))
