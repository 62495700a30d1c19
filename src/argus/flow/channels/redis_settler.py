"""Telling a Redis channel what was accepted and what has failed, as many at once as came together.

One connection for that, a quiet one for what is in hand, and the data Redis, where blobs of what was
delivered are freed. Whoever runs `settle` in a thread does so again, over a new connection, when it raises.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import structlog

from argus.flow.channels.protocol import ChannelDown
from argus.flow.channels.redis_blobs import free, sweep
from argus.flow.channels.redis_connection import Line, Refusal
from argus.flow.channels.redis_fetched import Fetched
from argus.flow.channels.redis_hand import Failed, Hand
from argus.flow.channels.redis_reader import said
from argus.flow.channels.redis_scripts import FAIL, LEAVE, SETTLE
from argus.flow.channels.redis_spec import RedisSpec

_BATCH: Final = 256
_SWEEP_S: Final = 30.0
_IDLE_S: Final = 1.0


class Settler:
    """Settles for one consumer; used by one thread, but for `whisper`, which the hand's lock guards."""

    def __init__(self, spec: RedisSpec, me: bytes, hand: Hand, answer_s: float) -> None:
        """Begin without a connection."""
        self._spec, self._keys, self._hand, self._answer_s = spec, spec.keys, hand, answer_s
        self._place = self._keys.hand(me)
        self._whisperer: Line | None = None
        self._data: Line | None = None
        self._garbage: list[bytes] = []
        self._next_sweep_s = time.monotonic() + _SWEEP_S
        self._log = structlog.get_logger().bind(link=spec.link)

    @property
    def ready(self) -> bool:
        """Whether what is handed out can be written down."""
        return self._whisperer is not None

    def whisper(self) -> None:
        """Write down at the server what is in hand, without waiting.

        Raises:
            ChannelDown: the connection is gone.
        """
        with self._hand.lock:
            assert self._whisperer is not None
            try:
                self._whisperer.whisper(b"SET", self._place, self._hand.said())
            except ChannelDown:
                self._mute()
                raise

    def settle(self, line: Line, begun: Callable[[], None], ending: Callable[[], bool]) -> None:
        """Tell the server what there is to tell, until `ending` says so and everything is told.

        Args:
            line: A new connection.
            begun: Called when it works.
            ending: Asked about once a second, and when the hand is woken.

        Raises:
            ChannelDown: a connection is gone.
        """
        line.know(SETTLE, FAIL, LEAVE)
        whisperer = Line(self._spec.control, quiet=True, answer_s=self._answer_s)
        with self._hand.lock:
            self._whisperer = whisperer
        begun()
        try:
            while not (ending() and self._hand.all_told):
                if not ending():
                    self._hand.await_work(_IDLE_S)
                accepted, failed = self._hand.to_tell(_BATCH)
                if accepted:
                    self._accepted(line, accepted)
                if failed is not None:
                    self._failed(line, failed)
                self._clean(line)
                if self._whisperer is None:
                    raise whisperer.down("what was in hand could not be written down")
            with self._hand.lock:
                self._whisperer = None
            try:  # the server may read two lines in either order: first what was whispered, then the goodbye
                whisperer.aloud()
            finally:
                whisperer.close()
        finally:
            with self._hand.lock:
                self._mute()

    def close(self) -> None:
        """Close what is open besides the lines that were given."""
        if self._data is not None:
            self._data.close()
            self._data = None

    def _mute(self) -> None:
        if self._whisperer is not None:
            self._whisperer.close()
            self._whisperer = None
            self._hand.wake()

    def _accepted(self, line: Line, items: list[Fetched]) -> None:
        parts: list[bytes] = []
        for item in items:
            parts += (item.id, b"%d" % item.size, item.blob)
        line.run(SETTLE, self._keys.all, *parts)
        self._garbage += [item.blob for item in items if item.blob]
        self._hand.told_accepted(items)

    def _failed(self, line: Line, failure: Failed) -> None:
        most, at, link = said(self._spec)
        if failure.last:
            most = b"1"
        tries, reason = b"%d" % failure.tries, failure.reason.encode(errors="replace")
        now = line.run(FAIL, self._keys.all, failure.item.id, tries, reason, most, at, link)
        self._hand.told_failed(failure, over=now <= 0)
        if now < 0:
            error = failure.reason.strip().rpartition("\n")[2]
            self._log.error("flow.dead_letter", tries=-now, error=error)

    def _clean(self, line: Line) -> None:
        """Free the blobs of what was delivered; what cannot be freed now is swept later."""
        sweeping = time.monotonic() > self._next_sweep_s
        if self._spec.data is None or not (self._garbage or sweeping):
            return
        names, self._garbage = self._garbage, []
        try:
            if self._data is None:
                self._data = Line(self._spec.data, answer_s=self._answer_s)
            free(line, self._data, self._keys, names)
            if sweeping:
                self._next_sweep_s = time.monotonic() + _SWEEP_S
                sweep(line, self._data, self._keys, unwritten=False)
        except Refusal:
            raise
        except ChannelDown as error:
            self._log.warning("flow.redis_blobs_kept", error=str(error), blobs=len(names))
            self._next_sweep_s = time.monotonic() + _SWEEP_S
            self.close()
