"""Sending a file: in portions that are acknowledged, and on from there where a connection broke off."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

from argus.control.client.asking import Asker
from argus.control.client.errors import Overtaken, ServerMissing, ServerTroubled
from argus.core.errors import SourceNotFound, SourceUnreadable

_PORTION: Final = 64 << 20
"""Bytes of one request."""
_CHUNK: Final = 256 << 10
_TRIES: Final = 10
_TUS: Final = {"Tus-Resumable": "1.0.0"}

Progress = Callable[[int, int], None]
"""Hears how many bytes of how many are there."""


def send_file(
    asker: Asker,
    path: Path,
    metadata: Mapping[str, str],
    *,
    on_progress: Progress = lambda *_: None,
    resume: str | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Send a file and return the complete upload.

    Args:
        asker: Asks.
        path: The file.
        metadata: `pipeline` and `ttl`, where a job is to follow.
        on_progress: Hears how far it is.
        resume: Id of an upload that was begun with this file; None: begin one.
        sleep: Waits between attempts.

    Raises:
        SourceNotFound: there is no such file.
        SourceUnreadable: it cannot be read, or has become shorter.
        ServerMissing: the server is gone for longer than a few attempts.
        RequestRefused: the server says no.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise SourceNotFound(f"{path}: no such file") from None
    except OSError as error:
        raise SourceUnreadable(f"{path}: cannot be read: {error.strerror}") from error
    with file:
        size = file.seek(0, 2)
        id_ = resume or _begin(asker, path.name, size, metadata)
        where = f"/api/v1/uploads/{id_}"
        left = _TRIES
        while True:
            try:
                offset = int(asker.ask("HEAD", where, headers=_TUS).headers["upload-offset"])
                on_progress(offset, size)
                if offset < size:
                    _send(asker, where, file, offset, size)
                    left = _TRIES
                    continue
                return _completed(asker, where)
            except (ServerMissing, ServerTroubled, Overtaken):
                left -= 1
                if not left:
                    raise
                sleep(min(5.0, 0.25 * 2 ** (_TRIES - left)))


def _begin(asker: Asker, name: str, size: int, metadata: Mapping[str, str]) -> str:
    told = {"filename": name, **metadata}
    coded = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in told.items())
    headers = {**_TUS, "Upload-Length": str(size), "Upload-Metadata": coded}
    begun: dict[str, Any] = asker.json("POST", "/api/v1/uploads", headers=headers)
    return str(begun["id"])


def _completed(asker: Asker, where: str) -> dict[str, Any]:
    """Return a complete upload; all its bytes are there."""
    told: dict[str, Any] = asker.json("GET", where)
    if told["state"] != "complete":
        raise ServerTroubled(503, {"detail": f"{told['filename']} is there, and is not kept yet"})
    return told


def _send(asker: Asker, where: str, file: BinaryIO, offset: int, size: int) -> None:
    length = min(_PORTION, size - offset)
    headers = {
        **_TUS,
        "Upload-Offset": str(offset),
        "Content-Type": "application/offset+octet-stream",
        "Content-Length": str(length),
    }
    asker.ask("PATCH", where, content=_chunks(file, offset, length), headers=headers, timeout_s=120.0)


def _chunks(file: BinaryIO, offset: int, length: int) -> Iterator[bytes]:
    file.seek(offset)
    while length > 0:
        chunk = file.read(min(_CHUNK, length))
        if not chunk:
            raise SourceUnreadable(f"{file.name}: has become shorter while it was sent; send it again")
        length -= len(chunk)
        yield chunk
