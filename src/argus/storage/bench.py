"""How fast a store of results is: a history like a real one, and the questions that people ask of it.

For `argus bench control`. Times are those of whoever waits, on this machine as it is now.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from argus.core.resources.regions import Severity
from argus.storage.protocol import Page, Query, ResultStore
from argus.storage.records import AlertRecord, DetectionsRecord, EventRecord, Record, TrackRecord

END: Final = datetime(2026, 11, 21, tzinfo=UTC)
"""When the newest record of the history was made."""
SPAN: Final = timedelta(days=30)
CAMERAS: Final = 100
_BATCH: Final = 500
_TYPES: Final = (
    ("object.appeared", 30), ("object.left", 30), ("zone.entered", 12), ("zone.exited", 12),
    ("zone.dwelled", 4), ("line.crossed", 10), ("crowd.formed", 1), ("camera.lost", 1),
)  # fmt: skip
_SEVERITIES: Final[tuple[Severity, ...]] = ("critical", "high", "medium", "low")
_CLASSES: Final = (("person", 80), ("car", 15), ("bicycle", 4), ("dog", 1))
_REGIONS: Final = ("restricted", "door", "gate", "yard", "ramp")


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """How long one question took."""

    name: str
    p50_ms: float
    p95_ms: float
    worst_ms: float
    items: int
    """In the answers, on average."""


class Filling(msgspec.Struct, frozen=True, kw_only=True):
    """How fast a history was written."""

    records: int
    seconds: float
    cpu_seconds: float
    """Of this process, threads included."""

    @property
    def per_s(self) -> float:
        """Return records per second."""
        return self.records / self.seconds if self.seconds else 0.0


def history(n: int, *, seed: int = 0) -> Iterator[Record]:
    """Yield `n` events in order of time, with alerts for the severe and tracks for the objects among them."""
    chance = random.Random(seed)  # noqa: S311 - the same history every time
    types, weights = [name for name, _ in _TYPES], [weight for _, weight in _TYPES]
    classes, shares = [name for name, _ in _CLASSES], [share for _, share in _CLASSES]
    step = SPAN / max(n, 1)
    for number in range(n):
        camera = f"camera-{chance.randrange(CAMERAS):03}"
        type_ = chance.choices(types, weights)[0]
        placed = type_.startswith(("zone", "line"))
        seen = not type_.startswith("camera")
        severity = chance.choice(_SEVERITIES) if placed and number % 4 == 0 else None
        shared: dict[str, Any] = {
            "camera": camera,
            "pipeline": f"pipeline-{camera[-3:]}" if seen else None,
            "class_name": chance.choices(classes, shares)[0] if seen else None,
            "object_id": number // 4 if seen else None,
            "confidence": round(chance.random(), 4),
        }
        id_, at = f"{camera}-{number:09}-{type_}", END - SPAN + step * number
        snapshot = f"snapshots/{camera}/{number:09}.jpg" if severity else None
        region = chance.choice(_REGIONS) if placed else None
        yield EventRecord(
            id=id_, type=type_, started_at=at, ended_at=at + timedelta(seconds=5), start_s=number * 0.1,
            end_s=number * 0.1 + 5, region=region, region_kind="zone" if placed else None, severity=severity,
            xyxy=(100.0, 200.0, 180.0, 400.0), path=((0.0, 0.25, 0.5), (1.0, 0.3, 0.5), (2.0, 0.35, 0.5)),
            open=n - number < 50, snapshot=snapshot, **shared,
        )  # fmt: skip
        if severity:
            yield AlertRecord(
                id=f"alert-{id_}", event=id_, type=type_, rule=f"zone {region}", severity=severity, at=at,
                region=region, snapshot=snapshot, **shared,
            )  # fmt: skip
        if type_ == "object.appeared":
            yield TrackRecord(
                id=id_, first_seen=at, last_seen=at + timedelta(seconds=5), path=((0.0, 0.25, 0.5),), **shared
            )


def frames(n: int, *, objects: int = 5) -> Iterator[DetectionsRecord]:
    """Yield `n` frames of detections, as one camera after the other gives them."""
    seen = tuple(
        {"xyxy": [10.0 * k, 20.0, 30.5, 40.25], "confidence": 0.875, "class": "person", "track_id": k}
        for k in range(objects)
    )
    for number in range(n):
        camera = f"camera-{number % CAMERAS:03}"
        yield DetectionsRecord(
            camera=camera, pipeline=f"pipeline-{camera[-3:]}", frame=number // CAMERAS, time_s=number * 0.01,
            captured_at=END + timedelta(seconds=number * 0.01), model="people", objects=seen, run="bench",
        )  # fmt: skip


async def fill(store: ResultStore, n: int) -> Filling:
    """Write a history of `n` events in batches, with what belongs to them."""
    return await write_all(store, history(n))


async def write_all(store: ResultStore, records: Iterator[Record]) -> Filling:
    """Write records in batches of 500; return how fast, without the time that it takes to make them."""
    written, seconds, cpu = 0, 0.0, 0.0
    while batch := list(itertools.islice(records, _BATCH)):
        began, used = time.perf_counter(), time.process_time()
        await store.write(batch)
        seconds += time.perf_counter() - began
        cpu += time.process_time() - used
        written += len(batch)
    return Filling(records=written, seconds=seconds, cpu_seconds=cpu)


async def measure(store: ResultStore, *, rounds: int = 40, seed: int = 0) -> tuple[Figure, ...]:
    """Ask what people ask, `rounds` times each with other values; return how long each question took."""
    chance = random.Random(seed)  # noqa: S311 - the same questions every time
    figures = []
    for name, listing, make in _questions(store, chance, await _later(store)):
        took, items = [], 0
        for _ in range(rounds):
            query = make()
            began = time.perf_counter()
            page = await listing(query)
            took.append((time.perf_counter() - began) * 1000)
            items += len(page.items)
        took.sort()
        figures.append(
            Figure(
                name=name,
                p50_ms=took[len(took) // 2],
                p95_ms=took[min(len(took) - 1, round(len(took) * 0.95))],
                worst_ms=took[-1],
                items=items // rounds,
            )
        )
    return tuple(figures)


Question = tuple[str, Callable[[Query], Awaitable[Page[Any]]], Callable[[], Query]]


def _questions(store: ResultStore, chance: random.Random, later: str | None) -> Sequence[Question]:
    def camera() -> tuple[str, ...]:
        return (f"camera-{chance.randrange(CAMERAS):03}",)

    def hours() -> dict[str, Any]:
        since = END - SPAN * chance.random()
        return {"since": since, "until": since + timedelta(hours=6)}

    def type_() -> tuple[str, ...]:
        return (chance.choice(_TYPES)[0],)

    def severity() -> tuple[str, ...]:
        return (chance.choice(_SEVERITIES),)

    def region() -> tuple[str, ...]:
        return (chance.choice(_REGIONS),)

    def class_() -> tuple[str, ...]:
        return (chance.choice(_CLASSES)[0],)

    events, alerts = store.events, store.alerts
    return (
        ("events", events, Query),
        ("events, a later page", lambda query: events(query, cursor=later), Query),
        ("events of a camera", events, lambda: Query(camera=camera())),
        ("events of five cameras", events, lambda: Query(camera=sum((camera() for _ in range(5)), ()))),
        ("events of a pipeline", events, lambda: Query(pipeline=(f"pipeline-{camera()[0][-3:]}",))),
        ("events of a type", events, lambda: Query(type=type_())),
        ("events of zone.*", events, lambda: Query(type=("zone.*",))),
        ("events of a region", events, lambda: Query(region=region())),
        ("events of a class", events, lambda: Query(class_name=class_())),
        ("events of a severity", events, lambda: Query(severity=severity())),
        ("events of an object", events, lambda: Query(object_id=chance.randrange(1000))),
        ("events of six hours", events, lambda: Query(**hours())),
        ("events that go on", events, lambda: Query(open=True)),
        ("events seen to", events, lambda: Query(acknowledged=True)),
        ("events not seen to", events, lambda: Query(acknowledged=False)),
        ("events, live", events, lambda: Query(job=())),
        ("events of a job", events, lambda: Query(job=("nightly",))),
        ("camera, type", events, lambda: Query(camera=camera(), type=type_())),
        ("camera, zone.*", events, lambda: Query(camera=camera(), type=("zone.*",))),
        ("camera, type, time", events, lambda: Query(camera=camera(), type=type_(), **hours())),
        ("camera, class", events, lambda: Query(camera=camera(), class_name=class_())),
        ("camera, severity", events, lambda: Query(camera=camera(), severity=severity())),
        ("camera, region", events, lambda: Query(camera=camera(), region=region())),
        ("camera, live, not seen to", events, lambda: Query(camera=camera(), job=(), acknowledged=False)),
        ("camera, seen to", events, lambda: Query(camera=camera(), acknowledged=True)),
        ("type, class", events, lambda: Query(type=type_(), class_name=class_())),
        ("type, severity", events, lambda: Query(type=type_(), severity=severity())),
        ("type, region, time", events, lambda: Query(type=type_(), region=region(), **hours())),
        ("class, severity", events, lambda: Query(class_name=class_(), severity=severity())),
        ("two that meet rarely", events, lambda: Query(type=("crowd.formed",), class_name=("dog",))),
        ("two that never meet", events, lambda: Query(type=("object.left",), severity=("critical",))),
        ("alerts", alerts, Query),
        ("alerts of a camera, not seen to", alerts, lambda: Query(camera=camera(), acknowledged=False)),
        ("alerts of a severity", alerts, lambda: Query(severity=severity())),
        ("tracks of a camera", store.tracks, lambda: Query(camera=camera())),
        ("tracks of a class", store.tracks, lambda: Query(class_name=class_())),
    )


async def _later(store: ResultStore) -> str | None:
    cursor = None
    for _ in range(5):
        cursor = (await store.events(Query(), limit=1000, cursor=cursor)).cursor
    return cursor
