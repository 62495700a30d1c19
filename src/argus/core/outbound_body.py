"""What an answer holds, unpacked within limits: a small body must not become a large one unseen."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import httpx

from argus.core.outbound_policy import OutboundFailed, OutboundRefused, Policy

_STEP = 1 << 16


class Body:
    """Unpacks and counts; fed with what the wire gives."""

    def __init__(self, response: httpx.Response, shown: str, policy: Policy) -> None:
        """Look at what is announced.

        Raises:
            OutboundRefused: it is packed in a way, or as often, as nobody asked for.
            OutboundFailed: it is too long, as it says itself.
        """
        self._shown = shown
        self._most = policy.most_bytes
        self._came = self._unpacked = 0
        packing = response.headers.get("Content-Encoding", "").strip().lower()
        if packing not in {"", "identity", "gzip", "x-gzip", "deflate"}:
            raise OutboundRefused(
                f"{shown}: the answer is packed as {packing[:40]!r}, which nobody asked for"
            )
        self._unpack = None if packing in {"", "identity"} else zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
        length = response.headers.get("Content-Length", "")
        if response.request.method != "HEAD" and length.isdecimal() and int(length[:19]) > self._most:
            raise self._too_long()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what some bytes unpack to, in portions of bounded size.

        Raises:
            OutboundFailed: it is too long, or damaged.
        """
        self._came += len(data)
        if self._came > self._most:
            raise self._too_long()
        if self._unpack is None:
            yield data
            return
        while not self._unpack.eof:  # what follows the end is nobody's
            try:
                portion = self._unpack.decompress(data, _STEP)
            except zlib.error as error:
                raise OutboundFailed(f"{self._shown}: the answer is damaged ({error})") from error
            data = self._unpack.unconsumed_tail
            self._unpacked += len(portion)
            if self._unpacked > self._most:
                raise self._too_long()
            if portion:
                yield portion
            if not data and len(portion) < _STEP:
                break

    def end(self) -> None:
        """Look whether it is whole.

        Raises:
            OutboundFailed: it ends in the middle.
        """
        if self._unpack is not None and not self._unpack.eof:
            raise OutboundFailed(f"{self._shown}: the answer ends in the middle")

    def _too_long(self) -> OutboundFailed:
        most = self._most / 1e6
        return OutboundFailed(f"{self._shown}: the answer is longer than the {most:g} MB that it may have")
