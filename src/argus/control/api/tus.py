"""The words of tus: what requests say in headers, and what answers do. No bytes are taken here.

Source: tus resumable upload protocol 1.0 (core, creation, creation-with-upload, creation-defer-length,
termination).
"""

from __future__ import annotations

import base64
from typing import Final

from fastapi import Request

from argus.control.api.problems import Problem
from argus.storage.uploads import Upload

VERSION: Final = "1.0.0"
OFFSET_TYPE: Final = "application/offset+octet-stream"
ABILITIES: Final = {
    "Tus-Resumable": VERSION,
    "Tus-Version": VERSION,
    "Tus-Extension": "creation,creation-with-upload,creation-defer-length,termination",
}


def answer_headers(upload: Upload) -> dict[str, str]:
    """Return what an answer says of an upload."""
    headers = {"Tus-Resumable": VERSION, "Upload-Offset": str(upload.offset)}
    if upload.length is not None:
        headers["Upload-Length"] = str(upload.length)
    else:
        headers["Upload-Defer-Length"] = "1"
    return headers


def expect_version(request: Request) -> None:
    """Raise a 412 where another version is spoken."""
    version = request.headers.get("tus-resumable", VERSION)
    if version != VERSION:
        raise Problem(
            412,
            "other-tus",
            f"version {version[:20]!r} of tus is not spoken here",
            headers={"Tus-Version": VERSION},
        )


def length_of(request: Request) -> int | None:
    """Return the length that is announced; None: it is said later."""
    length = count_in(request, "upload-length")
    if length is None and request.headers.get("upload-defer-length") != "1":
        raise Problem(
            400,
            "no-length",
            "the request says no Upload-Length",
            remedy="say it, or `Upload-Defer-Length: 1`",
        )
    return length


def count_in(request: Request, header: str) -> int | None:
    """Return a number of bytes; None: there is no such header."""
    text = request.headers.get(header)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:
        raise Problem(400, "no-number", f"{header}: {text[:40]!r} is no number of bytes")
    return int(text)


def metadata_of(header: str) -> dict[str, str]:
    """Return what `Upload-Metadata` says."""
    found: dict[str, str] = {}
    for pair in header.split(","):
        key, _, coded = pair.strip().partition(" ")
        if key:
            try:
                found[key] = base64.b64decode(coded, validate=True).decode()
            except ValueError:  # no base64, other signs than ASCII, or no UTF-8 in it
                raise Problem(
                    400, "bad-metadata", f"Upload-Metadata: {key[:40]!r} has no text in base64"
                ) from None
    return {key: value for key, value in found.items() if "\0" not in key + value}
