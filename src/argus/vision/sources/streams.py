"""Streams that FFmpeg reads over the network or from a device: RTSP, HLS, webcams.

A stream that breaks off raises; to connect again, and when, is for whoever runs the camera.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import av.error

from argus.core.errors import SourceUnreachable, SourceUnreadable
from argus.core.urls import mask_url
from argus.vision.sources.containers import VideoInput, fact_of, open_video
from argus.vision.sources.decoding import Decoder
from argus.vision.sources.groups import BLIND_S, blind_live_s
from argus.vision.sources.hardware import accelerator_of
from argus.vision.sources.options import SourceOptions
from argus.vision.sources.protocol import SourceCounters, SourceInfo
from argus.vision.sources.pump import PacketPump
from argus.vision.sources.reading import ReadSource, Shot, note_fact, thinned
from argus.vision.sources.tapping import VideoPacket
from argus.vision.sources.timing import PATIENCE, FrameClock, LiveClock

_IN_BURSTS: Final = frozenset({"hls", "dash"})
"""Live streams that come as files of some seconds each: when their pictures arrive says little."""
_USUAL_FPS: Final = 25.0
_MOST: Final = 0.8
"""Part of its length that a recording must have to have ended; sound may last longer than pictures."""
_LEAST_S: Final = 2.0
"""Less than this is never missed: servers round."""
_GRACE_S: Final = 0.25
"""FFmpeg's own limit on a read should come first: it knows more of what went wrong."""
_ASTRAY: Final = "the camera's clock jumps or runs wrong; its frames are timed by their arrival then"


def open_rtsp(url: str, options: SourceOptions) -> ReadSource:
    """Open a camera; see `open_stream`."""
    if options.decoder == "gstreamer":
        from argus.vision.sources.gstreamer import open_gstreamer

        return open_gstreamer(url, options)
    # TCP unless told: one lost UDP packet smears every picture up to the next whole one, and a
    # clean picture that is late serves a tracker better than a broken one in time.
    # FFmpeg would watch 20 frames to measure the rate, three seconds of a slow camera; two do, and the less
    # it watches before it hands out the first, the sooner a camera that was lost is back.
    ffmpeg = {
        "rtsp_transport": options.transport,
        "max_delay": "500000",
        "fpsprobesize": "2",
        "analyzeduration": "300000",
    }
    return open_stream(url, options, ffmpeg)


def open_stream(
    url: str,
    options: SourceOptions,
    ffmpeg: dict[str, str] | None = None,
    *,
    container_format: str | None = None,
    kind: str = "stream",
    live: bool | None = None,
    opening_s: float | None = None,
) -> ReadSource:
    """Open a stream through FFmpeg and wait for its first picture.

    A recording ends in peace where it is nearly as long as the server said; any other end is a break, and so
    is any end of a live stream.

    Args:
        url: What FFmpeg is given.
        options: As for every source.
        ffmpeg: FFmpeg's options of the protocol and demuxer.
        container_format: FFmpeg's name of the format; None lets it look.
        kind: For `SourceInfo`.
        live: None takes what has no known length for live.
        opening_s: How long the opening may take, where that is less than `options.timeout_s`.

    Raises:
        SourceNotFound: the server knows no such path.
        SourceRefused: credentials are missing or wrong.
        SourceUnreachable: it does not answer, or sends nothing that decodes.
        SourceUnreadable: it carries no video.
    """
    shown = mask_url(url)
    video = open_video(
        url,
        shown=shown,
        options=ffmpeg,
        container_format=container_format,
        timeout_s=options.timeout_s,
        opening_s=opening_s,
        accelerator=accelerator_of(options.decoder),
    )
    if live is None:
        live = not video.duration_s
    counters = SourceCounters()
    reader = _StreamReader(video, counters, shown, options, live=live)
    try:
        first = reader.read_first()
    except BaseException:
        reader.free()
        raise
    info = SourceInfo(
        name=options.name or shown,
        kind=kind,
        live=live,
        width=first[0].picture.width,
        height=first[0].picture.height,
        fps=video.fps,
        frame_count=None if live else video.frame_count,
        codec=video.codec,
    )
    return ReadSource(reader, thinned(info, options), counters, options, first, fps_of_source=video.fps)


