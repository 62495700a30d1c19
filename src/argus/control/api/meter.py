"""What the API counts of itself, for `/metrics`. From one event loop."""

from __future__ import annotations

from collections import Counter
from typing import Final

from argus.core.metric_registry import Samples
from argus.core.metrics import Histogram

STREAMS: Final = ("events", "alerts", "watch", "logs", "video")


class ApiMeter:
    """See the module."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self.streams: Counter[str] = Counter()
        """Clients of streams, by what they follow."""
        self.uploads: Counter[str] = Counter()
        """Uploads by outcome: `complete`, `expired`, `deleted`."""
        self.uploads_open = 0
        """Uploads that are not complete."""
        self.upload_bytes = 0
        """Bytes taken in by uploads."""
        self._requests: Counter[tuple[str, str, str]] = Counter()
        self._seconds: dict[tuple[str, str], Histogram] = {}

    def note(self, method: str, route: str, status: int, seconds: float | None) -> None:
        """Count one request; `seconds` is None for streams."""
        self._requests[method, route, str(status)] += 1
        if seconds is not None:
            self._seconds.setdefault((method, route), Histogram()).observe(seconds)

    def say(self, samples: Samples) -> None:
        """Say all of it."""
        for (method, route, status), count in self._requests.items():
            labels = {"method": method, "route": route, "status": status}
            samples.set("argus_api_requests_total", count, labels)
        for (method, route), histogram in self._seconds.items():
            labels = {"method": method, "route": route}
            samples.histogram("argus_api_request_seconds", histogram.snapshot(), labels)
        for stream in STREAMS:
            samples.set("argus_api_streams", self.streams[stream], {"stream": stream})
        for outcome in ("complete", "expired", "deleted"):
            samples.set("argus_uploads_total", self.uploads[outcome], {"outcome": outcome})
        samples.set("argus_uploads_open", self.uploads_open)
        samples.set("argus_upload_bytes_total", self.upload_bytes)
