"""Keeping the house: what is older or more than is kept goes, and what workers have left is written.

What goes when is `argus.storage.retention`; here is how users say it, and who asks.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from argus.control.log_keeping import prune_logs
from argus.control.plane import Plane
from argus.core.calm_clock import CalmClock
from argus.core.durations import parse_duration_s
from argus.core.errors import ArgusError, SpecError, UnknownName
from argus.storage.retention import DAY_S, BlobsKeep, Keep, Retention, keep_expiring
from argus.storage.writer import ResultWriter

_FIRST_S: Final = 60.0
_EVERY_S: Final = 600.0
_SPOOLS_S: Final = 30.0
_DRAIN_S: Final = 20.0
_RECORDS: Final = {
    "events": "event",
    "alerts": "alert",
    "tracks": "track",
    "detections": "detections",
    "traces": "trace",
}
_BLOBS: Final = {
    "snapshots": BlobsKeep(90 * DAY_S, 20 * 10**9),
    "clips": BlobsKeep(30 * DAY_S, 50 * 10**9),
    "uploads": BlobsKeep(30 * DAY_S, None),
    "jobs": BlobsKeep(None, None),
}
"""By the first part of their keys. What jobs made goes with the job."""
_LOGS: Final = "logs"
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([kMGT]?)(i?)B")


class Keeping(msgspec.Struct, frozen=True):
    """How long everything is kept."""

    results: Retention
    logs: BlobsKeep = BlobsKeep(30 * DAY_S, 10**9)
    """Of workloads that are gone; those of the others stay."""


def usual_keeping() -> Keeping:
    """Return how long everything is kept where nobody says otherwise."""
    return Keeping(Retention(blobs={f"{name}/": keep for name, keep in _BLOBS.items()}))


def read_retention(texts: Sequence[str]) -> Keeping:
    """Return how long everything is kept, as people say it: `events=30d`, `clips=7d,20GB`, `alerts=forever`.

    Raises:
        SpecError: a text says something else.
    """
    told: dict[str, Any] = {}
    usual = usual_keeping()
    blobs, logs = dict(usual.results.blobs), usual.logs
    for text in texts:
        name, sign, value = text.partition("=")
        name = name.strip()
        if not sign:
            raise SpecError(f"--keep {text}: write WHAT=HOW LONG, such as events=30d or clips=7d,20GB")
        if name not in _RECORDS and name not in _BLOBS and name != _LOGS:
            raise UnknownName("thing to keep", name, [*_RECORDS, *_BLOBS, _LOGS])
        age_s, size, count = _limits(text, value)
        if name in _RECORDS:
            if size is not None:
                raise SpecError(f"--keep {text}: {name} are kept by age and number, not by size")
            told[_RECORDS[name]] = Keep(age_s, count)
        else:
            if count is not None:
                raise SpecError(f"--keep {text}: {name} are kept by age and size: write 20GB")
            if name == _LOGS:
                logs = BlobsKeep(age_s, size)
            else:
                blobs[f"{name}/"] = BlobsKeep(age_s, size)
    return Keeping(msgspec.structs.replace(usual.results, **told, blobs=blobs), logs)


async def keep_house(plane: Plane, keeping: Keeping) -> None:
    """Remove what has been kept long enough, every ten minutes, until cancelled; nothing else ends it."""

    def told(problem: str) -> None:
        if problem:
            plane.problems["retention"] = problem
        else:
            plane.problems.pop("retention", None)

    clock = CalmClock()

    async def prune() -> None:
        while True:
            try:
                await prune_logs(plane.settings.logs, plane.runtime, keeping.logs, clock.now())
            except Exception:  # noqa: BLE001 - a log that is kept too long is no reason to end
                structlog.get_logger().exception("control.logs_not_removed")
            await asyncio.sleep(_EVERY_S)

    await asyncio.sleep(_FIRST_S)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(prune())
        tasks.create_task(
            keep_expiring(
                plane.results,
                plane.blobs,
                lambda: keeping.results,
                every_s=_EVERY_S,
                problem=told,
                clock=clock,
            )
        )


async def drain_spools(
    plane: Plane, results: str, *, every_s: float = _SPOOLS_S, patience_s: float = _DRAIN_S
) -> None:
    """Write what workers that are gone have left in their spools, again and again, until cancelled.

    Args:
        plane: Says which workers there are; a spool in use is left alone.
        results: URL of the store.
        every_s: Seconds before each look; before the first one workers are found again.
        patience_s: Seconds that the store may take for one spool; what it has not taken waits.
    """
    while True:
        await asyncio.sleep(every_s)
        try:
            spools = sorted(p for p in plane.settings.spool.iterdir() if p.is_dir())
        except OSError:
            continue
        for spool in spools:
            if spool.name not in plane.workloads:
                await asyncio.to_thread(_drained, spool, results, patience_s)


def _drained(spool: Path, results: str, patience_s: float) -> None:
    try:
        with ResultWriter(results, spool) as writer:
            empty = writer.flush(patience_s)
            if not empty:  # closing would give the store some seconds more
                writer.close(0)
            # What is refused for good is kept beside, and the folder with it. It goes while it is ours: a
            # worker of that name that begins in this moment would lose what it puts there.
            if empty and not (spool / "refused.jsonl").exists():
                shutil.rmtree(spool, ignore_errors=True)
    except ArgusError as error:
        structlog.get_logger().info("control.spool_waits", spool=spool.name, reason=str(error))
    except Exception:  # noqa: BLE001 - what waits there is not lost, and the others have their turn
        structlog.get_logger().exception("control.spool_waits", spool=spool.name)


def _limits(text: str, value: str) -> tuple[float | None, int | None, int | None]:
    """Return age in seconds, size in bytes and number."""
    age_s: float | None = None
    size: int | None = None
    count: int | None = None
    for part in (part.strip() for part in value.split(",")):
        matched = _SIZE.fullmatch(part)
        if part == "forever":
            continue
        if matched is not None:
            base = 1024 if matched[3] else 1000
            size = int(float(matched[1]) * base ** " kMGT".index(matched[2] or " "))
        elif part.isdecimal():
            count = int(part)
        else:
            try:
                age_s = float(parse_duration_s(part))
            except ValueError as error:
                raise SpecError(f"--keep {text}: {error}, a size (20GB), a number or `forever`") from None
    return age_s, size, count
