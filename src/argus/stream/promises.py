"""Clips that were promised to events and are not there yet, on the disk: a worker that was killed made none.

That an event will get one is noted here before the event goes on its way, so that it can be said what became
of the clip: that it is missing, or not whole, and why. When a clip is cut is `clipping`; what is said reaches
the event and its alerts as pictures do, by an `Attachment`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import structlog

from argus.storage.records import Attachment, Record

_KILLED: Final = "the worker was killed before it was made"
_SUFFIX: Final = ".promise"
_LONGEST: Final = 400
"""Characters of a note: an attachment takes 512."""


def missing(why: str) -> str:
    """Return what is said of a clip that could not be made."""
    return _note(f"missing: {why}")


def cut_short(how: str) -> str:
    """Return what is said of a clip that is not whole."""
    return _note(f"not whole: {how}")


class Promises:
    """A folder of one worker, a file for each clip; used by the scribe's thread, but for `left`.

    A disk that is full costs this alone: clips are made, and what could not be noted is not said after a
    kill.
    """

    def __init__(self, folder: Path) -> None:
        """Read what the last worker left; pieces of clips that lie there go."""
        self.folder = folder
        """Clips may be made here; what is in it goes with the next start."""
        self._new: list[str] = []
        self._settled: list[str] = []
        self._failing = False
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for path in sorted(folder.iterdir()):
                if path.suffix == _SUFFIX:
                    self._settled.append(path.stem)
                else:
                    path.unlink()
        except OSError as error:
            self._fail(error)
        self.left = tuple(self._settled)
        """Ids of events whose clips the last worker did not make."""

    def broken(self) -> list[Record]:
        """Return what is to be told of events whose clips the last worker did not make."""
        for id_ in self.left:
            structlog.get_logger().warning("clip.missing", event_id=id_, reason=_KILLED)
        return [Attachment(event=id_, clip_note=missing(_KILLED)) for id_ in self.left]

    def promise(self, event: str) -> list[Record]:
        """Note that an event will get a clip, before anything is told of it."""
        self._new.append(event)
        return []

    def kept(self, event: str, key: str, note: str | None) -> list[Record]:
        """Note that its clip is there, and what it lacks; return what is to be told."""
        self._settled.append(event)
        return [Attachment(event=event, clip=key, clip_note=note)]

    def lost(self, event: str, why: str) -> list[Record]:
        """Note that its clip will never be there; return what is to be told."""
        self._settled.append(event)
        return [Attachment(event=event, clip_note=missing(why))]

    def note(self) -> None:
        """Write down what is promised, before it goes on its way."""
        new, self._new = self._new, []
        for event in new:
            try:
                self._file(event).touch()
            except OSError as error:
                self._fail(error)

    def forget(self) -> None:
        """Let go of clips that are settled, now that it is on its way."""
        settled, self._settled = self._settled, []
        for event in settled:
            try:
                self._file(event).unlink(missing_ok=True)
            except OSError as error:
                self._fail(error)

    def _file(self, event: str) -> Path:
        return self.folder / f"{event}{_SUFFIX}"

    def _fail(self, error: OSError) -> None:
        if not self._failing:
            structlog.get_logger().warning(
                "promises.not_written",
                error=str(error),
                consequence="clips that are not made when this worker is killed are not said to be missing",
            )
        self._failing = True


def _note(text: str) -> str:
    """Return a text as every store takes it."""
    sound = text.encode("utf-8", "replace").decode().replace("\0", "?")
    return sound if len(sound) <= _LONGEST else f"{sound[: _LONGEST - 1]}…"
