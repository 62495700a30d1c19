"""Memory that messages are laid in to be sent, used again when ZeroMQ has let go of it.

A message for several consumers lies once. There are never more pieces than consumers plus two.
"""

from __future__ import annotations

from typing import Final

import zmq

_PAGE: Final = 4096
_WASTE: Final = 4


class Piece:
    """A piece of memory and who still reads it."""

    def __init__(self, size: int) -> None:
        """Make one."""
        self.memory = memoryview(bytearray(-(-size // _PAGE) * _PAGE))
        self.kept = False
        """It holds the newest message."""
        self._readers: list[zmq.MessageTracker] = []

    def frame(self, data: memoryview) -> zmq.Frame:
        """Return a part of it as ZeroMQ sends it, without a copy where it is large."""
        frame = zmq.Frame(data, track=True)
        assert frame.tracker is not None
        self._readers.append(frame.tracker)
        return frame

    @property
    def free(self) -> bool:
        """Whether nobody needs what is in it."""
        self._readers = [reader for reader in self._readers if not reader.done]
        return not (self.kept or self._readers)


class Pieces:
    """Those of one sending end; the caller sees to it that one thread at a time asks."""

    def __init__(self) -> None:
        """Begin with none."""
        self._pieces: list[Piece] = []

    def take(self, size: int) -> Piece:
        """Return a free piece of at least `size` bytes."""
        free = [piece for piece in self._pieces if piece.free]
        for piece in free:
            if size <= len(piece.memory) <= _WASTE * max(size, _PAGE):
                return piece
        for piece in free:
            self._pieces.remove(piece)
        self._pieces.append(Piece(size))
        return self._pieces[-1]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._pieces)
