"""Which frame of a recording shows each event best: stored when the event is over, for a recording can wait.

What becomes of it besides is `batch_recorder`; for cameras, whose alerts need a picture at once, `album`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from argus.core.frame import Frame
from argus.vision.results import Event
from argus.vision.sinks.pictures import encode_picture

_QUALITY: Final = 85
_HELD: Final = 4
"""Frames held for pictures of open events: each is a decoded picture. Older ones are encoded."""
_SHOWN: Final = 1024

_Place = tuple[int | None, str | None, int]
"""Object, region and index of the frame that shows it."""


@dataclass(slots=True)
class _Best:
    """The best picture of an open event so far."""

    frame: Frame | None
    jpeg: bytes | None = None

    def bytes(self) -> bytes:
        if self.jpeg is None:
            assert self.frame is not None
            self.jpeg, self.frame = encode_picture(self.frame.bgr, quality=_QUALITY), None
        return self.jpeg


class BatchPictures:
    """The pictures of one recording's events; used by the thread that reads it."""

    def __init__(self, store: Callable[[str, bytes], None], attach: Callable[[str, str], None]) -> None:
        """Begin without any.

        Args:
            store: Takes the bytes of the picture of an event, by the event's id.
            attach: Hears which event's picture an event has: its own as a rule.
        """
        self._store = store
        self._attach = attach
        self._best: OrderedDict[str, _Best] = OrderedDict()
        self._shown: OrderedDict[_Place, str] = OrderedDict()
        self._stored: set[str] = set()
        self._last: tuple[Frame | None, bytes] = (None, b"")

    def see(self, event: Event, id_: str, frame: Frame | None, *, wanted: bool) -> None:
        """Take one change of an event, in the order in which they are told.

        Args:
            event: As it is now.
            id_: What it is kept under.
            frame: The one at hand; None at the end of the recording.
            wanted: True where it is raised with this, and gets a picture.
        """
        index = event.snapshot_frame
        if frame is not None and index == frame.index and (wanted or id_ in self._best):
            self._best[id_] = _Best(frame)
            self._best.move_to_end(id_)
            self._shown[event.object_id, event.region, index] = id_
            self._thin_out()
        elif wanted and index is not None:
            self._follow(event, id_, index)
        if event.phase == "end" and id_ in self._best:
            self._keep(id_, self._encoded(self._best.pop(id_)))

    def _follow(self, event: Event, id_: str, index: int) -> None:
        """Give an event that is over at once the picture of the one that it ends, or that of its object."""
        places = ((event.object_id, event.region, index), (event.object_id, None, index))
        owner = next((self._shown[place] for place in places if place in self._shown), None)
        if owner is None:
            return
        if owner in self._best:  # it may come to have a better one
            self._keep(id_, self._encoded(self._best[owner]))
        elif owner in self._stored:
            self._attach(id_, owner)

    def _thin_out(self) -> None:
        held = [best for best in self._best.values() if best.frame is not None]
        for best in held[: max(0, len(held) - _HELD)]:
            self._encoded(best)
        while len(self._shown) > _SHOWN:
            self._stored.discard(self._shown.popitem(last=False)[1])

    def _encoded(self, best: _Best) -> bytes:
        """Return a picture's bytes; several events begin in one frame."""
        if best.jpeg is None:
            last, data = self._last
            if last is not None and last is best.frame:
                best.jpeg, best.frame = data, None
            else:
                frame = best.frame
                self._last = frame, best.bytes()
        return best.bytes()

    def _keep(self, id_: str, data: bytes) -> None:
        self._store(id_, data)
        self._stored.add(id_)
        self._attach(id_, id_)
