"""What a node did so far: counted in its thread, read by others."""

from __future__ import annotations

from collections.abc import Sequence

from argus.core.metrics import Histogram


class Meters:
    """The figures of one node's process."""

    def __init__(self, links: Sequence[str]) -> None:
        """Begin at zero."""
        self.processed = 0
        self.failed = 0
        self.loop = Histogram()
        self.age = Histogram()
        self.links = {link: Histogram() for link in links}
        """Seconds from sending to `loop`, by link."""
        self.down = ""
        """Why it cannot consume now."""
