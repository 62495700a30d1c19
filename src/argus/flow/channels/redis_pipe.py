"""Messages on their way into a Redis channel: written on one connection, confirmed over another.

The server answers nothing on the first. That spares an answer per message, and it is what makes a written
message safe from a kill of this process: with nothing unread a socket is closed in order, so the kernel
still delivers all that it has taken. (With unread answers it is reset, and what is in its buffer is lost.)
The second asks now and then which number the server has counted. What it has not counted is written
again over a new connection, and counted once, because each message bears a number.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Final

from argus.flow.channels.protocol import ChannelClosed, ChannelDown
from argus.flow.channels.redis_connection import Line, Part, packed
from argus.flow.channels.redis_scripts import ALIVE, END, HELLO, NOTE, OPEN, PUT, STATE
from argus.flow.channels.redis_spec import RedisSpec

_LARGE: Final = 4096
"""From so many bytes on, a message is appended beside the script and not by it."""


class Written:
    """A message that the server has not confirmed yet."""

    __slots__ = ("blob", "data", "id", "seq", "size", "stamp")

    def __init__(self, id_: bytes, stamp: bytes, data: bytearray) -> None:
        """Begin without a number; `Pipe.post` gives it."""
        self.id, self.stamp, self.data, self.size = id_, stamp, data, len(data)
        self.seq = 0
        self.blob: bytes | None = None
        """Its name at the data Redis; None: it goes with the entry."""


class Pipe:
    """What one sending end has written and not heard of yet; used by one thread at a time."""

    def __init__(self, spec: RedisSpec, who: bytes, answer_s: float) -> None:
        """Begin without a connection.

        Args:
            spec: The channel.
            who: Tells this end from those before and after it.
            answer_s: Seconds without progress after which the connections are taken for dead.
        """
        self._spec, self._keys, self._who, self._answer_s = spec, spec.keys, who, answer_s
        # What all messages begin with is spelled once: of a small one it is the larger part.
        self._me = (who, spec.place)
        put = packed([(*Line.spell(PUT, self._keys.all), *self._me)])[0]
        self._put = b"*%d\r\n" % (len(self._keys.all) + 11) + bytes(put).partition(b"\r\n")[2]
        self._note = (b"EVAL", NOTE.text, b"%d" % len(self._keys.all), *self._keys.all)
        self._out: Line | None = None
        self.control: Line | None = None
        """The connection for questions; none is outstanding while `quiet`."""
        self._asked = self._introduced = False
        self._unconfirmed: deque[Written] = deque()
        self._bytes = self._seq = 0
        self._waiting = self._waiting_bytes = 0
        self._unsent, self._moved_s = 0, 0.0

    @property
    def unconfirmed(self) -> int:
        """Messages that the server may not have."""
        return len(self._unconfirmed)

    @property
    def unconfirmed_bytes(self) -> int:
        """Their bytes."""
        return self._bytes

    @property
    def waiting(self) -> int:
        """The most that can wait in the channel, what is on its way included."""
        return self._waiting + len(self._unconfirmed)

    @property
    def waiting_bytes(self) -> int:
        """Its bytes."""
        return self._waiting_bytes + self._bytes

    @property
    def up(self) -> bool:
        """Whether there is a connection."""
        return self._out is not None

    def connect(self) -> list[Written]:
        """Connect; return what must be written again with `resume`, the oldest first.

        Raises:
            ChannelDown: the server is not there.
            ChannelClosed: another process sends in this one's place.
        """
        self.drop()
        try:
            control = self.control = Line(self._spec.control, answer_s=self._answer_s)
            control.know(OPEN, HELLO, PUT, STATE, ALIVE, END)
            control.run(OPEN, self._keys.all)
            before = self._unconfirmed[0].seq - 1 if self._unconfirmed else self._seq
            first, senders = b"%d" % (not self._introduced), b"%d" % self._spec.senders
            known = control.run(HELLO, self._keys.all, *self._me, b"%d" % before, first, senders)
            if known == -1:
                raise self._superseded()
            self._introduced = True
            seq, self._waiting, self._waiting_bytes = known
            self._confirm(seq)
        except (ChannelDown, ChannelClosed):
            self.drop()
            raise
        return list(self._unconfirmed)

    def resume(self) -> None:
        """Write again what is unconfirmed; from now on `post` may follow.

        Raises:
            ChannelDown: the connection is gone.
        """
        out = Line(self._spec.control, quiet=True, answer_s=self._answer_s)
        try:
            for written in self._unconfirmed:
                self._write(out, written)
        except ChannelDown:
            out.close()
            raise
        self._out = out
        self._move()

    def post(self, written: Written) -> None:
        """Give a message its number and write it.

        Raises:
            ChannelDown: the connection is gone; it is written again after `connect`, unless `give_up`.
        """
        assert self._out is not None
        self._seq += 1
        written.seq = self._seq
        if not self._unconfirmed:
            self._move()
        self._unconfirmed.append(written)
        self._bytes += written.size
        self._write(self._out, written)

    def look(self, within_s: float = 0.0) -> bool:
        """Ask what the server has, unless that was asked already; return whether it has said so.

        Raises:
            ChannelDown: the connections are gone, or the server has not got what was written.
            ChannelClosed: another process sends in this one's place.
        """
        control, out = self.control, self._out
        assert control is not None
        assert out is not None
        if not self._asked:
            control.write((*Line.spell(STATE, self._keys.all), self._spec.place))
            self._asked = True
        told = control.answered(within_s)
        if told:
            self._asked = False
            sender, seq, self._waiting, self._waiting_bytes = control.answer()
            if sender is None:
                raise ChannelDown(f"redis at {self._spec.where} was emptied: what it lacks is sent again")
            if sender != self._who:
                raise self._superseded()
            self._confirm(int(seq))
        if self._unconfirmed:
            unsent = out.unsent
            if unsent < self._unsent:
                self._move()
            self._unsent = unsent
            if time.monotonic() - self._moved_s > self._answer_s:
                raise out.down(f"it has not taken what was sent for {self._answer_s:g} s")
        return told

    def quieten(self) -> Line:
        """Return the connection for questions, with none outstanding.

        Raises:
            ChannelDown: it is gone.
            ChannelClosed: another process sends in this one's place.
        """
        assert self.control is not None
        while self._asked:
            self.look(self._answer_s)
        return self.control

    def show_life(self, *, here: bool = True) -> None:
        """Let the server know that this end is there, though it sends nothing, or that it leaves.

        Raises:
            ChannelDown: it is gone.
            ChannelClosed: another process sends in this one's place.
        """
        self.quieten().run(ALIVE, self._keys.all, *self._me, b"%d" % here)

    def end(self) -> None:
        """Say that the stream is over; everything was confirmed.

        Raises:
            ChannelDown: the connection is gone.
            ChannelClosed: another process sends in this one's place.
        """
        if self.quieten().run(END, self._keys.all, *self._me) < 0:
            raise self._superseded()

    def give_up(self, written: Written) -> None:
        """Do not write a message again whose sender was told that it is not in the channel."""
        if self._unconfirmed and self._unconfirmed[-1] is written:
            self._unconfirmed.pop()
            self._bytes -= written.size

    def drop(self) -> None:
        """Close the connections; what is unconfirmed is kept."""
        for line in (self._out, self.control):
            if line is not None:
                line.close()
        self._out = self.control = None
        self._asked = False

    def clear(self) -> None:
        """Forget what is unconfirmed."""
        self._unconfirmed.clear()
        self._bytes = 0

    def _write(self, out: Line, written: Written) -> None:
        blob = written.blob
        number, size = b"%d" % written.seq, b"%d" % written.size
        if blob is None and written.size >= _LARGE:
            fields = (b"i", written.id, b"k", written.stamp, b"s", size, b"m", written.data)
            out.write(
                (b"MULTI",),
                (b"XADD", self._keys.entries, b"*", *fields),
                (*self._note, *self._me, number, size),
                (b"EXEC",),
            )
        else:
            form, payload = (b"m", written.data) if blob is None else (b"b", blob)
            parts = (number, size, written.id, written.stamp, form, payload)
            spelled: list[Part] = [self._put]
            for part in parts:
                spelled += (b"$%d\r\n" % len(part), part, b"\r\n")
            out.pour([b"".join(spelled)])

    def _confirm(self, seq: int) -> None:
        while self._unconfirmed and self._unconfirmed[0].seq <= seq:
            self._bytes -= self._unconfirmed.popleft().size
            self._move()

    def _move(self) -> None:
        self._moved_s = time.monotonic()

    def _superseded(self) -> ChannelClosed:
        self.clear()
        return ChannelClosed(f"{self._spec.link}: another process sends in this one's place: end this one")
