"""The API under load: pages and filters with ten thousand resources and a million events behind it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import httpx

from argus.control.bench.home import MeasuredHome
from argus.storage.bench import CAMERAS, END, SPAN, fill
from argus.storage.opening import open_results
from argus.vision.bench.tables import Row

_LIMIT_MS: Final = 50.0
_PORTION: Final = 1000
Ask = Callable[[random.Random], tuple[str, Mapping[str, Any]]]


def load_rows(
    home: MeasuredHome, events: int, resources: int, rounds: int, say: Callable[[str], None]
) -> list[Row]:
    """Return how long lists, filters and `apply` take; the control plane must not run yet.

    Args:
        home: Where to measure.
        events: How many lie behind it.
        resources: Likewise.
        rounds: Each question is asked so often, with other values.
        say: Hears of progress.
    """
    say(f"writing {events:,} events")
    asyncio.run(_fill(home, events))
    home.up()
    with home.client() as client:
        say(f"applying {resources:,} resources")
        took = []
        for first in range(0, resources, _PORTION):
            documents = [_camera(number) for number in range(first, min(first + _PORTION, resources))]
            began = time.monotonic()
            client.apply(documents)
            took.append(time.monotonic() - began)
        rows = [Row(f"apply of {_PORTION:,} documents, all or none", sorted(took)[len(took) // 2], "s")]
        say("asking")
        with httpx.Client(base_url=client.url, timeout=60, trust_env=False) as http:
            slowest = 0.0
            for name, ask in _QUESTIONS:
                p95_ms = _p95_ms(http, ask, rounds)
                slowest = max(slowest, p95_ms)
                rows.append(
                    Row(f"{name}: p95", p95_ms, "ms", goal=_LIMIT_MS, better="lower", note="over HTTP")
                )
    behind = f"{resources:,} resources and {events:,} events"
    rows.append(Row(f"slowest of all, {behind}: p95", slowest, "ms", goal=_LIMIT_MS, better="lower"))
    home.down()
    return rows


async def _fill(home: MeasuredHome, events: int) -> None:
    store = await open_results(f"sqlite:///{home.settings.results}")
    try:
        await fill(store, events)
    finally:
        await store.close()


def _camera(number: int) -> dict[str, Any]:
    return {
        "apiVersion": "argus.dev/v1",
        "kind": "Camera",
        "metadata": {
            "name": f"cam-{number}",
            "labels": {"site": f"s{number % 50}", "rack": f"r{number % 7}"},
        },
        "spec": {"url": f"rtsp://10.0.0.5/{number}"},
    }


def _p95_ms(http: httpx.Client, ask: Ask, rounds: int) -> float:
    chance = random.Random(0)  # noqa: S311 - the same questions every time
    took = []
    for _ in range(rounds):
        path, params = ask(chance)
        began = time.perf_counter()
        http.get(path, params=dict(params)).raise_for_status()
        took.append((time.perf_counter() - began) * 1000)
    took.sort()
    return took[min(len(took) - 1, round(len(took) * 0.95))]


def _some_camera(chance: random.Random) -> str:
    return f"camera-{chance.randrange(CAMERAS):03}"


def _some_time(chance: random.Random) -> str:
    return (END - SPAN * chance.random()).isoformat()


def _events(**filters: Callable[[random.Random], Any]) -> Ask:
    return lambda chance: ("/api/v1/events", {key: value(chance) for key, value in filters.items()})


def _an_hour(chance: random.Random) -> tuple[str, Mapping[str, Any]]:
    until = END - SPAN * chance.random()
    since = until - timedelta(hours=1)
    return "/api/v1/events", {"since": since.isoformat(), "until": until.isoformat()}


_QUESTIONS: Final[Sequence[tuple[str, Ask]]] = (
    ("the latest 100 events", lambda _: ("/api/v1/events", {})),
    ("events of a camera", _events(camera=_some_camera)),
    ("events of a type", _events(type=lambda c: c.choice(["zone.entered", "camera.lost", "line.crossed"]))),
    ("events of a zone before some time", _events(zone=lambda _: "restricted", until=_some_time)),
    (
        "events of a class at a camera since some time",
        _events(**{"class": lambda _: "bicycle", "camera": _some_camera, "since": _some_time}),
    ),
    ("events of an hour", _an_hour),
    (
        "alerts of a severity at a camera",
        lambda c: ("/api/v1/alerts", {"severity": "critical", "camera": _some_camera(c)}),
    ),
    ("tracks of a camera", lambda c: ("/api/v1/tracks", {"camera": _some_camera(c)})),
    ("100 resources", lambda _: ("/api/v1/cameras", {"limit": 100})),
    (
        "100 resources by labels",
        lambda c: ("/api/v1/cameras", {"limit": 100, "labelSelector": f"site=s{c.randrange(50)},rack!=r3"}),
    ),
    ("one resource", lambda c: (f"/api/v1/cameras/cam-{c.randrange(1000)}", {})),
)
