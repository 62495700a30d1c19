"""One stream that many read: opened, decoded once, handed out, and opened again when it breaks off.

A stream has one thread at a time. Where a call into a codec or the network does not come back in
its time, the thread is left to itself and another takes over; the old one ends with its call. What
is wrong with pictures that do come is `argus.vision.health`; who shares what is `hub`.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import structlog

from argus.core.errors import ArgusError, SourceError, SourceUnreachable, SourceUnreadable
from argus.core.urls import mask_url, mask_urls
from argus.vision.clips.ring import PacketRing
from argus.vision.sources.connection import Connection
from argus.vision.sources.knocking import Knocking
from argus.vision.sources.protocol import Source, SourceInfo
from argus.vision.sources.reconnecting import Retries
from argus.vision.sources.sharing import Open, Standing, StreamCounts, StreamReader, StreamSpec
from argus.vision.sources.timeline import TimeLine

_LEFT: Final = 2
"""Threads of one stream that may be left to themselves at once; with more it waits for one to end."""
_REMEMBERED: Final = 4
"""Ways of breaking off that were said since the stream was last open, and are not said again."""
_GOODBYE_S: Final = 1.0
"""How long whoever closes a stream waits until its source is: who opens a device anew finds it free then."""


class SharedStream:
    """See the module. Safe from any thread."""

    def __init__(self, spec: StreamSpec, open_: Open, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin closed; the first reader opens it."""
        self.spec = spec
        self.counts = StreamCounts()
        self.info: SourceInfo | None = None
        self.ring = PacketRing(clock)
        """The last seconds of it as they were sent, where anybody wants them."""
        self._open = open_
        self._clock = clock
        self.readers: tuple[StreamReader, ...] = ()
        """Who reads it; replaced as a whole."""
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._stopping = False
        self._recording = False
        self._ended: tuple[SourceError | None] | None = None
        self._retries = Retries(spec.reconnect)
        self._connection: Connection | None = None
        self._threads: list[threading.Thread] = []
        self._knocking = Knocking(spec.url)
        self._said: deque[str] = deque(maxlen=_REMEMBERED)
        self._line = TimeLine()
        self._log = structlog.get_logger().bind(source=mask_url(spec.url))

    @property
    def threads(self) -> int:
        """Threads that are alive, those left to themselves included."""
        return sum(t.is_alive() for t in self._threads)

    def enlist(self, reader: StreamReader, *, held: bool = False) -> Standing:
        """Let a reader read along, and say what it missed; returns at once.

        The first reader opens the stream, unless it is `held` until `begin`. A stream that was given up is
        tried again for who comes now. Not after the last reader was struck: that is `Hub`'s to see.
        """
        with self._lock:
            self.readers = (*self.readers, reader)
            if not held:
                self.begin()
            return Standing(self.info, self._ended)

    @property
    def held(self) -> bool:
        """True while nobody has said that the stream shall be opened."""
        return self._connection is None

    def begin(self) -> None:
        """Open the stream unless it is open, or is over for good; returns at once."""
        with self._lock:
            if self._stopping or (self._connection is not None and not self._given_up):
                return
            self._ended = None
            self._retries = Retries(self.spec.reconnect)
            self._begin()

    @property
    def _given_up(self) -> bool:
        """True where no attempt is left, and what was read is no recording, which would begin anew."""
        return self._ended is not None and not self._recording

    def strike(self, reader: StreamReader) -> int:
        """Give a reader nothing more; return how many are left. After the last one `close` is due."""
        with self._lock:
            self.readers = tuple(r for r in self.readers if r is not reader)
            left = len(self.readers)
            self._stopping = self._stopping or not left
        return left

    def close(self) -> None:
        """End; returns soon, also where a call is stuck or closing is, and `wait` waits. Idempotent."""
        with self._lock:
            self._stopping = True
            source = None if self._connection is None else self._connection.source
            closing = None
            if source is not None:
                closing = threading.Thread(
                    target=self._shut, args=(source,), name="argus-closing-camera", daemon=True
                )
                closing.start()
                self._threads.append(closing)
        self._wake.set()
        if closing is not None:
            closing.join(_GOODBYE_S)

    def _shut(self, source: Source) -> None:
        try:
            source.close()
        except Exception as error:  # noqa: BLE001 - nobody reads it any more
            self._log.warning("source.not_closed", error=repr(error))

    def retune(self) -> None:
        """Ask the source for as many frames as its most demanding reader wants."""
        connection = self._connection
        if connection is not None and connection.source is not None:
            connection.source.set_fps(self._wanted_fps())

    def _wanted_fps(self) -> float | None:
        wanted = [reader.fps for reader in self.readers]
        return None if None in wanted else max((f for f in wanted if f is not None), default=None)

    def try_now(self) -> None:
        """End a wait for the next attempt, and try again where none is left."""
        with self._lock:
            if self._given_up:
                self.begin()
            else:
                self._wake.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait until all threads have ended; return whether they have."""
        until = time.monotonic() + timeout_s
        for thread in list(self._threads):
            thread.join(max(0.0, until - time.monotonic()))
        return not self.threads

    def tick(self) -> None:
        """Look whether a call is stuck; to be called a few times a second."""
        connection = self._connection
        if connection is None or connection.left or self._stopping:
            return
        if self._recording and not self.spec.paced:
            return  # it may well work for long between two frames that are wanted; and it would begin anew
        fps = self._wanted_fps()
        # Of a frame that is not wanted nothing is heard, though it came.
        if not connection.is_stuck(self.spec.options.timeout_s, between_s=1.0 / fps if fps else 0.0):
            return
        self._threads = [t for t in self._threads if t.is_alive()]
        if len(self._threads) > _LEFT:
            return
        self._log.warning("source.stuck", phase=connection.phase, consequence="opening it again beside")
        connection.left = True
        self.counts.left += 1
        error = SourceUnreachable(f"{mask_url(self.spec.url)} does not come back from `{connection.phase}`")
        for reader in self.readers:
            reader.disconnected(error, 0.0)
        with self._lock:
            self._begin()

    def _begin(self) -> None:
        before = self._connection
        connection = Connection(self._clock)
        connection.thread = threading.Thread(
            target=self._run,
            args=(connection, None if before is None or before.left else before.thread),
            name=f"argus-camera-{self.spec.options.name or ''}",
            daemon=True,
        )
        self._connection = connection
        self._threads.append(connection.thread)
        connection.thread.start()

    def _run(self, connection: Connection, before: threading.Thread | None) -> None:
        if before is not None:
            before.join()  # it has given the stream up, and may still be saying so
        try:
            while self._wanted(connection) and self._connect(connection):
                pass
        except ArgusError as error:  # its address or an option makes no sense: calling again would not help
            self._end(connection, SourceUnreadable(mask_urls(str(error))))
        except Exception as error:  # noqa: BLE001 - a defect of ours must not leave a camera that nobody watches
            self._log.exception("source.failed")
            self._end(connection, SourceUnreachable(f"{mask_url(self.spec.url)}: {error!r}"))

    def _wanted(self, connection: Connection) -> bool:
        return not self._stopping and not connection.left

    def _connect(self, connection: Connection) -> bool:
        """Open, read to the end, and wait; return whether to go on."""
        for reader in self.readers:
            reader.connecting()
        error = self._play(connection)
        if not self._wanted(connection):
            return False
        never_opened = self.counts.connections == 0
        over = self._recording and not (self.spec.options.loop and "://" in self.spec.url)
        if over or (never_opened and not self.spec.insists):
            return self._end(connection, error)
        error = error or SourceUnreachable(f"{mask_url(self.spec.url)} ended: check what the camera is doing")
        self.counts.breaks += 1
        delay_s = self._retries.failed(error, random.random())  # noqa: S311 - spreads reconnections, no secret
        for reader in self.readers:
            reader.disconnected(error, delay_s)
        # A camera that is gone for a week is tried twice a second: said is what is new. A knock and an
        # opening, which take turns, have different words for it.
        known = str(error) in self._said
        if not known:
            self._said.append(str(error))
        say = self._log.debug if known else self._log.info
        say("source.disconnected", error=str(error), retry_in_s=delay_s and round(delay_s, 2))
        if delay_s is None:
            return self._end(connection, error)
        self._pause(connection, delay_s)
        return True

    def _play(self, connection: Connection) -> SourceError | None:
        """Open and read to the end, again and again where that is wanted; return what broke it off."""
        again = True
        while again and self._wanted(connection):
            before = self.counts.decoded
            try:
                self._read(connection)
            except SourceError as error:
                return error
            finally:
                self._close(connection)
            # Files begin again by themselves; this is for recordings on a server.
            again = self._recording and self.spec.options.loop and self.counts.decoded > before
        return None

    def _end(self, connection: Connection, error: SourceError | None) -> bool:
        with self._lock:
            if connection.left:
                return False
            self._ended = (error,)
            readers = self.readers
        for reader in readers:
            reader.ended(error)
        return False

    def _read(self, connection: Connection) -> None:
        connection.enter("open")
        if self.counts.breaks:
            self._knocking.expect_somebody()
        tap = connection.tap = self.ring.connect()
        source = self._open(self.spec.url, replace(self.spec.options, tap=tap))
        connection.source = source
        if not self._wanted(connection):
            return
        self._recording = not source.info.live
        self.counts.connections += 1
        self._line.connect(self._clock(), source.info)
        self.ring.begin(tap, self._line.base_s)
        self.retune()
        with self._lock:
            self.info, readers = source.info, self.readers
        for reader in readers:
            reader.online(source.info)
        self._said.clear()
        connection.enter("read")
        connection.begin_pace()
        corrupt = 0
        for frame in source:
            if not self._wanted(connection):
                return
            captured_at, received_s = frame.captured_at, frame.received_s
            if self.spec.paced and not source.info.live:
                early_s = connection.early_s(frame.time_s)
                if early_s:
                    self._pause(connection, early_s)
                if not self._wanted(connection):
                    return
                # Played as a camera would show it, so it happens now, whenever it was recorded.
                captured_at, received_s = datetime.now(UTC), self._clock()
            connection.enter("hand out")
            moved = self._line.moved(frame, captured_at, received_s)
            if self.ring.wanted_s:
                self.ring.picture(tap, moved)
            self.counts.decoded += 1
            self._retries.worked()
            corrupt = self._tell_damage(source.counters.corrupt, corrupt)
            for reader in self.readers:
                reader.frame(moved)
            connection.enter("read")
        self._tell_damage(source.counters.corrupt, corrupt)

    def _tell_damage(self, now: int, before: int) -> int:
        """Tell of frames that came damaged since there were `before` of them; return how many there are."""
        if now > before:
            self.counts.corrupt += now - before
            for reader in self.readers:
                reader.corrupt(now - before)
        return now

    def _pause(self, connection: Connection, seconds: float) -> None:
        """Wait, until somebody wakes the stream at most."""
        connection.enter("wait")
        self._wake.wait(seconds)
        if not self._stopping:
            self._wake.clear()

    def _close(self, connection: Connection) -> None:
        source, connection.source = connection.source, None
        if connection.tap is not None:
            self.ring.end(connection.tap)
        if not connection.left:
            connection.enter("close")
            self.info = self.info if self._recording else None
        if source is not None:
            self._shut(source)
        connection.enter("wait")
