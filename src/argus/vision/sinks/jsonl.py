"""JSON lines: one per frame for detections, one per event for events."""

from __future__ import annotations

import json
import threading
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Final

from argus.core.errors import OutputError
from argus.vision.branches.finding import Finding
from argus.vision.results import Event, FrameResult

_KEPT_BACK_S: Final = 1.0
"""For so long lines may wait in the buffer for more: what a killed process loses of a busy camera."""


class JsonLines:
    """A text file that takes one JSON object a line, from any thread; every error names the file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writing = threading.Lock()
        self._flushed_s = time.monotonic()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[str] = path.open("w", encoding="utf-8")
        except OSError as error:
            raise OutputError(path, error.strerror) from error

    def put(self, row: dict[str, Any], *, flush: bool = False) -> None:
        """Append one object."""
        line = json.dumps(row, separators=(", ", ": "), allow_nan=False) + "\n"
        try:
            with self._writing:
                self._file.write(line)
                now_s = time.monotonic()
                if flush or now_s - self._flushed_s >= _KEPT_BACK_S:
                    self._file.flush()
                    self._flushed_s = now_s
        except OSError as error:
            raise OutputError(self.path, error.strerror) from error

    def close(self) -> None:
        """Write out what is buffered and close; idempotent."""
        try:
            self._file.close()
        except OSError as error:
            raise OutputError(self.path, error.strerror) from error


class DetectionLines:
    """One line per frame: index, time, file for pictures, and all that the detector gave.

    What branches found out stands beside each detection, in every line; a vector of some hundred
    numbers only in the first.
    """

    def __init__(self, path: Path) -> None:
        self._lines = JsonLines(path)
        self._written: weakref.WeakSet[Finding] = weakref.WeakSet()

    def write(self, result: FrameResult) -> None:
        """Write the frame's line."""
        frame = result.frame
        row: dict[str, Any] = {"frame": frame.index, "time_s": round(frame.time_s, 4)}
        if frame.file is not None:
            row["file"] = frame.file
        detections = row["detections"] = result.detections.to_json()
        for i, findings in result.findings.items():
            detections[i]["findings"] = [self._finding(finding) for finding in findings]
        self._lines.put(row)

    def _finding(self, finding: Finding) -> dict[str, Any]:
        if finding.embedding is None or finding in self._written:
            return finding.to_json(embedding=False)
        self._written.add(finding)
        return finding.to_json()

    def finish(self, still_open: Sequence[Event]) -> None:
        """Events are not written here."""

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


class EventLines:
    """One line per event, written when it ends; those that never ended come last, with `"end": null`."""

    def __init__(self, file: Path | JsonLines) -> None:
        """Write to a new file, or to one that several cameras share, which stays open."""
        self._shared = isinstance(file, JsonLines)
        self._lines = file if isinstance(file, JsonLines) else JsonLines(file)

    def write(self, result: FrameResult) -> None:
        """Write the events that ended in this frame."""
        self.tell(result.events)

    def tell(self, events: Sequence[Event]) -> None:
        """Write those of some events that are over."""
        for event in events:
            if event.phase == "end":
                # Flushed: who follows the file sees an event when it is over, not when a buffer is full.
                self._lines.put(event.to_json(), flush=True)

    def finish(self, still_open: Sequence[Event]) -> None:
        """Write the events that had not ended."""
        for event in still_open:
            self._lines.put(event.to_json())

    def close(self) -> None:
        """Close the file, unless it is shared."""
        if not self._shared:
            self._lines.close()
