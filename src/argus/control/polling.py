"""Hearing from workers: what each says at `/stats`, asked for side by side in each round of the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import httpx
import msgspec

from argus.control.runtime.protocol import WorkloadStatus
from argus.stream.report import WorkerReport

_PATIENCE_S: Final = 2.0
_LARGEST: Final = 16 * 1024 * 1024


class Poller:
    """Asks workers how they are. Used by one event loop; close it."""

    def __init__(self) -> None:
        self._client = httpx.AsyncClient(
            timeout=_PATIENCE_S, trust_env=False, limits=httpx.Limits(max_keepalive_connections=256)
        )
        self._decoder = msgspec.json.Decoder(WorkerReport)

    async def ask(self, workloads: Mapping[str, WorkloadStatus]) -> dict[str, WorkerReport]:
        """Return the reports of those that run, have told their port and answer, by workload."""
        asked = [
            (name, status.port)
            for name, status in workloads.items()
            if status.kind == "service" and status.pid is not None and status.port is not None
        ]
        answers = await asyncio.gather(*(self._one(port) for _, port in asked))
        return {name: answer for (name, _), answer in zip(asked, answers, strict=True) if answer is not None}

    async def _one(self, port: int) -> WorkerReport | None:
        try:
            answer = await self._client.get(f"http://127.0.0.1:{port}/stats")
            if answer.status_code != httpx.codes.OK or len(answer.content) > _LARGEST:
                return None
            return self._decoder.decode(answer.content)
        except (httpx.HTTPError, ValueError, RecursionError, OSError):
            # Silence is judged by whoever probes; here it, and what a stranger says there, is just no report.
            return None

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
