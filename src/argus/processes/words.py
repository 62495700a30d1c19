"""What supervisor and child say to each other on the line between them, and how it travels.

One JSON object per line of text: whatever else comes is skipped to the next line, so that a program which
writes on descriptors that it does not know loses its own words and nothing more. Who speaks when is
`line`'s and `charge`'s.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

VARIABLE: Final = "ARGUS_LINE"
"""The environment variable with the descriptors of a child's line and of its tracebacks."""
LARGEST: Final = 64 * 1024 * 1024
"""Bytes of one message, and of what may wait to be sent."""


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """A program that knows of us: beats follow."""

    thread: int
    """Identity of its main thread, as tracebacks name it."""


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """It does what it is for, from now on."""


class Beat(msgspec.Struct, frozen=True, tag="beat"):
    """It is alive."""

    busy_s: float | None
    """How long the call has lasted that it is in; None: in none."""


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """It will end, and why."""

    reason: str


class Tell(msgspec.Struct, frozen=True, tag="tell"):
    """A message of those who use the line, either way."""

    message: dict[str, Any]


class Drain(msgspec.Struct, frozen=True, tag="drain"):
    """To the child: come to an end."""


FromChild = Hello | Ready | Beat | Failed | Tell
ToChild = Tell | Drain

_encoder = msgspec.json.Encoder()


def encoded(word: FromChild | ToChild) -> bytes:
    """Return it as it travels.

    Raises:
        TypeError: a message holds what JSON cannot say.
        ValueError: it is larger than `LARGEST`.
    """
    data = _encoder.encode(word) + b"\n"
    if len(data) > LARGEST:
        raise ValueError(
            f"message of {len(data)} bytes: at most {LARGEST} can be told; hand large data over in a file"
        )
    return data


class Ear:
    """Puts words together from the bytes that come."""

    def __init__(self, words: Any) -> None:
        """Begin with nothing heard; `words` is the union that is understood."""
        self._decoder = msgspec.json.Decoder(words)
        self._data = bytearray()
        self._looked = 0
        self._skipping = False
        self.garbled = 0
        """Lines that could not be understood."""

    def hear(self, data: bytes) -> list[Any]:
        """Take what has come, and return the words that are complete with it."""
        self._data += data
        words = []
        begin = 0
        while (end := self._data.find(b"\n", max(begin, self._looked))) >= 0:
            if not self._skipping:
                word = self._understood(bytes(self._data[begin:end]))
                if word is not None:
                    words.append(word)
            self._skipping = False
            begin = end + 1
        del self._data[:begin]
        if len(self._data) > LARGEST:
            self._data.clear()
            self.garbled += not self._skipping
            self._skipping = True
        elif self._skipping:
            self._data.clear()
        self._looked = len(self._data)
        return words

    def _understood(self, line: bytes) -> Any:
        try:
            return self._decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.garbled += 1
            return None
