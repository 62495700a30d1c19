"""JSON lines: one per frame for detections, one per event for events."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from argus.core.errors import OutputError
from argus.vision.results import Event, FrameResult


class JsonLines:
    """A text file that takes one JSON object a line; every error names the file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[str] = path.open("w", encoding="utf-8")
        except OSError as error:
            raise OutputError(path, error.strerror) from error

    def put(self, row: dict[str, Any], *, flush: bool = False) -> None:
        """Append one object."""
        try:
            self._file.write(json.dumps(row, separators=(", ", ": "), allow_nan=False) + "\n")
            if flush:
                self._file.flush()
        except OSError as error:
            raise OutputError(self.path, error.strerror) from error

    def close(self) -> None:
        """Write out what is buffered and close; idempotent."""
        try:
            self._file.close()
        except OSError as error:
            raise OutputError(self.path, error.strerror) from error


class DetectionLines:
    """One line per frame: index, time, file for pictures, and all that the detector gave."""

    def __init__(self, path: Path) -> None:
        self._lines = JsonLines(path)

    def write(self, result: FrameResult) -> None:
        """Write the frame's line."""
        frame = result.frame
        row: dict[str, Any] = {"frame": frame.index, "time_s": round(frame.time_s, 4)}
        if frame.file is not None:
            row["file"] = frame.file
        row["detections"] = result.detections.to_json()
        self._lines.put(row)

    def finish(self, still_open: Sequence[Event]) -> None:
        """Events are not written here."""

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


class EventLines:
    """One line per event, written when it ends; those that never ended come last, with `"end": null`."""

    def __init__(self, path: Path) -> None:
        self._lines = JsonLines(path)

    def write(self, result: FrameResult) -> None:
        """Write the events that ended in this frame."""
        for event in result.events:
            if event.phase == "end":
                # Flushed: who follows the file sees an event when it is over, not when a buffer is full.
                self._lines.put(event.to_json(), flush=True)

    def finish(self, still_open: Sequence[Event]) -> None:
        """Write the events that had not ended."""
        for event in still_open:
            self._lines.put(event.to_json())

    def close(self) -> None:
        """Close the file."""
        self._lines.close()
