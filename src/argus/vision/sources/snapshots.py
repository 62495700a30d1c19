"""A picture on a server, asked for again and again."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic

from argus.core.errors import SourceError, SourceUnreadable
from argus.core.urls import mask_url
from argus.vision.sources.http import Answer, WebClient
from argus.vision.sources.jpeg import PictureDecoder
from argus.vision.sources.options import SourceOptions
from argus.vision.sources.protocol import SourceCounters, SourceInfo
from argus.vision.sources.reading import ReadSource, Shot, note_problem
from argus.vision.sources.timing import PATIENCE, FrameClock


def open_snapshots(url: str, options: SourceOptions) -> ReadSource:
    """Poll `http(s)://…` (or `snapshot+http(s)://…`) every `1 / fps` or, without it, `interval_s` seconds.

    A damaged picture is counted and passed over; a request that fails breaks the source off.

    Raises:
        SourceNotFound: the server knows no such path.
        SourceRefused: credentials are missing or wrong.
        SourceUnreachable: nothing answers.
        SourceUnreadable: the answer is no picture.
    """
    url = url.removeprefix("snapshot+")
    client = WebClient(url, options.timeout_s, verify_tls=options.verify_tls)
    try:
        return poll(client, client.open(), mask_url(url), options)
    except BaseException:
        client.close()
        raise


def poll(client: WebClient, answer: Answer, shown: str, options: SourceOptions) -> ReadSource:
    """Begin with the picture of a first answer and ask for the next in time; takes over the client.

    Raises:
        SourceUnreadable: the answer is no picture.
        SourceUnreachable: it broke off.
    """
    counters = SourceCounters()
    reader = _SnapshotReader(client, counters, options)
    first = reader.shots(answer)
    if not first:
        raise SourceUnreadable(f"{shown} gives no picture ({counters.problems[0]}): check the address")
    info = SourceInfo(
        name=options.name or shown,
        kind="snapshot",
        live=True,
        width=first[0].picture.width,
        height=first[0].picture.height,
        fps=1.0 / reader.interval_s,
    )
    # The rate is kept by asking no oftener; none is left out.
    return ReadSource(reader, info, counters, replace(options, fps=None), first)


class _SnapshotReader:
    def __init__(self, client: WebClient, counters: SourceCounters, options: SourceOptions) -> None:
        self._client = client
        self._counters = counters
        self._tap = options.tap
        self._timeout_s = options.timeout_s
        self._usual_s = options.interval_s
        self.interval_s = 1.0 / options.fps if options.fps else self._usual_s
        self._decoder = PictureDecoder()
        self._clock = FrameClock(self.interval_s)
        self._interrupted = threading.Event()
        self._due = monotonic() + self.interval_s

    def read(self) -> Sequence[Shot] | None:
        if self._interrupted.wait(max(0.0, self._due - monotonic())):
            return None
        # A server that is slower than the interval is asked again at once, but not twice for the past.
        self._due = max(self._due + self.interval_s, monotonic())
        try:
            return self.shots(self._client.get())
        except SourceError:
            if self._interrupted.is_set():
                return None
            raise

    def shots(self, answer: Answer) -> list[Shot]:
        """Return the picture of an answer; nothing, and a count, if it is damaged."""
        with self._client.errors():
            data = answer.read(PATIENCE * self._timeout_s)
        received_s, captured_at = monotonic(), datetime.now(UTC)
        try:
            picture = self._decoder.decode(data)
        except SourceUnreadable as error:
            note_problem(self._counters, str(error))
            return []
        time_s = self._clock.time_s(received_s)
        if self._tap is not None:
            self._tap.jpeg(data, time_s)
        return [Shot(picture, time_s, captured_at, received_s=received_s)]

    def set_fps(self, fps: float | None) -> float | None:
        interval_s = 1.0 / fps if fps else self._usual_s
        self._due += interval_s - self.interval_s
        self.interval_s = interval_s
        return None

    def interrupt(self) -> None:
        self._interrupted.set()
        self._client.interrupt()

    def free(self) -> None:
        self._client.close()
