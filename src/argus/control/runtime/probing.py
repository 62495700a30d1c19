"""How a workload is asked for its state: HTTP requests to loopback, of whose answers the first line is read.

What follows from the answers is `kept`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from argus.control.runtime.protocol import Probes

_SOON_S: Final = 0.1
"""How often a workload is asked that is not ready yet."""


class Probing:
    """Asks one run of a workload how it is, again and again. For the keeper's event loop."""

    def __init__(self, probes: Probes, changed: Callable[[], None], condemn: Callable[[str], None]) -> None:
        """Begin without a port; see `begin`.

        Args:
            probes: What is asked for.
            changed: Called when `ready` or `healthy` is another.
            condemn: Called with the reason when it does not answer any more.
        """
        self.port: int | None = None
        """Where it listens, once it has told."""
        self.ready = probes.readiness is None
        self.healthy = True
        self._probes = probes
        self._changed = changed
        self._condemn = condemn
        self._heard = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def begin(self, told_within_s: float) -> None:
        """Ask from now on, if there is anything to be asked for; its port must be told in so many seconds."""
        if self._probes.readiness is not None or self._probes.liveness is not None:
            self._task = asyncio.create_task(self._ask(told_within_s))

    def hear(self, port: int) -> None:
        """Hear where it listens."""
        self.port = port
        self._heard.set()

    def close(self) -> None:
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()

    async def _ask(self, told_within_s: float) -> None:
        probes = self._probes
        try:
            async with asyncio.timeout(told_within_s):
                await self._heard.wait()
        except TimeoutError:
            self._condemn(f"did not tell its port within {probes.start_s:g} s of its start")
            return
        silent = 0
        while True:
            assert self.port is not None
            ready, healthy = True, True
            if probes.liveness is not None:
                answer = await ask(self.port, probes.liveness, probes.timeout_s)
                silent = silent + 1 if answer is None else 0
                healthy = _well(answer)
                if silent >= probes.failures:
                    self._condemn(f"did not answer at {probes.liveness} {silent} times in a row")
                    return
            if probes.readiness is not None:
                ready = _well(await ask(self.port, probes.readiness, probes.timeout_s))
            if (ready, healthy) != (self.ready, self.healthy):
                self.ready, self.healthy = ready, healthy
                self._changed()
            await asyncio.sleep(probes.every_s if ready else min(probes.every_s, _SOON_S))


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


def _well(answer: int | None) -> bool:
    return answer is not None and 200 <= answer < 400
