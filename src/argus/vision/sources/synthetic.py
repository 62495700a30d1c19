"""The synthetic plaza as a source. The scene itself is `argus.vision.synthetic`."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from argus.core.frame import Channels, Image
from argus.vision.pictures import ArrayPicture
from argus.vision.sources.options import SourceOptions
from argus.vision.sources.protocol import SourceCounters, SourceInfo
from argus.vision.sources.reading import ReadSource, Shot, thinned
from argus.vision.synthetic import Plaza, PlazaOptions, parse_plaza_url
from argus.vision.synthetic.options import SCHEME


def open_synthetic(url: str, options: SourceOptions) -> ReadSource:
    """Open `synthetic:plaza?…`; what is really in a frame is `Plaza.truth(frame.index)` of equal options.

    Frames come as fast as they are taken, and for ever unless the address says `frames=`.

    Raises:
        SpecError: the scene or one of its options is unknown or out of range.
    """
    plaza = parse_plaza_url(url)
    info = SourceInfo(
        name=options.name or url.removeprefix(SCHEME).partition("?")[0],
        kind="synthetic",
        live=False,
        width=plaza.width,
        height=plaza.height,
        fps=plaza.fps,
        frame_count=plaza.frames or None,
    )
    return ReadSource(_PlazaReader(plaza), thinned(info, options), SourceCounters(), options)


class _PlazaReader:
    def __init__(self, options: PlazaOptions) -> None:
        self._plaza = Plaza.from_options(options)
        self._options = options
        self._opened_at = datetime.now(UTC)
        self._drawing = threading.Lock()  # a plaza draws one picture at a time
        self._index = 0

    def read(self) -> Sequence[Shot] | None:
        if self._options.frames and self._index >= self._options.frames:
            return None
        time_s = self._index / self._options.fps
        picture = _Drawn(self._plaza, self._index, self._drawing)
        self._index += 1
        return [Shot(picture, time_s, self._opened_at + timedelta(seconds=time_s))]

    def interrupt(self) -> None:
        """Nothing waits here."""

    def free(self) -> None:
        """Nothing is held."""


class _Drawn:
    """A picture that is drawn when somebody looks, so that frames left out cost nothing."""

    def __init__(self, plaza: Plaza, index: int, drawing: threading.Lock) -> None:
        self._plaza = plaza
        self._index = index
        self._drawing = drawing
        self._picture: ArrayPicture | None = None

    @property
    def width(self) -> int:
        return self._plaza.options.width

    @property
    def height(self) -> int:
        return self._plaza.options.height

    def bgr(self) -> Image:
        return self._drawn().bgr()

    def resized(self, width: int, height: int, channels: Channels = "rgb") -> Image:
        return self._drawn().resized(width, height, channels)

    def _drawn(self) -> ArrayPicture:
        with self._drawing:
            if self._picture is None:
                self._picture = ArrayPicture(self._plaza.render(self._index)[0])
            return self._picture
