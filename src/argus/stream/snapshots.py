"""Pictures of events: encoded and stored off the threads of models, by a few threads with a bounded queue.

Which frame shows an event best is told by the engine, and remembered by `album`. A store that is full or away
costs pictures, never events: a picture is tried again for a while, and its record names it once it is there.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import structlog

from argus.core.errors import ArgusError
from argus.core.frame import Frame, Image
from argus.storage.records import Attachment
from argus.stream.late_blobs import LateBlobs
from argus.stream.scribe import Scribe
from argus.vision.sinks.pictures import encode_picture

QUALITY: Final = 85
_THREADS: Final = 2
_QUEUED: Final = 64
"""Pictures that wait at most: each holds a decoded frame."""
_TRIES: Final = 8
_LONGEST_WAIT_S: Final = 15.0
_REMEMBERED: Final = 5000


def key_of(kind: str, folder: str, at: datetime, id_: str, suffix: str) -> str:
    """Return the key of an event's picture or clip: `snapshots/gate/2026/11/21/abc.jpg`."""
    return f"{kind}/{folder}/{at:%Y/%m/%d}/{id_}{suffix}"


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """A picture to be kept."""

    key: str
    of: Frame | Image | None
    """What to encode; None: the picture of another event, which is kept already or about to be."""
    events: tuple[str, ...]
    """Ids of the events that it shows."""
    grave: bool = False
    """Others are let go first where there are too many."""
    copy_of: str | None = None
    """Key of the other event's picture; None: the same key."""
    tries: int = 0
    due_s: float = 0.0
    data: bytes | None = None


class Pictures:
    """Keeps shots. `keep` is safe from any thread and never waits."""

    def __init__(
        self, blobs: LateBlobs, scribe: Scribe, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start the threads; the blobs stay the caller's."""
        self.kept = 0
        """Pictures that were stored."""
        self.lost = 0
        """Pictures that found no room, in the queue or in the store."""
        self._blobs = blobs
        self._scribe = scribe
        self._clock = clock
        self._queue: deque[Shot] = deque()
        self._changed = threading.Condition()
        self._stored: OrderedDict[str, None] = OrderedDict()
        self._attached: OrderedDict[str, None] = OrderedDict()
        self._in_hand: list[Shot] = []
        self._last: tuple[Frame | Image | None, bytes] = (None, b"")
        """What was encoded last: several events begin in one frame."""
        self._closing = False
        self._said = ""
        self._threads = [
            threading.Thread(target=self._run, name="argus-pictures", daemon=True) for _ in range(_THREADS)
        ]
        for thread in self._threads:
            thread.start()

    def keep(self, shot: Shot) -> None:
        """Take a shot; where too many wait, the oldest of those that matter least is let go."""
        with self._changed:
            if len(self._queue) >= _QUEUED:
                self.lost += 1
                spare = next((other for other in self._queue if not other.grave), None)
                if spare is None and not shot.grave:
                    return
                self._queue.remove(self._queue[0] if spare is None else spare)
            self._queue.append(shot)
            self._changed.notify()

    def close(self, timeout_s: float = 3.0) -> None:
        """Store what waits, for so long at most; idempotent."""
        until = time.monotonic() + timeout_s
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        with self._changed:
            self.lost += len(self._queue)
            self._queue.clear()

    def _run(self) -> None:
        while (shot := self._next()) is not None:
            try:
                again = self._store(shot)
            except Exception:  # noqa: BLE001 - one picture that cannot be encoded is no harm to the others
                structlog.get_logger().exception("picture.not_made", key=shot.key)
                again = None
                self.lost += 1
            with self._changed:
                self._in_hand = [other for other in self._in_hand if other is not shot]
                if again is not None:
                    self._queue.appendleft(again)  # before whatever waits for it
                self._changed.notify_all()

    def _next(self) -> Shot | None:
        """Return the next one whose turn it is; None: all is done, and nothing will come."""
        with self._changed:
            while True:
                shot, wait_s = self._first(self._clock())
                if shot is not None:
                    self._queue.remove(shot)
                    self._in_hand.append(shot)
                    return shot
                if self._closing and not self._queue and not self._in_hand:
                    return None
                self._changed.wait(wait_s)

    def _first(self, now_s: float) -> tuple[Shot | None, float | None]:
        """Return the first that is due and waits for no other, or how long none will be (None: who knows).

        What concerns one picture is done in order: a copy is of what the picture was, not of what it becomes.
        """
        taken = {key for shot in self._in_hand for key in (shot.key, shot.copy_of)} - {None}
        wait_s: float | None = None
        for shot in self._queue:
            keys = {shot.key, shot.copy_of} - {None}
            if not keys & taken:
                if self._closing or shot.due_s <= now_s:
                    return shot, None
                wait_s = min(wait_s or shot.due_s - now_s, shot.due_s - now_s)
            taken |= keys
        return None, wait_s

    def _store(self, shot: Shot) -> Shot | None:
        """Store one; return it where it is to be tried again."""
        data = shot.data
        if shot.of is None and data is None:
            key = shot.copy_of or shot.key
            with self._changed:
                known = key in self._stored
                self.lost += not known  # that one found no room
            if not known:
                return None
            if shot.copy_of is None:
                self._attach(shot)
                return None
        try:
            if data is None:
                data = self._bytes_of(shot)
            self._blobs.put(shot.key, data)
        except (ArgusError, OSError) as error:
            return self._failed(replace(shot, of=None if data else shot.of, data=data), error)
        with self._changed:
            self.kept += 1
            self._said = ""
            _remember(self._stored, shot.key)
        self._attach(shot)
        return None

    def _bytes_of(self, shot: Shot) -> bytes:
        if shot.of is None:
            assert shot.copy_of is not None
            with self._blobs.open(shot.copy_of) as file:
                return file.read()
        last, data = self._last
        if last is not shot.of:
            data = encode_picture(shot.of.bgr if isinstance(shot.of, Frame) else shot.of, quality=QUALITY)
            self._last = shot.of, data
        return data

    def _attach(self, shot: Shot) -> None:
        with self._changed:
            new = [id_ for id_ in shot.events if id_ not in self._attached]
            for id_ in new:
                _remember(self._attached, id_)
        if new:
            self._scribe.take(lambda: [Attachment(event=id_, snapshot=shot.key) for id_ in new])

    def _failed(self, shot: Shot, error: Exception) -> Shot | None:
        with self._changed:
            if str(error) != self._said:
                structlog.get_logger().warning(
                    "picture.not_stored", error=str(error), consequence="tried again; events go on"
                )
            self._said = str(error)
            if shot.tries + 1 >= _TRIES or self._closing:
                self.lost += 1
                return None
        wait_s = min(_LONGEST_WAIT_S, 0.25 * 2.0**shot.tries)
        return replace(shot, tries=shot.tries + 1, due_s=self._clock() + wait_s)


def _remember(seen: OrderedDict[str, None], key: str) -> None:
    seen[key] = None
    if len(seen) > _REMEMBERED:
        seen.popitem(last=False)
