"""What every store of results must do: one suite over all of them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, TypeVar

import pytest
from msgspec.structs import replace

from argus.core.errors import UnknownName
from argus.storage.matching import fits
from argus.storage.protocol import (
    BadCursor,
    Query,
    ResultNotFound,
    ResultRefused,
    ResultStore,
)
from argus.storage.records import AlertRecord, Attachment, EventRecord, Record
from tests.storage.results.examples import NOON, alert, at, event, frame, run, trace, track

T = TypeVar("T")
Opener = Callable[[], Awaitable[ResultStore]]


class Contract:
    """Inherited once per engine, which says how a store is opened; twice opened is the same store."""

    opener: Opener

    def go(self, work: Callable[[ResultStore], Coroutine[Any, Any, T]]) -> T:
        """Do something with a store."""

        async def go() -> T:
            store = await self.opener()
            try:
                return await work(store)
            finally:
                await store.close()

        return asyncio.run(go())

    # Writing

    def test_what_was_written_is_read_again_as_it_was(self) -> None:
        whole = event(
            pipeline="safety", open=True, ended_at=at(2), start_s=1.5, end_s=3.5, object_id=7,
            class_name="person", confidence=0.25, region="restricted", region_kind="zone", direction="in",
            count=3, severity="high", message="grüße 🙂", xyxy=(1.0, 2.0, 3.0, 4.0), path=((0.0, 0.5, 0.5),),
            findings=({"model": "colour"},), snapshot="snapshots/a.jpg", clip="clips/a.mp4",
        )  # fmt: skip

        async def work(store: ResultStore) -> None:
            await store.write([whole, alert(), track(last_seen=at(3), path=((0.0, 0.1, 0.2),))])
            assert replace(await store.event("e1"), seq=0) == whole
            assert replace(await store.alert("a1"), seq=0) == alert()
            [kept] = (await store.tracks(Query())).items
            assert replace(kept, seq=0) == track(last_seen=at(3), path=((0.0, 0.1, 0.2),))

        self.go(work)

    def test_another_opening_finds_what_was_written(self) -> None:
        async def write(store: ResultStore) -> None:
            await store.write([event()])

        async def read(store: ResultStore) -> EventRecord:
            return await store.event("e1")

        self.go(write)
        assert self.go(read).id == "e1"

    def test_a_later_record_replaces_what_has_its_id(self) -> None:
        async def work(store: ResultStore) -> None:
            await store.write([event(open=True, confidence=0.5)])
            await store.write([event(open=False, confidence=0.75, ended_at=at(4))])
            kept = await store.event("e1")
            assert (kept.open, kept.confidence, kept.ended_at) == (False, 0.75, at(4))
            assert len((await store.events(Query())).items) == 1

        self.go(work)

    def test_of_one_batch_the_last_record_with_an_id_counts(self) -> None:
        async def work(store: ResultStore) -> None:
            await store.write([event(confidence=0.1), event(confidence=0.9), frame(1), frame(1, model="b")])
            assert (await store.event("e1")).confidence == 0.9
            assert [kept.model for kept in (await store.detections(Query())).items] == ["b"]

        self.go(work)

    def test_written_twice_is_as_written_once_and_changes_nothing(self) -> None:
        batch: list[Record] = [
            event(), alert(), track(), frame(), trace(), Attachment(event="e1", snapshot="s.jpg"),
        ]  # fmt: skip

        async def work(store: ResultStore) -> None:
            await store.write(batch)
            seq, counts = await store.last_seq(), await store.counts()
            changes = await store.changes(0)
            await store.write([event(snapshot="s.jpg"), alert(), track(), frame(), trace()])
            assert (await store.last_seq(), await store.counts()) == (seq, counts)
            assert await store.changes(0) == changes

        self.go(work)

    def test_a_picture_once_known_stays_where_a_later_record_has_none(self) -> None:
        async def work(store: ResultStore) -> None:
            await store.write(
                [event(snapshot="s.jpg", clip="c.mp4"), alert(snapshot="s.jpg"), track(snapshot="s.jpg")]
            )
            await store.write([event(confidence=0.5), alert(suppressed=1), track(confidence=0.5)])
            kept = await store.event("e1")
            assert (kept.snapshot, kept.clip, kept.confidence) == ("s.jpg", "c.mp4", 0.5)
            assert (await store.alert("a1")).snapshot == "s.jpg"
            assert [one.snapshot for one in (await store.tracks(Query())).items] == ["s.jpg"]
            await store.write([event(snapshot="better.jpg")])
            assert (await store.event("e1")).snapshot == "better.jpg"

        self.go(work)

    @pytest.mark.parametrize("order", ["eatp", "paet", "pate", "aept", "tpea", "epat"])
    @pytest.mark.parametrize("together", [True, False])
    def test_an_attachment_reaches_event_alerts_and_track_in_any_order(
        self, order: str, together: bool
    ) -> None:
        parts: dict[str, Record] = {
            "e": event(), "a": alert(), "t": track(),
            "p": Attachment(event="e1", snapshot="s.jpg", clip="c.mp4"),
        }  # fmt: skip

        async def work(store: ResultStore) -> None:
            if together:
                await store.write([parts[name] for name in order])
            else:
                for name in order:
                    await store.write([parts[name]])
            kept, raised = await store.event("e1"), await store.alert("a1")
            assert (kept.snapshot, kept.clip) == (raised.snapshot, raised.clip) == ("s.jpg", "c.mp4")
            assert [one.snapshot for one in (await store.tracks(Query())).items] == ["s.jpg"]

        self.go(work)

    def test_a_clip_that_comes_after_the_picture_leaves_the_picture(self) -> None:
        async def work(store: ResultStore) -> None:
            await store.write([Attachment(event="e1", snapshot="s.jpg")])
            await store.write([Attachment(event="e1", clip="c.mp4")])
            await store.write([event()])
            kept = await store.event("e1")
            assert (kept.snapshot, kept.clip) == ("s.jpg", "c.mp4")

        self.go(work)

    @pytest.mark.parametrize("together", [True, False])
    @pytest.mark.parametrize("order", ["ean", "nea", "ane", "aen"])
    def test_what_is_said_of_a_clip_reaches_event_and_alerts_in_any_order(
        self, order: str, together: bool
    ) -> None:
        said = "missing: the worker was killed before it was made"
        parts: dict[str, Record] = {
            "e": event(), "a": alert(), "n": Attachment(event="e1", clip_note=said),
        }  # fmt: skip

        async def work(store: ResultStore) -> None:
            if together:
                await store.write([parts[name] for name in order])
            else:
                for name in order:
                    await store.write([parts[name]])
            await store.write([event(open=True, confidence=0.5)])
            kept, raised = await store.event("e1"), await store.alert("a1")
            assert (kept.clip_note, kept.clip, kept.message) == (said, None, None)
            assert (raised.clip_note, raised.clip, raised.message) == (said, None, None)

        self.go(work)

    def test_what_is_said_of_a_clip_belongs_to_the_clip_that_is_there(self) -> None:
        async def work(store: ResultStore) -> None:
            notes = []
            for told in (
                {"clip_note": "missing: stopped"},
                {"clip": "c.mp4", "clip_note": "not whole: ends 3 s early"},
                {"clip_note": "missing: stopped"},  # of another attempt: there is one
                {"snapshot": "s.jpg"},
                {"clip": "c.mp4"},
            ):
                await store.write([event(), Attachment(event="e1", **told)])
                notes.append((await store.event("e1")).clip_note)
            short = "not whole: ends 3 s early"
            assert notes == ["missing: stopped", short, short, short, None]

        self.go(work)

    def test_nothing_is_written_of_a_batch_with_a_record_that_cannot_be_kept(self) -> None:
        bad: list[Any] = [
            event("bad", confidence="very"),
            event("bad", object_id=2**70),
            event("bad", start_s=math.nan),
            event("bad", camera="a\0b"),
            event("bad", type="\ud800"),
            event("b" * 5000),
            event(["bad"]),  # type: ignore[arg-type]
            event("bad", findings=({"x": object()},)),
            event("bad", started_at="noon"),
            frame(1, objects=("person",)),
            frame("one"),  # type: ignore[arg-type]
            trace(data={1.5: object()}),
            Attachment(event="e1", snapshot=5),  # type: ignore[arg-type]
            Attachment(event="e1", snapshot="\ud800"),
            Attachment(event="e1", clip_note="\ud800"),
            "no record",
        ]

        async def work(store: ResultStore) -> None:
            for record in bad:
                with pytest.raises(ResultRefused):
                    await store.write([event("good"), record, frame(7)])
            assert set((await store.counts()).values()) == {0}
            await store.write([event("good")])
            assert (await store.event("good")).id == "good"

        self.go(work)

    def test_texts_that_look_like_queries_are_texts(self) -> None:
        nasty = "'; DROP TABLE argus_events; -- %s {$gt: 1} \" \\"

        async def work(store: ResultStore) -> None:
            await store.write([event(nasty, camera=nasty, region=nasty, message="\0 is fine here")])
            assert (await store.event(nasty)).message == "\0 is fine here"
            assert len((await store.events(Query(camera=(nasty,), region=(nasty,)))).items) == 1
            assert len((await store.events(Query(camera=("%", "gate_", "_")))).items) == 0

        self.go(work)

    def test_times_of_other_zones_are_kept_as_utc(self) -> None:
        summer = timezone(timedelta(hours=2))

        async def work(store: ResultStore) -> None:
            await store.write(
                [
                    event(started_at=NOON.astimezone(summer)),
                    event("naive", started_at=NOON.replace(tzinfo=None)),
                ]
            )
            for id_ in ("e1", "naive"):
                kept = await store.event(id_)
                assert (kept.started_at, kept.started_at.utcoffset()) == (NOON, timedelta(0))

        self.go(work)

    def test_microseconds_are_kept(self) -> None:
        moment = datetime(2026, 11, 21, 12, 0, 0, 123457, UTC)

        async def work(store: ResultStore) -> None:
            await store.write([event(started_at=moment)])
            assert (await store.event("e1")).started_at == moment
            assert len((await store.events(Query(since=moment))).items) == 1
            assert len((await store.events(Query(until=moment))).items) == 0

        self.go(work)

    def test_what_is_not_there_is_said_to_be_not_there(self) -> None:
        async def work(store: ResultStore) -> None:
            for id_ in ("nothing", "", "a\0b", "\ud800", "x" * 10_000):
                with pytest.raises(ResultNotFound):
                    await store.event(id_)
                with pytest.raises(ResultNotFound):
                    await store.alert(id_)
                with pytest.raises(ResultNotFound):
                    await store.acknowledge("alert", id_, by="ann", at=NOON)

        self.go(work)

    # Lists

    def test_lists_are_latest_first(self) -> None:
        async def work(store: ResultStore) -> None:
            await store.write([event("b", 2), event("a", 1), event("c", 3)])
            await store.write(
                [alert("b", 2), alert("a", 1), track("b", 2), track("a", 1), frame(1, 1), frame(2, 2)]
            )
            assert [one.id for one in (await store.events(Query())).items] == ["c", "b", "a"]
            assert [one.id for one in (await store.alerts(Query())).items] == ["b", "a"]
            assert [one.id for one in (await store.tracks(Query())).items] == ["b", "a"]
            assert [one.frame for one in (await store.detections(Query())).items] == [2, 1]

        self.go(work)

    def test_every_filter_lists_what_it_says(self) -> None:
        """Filter by filter and pair by pair, against the same question asked of each record."""
        records = _varied()
        singles: list[dict[str, Any]] = [
            {"camera": ("gate",)}, {"camera": ("gate", "yard", "nowhere")}, {"camera": ("nowhere",)},
            {"pipeline": ("safety",)}, {"job": ()}, {"job": ("nightly",)}, {"job": ("nightly", "other")},
            {"type": ("zone.entered",)}, {"type": ("zone.*",)}, {"type": ("zone.*", "line.crossed")},
            {"type": ("*",)}, {"type": ("nothing.*",)}, {"type": ("zone*",)},
            {"region": ("door", "restricted")},
            {"class_name": ("person",)}, {"class_name": ("person", "car")}, {"severity": ("high", "low")},
            {"object_id": 3}, {"object_id": 2**80}, {"since": at(10)}, {"until": at(10)},
            {"since": at(3), "until": at(9)}, {"acknowledged": True}, {"acknowledged": False},
            {"open": True}, {"open": False},
            {"camera": ("a\0b",)}, {"camera": ("\ud800",)},
        ]  # fmt: skip
        pairs = [one | other for one in singles for other in singles]

        async def work(store: ResultStore) -> None:
            await store.write(records)
            for id_ in ("e3", "e8"):
                await store.acknowledge("event", id_, by="ann", at=NOON)
            everything: list[tuple[Any, Any]] = [
                (store.events, (await store.events(Query(), limit=1000)).items),
                (store.alerts, (await store.alerts(Query(), limit=1000)).items),
                (store.tracks, (await store.tracks(Query(), limit=1000)).items),
                (store.detections, (await store.detections(Query(), limit=1000)).items),
            ]
            assert [len(items) for _, items in everything] == [40, 20, 10, 10]
            for fields in (*singles, *pairs[:: self.every_nth_pair]):
                query = Query(**fields)
                for listing, items in everything:
                    page = await listing(query, limit=1000)
                    assert page.items == tuple(one for one in items if fits(query, one)), fields

    every_nth_pair = 5

    def test_pages_tell_each_record_once_whatever_is_written_meanwhile(self) -> None:
        async def work(store: ResultStore) -> None:
            # Many of one moment: the time alone does not say where a page ended.
            await store.write([event(f"e{n:02}", n // 7, camera=f"c{n % 3}") for n in range(50)])
            for query in (Query(), Query(camera=("c0", "c1", "c2")), Query(type=("zone.*",))):
                told: list[str] = []
                cursor = None
                for turn in range(100):
                    page = await store.events(query, limit=4, cursor=cursor)
                    told += [one.id for one in page.items]
                    again = event(f"e{turn:02}", turn // 7, camera=f"c{turn % 3}", confidence=turn / 100)
                    await store.write([event(f"new{turn}", 1000 + turn), event(f"old{turn}", 3), again])
                    cursor = page.cursor
                    if cursor is None:
                        break
                first = [id_ for id_ in told if id_.startswith("e")]
                assert sorted(first) == [f"e{n:02}" for n in range(50)]
                assert len(set(told)) == len(told)
                await store.expire("event", before=None, keep=0)
                await store.write([event(f"e{n:02}", n // 7, camera=f"c{n % 3}") for n in range(50)])

        self.go(work)

    def test_the_last_page_has_no_cursor(self) -> None:
        async def work(store: ResultStore) -> None:
            await store.write([event(f"e{n}", n) for n in range(4)])
            first = await store.events(Query(), limit=2)
            assert first.cursor is not None
            second = await store.events(Query(), limit=2, cursor=first.cursor)
            assert ([one.id for one in second.items], second.cursor) == (["e1", "e0"], None)

        self.go(work)

    def test_a_text_that_is_no_cursor_is_refused(self) -> None:
        async def work(store: ResultStore) -> None:
            await store.write([event(f"e{n}", n) for n in range(4)] + [alert(f"a{n}", n) for n in range(4)])
            of_alerts = (await store.alerts(Query(), limit=2)).cursor
            assert of_alerts is not None
            for wrong in (
                "",
                "x",
                "!!!",
                "A" * 5000,
                "WyJldmVudCIsMSwib25lIl0x",
                "é",
                of_alerts,
                of_alerts[:-3],
            ):
                with pytest.raises(BadCursor):
                    await store.events(Query(), limit=2, cursor=wrong)

        self.go(work)

    def test_a_page_has_at_least_one_item_and_at_most_a_thousand(self) -> None:
        async def work(store: ResultStore) -> None:
            await store.write([frame(n, n) for n in range(1005)])
            assert len((await store.detections(Query(), limit=-3)).items) == 1
            assert len((await store.detections(Query(), limit=10**9)).items) == 1000

        self.go(work)

    def test_detections_of_one_frame_number_differ_by_run_job_file_and_pipeline(self) -> None:
        frames = [
            frame(1), frame(1, run="b"), frame(1, job="nightly"), frame(1, job="nightly", file="x.mp4"),
            frame(1, pipeline="other"), frame(2), frame(1, camera="another name of it"),
        ]  # fmt: skip

        async def work(store: ResultStore) -> None:
            await store.write(frames)
            assert len((await store.detections(Query())).items) == 6
            assert (await store.counts())["detections"] == 6

        self.go(work)

    def test_traces_of_a_span_are_told_in_order(self) -> None:
        async def work(store: ResultStore) -> None:
            await store.write([trace(n, data={"n": n}) for n in (3, 1, 2, 0)] + [trace(1, pipeline="other")])
            await store.write([trace(2, data={"n": "again"})])
            found = await store.traces("safety", at(1), at(3))
            assert [one.data["n"] for one in found] == [1, "again"]

        self.go(work)

    # Changes

    def test_changes_are_told_in_order_as_they_are_now(self) -> None:
        async def work(store: ResultStore) -> None:
            await store.write([event("e1"), alert("a1"), track("e1"), event("e2")])
            first = await store.changes(0)
            assert [one.id for one in first] == ["e1", "a1", "e2"]
            assert [one.seq for one in first] == sorted({one.seq for one in first})
            last = await store.last_seq()
            assert last >= first[-1].seq
            assert await store.changes(last) == ()
            await store.write([event("e1", confidence=0.5)])
            [change] = await store.changes(last)
            assert isinstance(change, EventRecord)
            assert (change.id, change.confidence) == ("e1", 0.5)
            assert [one.id for one in await store.changes(0)] == ["a1", "e2", "e1"]

        self.go(work)

    def test_changes_may_be_asked_for_by_kind_and_in_portions(self) -> None:
        async def work(store: ResultStore) -> None:
            await store.write(
                [event(f"e{n}") for n in range(5)] + [alert(f"a{n}", event=f"e{n}") for n in range(5)]
            )
            assert [one.id for one in await store.changes(0, kinds=["alert"])] == [f"a{n}" for n in range(5)]
            seen: list[str] = []
            after = 0
            while found := await store.changes(after, limit=3):
                assert len(found) <= 3
                seen += [one.id for one in found]
                after = found[-1].seq
            assert seen == [f"e{n}" for n in range(5)] + [f"a{n}" for n in range(5)]

        self.go(work)

    def test_numbers_go_on_after_everything_was_removed(self) -> None:
        async def work(store: ResultStore) -> None:
            assert await store.last_seq() == 0
            await store.write([event("e1"), event("e2")])
            before = await store.last_seq()
            await store.expire("event", before=None, keep=0)
            assert await store.last_seq() == before
            await store.write([event("e3")])
            assert await store.last_seq() > before

        self.go(work)

    def test_two_writers_at_once_and_a_reader_that_sees_every_change_in_order(self) -> None:
        each = 60

        async def writer(name: str) -> None:
            store = await self.opener()
            try:
                for n in range(each):
                    await store.write([event(f"{name}{n}", n), alert(f"{name}{n}", n, event=f"{name}{n}")])
            finally:
                await store.close()

        async def work(store: ResultStore) -> None:
            writers = asyncio.gather(writer("a"), writer("b"))
            told: list[tuple[str, str]] = []
            after = 0
            async with asyncio.timeout(60):
                while len(told) < 4 * each:
                    found = await store.changes(after, limit=37)
                    assert all(one.seq > after for one in found)
                    told += [(type(one).__name__, one.id) for one in found]
                    after = found[-1].seq if found else after
                    await asyncio.sleep(0.001)
                await writers
            assert await store.changes(after) == ()
            assert len(set(told)) == 4 * each

        self.go(work)

    # Acknowledging

    def test_who_has_seen_to_an_event_has_seen_to_its_alerts_and_the_other_way_round(self) -> None:
        async def work(store: ResultStore) -> None:
            await store.write([event("e1"), alert("a1"), alert("a2"), event("e2"), alert("b1", event="e2")])
            last = await store.last_seq()
            seen = await store.acknowledge("event", "e1", by="ann", at=at(5))
            assert (seen.acknowledged_at, seen.acknowledged_by) == (at(5), "ann")
            assert seen == await store.event("e1")
            for id_ in ("a1", "a2"):
                assert (await store.alert(id_)).acknowledged_by == "ann"
            assert {one.id for one in await store.changes(last)} == {"e1", "a1", "a2"}
            seen = await store.acknowledge("alert", "b1", by="bob", at=at(6))
            assert isinstance(seen, AlertRecord)
            assert (await store.event("e2")).acknowledged_by == "bob"

        self.go(work)

    def test_the_first_to_see_to_it_stays(self) -> None:
        async def work(store: ResultStore) -> None:
            await store.write([event(), alert()])
            await store.acknowledge("alert", "a1", by="ann", at=at(5))
            last = await store.last_seq()
            again = await store.acknowledge("event", "e1", by="bob", at=at(6))
            assert (again.acknowledged_by, again.acknowledged_at) == ("ann", at(5))
            assert await store.last_seq() == last

        self.go(work)

    def test_no_later_record_undoes_that_somebody_has_seen_to_it(self) -> None:
        async def work(store: ResultStore) -> None:
            await store.write([event(open=True), alert()])
            await store.acknowledge("event", "e1", by="ann", at=at(5))
            await store.write([event(open=False, ended_at=at(9)), alert(suppressed=3), alert("late")])
            kept = await store.event("e1")
            assert (kept.acknowledged_by, kept.acknowledged_at, kept.ended_at) == ("ann", at(5), at(9))
            for id_ in ("a1", "late"):
                assert (await store.alert(id_)).acknowledged_by == "ann"
            assert [one.id for one in (await store.events(Query(acknowledged=True))).items] == ["e1"]
            assert (await store.events(Query(acknowledged=False))).items == ()

        self.go(work)

    def test_an_event_that_comes_after_its_acknowledged_alert_is_acknowledged(self) -> None:
        async def work(store: ResultStore) -> None:
            await store.write([alert()])
            await store.acknowledge("alert", "a1", by="ann", at=at(5))
            await store.write([event()])
            assert (await store.event("e1")).acknowledged_by == "ann"

        self.go(work)

    # Runs and jobs

    def test_runs_are_kept_by_id_and_listed_latest_first(self) -> None:
        async def work(store: ResultStore) -> None:
            assert await store.run("uid-1") is None
            await store.put_run(run("uid-1", 1))
            await store.put_run(run("uid-2", 2, files=("a.mp4",), progress=0.5, left_s=9.0))
            await store.put_run(run("uid-1", 1, state="finished", progress=1.0))
            await store.put_run(run("other", 3, job="other"))
            assert await store.runs("nightly") == (
                run("uid-2", 2, files=("a.mp4",), progress=0.5, left_s=9.0),
                run("uid-1", 1, state="finished", progress=1.0),
            )
            assert len(await store.runs("nightly", limit=1)) == 1
            assert await store.run("other") == run("other", 3, job="other")

        self.go(work)

    def test_a_forgotten_job_leaves_nothing_and_takes_nothing_of_others(self) -> None:
        async def work(store: ResultStore) -> None:
            many: list[Record] = [event(f"x{n}", job="nightly", open=True) for n in range(1200)]
            of_job: list[Record] = [
                event("e1", job="nightly", snapshot="own.jpg"), alert("a1", job="nightly", clip="c.mp4"),
                track("e1", job="nightly", snapshot="shared.jpg"), frame(1, job="nightly"),
            ]  # fmt: skip
            others: list[Record] = [event("e2", snapshot="shared.jpg"), event("e3", job="other"), frame(1)]
            await store.write([*of_job, *others, *many])
            await store.put_run(run("uid-1"))
            await store.put_run(run("uid-2", job="other"))
            assert await store.forget_job("nightly") == ("c.mp4", "own.jpg")
            assert await store.counts() == {
                "event": 2, "alert": 0, "track": 0, "detections": 1, "trace": 0, "run": 1,
            }  # fmt: skip
            assert await store.forget_job("nightly") == ()

        self.go(work)

    def test_one_run_of_a_job_can_be_forgotten_and_the_others_stay(self) -> None:
        async def work(store: ResultStore) -> None:
            first: list[Record] = [
                event("a", 0, job="nightly", run="uid-1"),
                alert("a", 0, job="nightly", run="uid-1"),
            ]
            second: list[Record] = [
                event("b", 1, job="nightly", run="uid-2"),
                track("b", 1, job="nightly", run="uid-2"),
            ]
            await store.write([*first, *second, frame(1, 0, job="nightly", run="uid-1")])
            await store.put_run(run("uid-1", job="nightly"))
            await store.put_run(run("uid-2", job="nightly"))
            await store.forget_job("nightly", run="uid-1")
            assert await store.counts() == {
                "event": 1, "alert": 0, "track": 1, "detections": 0, "trace": 0, "run": 1,
            }  # fmt: skip
            assert [one.id for one in await store.runs("nightly")] == ["uid-2"]

        self.go(work)

    # Retention

    def test_what_a_job_found_stays_until_the_job_goes_however_old_it_is(self) -> None:
        async def work(store: ResultStore) -> None:
            await store.write([event("old", 0, job="nightly"), event("live", 0), frame(1, 0, job="nightly")])
            await store.expire("event", before=at(10), keep=0)
            await store.expire("detections", before=at(10), keep=0)
            assert [one.id for one in (await store.events(Query())).items] == ["old"]
            assert (await store.counts())["detections"] == 1

        self.go(work)

    def test_records_older_than_a_moment_go_and_open_ones_stay(self) -> None:
        async def work(store: ResultStore) -> None:
            await store.write([event("old", 0, snapshot="old.jpg"), event("going", 0, open=True)])
            await store.write([event("new", 10, clip="new.mp4"), track("old", 0, open=True), alert("old", 0)])
            await store.write([frame(1, 0), frame(2, 10), trace(0), trace(10)])
            assert await store.expire("event", before=at(10), keep=None) == ("old.jpg",)
            assert [one.id for one in (await store.events(Query())).items] == ["new", "going"]
            await store.expire("track", before=at(10), keep=None)
            await store.expire("detections", before=at(10), keep=None)
            await store.expire("trace", before=at(10), keep=None)
            assert await store.counts() == {
                "event": 2, "alert": 1, "track": 1, "detections": 1, "trace": 1, "run": 0,
            }  # fmt: skip
            await store.expire("alert", before=at(10), keep=None)
            assert (await store.counts())["alert"] == 0

        self.go(work)

    def test_only_the_newest_so_many_are_kept(self) -> None:
        async def work(store: ResultStore) -> None:
            await store.write([frame(n, n // 100) for n in range(1300)])
            await store.expire("detections", before=None, keep=120)
            page = await store.detections(Query(), limit=1000)
            assert [one.frame for one in page.items] == list(range(1299, 1179, -1))
            await store.expire("detections", before=None, keep=1000)
            await store.expire("detections", before=None, keep=None)
            assert (await store.counts())["detections"] == 120

        self.go(work)

    def test_a_blob_is_given_up_only_when_nobody_names_it_any_more(self) -> None:
        async def work(store: ResultStore) -> None:
            await store.write(
                [
                    event("e1"),
                    alert("a1"),
                    track("e1"),
                    Attachment(event="e1", snapshot="s.jpg", clip="c.mp4"),
                ]
            )
            assert await store.expire("event", before=at(1), keep=None) == ()
            assert await store.expire("track", before=at(1), keep=None) == ()
            assert await store.expire("alert", before=at(1), keep=None) == ("c.mp4", "s.jpg")

        self.go(work)

    def test_a_picture_whose_event_never_came_is_given_up_in_time(self) -> None:
        async def work(store: ResultStore) -> None:
            await store.write([event("e1", 10**9), Attachment(event="e1", snapshot="kept.jpg")])
            await store.write([Attachment(event=f"lone{n}", snapshot=f"{n}.jpg") for n in range(3)])
            early = datetime(2000, 1, 1, tzinfo=UTC)
            assert await store.expire("event", before=early, keep=None) == ()
            late = datetime.now(UTC) + timedelta(hours=1)
            assert await store.expire("event", before=late, keep=None) == ("0.jpg", "1.jpg", "2.jpg")
            await store.write([event("lone0")])
            assert (await store.event("lone0")).snapshot is None
            assert (await store.event("e1")).snapshot == "kept.jpg"

        self.go(work)

    def test_a_kind_that_nobody_knows_is_refused(self) -> None:
        async def work(store: ResultStore) -> None:
            with pytest.raises(UnknownName, match="detections"):
                await store.expire("detection", before=NOON, keep=None)

        self.go(work)

    def test_counts_are_by_kind(self) -> None:
        async def work(store: ResultStore) -> None:
            await store.write(
                [event("e1"), event("e2"), alert(), track(), frame(1), frame(2), frame(3), trace()]
            )
            await store.put_run(run())
            assert await store.counts() == {
                "event": 2, "alert": 1, "track": 1, "detections": 3, "trace": 1, "run": 1,
            }  # fmt: skip
            assert store.restored == ""

        self.go(work)

    def test_closing_twice_is_closing_once(self) -> None:
        async def work(store: ResultStore) -> None:
            await store.close()

        self.go(work)


def _varied() -> list[Record]:
    """Return records in which every filter finds some and leaves some."""
    cameras, types = (
        ("gate", "yard", "roof"),
        ("zone.entered", "zone.exited", "line.crossed", "object.appeared"),
    )
    regions, classes = (None, "restricted", "door"), ("person", "car", None)
    severities, jobs = (None, "high", "low", "critical"), (None, None, "nightly", "other")
    records: list[Record] = []
    for n in range(40):
        shared: dict[str, Any] = {
            "camera": cameras[n % 3], "pipeline": (None, "safety")[n % 2], "job": jobs[n % 4],
            "class_name": classes[n // 2 % 3], "object_id": n % 7,
        }  # fmt: skip
        placed = {"type": types[n // 3 % 4], "region": regions[n // 5 % 3]}
        records.append(
            event(f"e{n}", n // 2, **shared, **placed, severity=severities[n // 7 % 4], open=n % 6 == 0)
        )
        if n % 2:
            severity = severities[n % 3 + 1]
            records.append(alert(f"a{n}", n // 2, event=f"e{n}", **shared, **placed, severity=severity))
        if n % 4 == 0:
            records.append(track(f"e{n}", n // 2, **shared, open=n % 8 == 0))
            objects = tuple(
                {"class": name, "track_id": number}
                for name in classes[: n // 4 % 4]
                for number in (n % 7, 12)
            )
            records.append(frame(n, n // 2, camera=shared["camera"], job=shared["job"], objects=objects))
    return records
