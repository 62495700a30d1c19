"""Server-sent events as bytes. Pure.

Source: HTML Living Standard, section 9.2.
"""

from __future__ import annotations

from typing import Final

MEDIA_TYPE: Final = "text/event-stream"


def frame(data: bytes, *, event: str | None = None, id_: str | int | None = None) -> bytes:
    """Return one event; `data` is one line, as JSON is."""
    head = b""
    if event is not None:
        head += b"event: " + event.encode() + b"\n"
    if id_ is not None:
        head += b"id: " + str(id_).encode() + b"\n"
    return head + b"data: " + data + b"\n\n"


def place(id_: str | int, *, retry_ms: int | None = None) -> bytes:
    """Return what tells a client how far it has come, and nothing else: an event without data is none."""
    retry = b"" if retry_ms is None else b"retry: " + str(retry_ms).encode() + b"\n"
    return retry + b"id: " + str(id_).encode() + b"\n\n"


def comment(text: str) -> bytes:
    """Return a line that clients ignore, and that shows everybody on the way that there is life."""
    return b": " + text.replace("\n", " ").encode() + b"\n\n"
