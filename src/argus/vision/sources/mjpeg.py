"""Motion JPEG over HTTP: one answer that never ends, a picture per part."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from time import monotonic

from argus.core.errors import SourceUnreachable, SourceUnreadable
from argus.vision.sources.http import Answer, WebClient
from argus.vision.sources.jpeg import PictureDecoder
from argus.vision.sources.multipart import MultipartParser
from argus.vision.sources.options import SourceOptions
from argus.vision.sources.protocol import SourceCounters, SourceInfo
from argus.vision.sources.reading import ReadSource, Shot, note_problem
from argus.vision.sources.timing import FrameClock


def open_mjpeg(client: WebClient, answer: Answer, shown: str, options: SourceOptions) -> ReadSource:
    """Read from an answer of type `multipart/…`; takes over the client.

    A frame's time is when it arrived: the stream itself carries none.

    Raises:
        SourceUnreachable: it broke off before its first picture.
        SourceUnreadable: its parts are no pictures.
    """
    counters = SourceCounters()
    reader = _MjpegReader(client, answer, shown, counters)
    first: Sequence[Shot] | None = []
    while not first:
        first = reader.read()
        if first is None:
            raise SourceUnreadable(f"{shown} ended before its first picture: check what it serves")
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
    return ReadSource(reader, info, counters, options, first)


class _MjpegReader:
    def __init__(self, client: WebClient, answer: Answer, shown: str, counters: SourceCounters) -> None:
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
        self._waiting: deque[bytes] = deque()
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
            self._waiting.extend(self._parser.feed(chunk))
        try:
            picture = self._decoder.decode(self._waiting.popleft())
        except SourceUnreadable as error:
            note_problem(self._counters, str(error))
            return []
        return [Shot(picture, self._clock.time_s(monotonic()), datetime.now(UTC))]

    def interrupt(self) -> None:
        self._interrupted.set()
        self._client.interrupt()

    def free(self) -> None:
        self._client.close()
