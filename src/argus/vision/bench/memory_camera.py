"""Cameras whose pictures were decoded before: so that an engine can be measured without decoding."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Final

from argus.core.frame import Picture
from argus.vision.sources import open_source
from argus.vision.sources.options import SourceOptions
from argus.vision.sources.protocol import SourceCounters, SourceInfo
from argus.vision.sources.reading import ReadSource, Shot

BURST: Final = 10
"""Frames that a bursty camera sends at once."""


def decoded(video: str, count: int) -> list[Picture]:
    """Return the first pictures of a video as the decoder left them."""
    with open_source(video, loop=True) as source:
        return [frame.picture for frame in islice(source, count)]


class MemoryCameras:
    """Opens `mem:N` addresses as endless cameras over the same pictures, each beginning elsewhere."""

    def __init__(
        self,
        pictures: Sequence[Picture],
        *,
        live: bool = False,
        fps: float | None = None,
        bursty: bool = False,
    ) -> None:
        """Say what they are like.

        Args:
            pictures: Shown again and again.
            live: True stamps frames with their arrival, as a camera's are.
            fps: Frames per second, on average; None: as fast as they are taken.
            bursty: True sends ten at once, as a bad network does.
        """
        self._pictures = pictures
        self._live = live
        self._fps = fps
        self._bursty = bursty

    def open(self, url: str, options: SourceOptions) -> ReadSource:
        """Open one; see `open_source`."""
        number = int(url.removeprefix("mem:"))
        first = self._pictures[0]
        info = SourceInfo(
            url, "synthetic", live=self._live, width=first.width, height=first.height, fps=self._fps
        )
        reader = _Reader(self._pictures, number, self._live, self._fps, self._bursty)
        return ReadSource(reader, info, SourceCounters(), options)


class _Reader:
    def __init__(
        self, pictures: Sequence[Picture], number: int, live: bool, fps: float | None, bursty: bool
    ) -> None:
        self._pictures = pictures
        self._at = 7 * number
        self._count = 0
        self._live = live
        self._fps = fps
        self._burst = BURST if bursty else 1
        self._ended = threading.Event()
        self._random = random.Random(number)  # noqa: S311 - when bursts come, the same at every run
        # Each camera has its own phase, as real ones have.
        self._due_s = time.monotonic() + (0.0 if fps is None else (number % 8) / 8 * self._burst / fps)

    def read(self) -> Sequence[Shot] | None:
        if self._fps is not None:
            if self._ended.wait(max(0.0, self._due_s - time.monotonic())):
                return None
            wait_s = self._burst / self._fps * (1.0 if self._burst == 1 else self._random.uniform(0.5, 1.5))
            self._due_s = max(self._due_s + wait_s, time.monotonic() - 1.0)
        shots = []
        for _ in range(self._burst):
            picture = self._pictures[self._at % len(self._pictures)]
            now_s = time.monotonic()
            self._at += 1
            time_s = self._count / (self._fps or 30.0)
            self._count += 1
            shots.append(Shot(picture, time_s, datetime.now(UTC), received_s=now_s if self._live else None))
        return shots

    def interrupt(self) -> None:
        self._ended.set()

    def free(self) -> None:
        """Nothing is held."""
