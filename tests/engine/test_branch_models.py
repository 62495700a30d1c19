"""Models of branches, changed and lost while frames flow: the same promises as for a pipeline's own model."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from argus.core.detections import Detections
from argus.core.errors import ModelUnavailable, ModelUnreadable, SpecError, UnknownName, WrongTask
from argus.core.frame import Frame, Image
from argus.core.resources.model import ModelSpec
from argus.core.resources.pipeline import PipelineSpec
from argus.vision.engine.engine import Engine
from argus.vision.engine.models import LaneSpec
from argus.vision.engine.notices import Notice
from argus.vision.models.load import AnyModel
from argus.vision.models.protocols import Classification
from argus.vision.results import Event, FrameResult
from tests.branches.scene import MeanColour
from tests.engine.parts import AsyncFinder, Listener, Models
from tests.sources.settling import comes_true

CAMERA = "synthetic:plaza?width=160&height=120&fps=20&people=2&vehicles=0&seed={seed}"


class Namer:
    """A classifier that calls every picture by its own name; it can be held and broken."""

    input_wh = (16, 24)

    def __init__(self, name: str, *, batch: int = 4) -> None:
        self.name = name
        self.labels: tuple[str, ...] = (name, "nothing")
        self.batch = batch
        self.calls: list[int] = []
        self.broken = False
        self.closed = False
        self.free = threading.Event()
        self.free.set()

    def classify(self, pictures: Sequence[Image]) -> list[Classification]:
        assert self.free.wait(20)
        if self.closed or self.broken:
            raise ModelUnavailable(f"{self.name} has vanished")
        self.calls.append(len(pictures))
        return [Classification(np.array([1, 0], np.float32), self.labels) for _ in pictures]

    def close(self) -> None:
        self.closed = True


class Looks:
    """Opens classifiers by name and remembers them."""

    def __init__(self) -> None:
        self.opened: list[Namer] = []
        self.refused: set[str] = set()
        self.gone: set[str] = set()
        """Devices that are there no more."""

    def open(self, spec: ModelSpec) -> AnyModel:
        if spec.path in self.refused:
            raise ModelUnreadable(f"model {spec.path}: no such file")
        if spec.device in self.gone:
            raise ModelUnavailable(f"model {spec.path}: there is no {spec.device} here")
        if spec.path == "embedder":
            return MeanColour()
        namer = Namer(spec.path if spec.device == "auto" else f"{spec.path} on {spec.device}")
        self.opened.append(namer)
        return namer

    def last(self, name: str) -> Namer:
        return [namer for namer in self.opened if namer.name == name][-1]


class World:
    """An engine with its models, and what it told."""

    def __init__(self) -> None:
        self.models = Models()
        self.looks = Looks()
        self.told: dict[str, list[Event]] = defaultdict(list)
        self.engine = Engine(tell=self._hear, open_model=self._open, open_branch_model=self.looks.open)

    def watch(self, name: str, *branches: Any, seed: int = 1, **spec: Any) -> Listener:
        """Add a camera and a pipeline of the same name."""
        listener = Listener()
        self.engine.add_camera(name, CAMERA.format(seed=seed))
        self.engine.add_pipeline(name, pipeline(*branches, **spec), camera=name, listener=listener)
        return listener

    def models_told(self, name: str) -> list[tuple[str, str]]:
        """What was said of a pipeline's models: type and message."""
        return [(e.type, e.message or "") for e in self.told[name] if e.type.startswith("model.")]

    def _hear(self, notice: Notice) -> None:
        self.told[notice.pipeline or notice.camera].extend(notice.events)

    def _open(self, spec: LaneSpec) -> AsyncFinder:
        if spec.model.path == "classifier":
            raise WrongTask("classifier is a classifier, and a detector is needed here")
        return self.models.open(spec)


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    with world.engine:
        yield world


def pipeline(*branches: Any, **spec: Any) -> PipelineSpec:
    trees = [{"every": 1, **(b if isinstance(b, dict) else {"model": b})} for b in branches]
    return PipelineSpec.read({"detect": "main", "branches": trees, **spec}, "pipeline")


def names_found(listener: Listener, branch: str | None = None) -> list[str]:
    """Who looked, in order of what was found, each once in a row."""
    names: list[str] = []
    for result in list(listener.results):
        for findings in result.findings.values():
            for finding in findings:
                if branch is None or finding.branch == branch:
                    assert finding.label is not None
                    if not names or names[-1] != finding.label:
                        names.append(finding.label)
    return names


