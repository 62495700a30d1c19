"""Messages in an MCAP file: readable by other tools, exact for ours, whole up to where it was cut.

Every message is JSON: pictures as `foxglove.CompressedImage` or `foxglove.RawImage`, the rest as what it
says. Beside it, under `argus`, stands the message as it travelled, so that what is read is what was sent.
Times are Unix time in nanoseconds; their differences are those of this host's monotonic clock. Reading is
`replaying`.

Source: MCAP format specification, version 0 (mcap.dev); foxglove schemas `CompressedImage`, `RawImage`.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from argus.core.errors import OutputError
from argus.core.frame import Frame
from argus.flow.codec import Encoder
from argus.flow.message import Header
from argus.flow.telling import is_picture, plain

Pictures = Literal["jpeg", "raw"]

_TIME: Final = {
    "type": "object",
    "title": "time",
    "properties": {"sec": {"type": "integer", "minimum": 0}, "nsec": {"type": "integer", "minimum": 0}},
}
_TEXT: Final = {"type": "string"}
_BYTES: Final = {"type": "string", "contentEncoding": "base64"}
_COUNT: Final = {"type": "integer", "minimum": 0}
_SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    "foxglove.CompressedImage": {"timestamp": _TIME, "frame_id": _TEXT, "data": _BYTES, "format": _TEXT},
    "foxglove.RawImage": {
        "timestamp": _TIME,
        "frame_id": _TEXT,
        "width": _COUNT,
        "height": _COUNT,
        "encoding": _TEXT,
        "step": _COUNT,
        "data": _BYTES,
    },
    "argus.Message": {"timestamp": _TIME, "source": _TEXT, "index": _COUNT, "time_s": {"type": "number"}},
}


class RecordingExists(OutputError):
    """A recording would be written over."""


class RecordingWriter:
    """Writes one file; used by one thread. What `add` has returned from, a kill of the process leaves."""

    def __init__(self, path: Path, *, pictures: Pictures = "jpeg", quality: int = 90) -> None:
        """Begin a file that is not there yet.

        Args:
            path: The file.
            pictures: `jpeg` is small; `raw` gives back every pixel.
            quality: Of the JPEGs, 1..100.

        Raises:
            RecordingExists: it is there already.
            OutputError: it cannot be written.
        """
        from mcap.writer import CompressionType, Writer

        self.path = path
        self.messages = 0
        self._jpeg = pictures == "jpeg"
        self._encoder = Encoder(jpeg=quality if self._jpeg else None)
        self._json = msgspec.json.Encoder()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(path.parent, error.strerror or error) from error
        try:
            self._file = path.open("xb")
        except FileExistsError as error:
            raise RecordingExists(path, "it is there already, and nothing is written over") from error
        except OSError as error:
            raise OutputError(path, error.strerror or error) from error
        # JPEGs do not get smaller, and the rest is little.
        self._writer = Writer(self._file, compression=CompressionType.NONE)
        self._writer.start(profile="", library="argus")
        self._schemas: dict[str, int] = {}
        self._channels: dict[tuple[str, str], int] = {}
        # Taken once: a clock that is set meanwhile must not bend the distances.
        self._epoch_ns = time.time_ns() - time.monotonic_ns()

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._file.tell()

    def add(self, topic: str, header: Header, value: Any, received_ns: int | None = None) -> None:
        """Write a message.

        Args:
            topic: Which channel it belongs to.
            header: As it came.
            value: What it holds.
            received_ns: When it came, on the monotonic clock; None: now.

        Raises:
            OutputError: the disk is full, or the like.
            ValueUnsendable: the value is none that could have been sent.
        """
        received_ns = time.monotonic_ns() if received_ns is None else received_ns
        sent_ns = header.hops[-1].sent_ns if header.hops else header.origin.born_ns
        schema, told = self._told(header, value, self._epoch_ns + header.origin.born_ns)
        try:
            self._writer.add_message(
                channel_id=self._channel(topic, schema),
                log_time=max(0, self._epoch_ns + received_ns),
                publish_time=max(0, self._epoch_ns + sent_ns),
                sequence=header.origin.index & 0xFFFFFFFF,
                data=self._json.encode(told),
            )
            self._writer.flush()
        except OSError as error:
            raise OutputError(self.path, error.strerror or error) from error
        self.messages += 1

    def close(self) -> None:
        """Write the index and close the file; idempotent.

        Raises:
            OutputError: the disk is full, or the like.
        """
        if self._file.closed:
            return
        try:
            with self._file:
                self._writer.finish()
        except OSError as error:
            raise OutputError(self.path, error.strerror or error) from error

    def _told(self, header: Header, value: Any, born_ns: int) -> tuple[str, dict[str, Any]]:
        """Return the name of its schema, and a message as JSON has it."""
        packed = self._encoder.encode(header, value)
        exact: dict[str, Any] = {"header": packed.header}
        when = {"sec": born_ns // 1_000_000_000, "nsec": born_ns % 1_000_000_000}
        picture = value.bgr if isinstance(value, Frame) else value
        if is_picture(picture) and len(packed.buffers) == 1:
            common = {"timestamp": when, "frame_id": header.origin.source, "data": packed.buffers[0]}
            if self._jpeg:
                return "foxglove.CompressedImage", {**common, "format": "jpeg", "argus": exact}
            height, width = picture.shape[:2]
            encoding, step = ("mono8", width) if picture.ndim == 2 else ("bgr8", 3 * width)
            facts = {"width": width, "height": height, "encoding": encoding, "step": step}
            return "foxglove.RawImage", {**common, **facts, "argus": exact}
        exact["buffers"] = list(packed.buffers)
        origin = header.origin
        facts = {"source": origin.source, "index": origin.index, "time_s": origin.time_s}
        return "argus.Message", {"timestamp": when, **facts, "value": plain(value), "argus": exact}

    def _channel(self, topic: str, schema: str) -> int:
        if (topic, schema) not in self._channels:
            if schema not in self._schemas:
                text = {"type": "object", "title": schema, "properties": _SCHEMAS[schema]}
                self._schemas[schema] = self._writer.register_schema(
                    schema, "jsonschema", self._json.encode(text)
                )
            self._channels[topic, schema] = self._writer.register_channel(
                topic, "json", self._schemas[schema]
            )
        return self._channels[topic, schema]
