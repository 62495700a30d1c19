"""The last seconds of one stream as it was sent: compressed, in memory, bounded in time and bytes.

Each connection hands its packets to a `Tap`; the ring holds those of the one that goes on and of those
before it, as long as they are young enough. A source that has no packets (a drawn scene, GStreamer) gives
pictures instead, a few a second, as JPEG. What is cut out of it is `cutting`.
"""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Final, cast

import av
import av.error
import cv2
import structlog
from av.video.stream import VideoStream

from argus.core.frame import Frame
from argus.vision.clips.stretch import Form, Piece, Stretch, interval_of
from argus.vision.sources.tapping import VideoPacket

MOST_BYTES: Final = 64 * 2**20
"""Memory for the packets of one stream: 30 s at 16 Mbit/s."""

_PICTURES_FPS: Final = 5.0
"""Pictures per second that are kept of a source without packets: each costs a JPEG."""
_PICTURE_SIDE: Final = 1280
"""Pixels of their longer side at most."""
_JPEG_QUALITY: Final = 85
_FINE: Final = Fraction(1, 90_000)
_OVERHEAD: Final = 150
"""Bytes that a packet takes besides its data."""


class Tap:
    """What one connection hands its packets to; see `argus.vision.sources.tapping.PacketTap`."""

    def __init__(self, ring: PacketRing) -> None:
        self._ring = ring
        self.stretch: Stretch | None = None
        """What is kept; None while nothing is known of the stream."""
        self.has_packets = False
        """True where the source itself hands out what it is sent."""
        self.base_s = 0.0
        """Time of the stream at which this connection's own is 0."""

    def opened(self, stream: VideoStream) -> None:
        """Hear what the packets will be."""
        try:
            self.stretch = Stretch(_form_of(stream), self.base_s)
            self.has_packets = True
        except (av.error.FFmpegError, ValueError, RuntimeError) as error:
            # Not worth a camera: pictures are kept in place of packets.
            codec = stream.codec_context.name
            structlog.get_logger().info("clips.no_packets", codec=codec, error=repr(error))

    def packet(self, packet: VideoPacket, arrived_s: float | None = None) -> None:
        """Keep a packet, where anybody wants any."""
        ring, stretch = self._ring, self.stretch
        if not ring.wanted_s or stretch is None or not packet.size:
            return
        key = packet.is_keyframe and not packet.is_corrupt
        with ring.lock:
            if ring.listens_to(self):
                # A copy: the packet itself would keep its demuxer and codec alive.
                stretch.add(bytes(packet), packet.pts, packet.dts, key=key, arrived_s=arrived_s)
                ring.bound(stretch, key=key)

    def jpeg(self, data: bytes, time_s: float) -> None:
        """Keep a picture that the source was sent, where anybody wants any."""
        self.has_packets = True
        if self._ring.wanted_s:
            self.keep_jpeg(data, time_s)

    def keep_jpeg(self, data: bytes, time_s: float) -> None:
        """Keep a picture, and its time in the source."""
        with self._ring.lock:
            if not self._ring.listens_to(self):
                return
            if self.stretch is None:
                self.stretch = Stretch(Form("mjpeg", _FINE, interval_of(None, _FINE)), self.base_s)
            ticks = round(time_s / _FINE)
            self.stretch.add(data, ticks, ticks, key=True, arrived_s=None)
            self.stretch.mark(ticks, time_s)
            self._ring.bound(self.stretch, key=True)

    def timed(self, pts: int, time_s: float) -> None:
        """Learn the time of a picture."""
        if self._ring.wanted_s and self.stretch is not None:
            with self._ring.lock:
                self.stretch.mark(pts, time_s)

    def again(self) -> None:
        """Hear that a recording begins anew."""
        if self.stretch is not None:
            with self._ring.lock:
                self.stretch.again()