def test_another_model_takes_over_a_branch_and_tracks_go_on(world: World) -> None:
    one = world.watch("one", {"model": "first", "name": "colour"})
    assert comes_true(lambda: names_found(one) == ["first"])
    assert world.engine.swap_model("first", "second") == ("one",)
    assert comes_true(lambda: names_found(one) == ["first", "second"])
    assert comes_true(lambda: world.looks.opened[0].closed)
    assert one.finished == []
    assert {int(r.detections.track_id[0]) for r in one.results[3:] if r.detections.track_id is not None} == {
        1
    }
    assert world.models_told("one") == [("model.swapped", "branch colour: second in place of first")]


def test_a_pipeline_that_begins_anew_keeps_the_models_that_were_swapped_in_for_its_branches(
    world: World,
) -> None:
    one = world.watch("one", "day", {"model": "plate", "name": "plate"})
    assert comes_true(lambda: names_found(one, "day") == ["day"])
    world.engine.swap_model("day", "night")
    world.engine.swap_model("plate", "number")
    zones = {"all": {"polygon": [[0, 0], [1, 0], [1, 1], [0, 1]]}}
    other = pipeline("day", {"model": "sign", "name": "plate"}, zones=zones)
    world.engine.change_pipeline("one", other)
    looking = {opened.lane.name for opened in world.engine.branch_lanes.all}
    assert looking == {"night", "sign"}


def test_a_new_model_of_a_branch_is_warmed_up_before_it_looks(world: World) -> None:
    one = world.watch("one", "first")
    assert comes_true(lambda: names_found(one) == ["first"])
    assert world.looks.opened[0].calls[0] == 4
    world.engine.swap_model("first", "second")
    assert world.looks.opened[1].calls[0] == 4


@pytest.mark.parametrize("failing", ["missing", "gone"])
def test_a_branch_keeps_its_model_where_the_new_one_cannot_be_opened(world: World, failing: str) -> None:
    one = world.watch("one", {"model": "first", "name": "colour"})
    assert comes_true(lambda: names_found(one) == ["first"])
    world.looks.refused.add("missing")
    world.looks.gone.add("cuda")
    other = "missing" if failing == "missing" else ModelSpec(path="second", device="cuda")
    with pytest.raises((ModelUnreadable, ModelUnavailable), match=r"no such file|there is no cuda"):
        world.engine.swap_model("first", other)
    seen = len(one.results)
    assert one.waits_for(5)
    assert names_found(one) == ["first"]
    assert one.results[seen].findings
    ((type_, message),) = world.models_told("one")
    assert type_ == "model.failed"
    assert message.startswith("branch colour: ")


def test_a_model_of_several_pipelines_is_swapped_everywhere_at_once(world: World) -> None:
    one = world.watch("one", {"model": "first", "name": "a"}, {"model": "first", "name": "b"})
    two = world.watch("two", "first", seed=2)
    other = world.watch("other", "stays", seed=3)
    assert comes_true(lambda: all(names_found(x) for x in (one, two, other)))
    assert len(world.looks.opened) == 2
    assert set(world.engine.swap_model("first", "second")) == {"one", "two"}
    assert comes_true(lambda: names_found(one, "b")[-1:] == names_found(two)[-1:] == ["second"])
    assert world.models_told("one") == [("model.swapped", "branches a, b: second in place of first")]
    assert [type_ for type_, _ in world.models_told("two")] == ["model.swapped"]
    assert world.models_told("other") == []
    assert names_found(other) == ["stays"]


def test_a_model_of_pipelines_and_of_branches_is_swapped_for_all_of_them(world: World) -> None:
    one = world.watch("one", {"model": "shared", "name": "closer"})
    two = world.watch("two", seed=2, detect="shared")
    assert comes_true(lambda: bool(names_found(one)) and len(two.results) > 2)
    assert set(world.engine.swap_model("shared", "second")) == {"one", "two"}
    assert comes_true(lambda: names_found(one)[-1:] == ["second"] and two.models[-1:] == ["second"])
    assert [type_ for type_, _ in world.models_told("one")] == ["model.swapped"]
    assert [type_ for type_, _ in world.models_told("two")] == ["model.swapped"]


