"""Streams that GStreamer reads and decodes (extra `gstreamer`): cameras, addresses, pipelines of one's own.

The same protocol, errors and time limits as `streams`, which is the same through FFmpeg. A stream that
breaks off raises; to connect again, and when, is for whoever runs the camera.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from argus.core.errors import SourceUnreachable, SourceUnreadable
from argus.core.urls import mask_url, scheme_of
from argus.vision.sources.gstreamer_assembly import (
    DecoderFailed,
    RtspAssembly,
    no_decoder,
    session_of_text,
    session_of_uri,
    shown_pipeline,
)
from argus.vision.sources.gstreamer_binding import GStreamer, load_gstreamer
from argus.vision.sources.gstreamer_errors import Failure, of_opening, of_reading
from argus.vision.sources.gstreamer_picture import Layout, MappedPicture, layout_of
from argus.vision.sources.gstreamer_session import Session
from argus.vision.sources.options import SourceOptions
from argus.vision.sources.protocol import SourceCounters, SourceInfo
from argus.vision.sources.reading import ReadSource, Shot, note_fact, note_problem, thinned
from argus.vision.sources.timing import PATIENCE, FrameClock, LiveClock

_USUAL_FPS: Final = 25.0
_ASTRAY: Final = "the camera's clock jumps or runs wrong; its frames are timed by their arrival then"
_GLANCE_S: Final = 0.1
"""How long one wait for a picture lasts at most; then the bus, the clock and `close` are looked at."""
_BUS_EVERY: Final = 64
"""Pictures between two looks at the bus of a stream that flows: messages nobody takes pile up."""


def open_gstreamer(url: str, options: SourceOptions) -> ReadSource:
    """Open a stream through GStreamer and wait for its first picture.

    Args:
        url: `rtsp(s)://…`, another address that GStreamer knows (`http(s)://`, `file://`, `srt://`), or
            `gst:` and a pipeline as for gst-launch-1.0, whose appsink, if it has one, is called `sink`.
            Such a pipeline may do whatever GStreamer can, with this user's rights.
        options: As for every source. `decoder` decides about hardware; `auto` and `gstreamer` try it
            first and fall back.

    Raises:
        MissingGStreamer: GStreamer, its binding or a needed element is not installed.
        SourceNotFound: the server knows no such path.
        SourceRefused: credentials are missing or wrong.
        SourceUnreachable: it does not answer, or sends nothing that decodes.
        SourceUnreadable: it carries no video, or nothing here decodes it.
        SpecError: the text after `gst:` is no pipeline.
    """
    gstreamer = load_gstreamer()
    scheme = scheme_of(url)
    if scheme in {"rtsp", "rtsps"}:
        return _open_rtsp(gstreamer, url, options)
    if scheme == "gst":
        shown = shown_pipeline(url)
        session = session_of_text(gstreamer, url.partition(":")[2], shown)
        return _opened(gstreamer, session, options, shown)
    shown = mask_url(url)
    return _opened(gstreamer, session_of_uri(gstreamer, url, options), options, shown)


def _open_rtsp(gstreamer: GStreamer, url: str, options: SourceOptions) -> ReadSource:
    shown = mask_url(url)
    for attempt in itertools.count():
        assembly = RtspAssembly(gstreamer, url, options, attempt)
        try:
            return _opened(gstreamer, assembly.session, options, shown, assembly)
        except DecoderFailed:
            continue
        finally:
            assembly.let_go()
    raise AssertionError("unreachable")


def _opened(
    gstreamer: GStreamer,
    session: Session,
    options: SourceOptions,
    shown: str,
    assembly: RtspAssembly | None = None,
) -> ReadSource:
    """Start a pipeline, wait for its first picture and hand it over; it is stopped where that fails."""
    try:
        return _begun(gstreamer, session, options, shown, assembly)
    except BaseException:
        session.stop()
        raise


def _begun(
    gstreamer: GStreamer,
    session: Session,
    options: SourceOptions,
    shown: str,
    assembly: RtspAssembly | None,
) -> ReadSource:
    says_live = session.start()
    sample = _first_sample(session, options.timeout_s, shown, assembly)
    duration_s = session.duration_s()
    # Every RTSP pipeline calls itself live; a recording on a server is one that has a length.
    live = duration_s is None or (says_live and assembly is None)
    # Of a stream that comes as files many pictures come at once, and the newest is not all there is.
    timely = live and not session.in_bursts()
    if timely:
        session.keep_fresh()
    decoder = session.decoder()
    if options.decoder in {"cuda", "vaapi", "hardware"} and not (decoder and decoder.hardware):
        raise no_decoder(shown, decoder.codec if decoder else "raw video", options.decoder)
    fps = _rate(sample.get_caps())
    counters = SourceCounters()
    reader = _GStreamerReader(
        gstreamer,
        session,
        counters,
        shown,
        options.timeout_s,
        live=live,
        timely=timely,
        fps=fps,
        copying=bool(decoder and decoder.hardware),
    )
    first = reader.shots(sample) or reader.read_whole()
    info = SourceInfo(
        name=options.name or shown,
        kind="stream",
        live=live,
        width=first[0].picture.width,
        height=first[0].picture.height,
        fps=fps,
        frame_count=round(duration_s * fps) if duration_s and fps and not live else None,
        codec=decoder.codec if decoder else None,
    )
    return ReadSource(reader, thinned(info, options), counters, options, first, fps_of_source=fps)


def _rate(caps: Any) -> float | None:
    """Return frames per second, None where the stream does not say."""
    known, over, under = caps.get_structure(0).get_fraction("framerate")
    return over / under if known and over > 0 and under > 0 else None


def _first_sample(session: Session, timeout_s: float, shown: str, assembly: RtspAssembly | None) -> Any:
    began = time.monotonic()
    while True:
        sample = session.pull(_GLANCE_S / 2)
        if sample is not None:
            return sample
        session.hear()
        if assembly is not None and assembly.problem is not None:
            raise assembly.problem
        if assembly is not None and assembly.offered and "video" not in assembly.offered:
            kinds = " and ".join(sorted(set(assembly.offered)))
            raise SourceUnreadable(f"{shown} holds no video stream, only {kinds}")
        if session.failure is not None:
            raise _reason(session.failure, shown, assembly)
        if session.ended:
            raise SourceUnreadable(f"{shown} ended before its first picture: check what it serves")
        waited = time.monotonic() - began
        flowing = assembly is None or assembly.flowing.is_set()
        if waited > timeout_s and not flowing:
            raise SourceUnreachable(
                f"{shown} does not answer within {timeout_s:g} s: "
                "check its power and network, then the address"
            )
        if waited > PATIENCE * timeout_s:
            raise SourceUnreachable(
                f"{shown} sends no picture within {PATIENCE * timeout_s:g} s: "
                "check its encoder, and that it sends key frames often enough"
            )


def _reason(failure: Failure, shown: str, assembly: RtspAssembly | None) -> Exception:
    if assembly is not None and assembly.session.sink is not None and assembly.may_try_another:
        return DecoderFailed(failure.fact)
    return of_opening(failure, shown)


class _GStreamerReader:
    def __init__(
        self,
        gstreamer: GStreamer,
        session: Session,
        counters: SourceCounters,
        shown: str,
        timeout_s: float,
        *,
        live: bool,
        timely: bool,
        fps: float | None,
        copying: bool,
    ) -> None:
        self._gstreamer = gstreamer
        self._session = session
        self._counters = counters
        self._shown = shown
        self._timeout_s = timeout_s
        self._live = live
        self._copying = copying
        interval_s = 1.0 / (fps or _USUAL_FPS)
        self._live_clock = LiveClock(interval_s) if timely else None
        self._clock = self._live_clock or FrameClock(interval_s)
        opened_at = datetime.now(UTC)
        self._wall: Callable[[float], datetime] = (
            (lambda _: datetime.now(UTC)) if live else (lambda time_s: opened_at + timedelta(seconds=time_s))
        )
        self._caps: Any = None
        self._layout: Layout | None = None
        self._heard_s = time.monotonic()
        self._until_bus = _BUS_EVERY
        self._stopping = threading.Event()

    def read_whole(self) -> Sequence[Shot]:
        """Return the first picture that is not damaged.

        Raises:
            SourceUnreadable: there is none.
        """
        until = time.monotonic() + PATIENCE * self._timeout_s
        while time.monotonic() < until:
            shots = self.read()
            if shots is None:
                break
            if shots:
                return shots
        raise SourceUnreadable(f"{self._shown} has no whole picture: see if a player shows it")

    def read(self) -> Sequence[Shot] | None:
        while not self._stopping.is_set():
            sample = self._session.pull(_GLANCE_S)
            self._until_bus -= 1
            if sample is None or self._until_bus <= 0:
                self._until_bus = _BUS_EVERY
                self._session.hear()
                self._note_warnings()
            if sample is not None:
                self._heard_s = time.monotonic()
                return self.shots(sample)
            if self._session.failure is not None:
                raise of_reading(self._session.failure, self._shown)
            if self._session.ended and self._live:
                raise SourceUnreachable(f"{self._shown} ended the connection: check what the server is doing")
            if self._session.ended:
                return None
            if time.monotonic() - self._heard_s > self._timeout_s:
                raise SourceUnreachable(
                    f"{self._shown} has sent nothing for {self._timeout_s:g} s: check its power and network"
                )
        return None

    def shots(self, sample: Any) -> list[Shot]:
        """Return the picture of a sample, none where it is damaged."""
        buffer, caps = sample.get_buffer(), sample.get_caps()
        if self._layout is None or not caps.is_equal(self._caps):
            self._layout, self._caps = layout_of(self._gstreamer, caps, self._shown), caps
        gst = self._gstreamer.gst
        if buffer.has_flags(gst.BufferFlags.CORRUPTED):
            note_problem(self._counters, "a picture was decoded with errors and left out")
            return []
        stamp = buffer.pts
        stamp_s = None if stamp == gst.CLOCK_TIME_NONE else stamp / gst.SECOND
        received_s = time.monotonic() if self._live else None
        time_s = self._clock.time_s(stamp_s, received_s)
        if self._live_clock is not None and self._live_clock.jumps:
            note_fact(self._counters, _ASTRAY)
        picture = MappedPicture(self._gstreamer, buffer, self._layout, at_once=self._copying)
        return [Shot(picture, time_s, self._wall(time_s), received_s=received_s)]

    def _note_warnings(self) -> None:
        for fact in self._session.warnings:
            note_problem(self._counters, f"a packet cannot be decoded ({fact})")
        self._session.warnings.clear()

    def interrupt(self) -> None:
        self._stopping.set()

    def free(self) -> None:
        self._session.stop()
