"""What a source of frames is, and what it says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

from argus.core.frame import Frame


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What is known of a source when it is opened."""

    name: str
    """What people call it; credentials masked."""
    kind: str
    """`file`, `image`, `folder`, `stream`, `snapshot`, `webcam` or `synthetic`."""
    live: bool
    """True where frames come at their own pace and old ones are worth nothing."""
    width: int
    """Columns of the first picture as it is meant to be seen; later ones may differ."""
    height: int
    fps: float | None = None
    """Nominal frames per second; None where unknown or meaningless (pictures)."""
    frame_count: int | None = None
    """How many frames there will be, as well as the container says; None for live sources."""
    codec: str | None = None


@dataclass(slots=True)
class SourceCounters:
    """What a source has met so far; changed by the reading thread only."""

    decoded: int = 0
    """Pictures that came out of the decoder whole."""
    corrupt: int = 0
    """Packets or pictures that could not be decoded, or were decoded with errors and left out."""
    skipped: int = 0
    """Frames left out, before or after they were decoded: to honour a target rate, or because they had
    waited too long."""
    problems: list[str] = field(default_factory=list)
    """Distinct messages of what was wrong, oldest first, at most 20."""


class Source(Protocol):
    """Anything that yields frames. Iterate once; close (or use `with`) when done.

    The iterator ends when the source ends. `SourceUnreachable` from it means that a live source
    broke off; other errors mean that nothing more can be had.
    """

    @property
    def info(self) -> SourceInfo:
        """What was known at the opening."""
        ...

    @property
    def counters(self) -> SourceCounters:
        """What was met so far."""
        ...

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames in order of presentation."""
        ...

    def set_fps(self, fps: float | None) -> None:
        """Hand on at most so many frames per second from the next one on; None: all. Safe from any thread."""
        ...

    def close(self) -> None:
        """Free the decoder; idempotent, safe from another thread, ends a running iteration soon."""
        ...

    def __enter__(self) -> Self:
        """Return itself."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        ...