def test_nothing_is_swapped_anywhere_where_the_new_model_serves_one_of_two_uses_alone(world: World) -> None:
    one = world.watch("one", {"model": "shared", "name": "closer"})
    two = world.watch("two", seed=2, detect="shared")
    assert comes_true(lambda: bool(names_found(one)) and len(two.results) > 2)
    with pytest.raises(WrongTask):
        world.engine.swap_model("shared", "classifier")
    world.looks.refused.add("detector")
    with pytest.raises(ModelUnreadable):
        world.engine.swap_model("shared", "detector")
    assert two.waits_for(3)
    assert two.models == ["shared"]
    assert names_found(one) == ["shared"]
    assert [o.lane.name for o in world.engine.lanes.all] == ["main", "shared"]
    assert [type_ for type_, _ in world.models_told("one")] == ["model.failed"] * 2


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ("second", "branch kind/closer: second knows no class 'first'"),
        ("embedder", "branch kind: .* is an embedder"),
        ("builtin:motion", "compares the frames of one camera"),
    ],
)
def test_a_model_that_does_not_fit_what_stands_below_is_refused(world: World, other: str, says: str) -> None:
    below = {"model": "deep", "name": "closer", "classes": "first"}
    one = world.watch("one", {"model": "first", "name": "kind", "branches": [below]})
    assert comes_true(lambda: names_found(one, "kind/closer") == ["deep"])
    with pytest.raises(SpecError, match=says):
        world.engine.swap_model("first", other)
    assert one.waits_for(5)
    assert names_found(one, "kind") == ["first"]
    assert len(world.engine.branch_lanes.all) == 2


def test_a_model_that_nobody_uses_is_named_beside_those_in_use(world: World) -> None:
    one = world.watch("one", "first")
    assert one.waits_for(1)
    with pytest.raises(UnknownName, match="first"):
        world.engine.swap_model("firts", "second")


def test_a_branch_model_whose_accelerator_vanishes_goes_on_on_the_processor(world: World) -> None:
    model = {"path": "first", "device": "cuda"}
    one = world.watch("one", {"model": model, "name": "colour"})
    two = world.watch("two", {"model": model, "name": "look"}, seed=2)
    other = world.watch("other", "stays", seed=3)
    assert comes_true(lambda: all(names_found(x) for x in (one, two, other)))
    world.looks.gone.add("cuda")
    world.looks.opened[0].broken = True
    assert comes_true(lambda: names_found(one)[-1:] == names_found(two)[-1:] == ["first on cpu"])
    swapped = "first on cpu in place of first on cuda, which failed"
    failed = ("model.failed", "branch colour: first on cuda has vanished")
    assert comes_true(lambda: len(world.models_told("one")) == len(world.models_told("two")) == 2)
    assert world.models_told("one") == [failed, ("model.swapped", f"branch colour: {swapped}")]
    assert world.models_told("two")[1] == ("model.swapped", f"branch look: {swapped}")
    assert world.models_told("other") == []
    assert comes_true(lambda: world.looks.opened[0].closed)
    assert one.finished == []


def test_a_recording_loses_no_look_when_the_accelerator_of_a_branch_vanishes(world: World) -> None:
    engine, one = world.engine, Listener()
    engine.add_camera("film", f"{CAMERA.format(seed=3)}&frames=60", live=False, held=True)
    spec = pipeline({"model": {"path": "first", "device": "cuda"}, "name": "colour"})
    engine.add_pipeline("film", spec, camera="film", listener=one)
    world.looks.opened[0].free.clear()
    engine.release("film")
    world.looks.opened[0].broken = True
    world.looks.opened[0].free.set()
    assert engine.wait(60)
    assert len(one.results) == 60
    assert all(result.findings for result in one.results)
    assert names_found(one) == ["first on cpu"]


def test_a_branch_without_a_model_leaves_its_findings_out_until_there_is_one(world: World) -> None:
    engine, one = world.engine, Listener()
    engine.add_camera("film", f"{CAMERA.format(seed=3)}&frames=60", live=False, held=True)
    engine.add_pipeline("film", pipeline("first"), camera="film", listener=one)
    world.looks.refused.add("first")
    world.looks.opened[0].broken = True
    engine.release("film")
    assert engine.wait(60)
    assert len(one.results) == 60
    assert names_found(one) == []
    live = world.watch("live", "first on cpu", seed=2)
    assert comes_true(lambda: names_found(live) != [])
    (status,) = [m for m in engine.status().branch_models if m.failure is not None]
    assert status.pipelines == ("film",)
    assert "has vanished" in (status.failure or "")


