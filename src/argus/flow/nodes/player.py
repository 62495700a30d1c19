"""A node that plays a recorded topic again, with the distances in time that its messages had.

What a recording is, is `argus.flow.recording`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field

from argus.core.errors import ArgusError, SpecError, UnknownName
from argus.core.paths import expanded
from argus.core.resources.spec import Spec
from argus.flow.node import ProducerNode

if TYPE_CHECKING:
    from pathlib import Path

    from argus.flow.replaying import Recorded

_STEP_S: Final = 1.0
"""A long silence is waited out in parts, so that nobody takes the node for stuck."""
_BEHIND_S: Final = 1.0


class Player(ProducerNode):
    """Sends the values of one topic as they were recorded, each with the index and time of its origin."""

    class Params(Spec):
        """What is played, and how fast."""

        path: str = Field(min_length=1)
        """The recording."""
        topic: str | None = None
        """Which topic; None: the only one."""
        rate: float | None = Field(default=1.0, gt=0, le=1000)
        """Times as fast as it happened; None: as fast as it is taken. Can be changed while it runs."""
        loop: bool = False
        """Begin again at the end, with time and index going on."""
        start: Literal["topic", "file"] = "topic"
        """`file` also waits for what lies before the topic's first message, so that several players of one
        recording keep step."""

    params: Params

    def setup(self) -> None:
        """Look into the recording.

        Raises:
            SourceError: it cannot be read.
            UnknownName: there is no such topic.
        """
        from argus.flow.replaying import read_recording, topics_of

        path, topic = expanded(self.params.path), self.params.topic
        known = topics_of(path)
        if topic is None:
            if len(known) != 1:
                names = ", ".join(sorted(known)) or "none"
                raise SpecError(f"{path}: which topic? there are {names}: give topic=…")
            [topic] = known
        if topic not in known:
            raise UnknownName("topic", topic, known)
        first = next(read_recording(path, topic))
        zero = first if self.params.start == "topic" else next(read_recording(path))
        self._round = _Round(path, topic, zero.sent_ns)
        self._clock = _Clock()
        self._taken = self.params

    def loop(self) -> None:
        """Send the next message when its time has come.

        Raises:
            EndOfStream: the recording has ended.
            SourceUnreadable: it is damaged.
        """
        message = self._round.peek()
        if message is None:
            if not self.params.loop:
                self.finish()
            self._round = self._round.again()
            self._clock = _Clock()
            return
        if self.params.rate is not None:
            at_s = (message.sent_ns - self._round.zero_ns) / 1e9 / self.params.rate
            wait_s = self._clock.wait_s(at_s)
            if wait_s > 0 and (self.host.pause(min(wait_s, _STEP_S)) or wait_s > _STEP_S):
                return
        index, time_s = self._round.take()
        self.send(message.value, time_s=time_s, index=index)

    def on_params(self, changed: frozenset[str]) -> None:
        """Go on at another speed from here; another recording or topic begins anew.

        Raises:
            ArgusError: there is no such recording or topic; it goes on as before.
        """
        if changed & {"path", "topic", "start"}:
            place = self._round.place
            try:
                self.setup()
            except ArgusError:
                self.params = self._taken
                raise
            self._round.begin_at(place)
        elif "rate" in changed:
            self._clock.lost()
        self._taken = self.params


class _Round:
    """One way through the recording."""

    def __init__(self, path: Path, topic: str, zero_ns: int) -> None:
        """Begin.

        Args:
            path: The recording.
            topic: Which topic of it.
            zero_ns: When the first message was sent that distances are counted from.
        """
        from argus.flow.replaying import read_recording

        self.zero_ns = zero_ns
        self._file = path, topic
        self._messages: Iterator[Recorded] = read_recording(path, topic)
        self._next: Recorded | None = None
        self._wanted: tuple[int, float] | None = None
        self._shift = (0, 0.0)
        self._given: list[tuple[int, float]] = []
        self._count = 0

    @property
    def place(self) -> tuple[int, float] | None:
        """Index and time that come one usual distance after the last message; None before the first."""
        if not self._given:
            return self._wanted
        (_, began_s), (index, ended_s) = self._given[0], self._given[-1]
        return index + 1, ended_s + (ended_s - began_s) / max(1, self._count - 1)

    def begin_at(self, place: tuple[int, float] | None) -> None:
        """Give the first message this index and time; None: its own."""
        self._wanted = place

    def peek(self) -> Recorded | None:
        """Return the message whose turn it is, None at the end."""
        if self._next is None:
            self._next = next(self._messages, None)
        return self._next

    def take(self) -> tuple[int, float]:
        """Go on to the next message; return the index and time of the one that was peeked at."""
        assert self._next is not None
        origin = self._next.header.origin
        if self._count == 0 and self._wanted is not None:
            self._shift = (self._wanted[0] - origin.index, self._wanted[1] - origin.time_s)
        place = origin.index + self._shift[0], origin.time_s + self._shift[1]
        self._given = [*self._given[:1], place]
        self._next, self._count = None, self._count + 1
        return place

    def again(self) -> _Round:
        """Return the next round: its indices and times go on."""
        following = _Round(*self._file, self.zero_ns)
        following.begin_at(self.place)
        return following


class _Clock:
    """Tells how long to wait for a moment of the recording."""

    def __init__(self) -> None:
        self._start_s: float | None = time.monotonic()

    def wait_s(self, at_s: float) -> float:
        """Return the seconds until `at_s` after the beginning; who is very late goes on from where it is."""
        now_s = time.monotonic()
        if self._start_s is None or now_s - self._start_s - at_s > _BEHIND_S:
            self._start_s = now_s - at_s
        return self._start_s + at_s - now_s

    def lost(self) -> None:
        """Let the next moment be now."""
        self._start_s = None
