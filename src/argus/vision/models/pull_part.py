"""What has arrived of a file so far, kept so that the next try goes on where the last one ended.

Two files: the bytes, and a note of which file on the server they belong to.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class Part:
    """What has arrived so far, and which file it is a part of."""

    file: Path
    etag: str | None = None
    """What the server said; None where it said nothing."""
    modified: str | None = None
    """`Last-Modified`, likewise."""
    total_bytes: int | None = None
    """Length of the whole file; None where nobody knows."""
    note: Path = field(init=False)

    def __post_init__(self) -> None:
        """Read the note of an earlier try; a part without one belongs to nobody."""
        self.note = self.file.with_name(f"{self.file.name}.json")
        try:
            told = json.loads(self.note.read_text(encoding="utf-8"))
            self.etag, self.modified, self.total_bytes = told["etag"], told["modified"], told["total_bytes"]
        except (OSError, ValueError, KeyError, TypeError):
            self.forget()

    @property
    def size_bytes(self) -> int:
        """How much lies on the disk."""
        return self.file.stat().st_size if self.file.exists() else 0

    @property
    def validator(self) -> str | None:
        """What `If-Range` asks for; a weak ETag promises too little, one of strange signs cannot be sent."""
        if self.etag and not self.etag.startswith("W/") and self.etag.isascii():
            return self.etag
        return self.modified if self.modified and self.modified.isascii() else None

    def belongs_to(self, etag: str | None, modified: str | None, total_bytes: int | None) -> bool:
        """Tell whether what the server says now is what it said of the part, as far as it says it."""
        if None not in {self.total_bytes, total_bytes} and self.total_bytes != total_bytes:
            return False
        if self.etag is not None and etag is not None:
            return self.etag == etag
        return None in {self.modified, modified} or self.modified == modified

    def remember(self, etag: str | None, modified: str | None, total_bytes: int | None) -> None:
        """Note which file the part will belong to; written before its first byte."""
        self.etag, self.modified, self.total_bytes = etag, modified, total_bytes
        self.note.write_text(json.dumps({"etag": etag, "modified": modified, "total_bytes": total_bytes}))

    def forget(self) -> None:
        """Throw away what has arrived; the bytes first, since a note without bytes does no harm."""
        self.etag = self.modified = self.total_bytes = None
        if self.file.exists():
            self.file.open("wb").close()
        self.note.unlink(missing_ok=True)
