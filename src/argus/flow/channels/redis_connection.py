"""One connection to a Redis: commands may be written ahead of their answers, and every wait has an end.

The client library connects, authenticates and reads; it is loaded with the first connection. Whatever
goes wrong is `ChannelDown`, without a password in it. When to connect again is for `Patience` to say.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import termios
from collections.abc import Sequence
from fcntl import ioctl
from typing import Any, Final

from argus.core.urls import mask_url, mask_urls
from argus.flow.channels.protocol import ChannelDown
from argus.flow.channels.redis_patience import ANSWER_S, Tardy
from argus.flow.channels.redis_scripts import Script

Part = bytes | bytearray | memoryview
_CONNECT_S: Final = 3.0
_APART: Final = 16 * 1024
"""From so many bytes on, an argument is written from where it lies."""


class Refusal(ChannelDown):
    """The server answers, but not with what was asked for: out of memory, loading, no such group."""


class Line:
    """A connection that is open, used by one thread; whoever gets an error from it closes it."""

    def __init__(self, url: str, *, quiet: bool = False, answer_s: float = ANSWER_S) -> None:
        """Connect.

        Args:
            url: Of the server.
            quiet: True for one that is only written to, without ever waiting: `whisper`.
            answer_s: Seconds without a byte after which it is dead.

        Raises:
            ChannelDown: there is no way to it now, or it does not let us in.
        """
        from redis import exceptions
        from redis.backoff import NoBackoff
        from redis.connection import Connection, parse_url
        from redis.retry import Retry

        self._url = url
        self._errors = (exceptions.RedisError, OSError)
        self._answer_s = answer_s
        try:
            details = parse_url(url)  # type: ignore[no-untyped-call]
            kind = details.pop("connection_class", Connection)
            details |= {
                "socket_timeout": answer_s,
                "socket_connect_timeout": min(_CONNECT_S, answer_s),
                "retry": Retry(NoBackoff(), 0),
                "protocol": 2,
                "health_check_interval": 0,
                "decode_responses": False,
            }
            self._connection = kind(**details)
            self._connection.connect()
        except (*self._errors, ValueError, TypeError) as error:
            raise self.down(error) from None
        self._socket: socket.socket = self._connection._sock
        self._encrypted = hasattr(self._socket, "cipher")
        self._known: set[bytes] = set()
        if quiet:
            self.call(b"CLIENT", b"REPLY", b"OFF", answered=False)
            if not self._encrypted:
                self._socket.setblocking(False)

    def call(self, *command: Part, answered: bool = True) -> Any:
        """Write a command and return its answer.

        Raises:
            ChannelDown: the connection is gone, or the server refuses.
        """
        self.write(command)
        return self.answer() if answered else None

    def deliver(self, *command: Part) -> Any:
        """Write a large command and return its answer, however slow the way is, as long as bytes leave.

        Raises:
            ChannelDown: the connection is gone, or the server refuses.
        """
        self.write(command)
        tardy = Tardy(self, self._answer_s)
        while not self.answered(0.05):
            tardy.check()
        return self.answer()

    def run(self, script: Script, keys: Sequence[bytes], *arguments: Part) -> Any:
        """Run a script and return its answer.

        Raises:
            ChannelDown: the connection is gone, or the server refuses.
        """
        self.know(script)
        return self.call(*self.spell(script, keys), *arguments)

    def know(self, *scripts: Script) -> None:
        """See to it that the server knows scripts, once per connection.

        Raises:
            ChannelDown: the connection is gone, or the server refuses.
        """
        for script in scripts:
            if script.sha not in self._known:
                self.call(b"SCRIPT", b"LOAD", script.text)
                self._known.add(script.sha)

    @staticmethod
    def spell(script: Script, keys: Sequence[bytes]) -> tuple[bytes, ...]:
        """Return how the command that runs a script begins."""
        return (b"EVALSHA", script.sha, b"%d" % len(keys), *keys)

    def write(self, *commands: Sequence[Part]) -> None:
        """Write commands; their answers are to be read in order.

        Raises:
            ChannelDown: the connection is gone, or nothing was taken for as long as `answer_s`.
        """
        self.pour(packed(commands))

    def pour(self, left: list[Part]) -> None:
        """Write commands that are spelled already; the list is used up.

        Raises:
            ChannelDown: the connection is gone, or nothing was taken for as long as `answer_s`.
        """
        try:
            while left:
                sent = self._send(left)
                while left and sent >= len(left[0]):
                    sent -= len(left[0])
                    del left[0]
                if sent:
                    left[0] = memoryview(left[0])[sent:]
        except self._errors as error:
            raise self.down(error) from None

    def whisper(self, *command: Part) -> None:
        """Write a short command to a quiet line, without waiting.

        Raises:
            ChannelDown: it is not taken at once, so the connection is gone or as good as that.
        """
        data = b"".join(packed([command]))
        try:
            sent = self._socket.send(data)
        except self._errors as error:
            raise self.down(error) from None
        if sent < len(data):
            raise self.down("it takes no more")

    def aloud(self) -> None:
        """Let a quiet line be answered again; when it returns, the server has done all that was whispered.

        Raises:
            ChannelDown: the connection is gone.
        """
        try:
            self._socket.settimeout(self._answer_s)
        except OSError as error:
            raise self.down(error) from None
        self.call(b"CLIENT", b"REPLY", b"ON")

    def answer(self) -> Any:
        """Return the next answer.

        Raises:
            ChannelDown: the connection is gone, or the server refuses.
        """
        from redis.exceptions import ConnectionError as Gone
        from redis.exceptions import ResponseError

        try:
            return self._connection.read_response()
        except ResponseError as error:
            raise Refusal(f"redis at {mask_url(self._url)} refuses: {mask_urls(str(error))}") from None
        except (Gone, *self._errors) as error:
            raise self.down(error) from None

    def answered(self, within_s: float = 0.0) -> bool:
        """Return whether an answer, or the end of the connection, is there within some seconds.

        Raises:
            ChannelDown: the connection is gone.
        """
        try:
            return bool(self._connection.can_read(within_s))
        except self._errors as error:
            raise self.down(error) from None

    def _send(self, pieces: list[Part]) -> int:
        """Send some of what is left; return how many bytes were taken, waiting until any are."""
        if self._encrypted:
            return self._socket.send(pieces[0])
        descriptor = self._socket.fileno()
        while True:
            try:  # the descriptor never blocks: the socket's own calls would ask `poll` before each one
                return os.writev(descriptor, pieces[:64])
            except BlockingIOError:
                poll = select.poll()
                poll.register(descriptor, select.POLLOUT)
                if not poll.poll(self._answer_s * 1000):
                    raise TimeoutError(f"nothing was taken for {self._answer_s:g} s") from None

    @property
    def unsent(self) -> int:
        """Bytes that were written and have not reached the other side."""
        if self._socket.fileno() < 0:
            return 0
        return int(struct.unpack("i", ioctl(self._socket, termios.TIOCOUTQ, b"\0\0\0\0"))[0])

    def interrupt(self) -> None:
        """End whatever another thread waits for on it, with an error."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def close(self) -> None:
        """Close; idempotent."""
        self._connection.disconnect()

    def down(self, error: object) -> ChannelDown:
        """Return what to raise where the server cannot be reached."""
        said = mask_urls(str(error)) or type(error).__name__
        return ChannelDown(f"redis at {mask_url(self._url)} is not reachable ({said}): it is tried again")


def packed(commands: Sequence[Sequence[Part]]) -> list[Part]:
    """Return commands as the server reads them, in few pieces; large arguments are not copied."""
    pieces: list[Part] = []
    small: list[Part] = []
    for command in commands:
        small.append(b"*%d\r\n" % len(command))
        for part in command:
            small.append(b"$%d\r\n" % len(part))
            if len(part) >= _APART:
                pieces += [b"".join(small), part]
                small = [b"\r\n"]
            else:
                small += [part, b"\r\n"]
    pieces.append(b"".join(small))
    return pieces
