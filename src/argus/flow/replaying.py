"""Reading the recordings that `recording` writes, and those of other programs where they are JSON.

Source: MCAP format specification, version 0 (mcap.dev); foxglove schemas `CompressedImage`, `RawImage`.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec
import numpy as np

from argus.core.errors import SourceNotFound, SourceUnreadable
from argus.flow.codec import decode
from argus.flow.message import Header, Origin


class Recorded(NamedTuple):
    """One message of a recording."""

    topic: str
    header: Header
    value: Any
    sent_ns: int
    """When its node sent it, Unix time."""
    received_ns: int
    """When it was recorded, likewise."""


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
    from mcap.exceptions import EndOfFile
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
        except Exception as error:
            # What decompresses has errors of its own, and lengths that cannot be fail anywhere.
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
    except Exception as error:  # as above
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
