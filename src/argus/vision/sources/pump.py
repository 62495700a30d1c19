"""Reading packets of a stream in a thread of its own, so that whoever waits for one can be woken.

FFmpeg's reads cannot be interrupted from outside without harm to the stream, and a silent camera
holds one for as long as the time limit. Here only the thread is held: a reader that is no longer
wanted leaves at once, and the thread ends by itself with the next packet or the time limit.

What to drop when the reader falls behind a camera is `stale`; a recording is never dropped from.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from time import monotonic
from typing import Final

from argus.vision.sources.containers import VideoInput
from argus.vision.sources.decoding import Arrival
from argus.vision.sources.tapping import PacketTap, VideoPacket

_QUEUED: Final = 256
"""Packets that may wait. Then a recording's reading stops and the network holds the sender back; of a
camera all is dropped up to the next key frame."""

_OLD_S: Final = 1.0
"""How long a camera's packet may wait while a newer key frame is there to go on from."""

_GOODBYE_S: Final = 0.5
"""How long `stop` waits for the thread; a flowing stream ends well within."""


def stale(waiting: Sequence[Arrival], now_s: float) -> int:
    """Return how many packets from the front to drop, so that the rest begins with the newest key frame.

    None are dropped while the first has waited for less than a second, or no later one is a key frame.
    """
    if not waiting or now_s - waiting[0].received_s <= _OLD_S:
        return 0
    keys = (i for i in range(len(waiting) - 1, 0, -1) if waiting[i].packet.is_keyframe)
    return next(keys, 0)


class PacketPump:
    """The packets of a container, in order; owns the container and closes it."""

    def __init__(
        self,
        video: VideoInput,
        *,
        keeps_up: bool = False,
        silence_s: float | None = None,
        tap: PacketTap | None = None,
    ) -> None:
        """Start reading.

        Args:
            video: What to read.
            keeps_up: Drop packets that wait too long, up to a key frame, instead of holding the sender back.
            silence_s: A read that takes so long has met FFmpeg's limit, whatever it returns.
            tap: Hears every packet, those too that are dropped.
        """
        self._tap = tap
        if tap is not None:
            tap.opened(video.stream)
        self._silence_s = silence_s
        self._video = video
        self._keeps_up = keeps_up
        self._waiting: deque[Arrival] = deque()
        self._lost = 0
        self._changed = threading.Condition()
        self._stopping = False
        self._ended = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="argus-packets", daemon=True)
        self._thread.start()

    @property
    def stopping(self) -> bool:
        """True once `wake` was called."""
        return self._stopping

    def get(self, timeout_s: float | None = None) -> Arrival | None:
        """Wait for the next packet and return it; None at the end of the stream or after `wake`.

        Raises:
            TimeoutError: none came in time, though other things may have, such as sound.
            FFmpegError: reading failed; all packets before that have been returned.
        """
        with self._changed:
            ready = self._changed.wait_for(lambda: self._waiting or self._ended or self._stopping, timeout_s)
            if self._stopping:
                return None
            if self._waiting:
                arrival = self._next()
                self._changed.notify_all()
                return arrival
            if self._error is not None:
                raise self._error
            if not ready:
                raise TimeoutError
            return None

    def _next(self) -> Arrival:
        old = stale(self._waiting, monotonic()) if self._keeps_up else 0
        lost = old
        for _ in range(old):
            lost += self._waiting.popleft().lost
        arrival = self._waiting.popleft()
        return arrival._replace(lost=arrival.lost + lost) if lost else arrival

    def wake(self) -> None:
        """Make `get` return None, now and from now on, and let the thread end soon."""
        with self._changed:
            self._stopping = True
            self._waiting.clear()
            self._changed.notify_all()

    def stop(self) -> None:
        """Let the thread end and close the container, waiting a moment for it."""
        self.wake()
        self._thread.join(_GOODBYE_S)

    def _run(self) -> None:
        error: Exception | None = None
        try:
            asked_s = monotonic()
            for packet in self._video.container.demux(self._video.stream):
                if self._silence_s is not None and monotonic() - asked_s >= self._silence_s:
                    # Its parser waits for the picture after, to know where one ends. At the limit it hands
                    # out what it held back, as old as the limit, which is no news of the camera.
                    error = TimeoutError()
                    break
                if not self._put(packet):
                    break
                asked_s = monotonic()
        except Exception as raised:  # noqa: BLE001 - handed to the reader, who raises it
            error = raised
        finally:
            self._video.container.close()
            del self._video  # and with it the codec, as soon as the decoder lets go of it too
            with self._changed:
                self._error = error
                self._ended = True
                self._changed.notify_all()

    def _put(self, packet: VideoPacket) -> bool:
        """Let a packet wait; return False once nobody wants it."""
        arrived_s, at = monotonic(), datetime.now(UTC)
        if self._tap is not None:
            self._tap.packet(packet, arrived_s)
        with self._changed:
            if not self._keeps_up:
                self._changed.wait_for(lambda: len(self._waiting) < _QUEUED or self._stopping)
            elif (self._lost or len(self._waiting) >= _QUEUED) and packet.size:
                # What follows a gap is of no use before the next key frame.
                if not packet.is_keyframe:
                    self._lost += 1
                    return not self._stopping
                if len(self._waiting) >= _QUEUED:
                    self._lost += sum(1 + waiting.lost for waiting in self._waiting)
                    self._waiting.clear()
            if not self._stopping:
                self._waiting.append(Arrival(packet, arrived_s, at, self._lost))
                self._lost = 0
                self._changed.notify_all()
            return not self._stopping
