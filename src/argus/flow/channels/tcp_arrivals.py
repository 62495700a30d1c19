"""The messages that are at one receiving end of a TCP channel: the one that is held, and those handed out.

What became of each is counted; nothing is said or asked here. Used under the receiving end's lock.
"""

from __future__ import annotations

import time
from typing import Final

import msgspec

from argus.flow.channels.freshness import Freshness
from argus.flow.channels.protocol import Delivery, Reason
from argus.flow.channels.tcp_tally import Tally
from argus.flow.channels.tcp_words import Answer, on_our_clock
from argus.flow.wire import MessageDamaged, unlay

_FRESH_S: Final = 0.1
"""A message that has waited here no longer is handed out without a question."""


class _Held:
    """A message that is here and that the node has not got."""

    def __init__(self, answer: Answer, whole: memoryview, ahead_ns: int) -> None:
        self.sender, self.number = answer.sender, answer.message
        header, self.buffers = unlay(whole)
        self.header, self.data = on_our_clock(header, ahead_ns)
        self.good_until_s = 0.0
        """Until then it is handed out without a question."""


class Arrivals:
    """See the module."""

    def __init__(self, freshness: Freshness, tally: Tally) -> None:
        """Begin with none, of no sending end."""
        self._freshness, self.tally = freshness, tally
        self.sender = ""
        """The sending end that answers; empty: none has yet."""
        self.over = False
        """It has said that its stream is over."""
        self._out: set[tuple[str, int]] = set()
        self._held: _Held | None = None

    @property
    def holds(self) -> bool:
        """Whether one is here that was not handed out."""
        return self._held is not None

    @property
    def busy(self) -> bool:
        """Whether one is handed out."""
        return bool(self._out)

    @property
    def idle(self) -> bool:
        """Whether there is none."""
        return self._held is None and not self._out

    @property
    def newest(self) -> int:
        """The number of the one that is held; 0 where none of this sending end is."""
        return self._held.number if self._held is not None and self._held.sender == self.sender else 0

    @property
    def unfinished(self) -> int:
        """How many of this sending end there are."""
        return sum(1 for sender, _ in self._out if sender == self.sender) + (self.newest > 0)

    def meet(self, sender: str) -> None:
        """Begin anew with another sending end; what is here of the one before stays."""
        self.sender, self.over = sender, False
        self.tally.meet()

    def come(self, answer: Answer, whole: memoryview, ahead_ns: int) -> bool:
        """Hold a message in place of the one before; return False where it is damaged."""
        self.tally.came()
        try:
            held = _Held(answer, whole, ahead_ns)
        except (MessageDamaged, msgspec.MsgspecError):
            self._finish(answer.sender, "failed")
            return False
        if self._held is not None:
            self._finish(self._held.sender, "newer")
        self._held = held
        return True

    def confirm(self) -> None:
        """Let what is held be handed out for a while: there is nothing newer."""
        if self._held is not None:
            self._held.good_until_s = time.monotonic() + _FRESH_S

    @property
    def doubtful(self) -> bool:
        """Whether what is held has waited so long that there may be something newer."""
        return self._held is not None and time.monotonic() > self._held.good_until_s

    def hand_out(self) -> Delivery | None:
        """Return what is held, if it is still worth it."""
        held, self._held = self._held, None
        if held is None:
            return None
        reason = self._freshness.fault(held.header)
        if reason is not None:
            self._finish(held.sender, reason)
            return None
        handle = (held.sender, held.number)
        self._out.add(handle)
        return Delivery(held.header, held.data, held.buffers, 1, handle)

    def done(self, delivery: Delivery, reason: Reason | None) -> bool:
        """Count what became of one that was handed out (None: delivered); return False where it was not."""
        if delivery.handle not in self._out:
            return False
        self._out.discard(delivery.handle)
        self._finish(delivery.handle[0], reason)
        return True

    def end(self) -> None:
        """Drop them all."""
        for sender, _ in [*self._out, *([(self._held.sender, 0)] if self._held else [])]:
            self._finish(sender, "ended")
        self._out.clear()
        self._held = None

    def _finish(self, sender: str, reason: Reason | None) -> None:
        self.tally.done(reason, ours=sender == self.sender)
