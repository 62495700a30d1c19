"""What became of every frame: each one ends in exactly one of five ways.

Counting only; who decides what happens to a frame is `feed` and `lane`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Final, Literal

Fate = Literal["processed", "gated", "dropped_stale", "dropped_full", "corrupt"]
FATES: Final[tuple[Fate, ...]] = ("processed", "gated", "dropped_stale", "dropped_full", "corrupt")


@dataclass(slots=True)
class FrameCounts:
    """The frames of one pipeline. Always: `decoded` is the sum of the five fates and `on_the_way`."""

    decoded: int = 0
    """Frames that came to this pipeline at its rate, damaged ones included."""
    processed: int = 0
    """Inferred, and the pipeline's steps were run."""
    gated: int = 0
    """Not looked at, because nothing moved."""
    dropped_stale: int = 0
    """A newer frame came first, it grew too old to be looked at, or the pipeline ended before its turn."""
    dropped_full: int = 0
    """No room in the queue of a pipeline that wants every frame of a stream that cannot wait."""
    corrupt: int = 0
    """Decoded with errors, or not at all."""
    skipped: int = 0
    """Left out to honour the target rate, before they were decoded or converted: no part of `decoded`."""

    @property
    def on_the_way(self) -> int:
        """Frames that wait or are being looked at; 0 when the pipeline has ended."""
        return self.decoded - self.ended

    @property
    def ended(self) -> int:
        """Frames whose fate is known."""
        return self.processed + self.gated + self.dropped_stale + self.dropped_full + self.corrupt

    def end(self, fate: Fate, count: int = 1) -> None:
        """Note what became of so many frames that were counted as decoded before."""
        setattr(self, fate, getattr(self, fate) + count)

    def copy(self) -> FrameCounts:
        """Return the counts as they are now."""
        return replace(self)

    def minus(self, earlier: FrameCounts) -> FrameCounts:
        """Return what came since an earlier copy."""
        return FrameCounts(*(getattr(self, f.name) - getattr(earlier, f.name) for f in fields(self)))

    def plus(self, other: FrameCounts) -> FrameCounts:
        """Return the sums of both."""
        return FrameCounts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def to_json(self) -> dict[str, Any]:
        """Return the counts by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)} | {"on_the_way": self.on_the_way}
