"""The sending end of a Redis channel: it waits while the channel is full or Redis is away, and hurries else.

`send` returns when the message has been handed to the kernel, in order, and this end keeps it until the
server has counted it. So a kill of this process alone loses nothing that was sent, and neither does a
broken connection, or a restart of Redis that keeps its file; only both within the same moment can. `flush`
waits for the server: whoever acknowledges its input because of what it has sent flushes first.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

import structlog

from argus.flow.channels.protocol import ChannelClosed, ChannelDown, MessageTooBig, Sender
from argus.flow.channels.redis_blobs import Reservations, sweep
from argus.flow.channels.redis_clock import Clock, incarnation
from argus.flow.channels.redis_connection import Line
from argus.flow.channels.redis_patience import ANSWER_S, Patience
from argus.flow.channels.redis_pipe import Pipe, Written
from argus.flow.channels.redis_spec import APART_BYTES, RedisSpec
from argus.flow.message import Header
from argus.flow.wire import Packed

_WINDOW: Final = 128
"""Messages that may be unconfirmed."""
_WINDOW_BYTES: Final = 4 * 1024 * 1024
"""Bytes that may be; at least one message may."""
_LARGEST: Final = 500 * 1024 * 1024
"""A server takes no argument above 512 MiB."""
_LOOK_S: Final = 0.005
"""The server is asked so often what it has, or when half of the window is unconfirmed."""
_MIND_S: Final = 0.1
"""How often to look after what was sent last, while nothing more is sent."""
_SLICE_S: Final = 0.05
_LIFE_S: Final = 10.0
"""How often one of several senders shows life."""


class RedisSender(Sender):
    """See `Sender`, and the module for what the return of `send` means."""

    def __init__(self, spec: RedisSpec, *, answer_s: float = ANSWER_S) -> None:
        """Open the end; the server is connected to with the first message.

        Args:
            spec: The channel.
            answer_s: Seconds without progress after which other connections are tried.
        """
        self._spec, self._keys, self._qos, self._answer_s = spec, spec.keys, spec.qos, answer_s
        who = incarnation()
        self._pipe = Pipe(spec, who, answer_s)
        self._names = Reservations(self._keys, who)
        self._data: Line | None = None
        self._clock = Clock()
        self._stamp, self._stamped_s = b"", -1e9
        self._patience = Patience()
        self._clean = False
        self._said_down: type[ChannelDown] | None = None
        """What kind of fault was said last; None: it works."""
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._used_s = self._looked_s = self._seen_s = 0.0
        self._minder = threading.Thread(target=self._mind, name="argus-redis-send", daemon=True)
        self._log = structlog.get_logger().bind(link=spec.link)

    def send(self, packed: Packed, header: Header, stopping: Callable[[], bool]) -> None:
        """Send a message; see the module for what its return means.

        Raises:
            ChannelClosed: `stopping` said so while it waited, or another process has taken this one's place.
            MessageTooBig: it is above 500 MiB.
        """
        size = packed.size
        if size > _LARGEST:
            raise MessageTooBig(
                f"{self._spec.link}: a message of {size >> 20} MiB: redis takes {_LARGEST >> 20} MiB at most"
            )
        with self._used(stopping):
            self._connected(stopping)
            self._make_room(size, stopping)
            written = Written(header.id.encode(), self._now(), packed.to_bytes())
            if self._spec.data is not None and size >= APART_BYTES:
                self._lay_apart(written, stopping)
                self._connected(stopping)
            try:
                self._pipe.post(written)
                now_s = time.monotonic()
                if now_s - self._looked_s > _LOOK_S or self._pipe.unconfirmed > _WINDOW // 2:
                    self._looked_s = now_s
                    self._pipe.look()
            except ChannelDown as error:
                self._lost(error)
                try:
                    self._connected(stopping)
                except ChannelClosed:
                    self._pipe.give_up(written)
                    raise

    def connect(self, stopping: Callable[[], bool] = lambda: False) -> None:
        """Return when the server is there; `send` does so by itself.

        Raises:
            ChannelClosed: `stopping` said so while it waited, or another process has taken this one's place.
        """
        with self._used(stopping):
            self._connected(stopping)

    def flush(self, stopping: Callable[[], bool] = lambda: False) -> None:
        """Return when the server has everything that was sent.

        Raises:
            ChannelClosed: `stopping` said so while it waited, or another process has taken this one's place.
        """
        with self._used(stopping):
            self._until(lambda: not self._pipe.unconfirmed, stopping, "redis does not answer")

    def end(self, stopping: Callable[[], bool] = lambda: False) -> None:
        """Say that the stream is over, when the server has everything that was sent; it stays there.

        Raises:
            ChannelClosed: `stopping` said so while it waited, or another process has taken this one's place.
        """
        with self._used(stopping):
            while True:
                self._until(lambda: not self._pipe.unconfirmed, stopping, "redis does not answer")
                self._connected(stopping)
                try:
                    return self._pipe.end()
                except ChannelDown as error:
                    self._lost(error)

    def close(self) -> None:
        """Wait a moment for the server to confirm the rest, and close; idempotent."""
        until_s = time.monotonic() + self._answer_s
        self._closing.set()
        if self._minder.ident is not None:
            self._minder.join()
        try:
            self.flush(lambda: time.monotonic() > until_s)
        except ChannelClosed:
            self._log.error("flow.redis_unconfirmed", messages=self._pipe.unconfirmed)
        if self._spec.sender_pod and self._pipe.up:
            with contextlib.suppress(ChannelDown, ChannelClosed):
                self._pipe.show_life(here=False)
        self._pipe.clear()
        self._drop()

    @contextlib.contextmanager
    def _used(self, stopping: Callable[[], bool]) -> Iterator[None]:
        """Keep the minder away."""
        while not self._lock.acquire(timeout=_MIND_S):
            if stopping():
                raise ChannelClosed(f"{self._spec.link}: the system is ending, and redis does not answer")
        try:
            if self._minder.ident is None and not self._closing.is_set():
                self._minder.start()
            yield
        finally:
            self._used_s = time.monotonic()
            self._lock.release()

    def _mind(self) -> None:
        """Look after what was sent last: it may have to be sent again though nothing more is sent."""
        pause_s = _MIND_S
        while not self._closing.wait(pause_s):
            pause_s = _MIND_S
            now_s = time.monotonic()
            due = self._spec.sender_pod != "" and now_s - self._seen_s > _LIFE_S
            if not due and (not self._pipe.unconfirmed or now_s - self._used_s < _MIND_S):
                continue
            with self._lock:
                try:
                    if not self._pipe.up:
                        self._reach()
                    elif due:
                        self._pipe.show_life()
                        self._seen_s = now_s
                    else:
                        self._pipe.look()
                except ChannelDown as error:
                    self._lost(error)
                    pause_s = self._patience.next_s()
                except ChannelClosed as error:
                    self._log.error("flow.redis_superseded", error=str(error))
                    self._drop()

    def _make_room(self, size: int, stopping: Callable[[], bool]) -> None:
        """Wait until the channel, and the window of what is unconfirmed, can take so many bytes."""
        pipe, qos = self._pipe, self._qos

        def room() -> bool:
            return (
                pipe.unconfirmed < _WINDOW
                and (not pipe.unconfirmed or pipe.unconfirmed_bytes + size <= _WINDOW_BYTES)
                and pipe.waiting < qos.capacity
                and (not pipe.waiting or pipe.waiting_bytes + size <= qos.max_bytes)
            )

        self._until(room, stopping, "the link is full")

    def _until(self, done: Callable[[], bool], stopping: Callable[[], bool], why: str) -> None:
        """Wait for what the server has done, connecting as often as needed."""
        pause_s = 0.0
        while not done():
            if stopping():
                raise ChannelClosed(f"{self._spec.link}: the system is ending, and {why}")
            self._connected(stopping)
            before = self._pipe.waiting
            try:
                told = self._pipe.look(_SLICE_S)
            except ChannelDown as error:
                self._lost(error)
                continue
            if told and self._pipe.waiting == before and not done():
                # Twice the same: whoever makes room needs the server more than this question does.
                pause_s = min(0.02, max(0.0002, pause_s * 1.5))
                time.sleep(pause_s)

    def _connected(self, stopping: Callable[[], bool]) -> None:
        """Wait until there is a connection on which everything unconfirmed has been written."""
        while not self._pipe.up:
            try:
                self._reach()
            except ChannelDown as error:
                self._lost(error)
                until_s = time.monotonic() + self._patience.next_s()
                while time.monotonic() < until_s:
                    if stopping():
                        raise ChannelClosed(f"{self._spec.link}: the system is ending; {error}") from None
                    time.sleep(min(_SLICE_S, max(0.0, until_s - time.monotonic())))

    def _reach(self) -> None:
        """Connect, and say so where it had been said that there is no way."""
        again = self._pipe.connect()
        control = self._pipe.quieten()
        if self._spec.data is not None:
            self._look_at_blobs(control, again)
        self._pipe.resume()
        self._patience.reset()
        if self._said_down is not None:
            self._said_down = None
            self._log.info("flow.redis_back", sent_again=len(again))

    def _lost(self, error: ChannelDown) -> None:
        if self._said_down is not type(error):
            self._log.warning("flow.redis_down", error=str(error), unconfirmed=self._pipe.unconfirmed)
            self._said_down = type(error)
        self._drop()

    def _drop(self) -> None:
        self._pipe.drop()
        if self._data is not None:
            self._data.close()
            self._data = None

    def _now(self) -> bytes:
        """Return the stamp of this host's clock; UTC may be set while we run."""
        now_s = time.monotonic()
        if now_s - self._stamped_s > 1.0:
            self._stamp, self._stamped_s = self._clock.stamp(), now_s
        return self._stamp

    def _lay_apart(self, written: Written, stopping: Callable[[], bool]) -> None:
        """Write a message to the data Redis; it is not in the channel yet."""
        while written.blob is None:
            self._connected(stopping)
            try:
                self._blob(self._pipe.quieten() if self._names.exhausted else None, written)
            except ChannelDown as error:
                self._lost(error)

    def _blob(self, control: Line | None, written: Written) -> None:
        """Do it once; without `control` where names are left."""
        assert self._spec.data is not None
        if control is not None and self._names.exhausted:
            self._names.reserve(control)
        if self._data is None:
            self._data = Line(self._spec.data, answer_s=self._answer_s)
        name = self._names.take()
        self._data.deliver(b"SET", self._keys.blob(name), written.data)
        written.blob = name

    def _look_at_blobs(self, control: Line, again: list[Written]) -> None:
        """Free what the process before this one left; write again what was swept away meanwhile."""
        assert self._spec.data is not None
        if not self._clean:
            self._data = Line(self._spec.data, answer_s=self._answer_s)
            found = sweep(control, self._data, self._keys, unwritten=True)
            self._clean = True
            if found:
                self._log.info("flow.redis_swept", names=found)
        for written in again:
            if written.blob is not None and not control.call(b"HEXISTS", self._keys.loose, written.blob):
                written.blob = None
                self._names.forget()
                self._blob(control, written)