class _StreamReader:
    def __init__(
        self, video: VideoInput, counters: SourceCounters, shown: str, options: SourceOptions, *, live: bool
    ) -> None:
        self._shown = shown
        self._timeout_s = options.timeout_s
        self._live = live
        self._length_s = None if live else video.duration_s
        self._first_s: float | None = None
        self._reached_s = 0.0
        self._counters = counters
        opened_at = datetime.now(UTC)
        # What comes in its own time is timed, and dropped when it waits too long. A recording comes as
        # fast as the network carries it, and its wall clock is its own.
        self._timely = live and video.container.format.name not in _IN_BURSTS
        interval_s = 1.0 / (video.fps or _USUAL_FPS)
        self._live_clock = LiveClock(interval_s) if self._timely else None
        self._decoder = Decoder(
            video,
            counters,
            self._live_clock or FrameClock(interval_s),
            lambda time_s: opened_at + timedelta(seconds=time_s),
            threads="SLICE" if live else "AUTO",
            fps=options.fps,
            tap=options.tap,
            blind_s=blind_live_s(options.timeout_s) if live else BLIND_S,
        )
        # A little less than the limit, for clocks differ in what they count.
        silence_s = 0.95 * options.timeout_s if self._timely else None
        self._pump = PacketPump(video, keeps_up=self._timely, silence_s=silence_s, tap=options.tap)

    def read_first(self) -> Sequence[Shot]:
        """Return the first pictures.

        Raises:
            SourceUnreachable: none came in time.
        """
        until = time.monotonic() + PATIENCE * self._timeout_s
        while time.monotonic() < until:
            shots = self.read()
            if shots is None:
                raise SourceUnreadable(f"{self._shown} ended before its first picture: check what it serves")
            if shots:
                return shots
        raise SourceUnreachable(
            f"{self._shown} sends packets but no picture within {PATIENCE * self._timeout_s:g} s: "
            "check its encoder, and that it sends key frames often enough"
        )

    def read(self) -> Sequence[Shot] | None:
        try:
            arrival = self._pump.get(self._timeout_s + _GRACE_S)
        except (av.error.ExitError, TimeoutError) as error:
            raise SourceUnreachable(
                f"{self._shown} has sent nothing for {self._timeout_s:g} s: check its power and network"
            ) from error
        except (av.error.FFmpegError, OSError) as error:
            raise SourceUnreachable(
                f"{self._shown} broke off ({fact_of(error)}): check its power and network"
            ) from error
        if arrival is None:
            if self._live and not self._pump.stopping:
                raise SourceUnreachable(f"{self._shown} ended the connection: check what the server is doing")
            if not self._pump.stopping and self._length_s and self._lacks_much(self._length_s):
                raise SourceUnreachable(
                    f"{self._shown} broke off after {self._reached_s:.0f} of {self._length_s:.0f} s: "
                    "check what the server is doing"
                )
            return None
        if self._length_s:
            self._note_reached(arrival.packet)
        shots = self._decoder.shots(arrival.packet, arrival if self._live else None)
        if self._live_clock is not None and self._live_clock.jumps:
            note_fact(self._counters, _ASTRAY)
        return shots

    def _lacks_much(self, length_s: float) -> bool:
        return self._reached_s < min(_MOST * length_s, length_s - _LEAST_S)

    def _note_reached(self, packet: VideoPacket) -> None:
        if packet.pts is not None:
            now_s = float(packet.pts * packet.time_base)
            self._first_s = now_s if self._first_s is None else self._first_s
            self._reached_s = max(self._reached_s, now_s - self._first_s)

    def set_fps(self, fps: float | None) -> float | None:
        self._decoder.set_fps(fps)
        return fps

    def interrupt(self) -> None:
        self._pump.wake()

    def free(self) -> None:
        self._pump.stop()
        del self._decoder
