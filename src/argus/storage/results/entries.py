"""What one transaction did to a database of results, as values: an entry of its journal.

Rows are told as they are afterwards, so doing it twice is as doing it once. Detections and traces are left
out (decision 25), and a transaction of nothing else has no entry. Where entries lie is `journal`, how they
become rows again `replaying`.
"""

from __future__ import annotations

import msgspec

from argus.storage.records import Attachment
from argus.storage.results.rows import Row


class Entry(msgspec.Struct, omit_defaults=True):
    """One transaction; filled while it runs, and numbered when it ends."""

    lineage: int = 0
    """Which database: a number that it was given when it was made."""
    number: int = 0
    """Which of its transactions that have an entry, without a gap. Of two with one number the later counts:
    what was noted before was not committed."""
    seq: int = 0
    """The last number that a change had then."""
    kept: dict[str, list[tuple[int, str]]] = msgspec.field(default_factory=dict)
    """By kind (`event`, `alert`, `track`): `seq` and body of each."""
    attached: list[tuple[str, str | None, str | None, int]] = msgspec.field(default_factory=list)
    """Event, picture, clip and time in microseconds."""
    noted: dict[str, str] = msgspec.field(default_factory=dict)
    """By event of those: what is said of its clip."""
    runs: list[str] = msgspec.field(default_factory=list)
    """Bodies."""
    removed: dict[str, list[str]] = msgspec.field(default_factory=dict)
    """Ids, by kind."""
    detached: list[str] = msgspec.field(default_factory=list)
    """Events whose attachments are gone."""
    forgotten: tuple[str, str | None] | None = None
    """A job of which nothing is left, or one of its runs."""

    def attach(self, attachment: Attachment, at_us: int) -> None:
        """Note what has come to be for an event."""
        self.attached.append((attachment.event, attachment.snapshot, attachment.clip, at_us))
        if attachment.clip_note is not None:
            self.noted[attachment.event] = attachment.clip_note

    @property
    def attachments(self) -> list[Row]:
        """Those as rows of their table."""
        return [
            {
                "event": event,
                "snapshot": snapshot,
                "clip": clip,
                "at_us": at_us,
                "clip_note": self.noted.get(event),
            }
            for event, snapshot, clip, at_us in self.attached
        ]


class Place(msgspec.Struct, frozen=True):
    """Where an entry belongs; an entry is read as this by who does not want its rows."""

    lineage: int
    number: int = 0
