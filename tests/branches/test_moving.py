"""Another model in place of one that looks at crops, or that is gone: what waits goes after its branch."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from argus.core.errors import ModelUnavailable, ModelUnreadable
from argus.core.frame import Image
from argus.core.resources.model import ModelSpec
from argus.vision.branches.asking import Answer, Named, Request
from argus.vision.branches.lane import Lane
from argus.vision.branches.lanes import BranchLanes
from argus.vision.branches.sharing import Wanted
from argus.vision.models.load import AnyModel
from argus.vision.models.protocols import Classification
from tests.branches.scene import NEAR, RED, Looking, MeanColour, frame
from tests.sources.settling import comes_true

OLD, NEW = (Wanted(ModelSpec(path=name)) for name in ("old", "new"))


class Namer(Looking):
    """Calls every picture by its own name, until it is gone."""

    def __init__(self, name: str, *, batch: int = 4) -> None:
        super().__init__(name, batch=batch)
        self.labels = (name,)

    def classify(self, pictures: Sequence[Image]) -> list[Classification]:
        self.enter(pictures)
        return [Classification(np.ones(1, np.float32), self.labels) for _ in pictures]

    def vanish(self) -> None:
        self.broken = lambda _: True


class Branch:
    """Who asks a lane, and what it was told."""

    lane: Lane

    def __init__(self, camera: str = "gate") -> None:
        self.camera = camera
        self.told: list[str | None] = []

    def ask(self, count: int = 1, of: Lane | None = None) -> None:
        picture = frame([(NEAR, RED)])
        requests = [
            Request(self.camera, picture, NEAR, 0.0, self._hear, lambda: True, self) for _ in range(count)
        ]
        (of or self.lane).put(requests)

    def hears(self, *names: str | None) -> bool:
        return comes_true(lambda: self.told == list(names))

    def _hear(self, answer: Answer | None) -> None:
        assert answer is None or isinstance(answer, Named)
        self.told.append(None if answer is None else answer.label)


class World:
    """Lanes with models that can be held and lost."""

    def __init__(self) -> None:
        self.models: list[Namer] = []
        self.failed: list[tuple[Lane, ModelUnavailable]] = []
        self.doomed = False
        """True lets a model that is opened vanish at its first real picture."""
        self.lanes = BranchLanes(self._open, lambda lane, error: self.failed.append((lane, error)))

    def branch(self, camera: str = "gate") -> Branch:
        branch = Branch(camera)
        self.lanes.attach(branch, OLD)
        return branch

    def busy(self) -> Branch:
        """Return a branch whose model has begun with a picture, and is held at it."""
        branch = self.branch()
        model = self.models[-1]
        model.called.clear()
        model.go_on.clear()
        branch.ask()
        assert model.called.wait(20)
        return branch

    def _open(self, spec: ModelSpec) -> AnyModel:
        if spec.path == "missing":
            raise ModelUnreadable("missing: no such file")
        if spec.path == "embedder":
            return MeanColour()
        model = Namer(spec.path)
        if self.doomed:
            model.broken = lambda _: len(model.calls) > 1
        self.models.append(model)
        return model


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    with world.lanes:
        yield world


def test_what_waits_goes_with_its_branch_and_what_is_under_way_stays(world: World) -> None:
    branch = world.busy()
    branch.ask(6)
    world.lanes.attach(branch, NEW)
    assert branch.hears(*["new"] * 6)
    old, new = world.models
    old.go_on.set()
    assert branch.hears(*["new"] * 6, "old")
    assert old.calls == [4, 1]
    assert new.calls == [4, 6]
    assert comes_true(lambda: old.closed == 1)


def test_who_stays_with_a_model_is_answered_by_it(world: World) -> None:
    goes, stays = world.busy(), world.branch("yard")
    stays.ask(2)
    world.lanes.attach(goes, NEW)
    goes.ask()
    assert goes.hears("new")
    world.models[0].go_on.set()
    assert stays.hears("old", "old")
    assert goes.hears("new", "old")
    assert world.models[0].closed == 0


def test_what_is_asked_of_a_model_that_was_left_meanwhile_goes_after_its_branch(world: World) -> None:
    branch = world.branch()
    old = branch.lane
    world.lanes.attach(branch, NEW)
    assert comes_true(lambda: world.models[0].closed == 1)
    branch.ask(of=old)
    assert branch.hears("new")


def test_a_model_that_cannot_be_opened_leaves_a_branch_where_it_is(world: World) -> None:
    branch = world.branch()
    with pytest.raises(ModelUnreadable):
        world.lanes.attach(branch, Wanted(ModelSpec(path="missing")))
    branch.ask()
    assert branch.hears("old")


def test_a_model_that_is_lost_keeps_what_it_was_asked_for_the_next(world: World) -> None:
    branch = world.busy()
    branch.ask(2)
    old = world.models[0]
    old.vanish()
    old.go_on.set()
    assert comes_true(lambda: len(world.failed) == 1)
    branch.ask()
    ((lane, error),) = world.failed
    assert lane is branch.lane
    assert lane.failure is error
    assert lane.stats.queued == 4
    world.lanes.attach(branch, OLD)
    assert branch.lane is not lane
    assert branch.hears(*["old"] * 4)
    assert world.models[1].calls[1:] == [4]
    assert lane.stats.failed == 0


def test_what_two_models_were_lost_at_is_shown_to_no_third(world: World) -> None:
    branch = world.branch()
    world.models[0].vanish()
    world.doomed = True
    branch.ask()
    assert comes_true(lambda: len(world.failed) == 1)
    world.lanes.attach(branch, OLD)
    assert branch.hears(None)
    assert comes_true(lambda: len(world.failed) == 2)
    world.doomed = False
    world.lanes.attach(branch, OLD)
    branch.ask()
    assert branch.hears(None, "old")
    assert [model.calls for model in world.models] == [[4, 1], [4, 1], [4, 1]]


def test_a_model_that_nobody_replaces_answers_nothing_after_a_while() -> None:
    model = Namer("old")
    model.vanish()
    lane = Lane(model, lambda lane, error: None, replaced_s=0.05)
    branch = Branch()
    lane.attach(branch)
    branch.ask(3)
    assert branch.hears(None, None, None)
    branch.ask()
    assert branch.hears(None, None, None, None)
    lane.close()
    assert model.calls == [3]


def test_a_lane_that_is_closed_while_its_model_fails_asks_where_its_branch_is_now(world: World) -> None:
    branch = world.busy()
    old = world.models[0]
    world.lanes.attach(branch, NEW)
    old.vanish()
    old.go_on.set()
    assert branch.hears("new")
    assert comes_true(lambda: old.closed == 1)
    assert [t.name for t in threading.enumerate() if t.name == "argus-branch-old"] == []


def test_models_of_every_task_are_warmed_up(world: World) -> None:
    opened = world.lanes.attach(Branch(), Wanted(ModelSpec(path="embedder")))
    assert opened.lane._model.calls == [1]  # type: ignore[union-attr]
