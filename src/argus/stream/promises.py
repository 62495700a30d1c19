"""Clips that were promised to events and are not there yet, on the disk: a worker that was killed made none.

What is known of such an event is noted here before it goes on its way, so that the event and its alerts can
say what became of their clip: that it is missing, or not whole, and why. When a clip is cut is `clipping`;
which events are open is `journal`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import structlog

from argus.storage.records import AlertRecord, Attachment, EventRecord, Record

_KILLED: Final = "the worker was killed before it was made"
_SUFFIX: Final = ".promise"

Occasion = TypeVar("Occasion", EventRecord, AlertRecord)


class _Facts(msgspec.Struct):
    """What is known of an event, and of its alerts."""

    event: EventRecord | None = None
    alerts: dict[str, AlertRecord] = {}

    @property
    def goes_on(self) -> bool:
        """True while more may be told of it."""
        return self.event is not None and self.event.open

    def records(self) -> list[Record]:
        """Return them, the event first."""
        return [*([] if self.event is None else [self.event]), *self.alerts.values()]


@dataclass(slots=True)
class _Promise:
    facts: _Facts = field(default_factory=_Facts)
    said: str | None = None
    """What the event says of its clip."""
    settled: bool = False
    """True when the clip is there, or never will be."""
    noted: bool = False
    """False where the file does not say what is known."""


def missing(why: str) -> str:
    """Return what an event says whose clip could not be made."""
    return f"its clip is missing: {why}"


def cut_short(how: str) -> str:
    """Return what an event says whose clip is not whole."""
    return f"its clip is not whole: {how}"


def saying(record: Occasion, said: str) -> Occasion:
    """Return an event or an alert that says so, besides what it says already."""
    message = said if record.message is None else f"{record.message}; {said}"
    return msgspec.structs.replace(record, message=message)


class Promises:
    """A folder of one worker, a file for each clip; used by the scribe's thread, but for `left`.

    A disk that is full costs this alone: clips are made, and what could not be noted is not said after a
    kill.
    """

    def __init__(self, folder: Path) -> None:
        """Read what the last worker left; pieces of clips that lie there go."""
        self.folder = folder
        """Clips may be made here; what is in it goes with the next start."""
        self._open: dict[str, _Promise] = {}
        self._failing = False
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for path in sorted(folder.iterdir()):
                if path.suffix == _SUFFIX:
                    self._open[path.stem] = _Promise(_left(path), missing(_KILLED), settled=True)
                else:
                    path.unlink()
        except OSError as error:
            self._fail(error)
        self.left = tuple(self._open)
        """Ids of events whose clips the last worker did not make."""

    def broken(self) -> list[Record]:
        """Return what is to be told of events whose clips the last worker did not make."""
        for id_ in self.left:
            structlog.get_logger().warning("clip.missing", event_id=id_, reason=_KILLED)
        return [record for id_ in self.left for record in self._open[id_].facts.records()]

    def promise(self, event: str) -> list[Record]:
        """Note that an event will get a clip, before anything is told of it."""
        self._open[event] = _Promise()
        return []

    def kept(self, event: str, key: str, said: str | None) -> list[Record]:
        """Note that its clip is there, and what is to be said of it; return what is to be told."""
        return [Attachment(event=event, clip=key), *self._settle(event, said)]

    def lost(self, event: str, why: str) -> list[Record]:
        """Note that its clip will never be there; return what is to be told."""
        return self._settle(event, missing(why))

    def told(self, records: Iterable[Record]) -> list[Record]:
        """Return records as they are to be kept: those of an event say what became of its clip."""
        return [self._told(record) for record in records]

    def note(self) -> None:
        """Write down what is new, before it goes on its way."""
        for id_, promise in self._open.items():
            if not promise.noted and not promise.settled:
                promise.noted = True
                try:
                    path = self.folder / f"{id_}{_SUFFIX}"
                    beside = path.with_suffix(".new")
                    beside.write_bytes(msgspec.json.encode(promise.facts))
                    beside.replace(path)
                except OSError as error:
                    self._fail(error)

    def forget(self) -> None:
        """Let go of clips that are settled, now that it is on its way."""
        for id_ in [id_ for id_, promise in self._open.items() if promise.settled]:
            try:
                (self.folder / f"{id_}{_SUFFIX}").unlink(missing_ok=True)
            except OSError as error:
                self._fail(error)
            if not self._open[id_].facts.goes_on:
                del self._open[id_]

    def _settle(self, event: str, said: str | None) -> list[Record]:
        promise = self._open.get(event)
        if promise is None:
            return []
        promise.settled, promise.said = True, said
        return promise.facts.records() if said is not None else []

    def _told(self, record: Record) -> Record:
        match record:
            case EventRecord():
                if (promise := self._open.get(record.id)) is not None:
                    promise.facts.event, promise.noted = record, False
                    return record if promise.said is None else saying(record, promise.said)
            case AlertRecord():
                if (promise := self._open.get(record.event)) is not None:
                    promise.facts.alerts[record.id], promise.noted = record, False
                    return record if promise.said is None else saying(record, promise.said)
        return record

    def _fail(self, error: OSError) -> None:
        if not self._failing:
            structlog.get_logger().warning(
                "promises.not_written",
                error=str(error),
                consequence="clips that are not made when this worker is killed are not said to be missing",
            )
        self._failing = True


def _left(path: Path) -> _Facts:
    """Return what was known of an event that is open no longer."""
    facts = _Facts()
    with contextlib.suppress(msgspec.DecodeError, OSError):  # of another version
        facts = msgspec.json.decode(path.read_bytes(), type=_Facts)
    if facts.event is not None:
        facts.event = msgspec.structs.replace(facts.event, open=False)
    return facts
