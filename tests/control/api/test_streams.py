"""Streams of events and alerts, and watching resources, over a real connection."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from argus.control.api.live import Change, ChangeKind, LiveChanges
from argus.control.api.patience import Patience
from argus.storage.protocol import ResultsUnavailable
from argus.storage.records import AlertRecord, EventRecord
from argus.testing.result_store import MemoryResults
from tests.control.api.harness import Live, World, alert, event, listening, problem, until


class Listening:
    """Somebody who reads a stream of server-sent events."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.iter_lines()

    def next(self) -> dict[str, str]:
        """Return the next frame that has an event or an id."""
        fields: dict[str, str] = {}
        for line in self._lines:
            if not line and fields:
                return fields
            if line and not line.startswith(":"):
                name, _, value = line.partition(": ")
                fields[name] = value
        raise EOFError

    def event(self) -> dict[str, str]:
        """Return the next event with data."""
        while "data" not in (frame := self.next()):
            pass
        return frame

    def ids(self, count: int) -> list[str]:
        """Return the ids of the records that the next so many events carry."""
        return [msgspec.json.decode(self.event()["data"])["id"] for _ in range(count)]

    def rest(self) -> list[dict[str, str]]:
        """Return all frames until the end."""
        found = []
        with pytest.raises(EOFError):
            while True:
                found.append(self.next())
        return found


@contextmanager
def stream(live: Live, path: str, **headers: str) -> Iterator[Listening]:
    with (
        httpx.Client(base_url=live.url, timeout=10, trust_env=False) as client,
        client.stream("GET", path, headers=headers) as response,
    ):
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Listening(response)


def write(live: Live, *records: EventRecord | AlertRecord) -> None:
    live.do(live.world.results.write(records))


def test_a_new_event_comes_within_a_moment(live: Live) -> None:
    with stream(live, "/api/v1/events/stream") as listening_:
        assert listening_.next()["id"] == "0"
        began_s = time.monotonic()
        write(live, event("e1"))
        frame = listening_.event()
        took_s = time.monotonic() - began_s
    assert (frame["event"], frame["id"]) == ("event", "1")
    assert msgspec.json.decode(frame["data"])["id"] == "e1"
    assert took_s < 2.0


def test_without_a_place_to_begin_only_what_is_new_is_told(live: Live) -> None:
    write(live, event("old"))
    with stream(live, "/api/v1/events/stream") as listening_:
        listening_.next()
        write(live, event("new", 1))
        assert listening_.ids(1) == ["new"]


def test_whoever_comes_back_hears_all_that_was_missed(live: Live) -> None:
    write(live, event("e1"), alert("a1"), event("e2", 1))
    with stream(live, "/api/v1/events/stream", **{"Last-Event-ID": "1"}) as listening_:
        assert listening_.ids(1) == ["e2"]
        write(live, event("e3", 2))
        assert listening_.ids(1) == ["e3"]


def test_a_replay_of_many_goes_over_into_what_comes_without_a_gap(live: Live) -> None:
    write(live, *(event(f"e{n}", n) for n in range(1200)))
    with stream(live, "/api/v1/events/stream?after=0") as listening_:
        first = listening_.ids(700)
        write(live, *(event(f"e{n}", n) for n in range(1200, 1300)))
        assert first + listening_.ids(600) == [f"e{n}" for n in range(1300)]


def test_a_stream_of_alerts_holds_no_events_and_filters(live: Live) -> None:
    with stream(live, "/api/v1/alerts/stream?camera=gate&severity=high") as listening_:
        listening_.next()
        write(live, event("e"), alert("low", severity="low"), alert("yard", camera="yard"), alert("wanted"))
        frame = listening_.event()
    assert frame["event"] == "alert"
    assert msgspec.json.decode(frame["data"])["id"] == "wanted"


def test_an_acknowledgement_is_told_as_a_change(live: Live) -> None:
    write(live, alert("a"))
    with stream(live, "/api/v1/alerts/stream") as listening_:
        listening_.next()
        httpx.post(f"{live.url}/api/v1/alerts/a:ack", json={"by": "Ada"}, trust_env=False)
        assert msgspec.json.decode(listening_.event()["data"])["acknowledged_by"] == "Ada"