def test_a_branch_model_that_could_not_be_replaced_is_tried_again(world: World) -> None:
    one = world.watch("one", "first")
    assert comes_true(lambda: names_found(one) == ["first"])
    world.looks.refused.add("first")
    world.looks.opened[0].broken = True
    assert comes_true(lambda: [type_ for type_, _ in world.models_told("one")] == ["model.failed"])
    seen = len(one.results)
    assert one.waits_for(5)
    world.looks.refused.clear()
    assert comes_true(lambda: len(world.looks.opened) == 2)
    assert comes_true(lambda: world.looks.opened[1].calls[1:] != [])
    assert comes_true(lambda: any(r.findings for r in one.results[seen:]))
    assert [type_ for type_, _ in world.models_told("one")] == ["model.failed", "model.swapped"]


def test_closing_does_not_wait_for_a_branch_model_that_is_gone(world: World) -> None:
    one = world.watch("one", "first")
    assert comes_true(lambda: names_found(one) == ["first"])
    world.looks.refused.add("first")
    world.looks.opened[0].broken = True
    assert comes_true(lambda: world.models_told("one") != [])
    began_s = time.monotonic()
    world.engine.close()
    assert time.monotonic() - began_s < 5
    assert [t.name for t in threading.enumerate() if t.name.startswith("argus-branch")] == []


def test_another_model_of_a_branch_alone_keeps_a_pipelines_memory(world: World) -> None:
    one = world.watch("one", {"model": "first", "name": "colour"})
    two = world.watch("two", {"model": "first", "name": "colour"}, seed=2)
    assert comes_true(lambda: names_found(one) == names_found(two) == ["first"])
    world.engine.change_pipeline("one", pipeline({"model": "second", "name": "colour"}))
    assert comes_true(lambda: names_found(one) == ["first", "second"])
    assert one.finished == []
    assert two.waits_for(3)
    assert names_found(two) == ["first"]
    assert not world.looks.opened[0].closed


def test_models_of_one_pipeline_change_all_together_or_not_at_all(world: World) -> None:
    one = world.watch("one", {"model": "first", "name": "colour"})
    assert comes_true(lambda: names_found(one) == ["first"])
    world.looks.refused.add("missing")
    with pytest.raises(ModelUnreadable):
        spec = pipeline({"model": "missing", "name": "colour"}, detect="second")
        world.engine.change_pipeline("one", spec)
    assert one.waits_for(5)
    assert one.models == ["main"]
    assert names_found(one) == ["first"]
    assert [o.lane.name for o in world.engine.lanes.all] == ["main"]


def test_the_models_of_two_branches_change_at_once(world: World) -> None:
    one = world.watch("one", {"model": "first", "name": "a"}, {"model": "second", "name": "b"})
    assert comes_true(lambda: (names_found(one, "a"), names_found(one, "b")) == (["first"], ["second"]))
    spec = pipeline({"model": "third", "name": "a"}, {"model": "fourth", "name": "b"})
    world.engine.change_pipeline("one", spec)
    assert comes_true(lambda: names_found(one, "a") == ["first", "third"])
    assert comes_true(lambda: names_found(one, "b") == ["second", "fourth"])
    assert not world.looks.last("fourth").closed


def test_another_margin_of_a_branch_begins_its_pipeline_anew(world: World) -> None:
    one = world.watch("one", {"model": "first", "name": "colour"})
    assert comes_true(lambda: names_found(one) == ["first"])
    world.engine.change_pipeline("one", pipeline({"model": "second", "name": "colour", "margin": 0.5}))
    assert len(one.finished) == 1


def test_the_models_of_branches_have_their_place_in_the_status(world: World) -> None:
    one = world.watch("one", {"model": "first", "name": "colour"})
    assert comes_true(lambda: names_found(one) == ["first"])
    (model,) = world.engine.status().branch_models
    assert (model.name, model.description, model.batch, model.pipelines) == ("first", "first", 4, ("one",))
    assert model.inferences > 0
    assert [m.name for m in world.engine.status().models] == ["main"]
    assert world.engine.status().to_json()["branch_models"][0]["description"] == "first"


