"""What every store of resources must do. A test class inherits it and says how its store is opened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar

import msgspec
import pytest

from argus.control.store.protocol import (
    AlreadyThere,
    Change,
    Conflict,
    ResourceNotFound,
    ResourceStore,
    VersionGone,
)
from argus.core.errors import SpecError
from argus.core.resources.resource import Draft, Resource
from argus.core.resources.selectors import parse_selector

T = TypeVar("T")
Opening = Callable[[], AbstractAsyncContextManager[ResourceStore]]
IN_TIME_S = 20.0
IMPOSSIBLE_NAMES = ["", "\x00", "a\x00b", "\ud800", "x" * 100_000, "%", "'; DROP TABLE", "é"]


def camera(name: str, url: str = "rtsp://h/1", **more: Any) -> Draft:
    return Draft(kind="Camera", name=name, spec={"url": url}, **more)


def run(work: Coroutine[Any, Any, T]) -> T:
    async def in_time() -> T:
        async with asyncio.timeout(IN_TIME_S):
            return await work

    return asyncio.run(in_time())


async def take(changes: AsyncIterator[Change], count: int) -> list[Change]:
    return [await anext(changes) for _ in range(count)]


def told(changes: list[Change]) -> list[tuple[str, str]]:
    return [(change.type, change.resource.name) for change in changes]


def names(resources: tuple[Resource, ...]) -> list[str]:
    return [resource.name for resource in resources]


class StoreContract:
    """The tests. `opening` opens a new and empty store; opening it again finds what the last one left."""

    @pytest.fixture
    def opening(self) -> Opening:
        raise NotImplementedError

    @pytest.fixture
    def opening_forgetful(self) -> Opening:
        """The same, remembering ten changes."""
        raise NotImplementedError

    def with_store(self, opening: Opening, work: Callable[[ResourceStore], Awaitable[T]]) -> T:
        async def main() -> T:
            async with opening() as store:
                return await work(store)

        return run(main())

    def test_what_is_applied_is_there(self, opening: Opening) -> None:
        async def work(store: ResourceStore) -> None:
            draft = camera("gate", labels={"site": "north"}, annotations={"note": "über\n\u0000 ☃"})
            (done,) = await store.apply([draft])
            assert done.outcome == "created"
            metadata = done.resource.metadata
            assert (metadata.generation, metadata.resource_version) == (1, "1")
            assert metadata.uid
            assert metadata.creation_timestamp is not None
            assert await store.get("Camera", "gate") == done.resource
            assert (done.resource.spec, metadata.labels, metadata.annotations) == (
                draft.spec, draft.labels, draft.annotations,
            )  # fmt: skip
            assert done.resource.status == {}

        self.with_store(opening, work)

    def test_the_same_again_is_unchanged_and_gives_no_version(self, opening: Opening) -> None:
        async def work(store: ResourceStore) -> None:
            (first,) = await store.apply([camera("gate")])
            (again,) = await store.apply([camera("gate")])
            assert (again.outcome, again.resource) == ("unchanged", first.resource)
            assert await store.version() == "1"

        self.with_store(opening, work)

    def test_a_spec_of_tuples_is_the_same_as_one_of_lists(self, opening: Opening) -> None:
        async def work(store: ResourceStore) -> None:
            await store.apply([Draft(kind="Model", name="m", spec={"classes": ("a", "b")})])
            (again,) = await store.apply([Draft(kind="Model", name="m", spec={"classes": ["a", "b"]})])
            assert again.outcome == "unchanged"

        self.with_store(opening, work)

    def test_generation_counts_changes_of_the_spec_alone(self, opening: Opening) -> None:
        async def work(store: ResourceStore) -> None:
            (first,) = await store.apply([camera("gate")])
            (labelled,) = await store.apply([camera("gate", labels={"a": "b"})])
            assert (labelled.outcome, labelled.resource.metadata.generation) == ("configured", 1)
            uid = first.resource.metadata.uid
            told = await store.set_status("Camera", "gate", uid, {"phase": "Online"})
            assert told is not None
            assert told.metadata.generation == 1
            (changed,) = await store.apply([camera("gate", "rtsp://h/2")])
            metadata = changed.resource.metadata
            assert (metadata.generation, metadata.resource_version, metadata.uid) == (2, "4", uid)
            assert metadata.labels == {}
            assert changed.resource.status == {"phase": "Online"}

        self.with_store(opening, work)

    def test_all_are_applied_or_none(self, opening: Opening) -> None:
        async def work(store: ResourceStore) -> None:
            (first,) = await store.apply([camera("a")])
            wrong = camera("a", "rtsp://h/9", resource_version="77")
            with pytest.raises(Conflict, match=r"Camera 'a' is version 1 by now, not 77"):
                await store.apply([camera("b"), wrong, camera("c")])
            page = await store.list()
            assert page.items == (first.resource,)
            assert page.resource_version == "1"

        self.with_store(opening, work)

    def test_a_thousand_are_applied_at_once(self, opening: Opening) -> None:
        async def work(store: ResourceStore) -> None:
            done = await store.apply([camera(f"c{n:04}", labels={"n": str(n % 7)}) for n in range(1000)])
            assert [one.resource.metadata.resource_version for one in done] == [
                str(n) for n in range(1, 1001)
            ]
            assert len((await store.list("Camera")).items) == 1000
            assert await store.version() == "1000"

        self.with_store(opening, work)

    def test_one_that_is_named_twice_is_applied_twice(self, opening: Opening) -> None:
        async def work(store: ResourceStore) -> None:
            one, two = await store.apply([camera("a", "rtsp://h/1"), camera("a", "rtsp://h/2")])
            assert (one.outcome, two.outcome) == ("created", "configured")
            assert (await store.get("Camera", "a")).spec == {"url": "rtsp://h/2"}

        self.with_store(opening, work)

    def test_a_dry_run_says_what_would_be_and_does_nothing(self, opening: Opening) -> None:
        async def work(store: ResourceStore) -> None:
            await store.apply([camera("a")])
            done = await store.apply([camera("a", "rtsp://h/2"), camera("b"), camera("a")], dry_run=True)
            assert [one.outcome for one in done] == ["configured", "created", "configured"]
            assert done[0].resource.spec == {"url": "rtsp://h/2"}
            assert done[0].resource.metadata.generation == 2
            with pytest.raises(Conflict):
                await store.apply([camera("a", resource_version="9")], dry_run=True)
            assert names((await store.list()).items) == ["a"]
            assert await store.version() == "1"

        self.with_store(opening, work)

    def test_who_was_overtaken_is_told(self, opening: Opening) -> None:
        async def work(store: ResourceStore) -> None:
            (first,) = await store.apply([camera("a")])
            version = first.resource.metadata.resource_version
            await store.apply([camera("a", "rtsp://h/2", resource_version=version)])
            with pytest.raises(Conflict, match="somebody else has changed it"):
                await store.apply([camera("a", "rtsp://h/3", resource_version=version)])
            with pytest.raises(Conflict):
                await store.delete("Camera", "a", resource_version=version)
            with pytest.raises(Conflict, match="is gone by now"):
                await store.apply([camera("new", resource_version="1")])
            assert (await store.get("Camera", "a")).spec == {"url": "rtsp://h/2"}

        self.with_store(opening, work)

    def test_a_status_overtakes_nobody(self, opening: Opening) -> None:
        async def work(store: ResourceStore) -> None:
            (read,) = await store.apply([camera("a", labels={"site": "north"})])
            version, uid = read.resource.metadata.resource_version, read.resource.metadata.uid
            await store.set_finalizers("Camera", "a", uid, ["argus.dev/worker"])
            await store.set_status("Camera", "a", uid, {"phase": "Online"})
            again = camera("a", labels={"site": "north"}, resource_version=version)
            assert (await store.apply([again]))[0].outcome == "unchanged"
            (changed,) = await store.apply([camera("a", "rtsp://h/2", resource_version=version)])
            assert changed.resource.status == {"phase": "Online"}
            await store.set_status("Camera", "a", uid, {"phase": "Lost"})
            with pytest.raises(Conflict, match="somebody else has changed it"):
                await store.apply([camera("a", "rtsp://h/3", resource_version=version)])

        self.with_store(opening, work)

    @pytest.mark.parametrize(
        "change",
        [camera("a", "rtsp://h/2"), camera("a", labels={"x": "y"}), camera("a", annotations={"x": "y"})],
        ids=["spec", "labels", "annotations"],
    )
    def test_whoever_changes_what_is_wanted_overtakes(self, opening: Opening, change: Draft) -> None:
        async def work(store: ResourceStore) -> None:
            (read,) = await store.apply([camera("a")])
            version, uid = read.resource.metadata.resource_version, read.resource.metadata.uid
            await store.apply([change])
            await store.set_status("Camera", "a", uid, {"phase": "Online"})
            with pytest.raises(Conflict):
                await store.apply([camera("a", "rtsp://h/3", resource_version=version)])
            await store.apply([camera("a")])  # back again is a change, too
            with pytest.raises(Conflict):
                await store.apply([camera("a", "rtsp://h/3", resource_version=version)])

        self.with_store(opening, work)

    @pytest.mark.parametrize("version", ["0", "99", "x", "-1", "", "٣", "9" * 400])
    def test_what_never_was_its_version_overtakes_too(self, opening: Opening, version: str) -> None:
        async def work(store: ResourceStore) -> None:
            await store.apply([camera("a")])
            with pytest.raises(Conflict):
                await store.apply([camera("a", "rtsp://h/2", resource_version=version)])

        self.with_store(opening, work)

    def test_of_many_at_once_who_read_the_same_version_one_wins(self, opening: Opening) -> None:
        async def work(store: ResourceStore) -> None:
            await store.apply([camera("a")])
            drafts = [camera("a", f"rtsp://h/{n}", resource_version="1") for n in range(20)]
            done = await asyncio.gather(*(store.apply([d]) for d in drafts), return_exceptions=True)
            assert sum(isinstance(one, tuple) for one in done) == 1
            assert sum(isinstance(one, Conflict) for one in done) == 19

        self.with_store(opening, work)

    def test_what_is_there_is_not_created_and_nothing_with_it(self, opening: Opening) -> None:
        async def work(store: ResourceStore) -> None:
            (made,) = await store.apply([camera("a")], create=True)
            assert made.outcome == "created"
            for dry_run in (True, False):
                with pytest.raises(AlreadyThere, match="Camera 'a' exists already"):
                    await store.apply([camera("b"), camera("a")], create=True, dry_run=dry_run)
            assert names((await store.list()).items) == ["a"]

        self.with_store(opening, work)

    def test_of_many_that_create_one_name_at_once_one_does(self, opening: Opening) -> None:
        async def work(store: ResourceStore) -> None:
            drafts = [camera("a", f"rtsp://h/{n}") for n in range(20)]
            done = await asyncio.gather(
                *(store.apply([d], create=True) for d in drafts), return_exceptions=True
            )
            assert sum(isinstance(one, tuple) for one in done) == 1
            assert sum(isinstance(one, AlreadyThere) for one in done) == 19

        self.with_store(opening, work)

    def test_what_is_not_there_is_named_with_the_nearest(self, opening: Opening) -> None:
        async def work(store: ResourceStore) -> None:
            await store.apply([camera("gate"), camera("yard")])
            with pytest.raises(ResourceNotFound, match=r"there is no Camera 'gat'; did you mean 'gate'\?"):
                await store.get("Camera", "gat")
            with pytest.raises(ResourceNotFound):
                await store.delete("Model", "gate")

        self.with_store(opening, work)

    @pytest.mark.parametrize(
        "name", ["", "\x00", "a\x00b", "\ud800", "x" * 100_000, "%", "'; DROP TABLE", "é"]
    )
    def test_a_name_that_cannot_be_is_not_there(self, opening: Opening, name: str) -> None:
        async def work(store: ResourceStore) -> None:
            await store.apply([camera("gate")])
            for call in (store.get("Camera", name), store.delete("Camera", name), store.get(name, "gate")):
                with pytest.raises(ResourceNotFound):
                    await call

        self.with_store(opening, work)

    def test_lists_are_by_kind_and_name_whatever_the_locale(self, opening: Opening) -> None:
        async def work(store: ResourceStore) -> None:
            model = Draft(kind="Model", name="a", spec={})
            await store.apply([camera("b-1"), model, camera("b1"), camera("a-b"), camera("ab")])
            page = await store.list()
            assert [r.key for r in page.items] == [
                ("Camera", "a-b"), ("Camera", "ab"), ("Camera", "b-1"), ("Camera", "b1"), ("Model", "a"),
            ]  # fmt: skip
            assert (page.after, page.resource_version) == (None, "5")
            assert names((await store.list("Model")).items) == ["a"]
            assert (await store.list("Nothing")).items == ()

        self.with_store(opening, work)

    def test_pages_together_are_the_list(self, opening: Opening) -> None:
        async def work(store: ResourceStore) -> None:
            await store.apply(
                [camera(f"c{n:03}") for n in range(25)] + [Draft(kind="Model", name="m", spec={})]
            )
            found: list[str] = []
            after = None
            sizes = []
            while True:
                page = await store.list(limit=10, after=after)
                found += names(page.items)
                sizes.append(len(page.items))
                after = page.after
                if after is None:
                    break
            assert sizes == [10, 10, 6]
            assert found == [f"c{n:03}" for n in range(25)] + ["m"]
            assert (await store.list("Camera", limit=25)).after is None

        self.with_store(opening, work)

    def test_a_page_goes_on_after_what_was_deleted_meanwhile(self, opening: Opening) -> None:
        async def work(store: ResourceStore) -> None:
            await store.apply([camera(f"c{n}") for n in range(6)])
            page = await store.list("Camera", limit=3)
            await store.delete("Camera", "c2")
            assert names((await store.list("Camera", limit=3, after=page.after)).items) == ["c3", "c4", "c5"]

        self.with_store(opening, work)

    @pytest.mark.parametrize("after", ["", "x", "/", "Camera/", "Camera/\x00", "Camera/\ud800", "é/é"])
    def test_a_place_that_no_page_gave_is_refused(self, opening: Opening, after: str) -> None:
        async def work(store: ResourceStore) -> None:
            with pytest.raises(SpecError, match="is no place in a list"):
                await store.list(after=after)

        self.with_store(opening, work)

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("", ["a", "b", "c", "d"]),
            ("site=north", ["a", "b"]),
            ("site!=north", ["c", "d"]),
            ("site", ["a", "b", "c"]),
            ("!site", ["d"]),
            ("site in (north,south)", ["a", "b", "c"]),
            ("site notin (south)", ["a", "b", "d"]),
            ("site=north,tier", ["a"]),
            ("site,!tier", ["b", "c"]),
            ("site=nowhere", []),
        ],
    )
    def test_a_selector_finds_what_it_fits(self, opening: Opening, text: str, found: list[str]) -> None:
        async def work(store: ResourceStore) -> None:
            await store.apply([
                camera("a", labels={"site": "north", "tier": "1"}), camera("b", labels={"site": "north"}),
                camera("c", labels={"site": "south"}), camera("d"),
            ])  # fmt: skip
            selector = parse_selector(text)
            assert names((await store.list("Camera", selector=selector)).items) == found
            assert names((await store.list(selector=selector)).items) == found
            everything = await store.list()
            assert [r.name for r in everything.items if selector.fits(r.metadata.labels)] == found

        self.with_store(opening, work)

    def test_a_selector_sees_labels_as_they_are_now(self, opening: Opening) -> None:
        async def work(store: ResourceStore) -> None:
            await store.apply([camera("a", labels={"site": "north"})])
            await store.apply([camera("a", labels={"site": "south"})])
            assert (await store.list(selector=parse_selector("site=north"))).items == ()
            await store.delete("Camera", "a")
            await store.apply([camera("a")])
            assert (await store.list(selector=parse_selector("site"))).items == ()

        self.with_store(opening, work)

    def test_a_status_is_written_and_an_equal_one_changes_nothing(self, opening: Opening) -> None:
        async def work(store: ResourceStore) -> None:
            (made,) = await store.apply([camera("a")])
            uid = made.resource.metadata.uid
            status: dict[str, object] = {"phase": "Online", "fps": 9.5, "seen": (1, 2)}
            written = await store.set_status("Camera", "a", uid, status)
            assert written is not None
            assert written.status == {"phase": "Online", "fps": 9.5, "seen": [1, 2]}
            assert written.metadata.resource_version == "2"
            assert await store.set_status("Camera", "a", uid, status) == written
            assert await store.version() == "2"

        self.with_store(opening, work)

    def test_one_that_was_made_again_is_not_what_was_read(self, opening: Opening) -> None:
        async def work(store: ResourceStore) -> None:
            (old,) = await store.apply([camera("a")])
            await store.delete("Camera", "a")
            await store.apply([camera("a")])
            with pytest.raises(Conflict):
                await store.apply(
                    [camera("a", "rtsp://h/2", resource_version=old.resource.metadata.resource_version)]
                )

        self.with_store(opening, work)

    def test_a_status_for_one_that_was_made_again_is_not_written(self, opening: Opening) -> None:
        async def work(store: ResourceStore) -> None:
            (old,) = await store.apply([camera("a")])
            await store.delete("Camera", "a")
            await store.apply([camera("a")])
            assert await store.set_status("Camera", "a", old.resource.metadata.uid, {"x": 1}) is None
            assert await store.set_status("Camera", "b", "u", {"x": 1}) is None
            assert await store.set_finalizers("Camera", "a", old.resource.metadata.uid, ["f"]) is None
            assert (await store.get("Camera", "a")).status == {}

        self.with_store(opening, work)

    def test_what_nobody_holds_goes_at_once(self, opening: Opening) -> None:
        async def work(store: ResourceStore) -> None:
            await store.apply([camera("a")])
            gone = await store.delete("Camera", "a", resource_version="1")
            assert gone.name == "a"
            assert gone.metadata.deletion_timestamp is not None
            with pytest.raises(ResourceNotFound):
                await store.get("Camera", "a")
            assert await store.version() == "2"

        self.with_store(opening, work)

    def test_what_is_held_is_marked_and_goes_with_the_last_finalizer(self, opening: Opening) -> None:
        async def work(store: ResourceStore) -> None:
            (made,) = await store.apply([camera("a")])
            uid = made.resource.metadata.uid
            held = await store.set_finalizers("Camera", "a", uid, ["x", "y"])
            assert held is not None
            assert held.metadata.finalizers == ("x", "y")
            marked = await store.delete("Camera", "a")
            assert marked.metadata.deletion_timestamp is not None
            assert await store.delete("Camera", "a") == marked
            with pytest.raises(Conflict, match="is being deleted"):
                await store.apply([camera("a", "rtsp://h/2")])
            told = await store.set_status("Camera", "a", uid, {"phase": "Terminating"})
            assert told is not None
            assert await store.set_finalizers("Camera", "a", uid, ["y"]) is not None
            assert await store.set_finalizers("Camera", "a", uid, []) is None
            assert (await store.list()).items == ()
            (again,) = await store.apply([camera("a")])
            assert again.outcome == "created"
            assert again.resource.metadata.uid != uid

        self.with_store(opening, work)

    def test_who_watches_hears_all_in_order(self, opening: Opening) -> None:
        async def work(store: ResourceStore) -> None:
            await store.apply([camera("a"), camera("b")])
            watching = store.watch("0")
            assert told(await take(watching, 2)) == [("ADDED", "a"), ("ADDED", "b")]

            async def later() -> None:
                (made,) = await store.apply([camera("a", "rtsp://h/2")])
                await store.set_status("Camera", "a", made.resource.metadata.uid, {"x": 1})
                await store.delete("Camera", "b")

            acting = asyncio.create_task(later())
            changes = await take(watching, 3)
            await acting
            assert told(changes) == [("MODIFIED", "a"), ("MODIFIED", "a"), ("DELETED", "b")]
            assert [c.resource_version for c in changes] == ["3", "4", "5"]
            assert [c.resource.metadata.resource_version for c in changes] == ["3", "4", "5"]
            assert changes[1].resource.status == {"x": 1}

        self.with_store(opening, work)

    def test_who_watches_from_a_list_misses_nothing_and_hears_nothing_twice(self, opening: Opening) -> None:
        async def work(store: ResourceStore) -> None:
            async def write(part: int) -> None:
                for n in range(20):
                    await store.apply([camera(f"c{part}-{n}")])

            writing = [asyncio.create_task(write(part)) for part in range(3)]
            page = await store.list()
            seen = set(names(page.items))
            watching = store.watch(page.resource_version)
            while len(seen) < 60:
                change = await anext(watching)
                assert change.resource.name not in seen
                seen.add(change.resource.name)
            await asyncio.gather(*writing)

        self.with_store(opening, work)

    def test_who_watches_one_kind_hears_of_that_alone(self, opening: Opening) -> None:
        async def work(store: ResourceStore) -> None:
            await store.apply([Draft(kind="Model", name="m", spec={}), camera("a")])
            assert told(await take(store.watch("0", kind="Camera"), 1)) == [("ADDED", "a")]

        self.with_store(opening, work)

    def test_many_may_watch_at_once(self, opening: Opening) -> None:
        async def work(store: ResourceStore) -> None:
            hearing = [asyncio.create_task(take(store.watch("0"), 5)) for _ in range(20)]
            for n in range(5):
                await store.apply([camera(f"c{n}")])
            for heard in await asyncio.gather(*hearing):
                assert told(heard) == [("ADDED", f"c{n}") for n in range(5)]

        self.with_store(opening, work)

    def test_a_watch_that_is_cancelled_harms_nobody(self, opening: Opening) -> None:
        async def work(store: ResourceStore) -> None:
            hearing = asyncio.create_task(take(store.watch("0"), 1))
            await asyncio.sleep(0)
            hearing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await hearing
            await store.apply([camera("a")])
            assert await store.version() == "1"

        self.with_store(opening, work)

    @pytest.mark.parametrize("since", ["99", "-1", "x", "", "1" * 400, "٣"])
    def test_a_version_that_never_was_cannot_be_watched_from(self, opening: Opening, since: str) -> None:
        async def work(store: ResourceStore) -> None:
            await store.apply([camera("a")])
            with pytest.raises(VersionGone, match="list again"):
                await anext(store.watch(since))

        self.with_store(opening, work)

    def test_changes_of_too_long_ago_are_gone_and_that_is_said(self, opening_forgetful: Opening) -> None:
        async def work(store: ResourceStore) -> None:
            for n in range(40):
                await store.apply([camera(f"c{n:02}")])
            with pytest.raises(VersionGone, match="changes since version '1' are not remembered"):
                await anext(store.watch("1"))
            assert told(await take(store.watch("31"), 9)) == [("ADDED", f"c{n:02}") for n in range(31, 40)]

        self.with_store(opening_forgetful, work)

    def test_nothing_that_was_handed_out_changes_what_is_kept(self, opening: Opening) -> None:
        async def work(store: ResourceStore) -> None:
            draft = camera("a", labels={"x": "y"})
            (made,) = await store.apply([draft])
            made.resource.spec["url"] = "elsewhere"
            draft.labels["x"] = "z"
            draft.spec["url"] = "elsewhere"
            kept = await store.get("Camera", "a")
            assert (kept.spec, kept.metadata.labels) == ({"url": "rtsp://h/1"}, {"x": "y"})

        self.with_store(opening, work)

    def test_a_call_that_is_cancelled_has_happened_or_has_not(self, opening: Opening) -> None:
        async def work(store: ResourceStore) -> None:
            for n in range(10):
                drafts = [camera(f"c{n}-{m}") for m in range(20)]
                applying = asyncio.create_task(store.apply(drafts))
                for _ in range(n):
                    await asyncio.sleep(0)
                applying.cancel()
                await asyncio.gather(applying, return_exceptions=True)
            await store.apply([camera("last")])
            found = names((await store.list()).items)
            for n in range(10):
                assert sum(name.startswith(f"c{n}-") for name in found) in {0, 20}

        self.with_store(opening, work)

    def test_a_resource_survives_json(self, opening: Opening) -> None:
        async def work(store: ResourceStore) -> None:
            (made,) = await store.apply([camera("a", labels={"x": "y"})])
            body = msgspec.json.encode(made.resource)
            assert msgspec.json.decode(body, type=Resource) == await store.get("Camera", "a")

        self.with_store(opening, work)


class KeepingStoreContract(StoreContract):
    """The same, and what holds besides for a store that keeps what it has."""

    def test_what_was_kept_is_there_when_it_is_opened_again(self, opening: Opening) -> None:
        async def first(store: ResourceStore) -> list[Resource]:
            await store.apply([camera("a", labels={"s": "n"}), camera("b")])
            await store.delete("Camera", "b")
            return list((await store.list()).items)

        async def second(store: ResourceStore) -> None:
            page = await store.list()
            assert (list(page.items), page.resource_version) == (before, "3")
            assert told(await take(store.watch("0"), 3)) == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "b")]

        before = self.with_store(opening, first)
        self.with_store(opening, second)

    def test_two_stores_on_one_database_hear_of_each_other(self, opening: Opening) -> None:
        async def main() -> None:
            async with opening() as one, opening() as other:
                watching = other.watch("0")
                await one.apply([camera("a")])
                assert told(await take(watching, 1)) == [("ADDED", "a")]
                both = [
                    store.apply([camera(f"{n}-{m}")])
                    for n in range(10)
                    for m, store in enumerate((one, other))
                ]
                await asyncio.gather(*both)
                versions = [int(c.resource_version) for c in await take(watching, 20)]
                assert versions == list(range(2, 22))
                assert await one.version() == await other.version() == "21"

        run(main())

    def test_many_open_a_new_database_at_once(self, opening: Opening) -> None:
        async def one(n: int) -> None:
            async with opening() as store:
                await store.apply([camera(f"c{n}")])

        async def main() -> list[str]:
            await asyncio.gather(*(one(n) for n in range(4)))
            async with opening() as store:
                return names((await store.list()).items)

        assert run(main()) == ["c0", "c1", "c2", "c3"]


def opened(opening: Callable[[], Awaitable[ResourceStore]]) -> Opening:
    """Return a context manager that opens a store and closes it."""

    @asynccontextmanager
    async def manager() -> AsyncIterator[ResourceStore]:
        store = await opening()
        try:
            yield store
        finally:
            await store.close()

    return manager
