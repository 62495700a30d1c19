"""What a stream that many read is asked for, what it tells its readers, and what it counts.

How it keeps its word is `shared`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from argus.core.errors import SourceError
from argus.core.frame import Frame
from argus.core.resources.camera import ReconnectSpec
from argus.vision.sources.options import SourceOptions
from argus.vision.sources.protocol import Source, SourceInfo

Open = Callable[[str, SourceOptions], Source]


class StreamReader(Protocol):
    """Who reads a shared stream. All calls come from the stream's thread and must be quick."""

    @property
    def fps(self) -> float | None:
        """Frames per second that are enough; None wants all."""
        ...

    def connecting(self) -> None:
        """Hear that the stream is being opened."""
        ...

    def online(self, info: SourceInfo) -> None:
        """Hear that it is open."""
        ...

    def frame(self, frame: Frame) -> None:
        """Take the next frame: index and time go on over breaks."""
        ...

    def corrupt(self, count: int) -> None:
        """Hear of frames that could not be decoded."""
        ...

    def disconnected(self, error: SourceError, retry_in_s: float | None) -> None:
        """Hear that it broke off or could not be opened, and when it is tried again; None: never."""
        ...

    def ended(self, error: SourceError | None) -> None:
        """Hear that no frame will come any more: a recording's end, or a camera given up."""
        ...


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """What is read, and how."""

    url: str = field(repr=False)
    options: SourceOptions
    reconnect: ReconnectSpec = field(default_factory=ReconnectSpec)
    paced: bool = False
    """Play a recording at its own speed, as a camera would."""
    insists: bool = True
    """False gives up where the very first opening fails."""
    alone: str = ""
    """Shared only with specs that say the same; who wants every frame of a recording must not come later."""

    @property
    def key(self) -> tuple[object, ...]:
        """What makes two specs one stream; how patient it is, the first reader says."""
        return (
            self.url,
            self.options.decoder,
            self.options.transport,
            self.options.loop,
            self.options.fps,
            self.paced,
            self.alone,
        )


@dataclass(slots=True)
class StreamCounts:
    """What a stream met over all its connections."""

    decoded: int = 0
    corrupt: int = 0
    connections: int = 0
    breaks: int = 0
    left: int = 0
    """Threads that were left to themselves because a call did not come back."""


class Standing(NamedTuple):
    """How a stream was when a reader came."""

    info: SourceInfo | None
    """What is open; None: nothing yet, or it broke off."""
    ended: tuple[SourceError | None] | None
    """Why no frame will come any more; None: frames will."""
