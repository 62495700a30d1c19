"""A node that writes every message it gets to an MCAP file, with the time it was sent and the time it came.

How messages lie in the file is `argus.flow.recording`; `player` plays it back.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from argus.core.errors import OutputError
from argus.core.paths import expanded
from argus.core.resources.spec import Spec
from argus.flow.node import SinkNode
from argus.flow.topics import topic_of

if TYPE_CHECKING:
    from argus.flow.recording import RecordingWriter


class Recorder(SinkNode):
    """Records what comes by all of its links, one channel for each output that they come from.

    What `loop` has returned from is in the file, whatever kills the process. A file is never written over:
    after a restart, and when one is full, the next one begins.
    """

    class Params(Spec):
        """Where to, and how pictures are kept."""

        path: str = Field(default="recording.mcap", min_length=1)
        """The file; `%Y`, `%m`, `%d`, `%H`, `%M` and `%S` stand for the local time it is begun at. Where it
        is there already, `-2`, `-3` and so on is added."""
        pictures: Literal["jpeg", "raw"] = "jpeg"
        """`jpeg` is small; `raw` gives back every pixel."""
        quality: int = Field(default=90, ge=1, le=100)
        """Of the JPEGs. Higher looks better; lower takes less room."""
        max_mb: int = Field(default=1024, ge=1)
        """Megabytes after which the next file begins."""
        max_messages: int = Field(default=200_000, ge=1)
        """Messages likewise; the index of a file is kept in memory until it ends."""

    params: Params

    def setup(self) -> None:
        """Begin the first file.

        Raises:
            OutputError: it cannot be written.
        """
        self._writer: RecordingWriter | None = None
        self._writer = self._begun()

    def loop(self, data: Any) -> None:
        """Write a message.

        Raises:
            OutputError: it cannot be written; the next try goes to a new file.
        """
        assert self.message is not None
        received_ns = time.monotonic_ns()
        writer = self._writer = self._writer or self._begun()
        try:
            writer.add(topic_of(self.message), self.message.header, data, received_ns)
        except OutputError:
            self._end()
            if not writer.messages:  # while the disk is full each try would leave one more of nothing
                writer.path.unlink(missing_ok=True)
            raise
        if writer.size >= self.params.max_mb * 1_000_000 or writer.messages >= self.params.max_messages:
            self._end()

    def on_params(self, changed: frozenset[str]) -> None:
        """Begin the next file where that is needed to take them."""
        if changed & {"path", "pictures", "quality"}:
            self._end()

    def teardown(self) -> None:
        """End the file."""
        if getattr(self, "_writer", None) is not None:
            self._end()

    def _begun(self) -> RecordingWriter:
        from argus.flow.recording import RecordingExists, RecordingWriter

        wanted = expanded(datetime.now().astimezone().strftime(self.params.path))
        if not wanted.name:
            raise OutputError(wanted, "it is a folder: name a file in it")
        if wanted.suffix != ".mcap":
            wanted = wanted.with_name(f"{wanted.name}.mcap")
        path, number = wanted, 1
        while True:
            try:
                writer = RecordingWriter(path, pictures=self.params.pictures, quality=self.params.quality)
            except RecordingExists:
                number += 1
                path = wanted.with_stem(f"{wanted.stem}-{number}")
                continue
            self.log.info("recorder.begun", path=str(path))
            return writer

    def _end(self) -> None:
        writer, self._writer = self._writer, None
        if writer is None:
            return
        try:
            writer.close()
        except OutputError as error:
            self.log.warning("recorder.not_ended_well", reason=str(error), consequence="it has no index")
        else:
            self.log.info("recorder.ended", path=str(writer.path), messages=writer.messages)
