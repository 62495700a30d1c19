"""Reading ahead from a Redis channel: what is new, what nobody has, and what the dead had.

One connection and the data Redis; what was read is put into the `Hand`. Whoever runs `read` in a thread
does so again, over a new connection, when it raises.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from argus.flow.channels.redis_clock import Clock
from argus.flow.channels.redis_connection import Line
from argus.flow.channels.redis_fetched import Fetched
from argus.flow.channels.redis_hand import Hand
from argus.flow.channels.redis_scripts import ADOPT, LEAVE, OPEN
from argus.flow.channels.redis_spec import GROUP, RedisSpec

_BLOCK_MS: Final = 250
"""How long the server is asked to wait for something new; what another end gave up is found after it."""
_NEVER: Final = float("-inf")
_LOOK_S: Final = 5.0
"""How often to look for consumers that show no life."""


class Reader:
    """Reads for one consumer; used by one thread, but for `leave`."""

    def __init__(self, spec: RedisSpec, me: bytes, hand: Hand, answer_s: float, last_end: str = "") -> None:
        """Begin without a connection."""
        self._last_end = last_end or "its process ended without a word"
        self._spec, self._keys, self._me, self._hand, self._answer_s = spec, spec.keys, me, hand, answer_s
        self._clock = Clock()
        self._met = False
        self.ended = False
        """The stream is over, and nothing of it waits."""
        self._over_s: float | None = None
        """When the server first said that the stream is over."""
        self._no_new_s = self._no_free_s = _NEVER
        """When it was last asked for what is new, and for what nobody has, and had nothing."""

    def found_nothing(self, over_s: float | None) -> bool:
        """Return whether the server had nothing more for us when it was asked after the end of the stream.

        Args:
            over_s: When that was, by somebody else's word; None: only the server's counts.
        """
        said = [s for s in (over_s, self._over_s) if s is not None]
        return bool(said) and min(self._no_new_s, self._no_free_s) >= min(said)

    def read(self, line: Line, begun: Callable[[], None], ending: Callable[[], bool]) -> None:
        """Read ahead until `ending` says so.

        Args:
            line: A new connection.
            begun: Called when it works.
            ending: Asked several times a second.

        Raises:
            ChannelDown: the connection is gone.
        """
        line.know(OPEN, LEAVE, ADOPT)
        line.run(OPEN, self._keys.all)
        # What is ours at the server and not in hand is anybody's; at first, all that a predecessor had.
        self.leave(line, died=not self._met, keep=self._hand.kept())
        self._met = True
        self._no_new_s = self._no_free_s = _NEVER
        begun()
        data = None if self._spec.data is None else Line(self._spec.data, answer_s=self._answer_s)
        try:
            next_adopt_s = next_look_s = 0.0
            while not ending():
                now_s = time.monotonic()
                room = self._hand.room()
                if now_s >= next_adopt_s:
                    look = now_s >= next_look_s
                    if look:
                        next_look_s = now_s + min(_LOOK_S, self._spec.silent_s)
                    self._adopt(line, data, room, look=look)
                    next_adopt_s = time.monotonic() + _BLOCK_MS / 1000
                elif room > 0:
                    self._read(line, data, room)
                else:
                    self._hand.await_room(_BLOCK_MS / 1000)
        finally:
            if data is not None:
                data.close()

    def leave(self, line: Line, *, died: bool, keep: list[bytes]) -> None:
        """Give up all but what is kept; `died`: what was in hand of this consumer's name has failed.

        Raises:
            ChannelDown: the connection is gone.
        """
        why = self._last_end.encode(errors="replace")
        line.run(LEAVE, self._keys.all, self._me, b"%d" % died, why, *said(self._spec), *keep)

    def _adopt(self, line: Line, data: Line | None, room: int, *, look: bool) -> None:
        """Show life, and take what nobody has."""
        asked_s = time.monotonic()
        entries, tries, waiting, known, over = line.run(
            ADOPT,
            self._keys.all,
            self._me,
            b"%d" % max(0, room),
            b"%d" % look,
            b"%d" % int(self._spec.silent_s * 1000),
            b"its replica showed no life for %g s" % self._spec.silent_s,
            *said(self._spec),
            b"%d" % self._spec.senders,
        )
        new_end = bool(over) and over.decode() != self._spec.heard
        self.ended = new_end and not waiting
        self._over_s = (self._over_s or asked_s) if new_end else None
        self._no_free_s = asked_s if room > 0 and not entries else _NEVER
        if not known:  # we had been given up: what was read ahead is others' now
            self._hand.kept()
        self._put(entries, tries, waiting, data)

    def _read(self, line: Line, data: Line | None, room: int) -> None:
        """Wait a moment for something new."""
        asked_s = time.monotonic()
        line.write(
            (
                *(b"XREADGROUP", b"GROUP", GROUP, self._me, b"COUNT", b"%d" % room),
                *(b"BLOCK", b"%d" % _BLOCK_MS, b"STREAMS", self._keys.entries, b">"),
            ),
            (b"XLEN", self._keys.entries),
        )
        found, waiting = line.answer(), line.answer()
        entries = found[0][1] if found else []
        self._no_new_s = _NEVER if entries else asked_s
        self._put(entries, [0] * len(entries), waiting, data)

    def _put(self, entries: list[Any], tries: list[int], waiting: int, data: Line | None) -> None:
        items = []
        for entry, failed in zip(entries, tries, strict=True):
            item = Fetched.of(entry, failed, self._clock)
            if item.blob and data is None:
                item.fault = "its bytes are at a data Redis, and the system names none now"
            elif item.blob and data is not None:
                item.read(data.call(b"GET", self._keys.blob(item.blob)), self._clock)
            items.append(item)
        self._hand.put(items, waiting)


def said(spec: RedisSpec) -> tuple[bytes, bytes, bytes]:
    """Return what scripts say of dead letters: most tries, now, the link."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return b"%d" % spec.qos.tries, now.encode(), spec.link.encode()
