"""How long results are kept: by age and number, per kind of record; blobs by age and size.

Removing records gives the keys of blobs that nobody needs any more, which are then removed too. A process
that dies between the two leaves blobs behind that no record names: keep blobs no longer than records, and
`expire_blobs` finds them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
import structlog

from argus.core.calm_clock import CalmClock
from argus.core.errors import ArgusError
from argus.storage.blobs import BlobInfo, Blobs
from argus.storage.protocol import ResultStore
from argus.storage.records import RecordKind

DAY_S: Final = 86_400.0


class Keep(msgspec.Struct, frozen=True):
    """How long one kind is kept; None: for ever."""

    max_age_s: float | None = None
    max_count: int | None = None
    """Only the newest so many."""


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """How long every kind is kept. Lower values save room, of which detections take the most."""

    event: Keep = Keep(90 * DAY_S, 5_000_000)
    alert: Keep = Keep(365 * DAY_S, 1_000_000)
    track: Keep = Keep(30 * DAY_S, 2_000_000)
    detections: Keep = Keep(7 * DAY_S, 5_000_000)
    trace: Keep = Keep(2 * DAY_S, 2_000_000)
    blobs: Mapping[str, BlobsKeep] = {}
    """By the prefix of keys, such as `clips/`."""

    def of(self, kind: RecordKind) -> Keep:
        """Return how long a kind is kept."""
        keep: Keep = getattr(self, kind)
        return keep


class BlobsKeep(msgspec.Struct, frozen=True):
    """How long blobs below a prefix are kept; None: for ever."""

    max_age_s: float | None = None
    max_bytes: int | None = None
    """Of all of them together; the oldest go first."""


KINDS: Final[tuple[RecordKind, ...]] = ("trace", "detections", "track", "event", "alert")


def line_of(keep: Keep, now: datetime) -> tuple[datetime | None, int | None]:
    """Return before which moment records go, and how many stay; None: that does not matter."""
    return _before(keep.max_age_s, now), keep.max_count


def late_blobs(infos: Iterable[BlobInfo], keep: BlobsKeep, now: datetime) -> tuple[str, ...]:
    """Return the keys of blobs that have to go, the oldest first."""
    ordered = sorted(infos, key=lambda info: (info.modified_at, info.key))
    before = _before(keep.max_age_s, now)
    left = sum(info.size for info in ordered)
    late = []
    for info in ordered:
        too_old = before is not None and info.modified_at < before
        too_much = keep.max_bytes is not None and left > keep.max_bytes
        if not (too_old or too_much):
            break
        late.append(info.key)
        left -= info.size
    return tuple(late)


def expire_blobs(
    blobs: Blobs, prefix: str, *, max_bytes: int | None, max_age_s: float | None, now: datetime | None = None
) -> tuple[str, ...]:
    """Remove blobs below a prefix: the too old, then the oldest until the rest fits; return keys."""
    keep = BlobsKeep(max_age_s, max_bytes)
    late = late_blobs(blobs.list(prefix), keep, now or datetime.now(UTC))
    return tuple(key for key in late if blobs.delete(key))


async def expire_all(
    store: ResultStore, blobs: Blobs, retention: Retention, *, now: datetime | None = None
) -> dict[str, int]:
    """Remove everything that is kept no longer; return how many blobs went, by `records` or their prefix."""
    moment = now or datetime.now(UTC)
    removed = 0
    for kind in KINDS:
        before, keep = line_of(retention.of(kind), moment)
        for key in await store.expire(kind, before=before, keep=keep):
            removed += await asyncio.to_thread(blobs.delete, key)
    counts = {"records": removed}
    for prefix, kept in retention.blobs.items():
        late = await asyncio.to_thread(
            expire_blobs, blobs, prefix, max_bytes=kept.max_bytes, max_age_s=kept.max_age_s, now=moment
        )
        counts[prefix] = len(late)
    return counts


async def keep_expiring(
    store: ResultStore,
    blobs: Blobs,
    retention: Callable[[], Retention],
    *,
    every_s: float = 300.0,
    problem: Callable[[str], None] = lambda _: None,
    clock: CalmClock | None = None,
) -> None:
    """Remove what is kept no longer, again and again, until cancelled; nothing that goes wrong ends it.

    A clock that was put forward counts when it has stayed so for an hour: see `argus.core.calm_clock`.

    Args:
        store: Where records are.
        blobs: Where blobs are.
        retention: Asked anew each time.
        every_s: Seconds between two rounds. Lower keeps closer to the limits; higher costs less.
        problem: Told why a round was not finished, or an empty text.
        clock: Tells the time.
    """
    clock = clock or CalmClock()
    while True:
        try:
            await expire_all(store, blobs, retention(), now=clock.now())
        except ArgusError as error:
            structlog.get_logger().warning("results.not_expired", error=str(error))
            problem(str(error))
        except Exception as error:  # noqa: BLE001 - it is asked for again, and who runs beside us goes on
            structlog.get_logger().exception("results.not_expired")
            problem(repr(error))
        else:
            problem("")
        await asyncio.sleep(every_s)


def _before(max_age_s: float | None, now: datetime) -> datetime | None:
    """Return the moment before which things are too old; None: nothing is, as before the year 1."""
    if max_age_s is None:
        return None
    try:
        return now - timedelta(seconds=max_age_s)
    except OverflowError:
        return None
