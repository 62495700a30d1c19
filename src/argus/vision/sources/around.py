"""A source around another one: all of it is the other's, but for what a subclass says of its frames.

For whoever dates, paces or ends the frames of a source that is open already. It is no source of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Self

from argus.core.frame import Frame
from argus.vision.sources.protocol import Source, SourceCounters, SourceInfo


class Around:
    """Another source; see `Source`. Closing it closes the other."""

    def __init__(self, source: Source) -> None:
        """Take an opened source over."""
        self.source = source

    @property
    def info(self) -> SourceInfo:
        """What was known at the opening."""
        return self.source.info

    @property
    def counters(self) -> SourceCounters:
        """What was met so far."""
        return self.source.counters

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames in order."""
        return iter(self.source)

    def set_fps(self, fps: float | None) -> None:
        """Hand on at most so many frames per second from the next one on; None: all."""
        self.source.set_fps(fps)

    def close(self) -> None:
        """Free the decoder; idempotent."""
        self.source.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()
