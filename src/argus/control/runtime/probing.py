"""How a workload is asked for its state: one HTTP request to loopback, of which the first line is read."""

from __future__ import annotations

import asyncio
import contextlib


async def ask(port: int, path: str, timeout_s: float) -> int | None:
    """Return the HTTP status with which a program on this machine answers.

    Args:
        port: Where it listens on 127.0.0.1.
        path: What is asked for, as `/healthz`.
        timeout_s: For connecting and the first line together.

    Returns:
        None where nothing that is HTTP comes in time.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await _ask(port, path)
    except (OSError, TimeoutError, ValueError):
        return None


async def _ask(port: int, path: str) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4096)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
        # A line longer than the limit is a ValueError, and so is one that is no status line.
        version, status, *_ = (await reader.readline()).split(maxsplit=2)
        if not version.startswith(b"HTTP/1."):
            raise ValueError(f"{version!r} is not HTTP")
        return int(status)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
