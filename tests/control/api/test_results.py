"""Events, alerts, tracks and detections over HTTP."""

from __future__ import annotations

import asyncio

import pytest

from argus.storage.records import DetectionsRecord, TrackRecord
from tests.control.api.harness import NOW, World, alert, event, problem


def _write(world: World, *records: object) -> None:
    asyncio.run(world.results.write(records))  # type: ignore[arg-type]  # records of any kind


def _ids(world: World, path: str, **params: object) -> list[str]:
    answer = world.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


def test_events_come_the_latest_first_and_in_pages_that_together_are_all(world: World) -> None:
    _write(world, *(event(f"e{n}", n) for n in range(7)))
    seen, cursor = [], None
    while True:
        params = {"limit": 3, **({"cursor": cursor} if cursor else {})}
        page = world.get("/api/v1/events", params=params).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert seen == [f"e{n}" for n in range(6, -1, -1)]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"camera": "yard"}, ["b"]),
        ({"camera": "yard,gate"}, ["d", "c", "b", "a"]),
        ({"type": "zone.*"}, ["d", "b", "a"]),
        ({"type": "line.crossed"}, ["c"]),
        ({"zone": "restricted", "camera": "gate"}, ["d", "c", "a"]),
        ({"class": "car"}, ["d"]),
        ({"object": 7}, ["a"]),
        ({"open": "true"}, ["b"]),
        ({"job": ""}, ["c", "b", "a"]),
        ({"job": "nightly"}, ["d"]),
        ({"since": "2026-11-21T09:30:02Z"}, ["d", "c"]),
        ({"until": "2026-11-21T10:30:01+01:00"}, ["a"]),
        ({"acknowledged": "false"}, ["d", "c", "b", "a"]),
        ({"severity": "high"}, []),
    ],
)
def test_events_are_filtered(shared: World, params: dict[str, object], expected: list[str]) -> None:
    _write(
        shared,
        event("a", 0, object_id=7),
        event("b", 1, camera="yard", open=True),
        event("c", 2, type="line.crossed"),
        event("d", 3, class_name="car", job="nightly"),
    )
    assert _ids(shared, "/api/v1/events", **params) == expected


def test_how_long_ago_is_a_time_too(world: World) -> None:
    _write(world, event("old"))
    assert _ids(world, "/api/v1/events", until="1s") == ["old"]


@pytest.mark.parametrize(
    "params",
    [
        {"since": "yesterday"},
        {"limit": 0},
        {"limit": 1_000_000},
        {"limit": "ten"},
        {"severity": "dreadful"},
        {"acknowledged": "maybe"},
        {"object": -1},
        {"object": 10**30},
        {"cammera": "gate"},
        {"camera": "x" * 300},
        {"camera": ",".join(map(str, range(200)))},
    ],
)
def test_a_filter_that_means_nothing_is_refused_by_name(shared: World, params: dict[str, object]) -> None:
    body = problem(shared.get("/api/v1/events", params=params), 422)
    assert body["errors"][0]["pointer"] == f"#/query/{next(iter(params))}"


def test_what_is_no_cursor_is_refused(world: World) -> None:
    for cursor in ("nonsense", "AAAA", "%00", "x" * 999):
        assert world.get("/api/v1/events", params={"cursor": cursor}).status_code in {400, 422}


def test_one_event_is_told_and_a_missing_one_is_not_found(world: World) -> None:
    _write(world, event("abc"))
    assert world.get("/api/v1/events/abc").json()["region"] == "restricted"
    problem(world.get("/api/v1/events/abd"), 404)


def test_whoever_acknowledges_first_stays(world: World) -> None:
    _write(world, alert("a1"))
    first = world.post("/api/v1/alerts/a1:ack", json={"by": "Ada"})
    assert first.json()["acknowledged_by"] == "Ada"
    assert world.post("/api/v1/alerts/a1:ack", json={"by": "Bob"}).json()["acknowledged_by"] == "Ada"
    assert _ids(world, "/api/v1/alerts", acknowledged="true") == ["a1"]
    assert world.post("/api/v1/alerts/a1:ack").status_code == 200
    problem(world.post("/api/v1/alerts/other:ack"), 404)


def test_an_acknowledgement_says_nothing_but_who(world: World) -> None:
    _write(world, event("e"))
    for body, pointer in (
        ({"by": 7}, "#/by"),
        ({"by": ""}, "#/by"),
        ({"bye": "Ada"}, "#/bye"),
        (["Ada"], "#"),
    ):
        fault = problem(world.post("/api/v1/events/e:ack", json=body), 422)["errors"][0]
        assert fault["pointer"] == pointer


def test_tracks_and_detections_are_listed(world: World) -> None:
    _write(
        world,
        TrackRecord(id="t", camera="gate", object_id=7, first_seen=NOW, path=((0.0, 0.5, 0.5),)),
        DetectionsRecord(
            camera="gate", pipeline="p", frame=3, time_s=0.3, captured_at=NOW,
            objects=({"xyxy": [0, 0, 1, 1], "class": "person"},),
        ),
    )  # fmt: skip
    assert _ids(world, "/api/v1/tracks", object=7) == ["t"]
    assert world.get("/api/v1/detections", params={"class": "person"}).json()["items"][0]["frame"] == 3
