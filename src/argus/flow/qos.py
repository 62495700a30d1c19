"""What a link promises: only what is new, or everything.

Values only: how a promise is kept is a channel's (`argus.flow.channels`), and what a node does with a
message that it cannot take is the runner's.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, Self

import msgspec

_LONGEST_DELAY_S: Final = 5.0
COMES_AGAIN_S: Final = 2 * _LONGEST_DELAY_S
"""What failed comes again within so long, where it does."""


class _Promise(msgspec.Struct, frozen=True, kw_only=True):
    jpeg: int | None = None
    """Quality 1..100: pictures travel as JPEG; None: raw. Higher looks better and takes more room."""

    def __call__(self, **changes: Any) -> Self:
        """Return the same promise with other settings: `QoS.REALTIME(max_age=0.5)`."""
        return msgspec.structs.replace(self, **changes)

    def __post_init__(self) -> None:
        if self.jpeg is not None and not 1 <= self.jpeg <= 100:
            raise ValueError(f"jpeg: {self.jpeg}: it is a quality of 1 to 100")


class Realtime(_Promise, frozen=True, kw_only=True, tag="realtime"):
    """The newest only: a slow consumer loses messages, never time, and its producer notices nothing."""

    max_age: float | None = None
    """Seconds after which a message, counted from when its origin made it, is not delivered any more."""
    ordered: bool = False
    """True drops what comes after something newer of the same origin, as replicas can hand it on."""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        super().__post_init__()
        if self.max_age is not None and self.max_age <= 0:
            raise ValueError(f"max_age: {self.max_age}: it must be above 0 seconds")


class Durable(_Promise, frozen=True, kw_only=True, tag="durable"):
    """All of it, in order per origin, at least once: a slow consumer slows its producer once it is full.

    A message counts as delivered when `loop` has returned and what it gave was accepted.
    """

    capacity: int = 1000
    """Messages that may wait."""
    max_bytes: int = 256 * 1024 * 1024
    """Bytes that may wait. One message alone may have up to twice as many, or 64 MiB where that is more."""
    tries: int = 3
    """After so many failed tries a message goes to the dead letters."""
    backoff: float = 0.1
    """Seconds before the second try; doubled for each further one, up to 5."""
    on_disk: bool = False
    """True keeps what waits in a file, so that it survives the end of the whole system."""
    ordered: bool = False
    """True puts what replicas hand on into the order of its origin again; what is too late comes late."""
    lateness: float = 1.0
    """Seconds that `ordered` waits at most for what is missing."""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        super().__post_init__()
        if self.capacity < 1 or self.max_bytes < 1 or self.tries < 1 or self.backoff < 0:
            raise ValueError("capacity, max_bytes and tries must be at least 1, backoff at least 0")
        if self.lateness < 0:
            raise ValueError(f"lateness: {self.lateness}: it must be at least 0 seconds")

    def delay_s(self, tries: int) -> float:
        """Return how long to wait after so many failed tries (the first is 1)."""
        return float(min(_LONGEST_DELAY_S, self.backoff * 2.0 ** min(tries - 1, 32)))


Promise = Realtime | Durable


class QoS:
    """The two promises with their usual settings; call one to change them: `QoS.DURABLE(tries=5)`."""

    REALTIME: ClassVar[Realtime] = Realtime()
    DURABLE: ClassVar[Durable] = Durable()
