"""What flows from an RTSP server over TCP, cut into its units: answers in text, and packets behind a `$`.

Pure: bytes in, units out. Sockets are the proxy's, and what is done to packets is `packets`.

Source: RFC 2326, section 10.12 (embedded binary data) and section 4 (messages).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_DOLLAR: Final = 0x24
_HEADER: Final = 4
_LONGEST_TEXT: Final = 65536
_LENGTH = re.compile(rb"^content-length\s*:\s*(\d{1,6})\s*$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Unit:
    """One answer, or one packet."""

    channel: int | None
    """Of a packet: even carries RTP, odd RTCP. None: text."""
    data: bytes
    """A packet without its `$` header; a text whole."""

    def framed(self) -> bytes:
        """Return it as it flows."""
        if self.channel is None:
            return self.data
        return bytes((_DOLLAR, self.channel)) + len(self.data).to_bytes(2, "big") + self.data


class Interleaved:
    """Cuts one direction of one connection, whatever pieces it arrives in."""

    def __init__(self) -> None:
        """Start where the connection does."""
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[Unit]:
        """Return the units that are complete with `data`; what breaks the rules passes as text."""
        self._rest += data
        units = []
        while (unit := self._next()) is not None:
            units.append(unit)
        return units

    def _next(self) -> Unit | None:
        rest = self._rest
        if rest[:1] == b"$":
            if len(rest) < _HEADER:
                return None
            end = _HEADER + int.from_bytes(rest[2:4], "big")
            return Unit(rest[1], self._taken(end)[_HEADER:]) if len(rest) >= end else None
        head = rest.find(b"\r\n\r\n")
        if head < 0:
            return Unit(None, self._taken(len(rest))) if len(rest) > _LONGEST_TEXT else None
        length = _LENGTH.search(bytes(rest[:head]))
        end = head + 4 + (int(length[1]) if length else 0)
        return Unit(None, self._taken(end)) if len(rest) >= end else None

    def _taken(self, end: int) -> bytes:
        data = bytes(self._rest[:end])
        del self._rest[:end]
        return data