def test_all_listeners_together_cost_one_question_a_time() -> None:
    asked = []

    class Counted(MemoryResults):
        async def changes(
            self, after: int, *, limit: int = 500, kinds: Sequence[ChangeKind] = ("event", "alert")
        ) -> tuple[Change, ...]:
            asked.append(time.monotonic())
            return await super().changes(after, limit=limit, kinds=kinds)

    async def run() -> int:
        results = Counted()
        live = LiveChanges(results, every_s=0.02)
        heard: list[str] = []

        async def listen() -> None:
            async for portion in live.changes(0, "event"):
                heard.extend(change.id for change in portion)

        listeners = [asyncio.create_task(listen()) for _ in range(20)]
        async with asyncio.timeout(5):
            while live.listeners < 20:
                await asyncio.sleep(0.001)
            asked.clear()
            began_s = time.monotonic()
            await results.write([event("e")])
            while len(heard) < 20:
                await asyncio.sleep(0.005)
            rounds = (time.monotonic() - began_s) / 0.02 + 2
        for listener in listeners:
            listener.cancel()
        await asyncio.gather(*listeners, return_exceptions=True)
        assert len(asked) <= rounds
        asked.clear()
        await asyncio.sleep(0.1)
        return len(asked)

    assert asyncio.run(run()) == 0, "nobody listens, and it is asked all the same"


def test_a_database_that_is_gone_for_a_while_costs_a_listener_nothing() -> None:
    async def run() -> list[str]:
        results = _Failing()
        live = LiveChanges(results, every_s=0.01)
        heard: list[str] = []

        async def listen() -> None:
            async for portion in live.changes(0, "event"):
                heard.extend(change.id for change in portion)

        listener = asyncio.create_task(listen())
        async with asyncio.timeout(8):
            await results.write([event("e1")])
            while heard != ["e1"]:
                await asyncio.sleep(0.005)
            results.gone = True
            await results.write([event("e2", 1)])
            while not results.refused:
                await asyncio.sleep(0.005)
            results.gone = False
            while heard != ["e1", "e2"]:
                await asyncio.sleep(0.005)
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)
        return heard

    assert asyncio.run(run()) == ["e1", "e2"]


class _Failing(MemoryResults):
    gone = False
    refused = 0

    async def changes(
        self, after: int, *, limit: int = 500, kinds: Sequence[ChangeKind] = ("event", "alert")
    ) -> tuple[Change, ...]:
        if self.gone:
            self.refused += 1
            raise ResultsUnavailable("the database is locked")
        return await super().changes(after, limit=limit, kinds=kinds)


def test_a_listener_that_reads_nothing_costs_no_memory_and_misses_nothing() -> None:
    async def run() -> None:
        results = MemoryResults()
        live = LiveChanges(results, every_s=0.005)
        slow = live.changes(0, "event")
        await results.write([event("first")])
        first = await anext(slow)
        assert [change.id for change in first] == ["first"]
        for start in range(0, 5000, 500):
            await results.write([event(f"e{n}", n) for n in range(start, start + 500)])
        heard: list[str] = []
        async with asyncio.timeout(10):
            while len(heard) < 5000:
                heard += [change.id for change in await anext(slow)]
        assert heard == [f"e{n}" for n in range(5000)]
        await slow.aclose()  # type: ignore[attr-defined]  # it is a generator
        assert live.listeners == 0

    asyncio.run(run())


def test_a_place_that_no_stream_gave_is_refused(live: Live) -> None:
    for headers, params in (({"Last-Event-ID": "x"}, {}), ({}, {"after": "-1"}), ({}, {"after": 10**30})):
        answer = httpx.get(
            f"{live.url}/api/v1/events/stream", headers=headers, params=params, trust_env=False
        )
        problem(answer, 422)


def test_a_place_beyond_the_end_is_that_of_another_database_and_begins_anew(live: Live) -> None:
    with stream(live, "/api/v1/events/stream?after=1000000") as listening_:
        assert listening_.next()["id"] == "0"
        write(live, event("e"))
        assert listening_.ids(1) == ["e"]


def test_a_listener_who_goes_is_forgotten(live: Live) -> None:
    with stream(live, "/api/v1/events/stream") as listening_:
        listening_.next()
        assert any(task == "live-changes" for task in _tasks(live))
    until(lambda: "live-changes" not in _tasks(live))


def _tasks(live: Live) -> list[str]:
    return live.call(lambda: [task.get_name() for task in asyncio.all_tasks()])