class PacketRing:
    """See the module. Safe from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with nobody who wants anything."""
        self.lock = threading.Lock()
        self.wanted_s = 0.0
        """How much is kept; 0: nothing, and then a packet costs one look at this."""
        self._clock = clock
        self._wishes: dict[str, tuple[float, int]] = {}
        self._most_bytes = MOST_BYTES
        self._tap: Tap | None = None
        self._before: list[Stretch] = []
        self._over = False
        self._picture_due_s = float("-inf")

    def keep(self, who: str, seconds: float, most_bytes: int = MOST_BYTES) -> None:
        """Keep so much for somebody from now on; 0: nothing."""
        with self.lock:
            self._wishes.pop(who, None)
            if seconds > 0:
                self._wishes[who] = (seconds, most_bytes)
            self._most_bytes = max((most for _, most in self._wishes.values()), default=MOST_BYTES)
            self.wanted_s = max((wish for wish, _ in self._wishes.values()), default=0.0)
            if self.wanted_s:
                return
            self._before.clear()
            if self._tap is not None and self._tap.stretch is not None:
                while self._tap.stretch.packets:
                    self._tap.stretch.give_up()

    def connect(self) -> Tap:
        """Begin another connection; what the one before has left is kept until it is too old."""
        with self.lock:
            self._retire()
            self._over = False
            self._picture_due_s = float("-inf")
            self._tap = Tap(self)
            return self._tap

    def begin(self, tap: Tap, base_s: float) -> None:
        """Hear at which time of the stream a connection's own time is 0."""
        with self.lock:
            tap.base_s = base_s
            if tap.stretch is not None:
                tap.stretch.base_s = base_s

    def end(self, tap: Tap) -> None:
        """Hear that a connection has ended: nothing more comes of it."""
        with self.lock:
            self._over = self._over or tap is self._tap

    def picture(self, tap: Tap, frame: Frame) -> None:
        """Keep a picture of a source without packets, where its turn has come."""
        if tap.has_packets or frame.time_s < self._picture_due_s:
            return
        self._picture_due_s = frame.time_s + 0.99 / _PICTURES_FPS
        scale = min(1.0, _PICTURE_SIDE / max(frame.width, frame.height, 1))
        size = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
        quality = (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY)
        coded, data = cv2.imencode(".jpg", frame.resized(*size, "bgr"), quality)
        if coded:
            tap.keep_jpeg(data.tobytes(), frame.time_s - tap.base_s)

    def pieces(self) -> list[Piece]:
        """Return what is kept of each connection, the oldest first."""
        with self.lock:
            found = [stretch.piece(current=False) for stretch in self._before if stretch.packets]
            now = None if self._tap is None else self._tap.stretch
            if now is not None and now.packets:
                found.append(now.piece(current=not self._over))
            return found

    def listens_to(self, tap: Tap) -> bool:
        """Return whether a connection is the present one: a thread left to itself may come back."""
        return tap is self._tap

    def bound(self, stretch: Stretch, *, key: bool) -> None:
        """Give up what is too old, and what is too much. Called with the lock."""
        stretch.last_s = self._clock()
        if key:
            stretch.trim(self.wanted_s)
            self._before = [s for s in self._before if stretch.last_s - s.last_s < self.wanted_s]
        while self._bytes(stretch) > self._most_bytes:
            oldest = self._before[0] if self._before else stretch
            oldest.give_up()
            if oldest is not stretch and not oldest.packets:
                self._before.pop(0)

    def _bytes(self, stretch: Stretch) -> int:
        held = stretch.size + _OVERHEAD * len(stretch.packets)
        for before in self._before:
            held += before.size + _OVERHEAD * len(before.packets)
        return held

    def _retire(self) -> None:
        before, self._tap = self._tap, None
        if before is not None and before.stretch is not None and before.stretch.packets:
            self._before.append(before.stretch)


def _form_of(stream: VideoStream) -> Form:
    """Return what a stream's packets are; its parameters are copied, for it will be closed some day."""
    codec = stream.codec_context
    time_base = cast("Fraction", stream.time_base)
    rate = stream.average_rate or stream.guessed_rate
    fps = float(rate) if rate and 0 < rate <= 1000 else None
    container = av.open(io.BytesIO(), "w", format="matroska")  # takes every codec; nothing is ever written
    mould = container.add_stream_from_template(stream, opaque=True)
    return Form(
        codec.name,
        time_base,
        interval_of(fps, time_base),
        mould,
        reorders=bool(codec.has_b_frames),
    )
