"""Which frame shows each event of a pipeline best, and when that becomes a picture.

An event gets its picture when it starts, so that an alert has one at once, and a better one when it ends.
Encoding and storing is `snapshots`; nothing here waits for either.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

from argus.core.frame import Frame
from argus.stream.snapshots import Shot, key_of
from argus.vision.results import Event

_HELD: Final = 4
"""Frames held for the ends of open events: each is a decoded picture. More are encoded before their time."""
_REMEMBERED: Final = 256


class _Better(NamedTuple):
    frame: Frame
    shot: Shot


class Album:
    """The pictures of one pipeline's open events; used by the thread of its model."""

    def __init__(self, pipeline: str, keep: Callable[[Shot], None]) -> None:
        """Begin empty; `keep` takes shots and never waits."""
        self._pipeline = pipeline
        self._keep = keep
        self._keys: dict[str, str] = {}
        """Of open events that have a picture."""
        self._better: OrderedDict[str, _Better] = OrderedDict()
        """Frames that show open events better than the picture they have."""
        self._shown: OrderedDict[tuple[int | None, str | None, int], tuple[str, str]] = OrderedDict()
        """Object, place and index of the frame that shows it → event and key of the picture."""

    def see(self, event: Event, id_: str, frame: Frame, *, wanted: bool, grave: bool) -> None:
        """Take one change of an event, in the order in which they are told.

        Args:
            event: As it is now.
            id_: What it is kept under.
            frame: The one at hand.
            wanted: True where it gets a picture; counts when it is raised.
            grave: True where it is an alert.
        """
        index = event.snapshot_frame
        if event.phase == "end" and id_ in self._keys:
            self._take(id_)
            del self._keys[id_]
        elif event.phase != "update":
            if wanted and index == frame.index:
                self._raise(event, id_, frame, grave=grave)
            elif wanted and index is not None:
                self._follow(event, id_, index, grave=grave)
        elif index == frame.index and id_ in self._keys:
            self._better[id_] = _Better(frame, Shot(self._keys[id_], frame, (id_,), grave))
            self._better.move_to_end(id_)
            self._remember(event, id_, index, self._keys[id_])
            while len(self._better) > _HELD:
                self._take(next(iter(self._better)))

    def end(self) -> None:
        """Let all be over: whatever is held becomes a picture now."""
        for id_ in list(self._better):
            self._take(id_)
        self._keys.clear()
        self._shown.clear()

    def _raise(self, event: Event, id_: str, frame: Frame, *, grave: bool) -> None:
        """Make the frame at hand the picture of an event."""
        key = self._key(event, id_)
        self._keep(Shot(key, frame, (id_,), grave))
        if event.phase != "end":
            self._keys[id_] = key
            self._remember(event, id_, frame.index, key)

    def _follow(self, event: Event, id_: str, index: int, *, grave: bool) -> None:
        """Give an event that is over at once the picture of the one that it ends, or that of its object."""
        shown = self._shown.get((event.object_id, event.region, index))
        shown = shown or self._shown.get((event.object_id, None, index))
        if shown is None:
            return
        owner, key = shown
        if owner not in self._keys:  # it has ended too, so its picture stays as it is
            self._keep(Shot(key, None, (id_,), grave))
        elif owner in self._better:
            self._keep(Shot(self._key(event, id_), self._better[owner].frame, (id_,), grave))
        else:
            self._keep(Shot(self._key(event, id_), None, (id_,), grave, copy_of=key))

    def _take(self, id_: str) -> None:
        better = self._better.pop(id_, None)
        if better is not None:
            self._keep(better.shot)

    def _key(self, event: Event, id_: str) -> str:
        return key_of("snapshots", self._pipeline, event.started_at, id_, ".jpg")

    def _remember(self, event: Event, id_: str, index: int, key: str) -> None:
        self._shown[event.object_id, event.region, index] = (id_, key)
        while len(self._shown) > _REMEMBERED:
            self._shown.popitem(last=False)
