"""Cutting a `multipart/x-mixed-replace` body into its parts, as cameras really send it.

Only bytes: where they come from is `mjpeg`.
"""

from __future__ import annotations

import re
from typing import Final

from argus.core.errors import SourceUnreadable

LARGEST: Final = 64 * 1024 * 1024
"""Bytes that no picture of a camera has; a part that has more means that the boundary was missed."""
_LONGEST_HEAD: Final = 64 * 1024
"""Bytes that the headers of a part may have; they are looked through again with each that comes."""

_HEADERS_END: Final = re.compile(rb"\r?\n\r?\n")
_LENGTH: Final = re.compile(rb"^content-length:\s*(\d+)\s*$", re.IGNORECASE | re.MULTILINE)


class MultipartParser:
    """Collects bytes and gives back the bodies of the parts that are complete.

    Source: RFC 2046, 5.1; with leave for cameras that name their boundary with the dashes that
    belong before it, leave out `Content-Length`, or end lines with a bare newline.
    """

    def __init__(self, boundary: str) -> None:
        """Begin before the first part.

        Args:
            boundary: As the header `Content-Type` names it.
        """
        self._boundary = b"--" + boundary.strip().strip('"').lstrip("-").encode("latin-1", "replace")
        self._bytes = bytearray()
        self._ended = False

    @property
    def ended(self) -> bool:
        """True once the sender has said that there are no more parts."""
        return self._ended

    def feed(self, data: bytes) -> list[bytes]:
        """Return the parts that these bytes complete.

        Raises:
            SourceUnreadable: a part grows beyond all measure.
        """
        self._bytes += data
        parts = []
        while not self._ended and (part := self._take()) is not None:
            if part:
                parts.append(part)
        if len(self._bytes) > LARGEST:
            raise SourceUnreadable(
                f"a part of the MJPEG stream exceeds {LARGEST >> 20} MiB: "
                "the server does not send the boundary that it announced"
            )
        return parts

    def _take(self) -> bytes | None:
        """Return the next part and drop it from the buffer; None when it is not complete."""
        start = self._bytes.find(self._boundary)
        if start < 0:
            return None
        after = start + len(self._boundary)
        if self._bytes[after : after + 2] == b"--":
            self._ended = True
            return None
        head = _HEADERS_END.search(self._bytes, after)
        if head is None:
            if len(self._bytes) - after > _LONGEST_HEAD:
                raise SourceUnreadable(
                    f"the headers of a part of the MJPEG stream exceed {_LONGEST_HEAD >> 10} KiB: "
                    "the server does not send the empty line that ends them"
                )
            return None
        length = _LENGTH.search(bytes(self._bytes[after : head.end()]).replace(b"\r", b""))
        if length is not None:
            # Python reads no number of thousands of digits, and none of twenty will ever be complete.
            end = head.end() + int(length[1][:20])
            if len(self._bytes) < end:
                return None
            body = bytes(self._bytes[head.end() : end])
        else:
            end = self._bytes.find(self._boundary, head.end())
            if end < 0:
                return None
            body = bytes(self._bytes[head.end() : end]).removesuffix(b"\n").removesuffix(b"\r")
        del self._bytes[:end]
        return body