class Crowd(AsyncFinder):
    """Finds twelve objects in each frame."""

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        super().detect(frames)
        left = np.arange(12, dtype=np.float32)[:, None] * 12
        boxes = np.concatenate([left + 2, np.full_like(left, 10), left + 12, np.full_like(left, 60)], axis=1)
        scores, classes = np.full(12, 0.9, np.float32), np.zeros(12, np.int32)
        return [Detections(boxes, scores, classes, self.labels) for _ in frames]


class Checked(Namer):
    """One that notices when it is asked by two at once, or after it was closed."""

    def __init__(self, name: str) -> None:
        super().__init__(name, batch=8)
        self.asked_when_closed = 0
        self._asking = threading.Lock()
        self.together = 0

    def classify(self, pictures: Sequence[Image]) -> list[Classification]:
        self.asked_when_closed += self.closed
        if not self._asking.acquire(blocking=False):
            self.together += 1
        try:
            time.sleep(0.002)
            return super().classify(pictures)
        finally:
            self._asking.release()


class Hearing(Listener):
    """Remembers who looked at which object in which frame, and no frame."""

    def __init__(self) -> None:
        super().__init__()
        self.looks: dict[int, dict[int, str]] = defaultdict(dict)
        """Track → frame that was looked at → who did."""
        self.who_looked: set[str] = set()
        self.contradicted = 0
        self.count = 0

    def write(self, result: FrameResult) -> None:
        self.count += 1
        ids = result.detections.track_id
        assert ids is not None
        for row, findings in result.findings.items():
            for finding in findings:
                looks = self.looks[int(ids[row])]
                assert finding.label is not None
                self.who_looked.add(finding.label)
                self.contradicted += looks.setdefault(finding.frame, finding.label) != finding.label

    def waits_for(self, more: int) -> bool:
        goal = self.count + more
        return comes_true(lambda: self.count >= goal)


def swaps_under_load(swaps: int) -> None:
    """Swap the model of a branch again and again while four cameras keep it busy."""
    opened: list[Checked] = []

    def open_branch_model(spec: ModelSpec) -> AnyModel:
        opened.append(Checked(spec.path))
        return opened[-1]

    listeners = {f"cam{n}": Hearing() for n in range(4)}
    with Engine(open_model=lambda _: Crowd(), open_branch_model=open_branch_model) as engine:
        spec = pipeline({"model": "model 0", "name": "who"})
        for n, (name, listener) in enumerate(listeners.items()):
            # Two cameras and two recordings: the one never wait for an answer, the other always.
            engine.add_camera(name, CAMERA.format(seed=n), live=n % 2 == 0)
            engine.add_pipeline(name, spec, camera=name, listener=listener)
        assert comes_true(lambda: all("model 0" in listener.who_looked for listener in listeners.values()))
        for turn in range(swaps):
            assert all(listener.waits_for(2) for listener in listeners.values())
            assert set(engine.swap_model(f"model {turn}", f"model {turn + 1}")) == set(listeners)
        last = f"model {swaps}"
        assert comes_true(lambda: all(last in listener.who_looked for listener in listeners.values()))
        members = list(engine.members.values())
        branches = [member._branches for member in members]
        for member in members:
            counts = member.counts
            assert counts.decoded == counts.ended + counts.on_the_way
        for name in listeners:
            engine.remove_camera(name)
        for counts in (member.counts for member in members):
            assert counts.decoded == counts.ended
            assert (counts.corrupt, counts.dropped_full) == (0, 0)
        assert all(member.error is None for member in members)
        for one in branches:
            assert one is not None
            assert one.counts.lost == 0
    assert [model.name for model in opened] == [f"model {n}" for n in range(swaps + 1)]
    assert Counter(model.asked_when_closed + model.together for model in opened) == {0: swaps + 1}
    assert all(model.closed for model in opened)
    for name, listener in listeners.items():
        assert listener.contradicted == 0
        for looked in listener.looks.values():
            turns = [int(label.removeprefix("model ")) for _, label in sorted(looked.items())]
            assert turns == sorted(turns), name


def test_a_branch_model_is_swapped_under_load_and_no_look_is_lost_or_mixed() -> None:
    swaps_under_load(3)


@pytest.mark.soak
def test_a_hundred_swaps_of_a_branch_model_under_load_lose_nothing() -> None:
    swaps_under_load(100)
