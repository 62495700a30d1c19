"""Motion JPEG over HTTP: one answer that never ends, a picture per part."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic

from argus.core.errors import SourceUnreachable, SourceUnreadable
from argus.vision.sources.http import Answer, WebClient
from argus.vision.sources.jpeg import PictureDecoder
from argus.vision.sources.multipart import MultipartParser
from argus.vision.sources.options import SourceOptions
from argus.vision.sources.protocol import SourceCounters, SourceInfo
from argus.vision.sources.reading import ReadSource, Shot, note_problem
from argus.vision.sources.timing import PATIENCE, FrameClock, Thinner, lead_s


def open_mjpeg(client: WebClient, answer: Answer, shown: str, options: SourceOptions) -> ReadSource:
    """Read from an answer of type `multipart/…`; takes over the client.

    A frame's time is when it arrived: the stream itself carries none.

    Raises:
        SourceUnreachable: it broke off before its first picture.
        SourceUnreadable: its parts are no pictures.
    """
    counters = SourceCounters()
    reader = _MjpegReader(client, answer, shown, counters, options)
    first: Sequence[Shot] | None = []
    until = monotonic() + PATIENCE * options.timeout_s
    while not first:
        first = reader.read()
        if first is None:
            raise SourceUnreadable(f"{shown} ended before its first picture: check what it serves")
        if not first and monotonic() > until:
            raise SourceUnreachable(
                f"{shown} sends no picture within {PATIENCE * options.timeout_s:g} s: check what it serves"
            )
        if counters.corrupt >= 10:
            raise SourceUnreadable(f"{shown} sends parts that are no pictures ({counters.problems[0]})")
    info = SourceInfo(
        name=options.name or shown,
        kind="stream",
        live=True,
        width=first[0].picture.width,
        height=first[0].picture.height,
        codec="mjpeg",
    )
    # What is left out is left out before it is decoded.
    return ReadSource(reader, info, counters, replace(options, fps=None), first)


class _MjpegReader:
    def __init__(
        self,
        client: WebClient,
        answer: Answer,
        shown: str,
        counters: SourceCounters,
        options: SourceOptions,
    ) -> None:
        boundary = answer.parameter("boundary")
        if not boundary:
            raise SourceUnreadable(f"{shown} announces MJPEG without a boundary: its server is broken")
        self._client = client
        self._chunks = answer.chunks()
        self._shown = shown
        self._counters = counters
        self._parser = MultipartParser(boundary)
        self._decoder = PictureDecoder()
        self._clock = FrameClock(0.0)
        self._thinner = Thinner(options.fps, lead_s(options.fps, None))
        self._tap = options.tap
        self._passed = 0
        self._waiting: deque[tuple[bytes, float, datetime]] = deque()
        self._interrupted = threading.Event()

    def read(self) -> Sequence[Shot] | None:
        while not self._waiting:
            if self._interrupted.is_set() or self._parser.ended:
                return None
            try:
                with self._client.errors():
                    chunk = next(self._chunks, None)
            except SourceUnreachable:
                if self._interrupted.is_set():
                    return None
                raise
            if chunk is None:
                if self._interrupted.is_set():
                    return None
                raise SourceUnreachable(f"{self._shown} ended the connection: check what the server is doing")
            came = monotonic(), datetime.now(UTC)
            self._waiting.extend((part, *came) for part in self._parser.feed(chunk))
            if not self._waiting:
                return []
        part, received_s, captured_at = self._waiting.popleft()
        time_s = self._clock.time_s(received_s)
        if self._tap is not None:
            self._tap.jpeg(part, time_s)
        if not self._thinner.wants(time_s):
            self._counters.skipped += 1
            self._passed += 1
            return []
        try:
            picture = self._decoder.decode(part)
        except SourceUnreadable as error:
            note_problem(self._counters, str(error))
            return []
        self._thinner.takes(time_s)
        passed, self._passed = self._passed, 0
        return [Shot(picture, time_s, captured_at, received_s=received_s, passed=passed)]

    def set_fps(self, fps: float | None) -> float | None:
        self._thinner.retarget(fps, lead_s(fps, None))
        return None

    def interrupt(self) -> None:
        self._interrupted.set()
        self._client.interrupt()

    def free(self) -> None:
        self._client.close()