def test_streams_end_in_good_order_when_the_server_stops(world: World) -> None:
    frames: list[dict[str, str]] = []
    with listening(world) as live:
        ready = threading.Event()

        def listen() -> None:
            with stream(live, "/api/v1/events/stream") as heard:
                heard.next()
                ready.set()
                frames.extend(heard.rest())

        thread = threading.Thread(target=listen)
        thread.start()
        assert ready.wait(10)
        began_s = time.monotonic()
        live.server.should_exit = True
        thread.join(10)
        took_s = time.monotonic() - began_s
    assert not thread.is_alive()
    assert frames == []
    assert took_s < 2.0


def test_signs_of_life_tell_how_far_the_stream_is(tmp_path: Path) -> None:
    world = World(tmp_path, patience=Patience(heartbeat_s=0.05))
    with listening(world) as live, stream(live, "/api/v1/alerts/stream") as listening_:
        assert listening_.next() == {"retry": "1000", "id": "0"}
        write(live, event("not an alert"))
        until(lambda: listening_.next() == {"id": "0"})


def test_a_client_that_takes_nothing_is_let_go(tmp_path: Path) -> None:
    world = World(tmp_path, patience=Patience(send_s=0.3))
    big = {"message": "x" * 60_000}
    with listening(world) as live, socket.create_connection(("127.0.0.1", live.port)) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(b"GET /api/v1/events/stream?after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: "live-changes" in _tasks(live))
        write(live, *(event(f"e{n}", n, **big) for n in range(400)))
        until(lambda: "live-changes" not in _tasks(live))


def test_a_watch_tells_what_there_is_then_what_changes(live: Live) -> None:
    _put(live, "gate")
    with stream(live, "/api/v1/cameras?watch=true") as heard:
        first = heard.event()
        assert (first["event"], _name(first)) == ("ADDED", "gate")
        bookmark = heard.event()
        assert (bookmark["event"], bookmark["id"]) == ("BOOKMARK", "1")
        _put(live, "yard")
        added = heard.event()
        assert (added["event"], _name(added), added["id"]) == ("ADDED", "yard", "2")
        _put(live, "gate", fps=3)
        assert heard.event()["event"] == "MODIFIED"
        httpx.delete(f"{live.url}/api/v1/cameras/gate", trust_env=False)
        assert heard.event()["event"] == "DELETED"


def test_a_watch_goes_on_where_the_last_one_was(live: Live) -> None:
    for name in ("a", "b", "c"):
        _put(live, name)
    with stream(live, "/api/v1/resources?watch=true", **{"Last-Event-ID": "1"}) as heard:
        assert [_name(heard.event()), _name(heard.event())] == ["b", "c"]
    with stream(live, "/api/v1/resources?watch=true&resourceVersion=2") as heard:
        assert _name(heard.event()) == "c"


def test_for_a_watch_with_a_selector_what_no_longer_fits_is_gone(live: Live) -> None:
    _put(live, "gate", site="north")
    _put(live, "yard", site="south")
    with stream(live, "/api/v1/cameras?watch=true&labelSelector=site%3Dnorth") as heard:
        assert _name(heard.event()) == "gate"
        assert heard.event()["event"] == "BOOKMARK"
        _put(live, "yard", site="south", fps=2)
        _put(live, "gate", site="south")
        gone = heard.event()
        assert (gone["event"], _name(gone)) == ("DELETED", "gate")
        _put(live, "gate", site="north")
        assert heard.event()["event"] == "ADDED"


def test_a_version_that_is_forgotten_is_said_and_ends_the_watch(live: Live) -> None:
    with stream(live, "/api/v1/cameras?watch=true&resourceVersion=999") as heard:
        gone = heard.event()
        assert gone["event"] == "GONE"
        assert "list again" in msgspec.json.decode(gone["data"])["detail"]
        assert heard.rest() == []


def test_a_watch_outlives_a_store_that_does_not_answer(live: Live) -> None:
    _put(live, "gate")
    with stream(live, "/api/v1/cameras?watch=true") as heard:
        assert heard.event()["event"] == "ADDED"
        live.call(lambda: live.world.store.fail("locked"))
        live.call(lambda: live.world.store.fail(None))
        heard.event()
        _put(live, "yard")
        assert _name(heard.event()) == "yard"


def _put(live: Live, name: str, *, site: str = "north", **spec: Any) -> None:
    body = {"metadata": {"labels": {"site": site}}, "spec": {"url": "rtsp://x", **spec}}
    answer = httpx.put(f"{live.url}/api/v1/cameras/{name}", json=body, trust_env=False)
    assert answer.status_code < 300, answer.text


def _name(frame: dict[str, str]) -> str:
    name: str = msgspec.json.decode(frame["data"])["metadata"]["name"]
    return name
