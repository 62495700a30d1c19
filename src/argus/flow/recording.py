"""Messages in an MCAP file and back: readable by other tools, exact for ours, whole up to where it was cut.

Every message is JSON: pictures as `foxglove.CompressedImage` or `foxglove.RawImage`, the rest as what it
says. Beside it, under `argus`, stands the message as it travelled, so that what is read is what was sent.
Times are Unix time in nanoseconds; their differences are those of this host's monotonic clock.

Source: MCAP format specification, version 0 (mcap.dev); foxglove schemas `CompressedImage`, `RawImage`.
"""

from __future__ import annotations

import base64
import binascii
import io
import struct
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, cast

import msgspec
import numpy as np

from argus.core.errors import OutputError, SourceNotFound, SourceUnreadable
from argus.core.frame import Frame
from argus.flow.codec import Encoder, decode
from argus.flow.message import Header, Origin
from argus.flow.telling import is_picture, plain
from argus.flow.wire import MessageDamaged

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


class Recorded(NamedTuple):
    """One message of a recording."""

    topic: str
    header: Header
    value: Any
    sent_ns: int
    """When its node sent it, Unix time."""
    received_ns: int
    """When it was recorded, likewise."""


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


def read_recording(path: str | Path, topic: str | None = None) -> Iterator[Recorded]:
    """Yield the messages of a file in the order they were recorded; of one topic, or of all.

    A file that was cut off ends where it was cut. Files of other programs are read where they are JSON:
    pictures as pixels, the rest as dicts.

    Raises:
        SourceNotFound: there is no such file.
        SourceUnreadable: it is no MCAP file, is damaged, or holds what cannot be read.
    """
    channels: dict[int, Any] = {}
    for record in _records(Path(path)):
        if hasattr(record, "topic"):
            channels[record.id] = record
        elif hasattr(record, "publish_time"):
            channel = channels.get(record.channel_id)
            if channel is None or (topic is not None and channel.topic != topic):
                continue
            if channel.message_encoding != "json":
                raise SourceUnreadable(
                    f"{path}: topic {channel.topic} is {channel.message_encoding}, and only JSON is read: "
                    "name another topic"
                )
            header, value = _read(path, channel.topic, record)
            yield Recorded(channel.topic, header, value, record.publish_time, record.log_time)


def topics_of(path: str | Path) -> dict[str, int]:
    """Return the topics of a file, each with its number of messages.

    Raises:
        SourceNotFound: there is no such file.
        SourceUnreadable: it is no MCAP file.
    """
    names: dict[int, str] = {}
    counts: dict[str, int] = {}
    for record in _records(Path(path)):
        if hasattr(record, "topic"):
            names[record.id] = record.topic
        elif hasattr(record, "publish_time") and record.channel_id in names:
            name = names[record.channel_id]
            counts[name] = counts.get(name, 0) + 1
    return counts


def _records(path: Path) -> Iterator[Any]:
    from mcap.exceptions import EndOfFile, McapError
    from mcap.stream_reader import StreamReader

    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise SourceNotFound(f"{path}: there is no such recording") from None
    except OSError as error:
        raise SourceUnreadable(f"{path} cannot be read: {error.strerror}") from error
    with file:
        if file.read(8) != b"\x89MCAP0\r\n":
            raise SourceUnreadable(f"{path} is no recording: it does not begin as an MCAP file does")
        size = path.stat().st_size
        try:
            reader: Any = StreamReader(cast("Any", _Whole(file, size)), skip_magic=True)
            yield from reader.records
        except EndOfFile:
            return  # its writer was killed: what is whole was told
        except (McapError, struct.error, ValueError, MemoryError) as error:
            raise SourceUnreadable(f"{path} is damaged near byte {file.tell()}: {error}") from error


class _Whole:
    """A file that never gives half of what is asked for."""

    def __init__(self, file: io.BufferedReader, size: int) -> None:
        self._file, self._size = file, size

    def read(self, size: int) -> bytes:
        if size > self._size - self._file.tell():
            self._file.seek(0, io.SEEK_END)
            return b""
        return self._file.read(size)


def _read(path: str | Path, topic: str, record: Any) -> tuple[Header, Any]:
    try:
        told = msgspec.json.decode(record.data)
        exact = told.get("argus") if isinstance(told, Mapping) else None
        if exact is None:
            return _foreign(topic, record), _picture(told)
        parts = exact["buffers"] if "buffers" in exact else [told["data"]]
        return decode(base64.b64decode(exact["header"]), [memoryview(base64.b64decode(p)) for p in parts])
    except (
        msgspec.MsgspecError,
        MessageDamaged,
        binascii.Error,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        raise SourceUnreadable(f"{path}: a message of {topic} cannot be read: {error}") from error


def _foreign(topic: str, record: Any) -> Header:
    """Return a header for a message of another program."""
    at = record.publish_time or record.log_time
    return Header(f"{topic}/{record.sequence}", Origin(topic, record.sequence, at / 1e9, 0))


def _picture(told: Any) -> Any:
    """Return the pixels of a message that is a picture as Foxglove writes it; another one as it is."""
    if not isinstance(told, dict) or not isinstance(told.get("data"), str):
        return told
    if told.get("format") in {"jpeg", "png", "webp"}:
        import cv2

        pixels = cv2.imdecode(np.frombuffer(base64.b64decode(told["data"]), np.uint8), cv2.IMREAD_COLOR)
        if pixels is None:
            raise ValueError("its picture cannot be decoded")
        return pixels
    channels = {"bgr8": 3, "rgb8": 3, "mono8": 1, "8UC1": 1, "8UC3": 3}.get(str(told.get("encoding")))
    if channels is None:
        return told
    height, width, step = int(told["height"]), int(told["width"]), int(told["step"])
    rows = np.frombuffer(base64.b64decode(told["data"]), np.uint8)[: height * step].reshape(height, step)
    shaped = rows[:, : width * channels].reshape(height, width, channels)
    if told["encoding"] == "rgb8":
        shaped = shaped[:, :, ::-1]
    return np.ascontiguousarray(shaped[:, :, 0] if channels == 1 else shaped)
