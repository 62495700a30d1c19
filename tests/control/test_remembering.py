"""A reconciler that remembers says what one says that has seen nothing before, whatever happens."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from argus.control.plan import Ensure
from argus.control.reconciler import Reconciler, reconcile
from argus.control.renderings import Renderings
from argus.core.resources.resource import Resource
from argus.core.secrets import Secrets
from tests.control.test_reconciler import PLACE, World, declared, going

CAMERAS = ("gate", "yard", "dock")
MODELS = ("people", "cars", "m-${SITE}")
PIPELINES = ("a", "b", "c", "d")
OF_CAMERA: tuple[dict[str, Any], ...] = (
    {"state": "online"},
    {"state": "lost"},
    {"state": "connecting"},
    {"reason": "no route"},
    {"over": True},
    {"width": 640, "height": 480},
    {"height": 360},
    {"fps": 9.5},
)
OF_PIPELINE: tuple[dict[str, Any], ...] = (
    {"reason": "ModelUnreadable"},
    {"reason": "StepFailed"},
    {"reason": ""},
    {"message": "it is damaged"},
    {"rung": "half the frames"},
    {"generation": 0},
    {"refused_generation": 1},
    {"model": "int8"},
    {"frames": {}},
    {"frames": {"processed": 7}},
    {"fps": 9.5},
)
OF_WORKER: tuple[dict[str, Any], ...] = (
    {"storage_problem": "the disk is full"},
    {"storage_problem": ""},
    {"config_problem": "no JSON"},
    {"config_problem": ""},
    {"backlog": 7},
)
OF_WORKLOAD: tuple[dict[str, Any], ...] = (
    {"state": "backing-off", "pid": None},
    {"state": "failed", "pid": None},
    {"state": "running", "pid": 1},
    {"state": "starting", "pid": None},
    {"restarts": 1},
    {"reason": "exit code 1"},
    {"last_exit": "killed by SIGKILL"},
    {"last_lines": ("error: bad lens",)},
    {"memory_bytes": 1000},
)


class Remembering(RuleBasedStateMachine):
    """A world in which things change, and one reconciler that sees all of it."""

    @initialize()
    def begin(self) -> None:
        self.world = World((), {"SITE": "north"})
        self.reconciler = Reconciler(PLACE, self.world.secrets)
        self.generation = 1
        self._declare({"models": {"people": {"path": "people.onnx"}}})
        for camera, name in zip(CAMERAS, PIPELINES, strict=False):
            self._declare({"cameras": {camera: "rtsp://10.0.0.5/1"}})
            self._declare({"pipelines": {name: {"camera": camera, "detect": "people"}}})
        for _ in range(3):
            self.carry_out()

    @rule(
        name=st.sampled_from(PIPELINES),
        camera=st.sampled_from(CAMERAS),
        model=st.sampled_from(MODELS),
        pack=st.sampled_from((1, 2, 16)),
    )
    def declare_pipeline(self, name: str, camera: str, model: str, pack: int) -> None:
        spec = {"camera": camera, "detect": model, "placement": {"pack": pack}}
        self._declare({"pipelines": {name: spec}})

    @rule(name=st.sampled_from(CAMERAS), path=st.sampled_from(("1", "2", "${SITE}", "${GONE}")))
    def declare_camera(self, name: str, path: str) -> None:
        self._declare({"cameras": {name: f"rtsp://10.0.0.5/{path}"}})

    @rule(name=st.sampled_from(("people", "cars", "m-north")), confidence=st.sampled_from((0.3, 0.6)))
    def declare_model(self, name: str, confidence: float) -> None:
        self._declare({"models": {name: {"path": f"{name}.onnx", "confidence": confidence}}})

    @rule(key=st.sampled_from([*(("Camera", n) for n in CAMERAS), *(("Model", n) for n in MODELS)]))
    def lose(self, key: tuple[str, str]) -> None:
        self.world.resources.pop(key, None)

    @rule(name=st.sampled_from(PIPELINES))
    def delete(self, name: str) -> None:
        found = self.world.resources.get(("Pipeline", name))
        if found is not None:
            self.world.resources[found.key] = going(found)

    @rule(site=st.sampled_from(("north", "south", None)))
    def set_secret(self, site: str | None) -> None:
        self.world.environment.pop("SITE", None)
        if site is not None:
            self.world.environment["SITE"] = site

    @rule()
    def carry_out(self) -> None:
        self.world.carry_out(self.reconciler.plan(self.world.seen()))

    @rule()
    def carry_out_the_actions_alone(self) -> None:
        plan = self.reconciler.plan(self.world.seen())
        for action in plan.actions:
            if isinstance(action, Ensure):
                self.world.runs(action.workload)

    @rule(number=st.integers(0, 3), change=st.sampled_from(OF_CAMERA))
    def report_of_cameras(self, number: int, change: dict[str, Any]) -> None:
        def changed(report: Any) -> Any:
            cameras = tuple(msgspec.structs.replace(c, **change) for c in report.cameras)
            return msgspec.structs.replace(report, cameras=cameras)

        self._of_some(self.world.reports, number, changed)

    @rule(number=st.integers(0, 3), change=st.sampled_from(OF_PIPELINE))
    def report_of_pipelines(self, number: int, change: dict[str, Any]) -> None:
        def changed(report: Any) -> Any:
            pipelines = tuple(msgspec.structs.replace(p, **change) for p in report.pipelines)
            return msgspec.structs.replace(report, pipelines=pipelines)

        self._of_some(self.world.reports, number, changed)

    @rule(number=st.integers(0, 3), change=st.sampled_from(OF_WORKER))
    def report_of_worker(self, number: int, change: dict[str, Any]) -> None:
        self._of_some(self.world.reports, number, lambda r: msgspec.structs.replace(r, **change))

    @rule(number=st.integers(0, 3), failure=st.sampled_from((None, "gone", "away")))
    def report_of_models(self, number: int, failure: str | None) -> None:
        def changed(report: Any) -> Any:
            names = [pipeline.name for pipeline in report.pipelines]
            opened = {"description": f"int8 {len(names)}", "pipelines": names, "failure": failure}
            return msgspec.structs.replace(report, models=(opened,))

        self._of_some(self.world.reports, number, changed)

    @rule(number=st.integers(0, 3), change=st.sampled_from(OF_WORKLOAD))
    def change_workload(self, number: int, change: dict[str, Any]) -> None:
        self._of_some(self.world.workloads, number, lambda w: msgspec.structs.replace(w, **change))

    @rule(number=st.integers(0, 3))
    def fall_silent(self, number: int) -> None:
        name = self._some(self.world.reports, number)
        self.world.reports.pop(name or "", None)

    @rule()
    def read_all_anew(self) -> None:
        """Give equal resources that are other objects, as a store does that is read again."""
        text = msgspec.json.encode(list(self.world.resources.values()))
        self.world.resources = {r.key: r for r in msgspec.json.decode(text, type=list[Resource])}

    @rule()
    def let_time_pass(self) -> None:
        self.world.now += timedelta(seconds=10)

    @invariant()
    def both_say_the_same(self) -> None:
        if hasattr(self, "world"):
            seen = self.world.seen()
            assert self.reconciler.plan(seen) == reconcile(seen, PLACE, self.world.secrets)

    def _declare(self, document: dict[str, Any]) -> None:
        self.generation += 1
        [new] = declared(document, held=False)
        before = self.world.resources.get(new.key)
        metadata = msgspec.structs.replace(new.metadata, generation=self.generation)
        status = {} if before is None else before.status
        self.world.resources[new.key] = msgspec.structs.replace(new, metadata=metadata, status=status)

    def _some(self, things: dict[str, Any], number: int) -> str | None:
        return sorted(things)[number % len(things)] if things else None

    def _of_some(self, things: dict[str, Any], number: int, change: Callable[[Any], Any]) -> None:
        name = self._some(things, number)
        if name is not None:
            things[name] = change(things[name])


Remembering.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestRemembering = Remembering.TestCase


def changed(world: World, part: str, change: dict[str, Any]) -> None:
    """Change a part of what is known of the only worker."""
    [(name, report)] = world.reports.items()
    if part == "workload":
        world.workloads[name] = msgspec.structs.replace(world.workloads[name], **change)
    elif part == "silence":
        del world.reports[name]
    elif part == "models":
        world.reports[name] = msgspec.structs.replace(report, models=(change,))
    elif part == "worker":
        world.reports[name] = msgspec.structs.replace(report, **change)
    else:
        ones = (msgspec.structs.replace(one, **change) for one in getattr(report, part))
        world.reports[name] = msgspec.structs.replace(report, **{part: tuple(ones)})


CHANGES = [
    *(("cameras", change) for change in OF_CAMERA),
    *(("pipelines", change) for change in OF_PIPELINE),
    *(("worker", change) for change in OF_WORKER),
    *(("workload", change) for change in OF_WORKLOAD),
    ("models", {"description": "int8", "pipelines": ["a"]}),
    ("models", {"description": "bf16", "pipelines": ["a"]}),
    ("models", {"description": "bf16", "pipelines": ["b"]}),
    ("models", {"name": "people.onnx", "description": "f32"}),
    ("models", {"failure": "gone", "pipelines": ["a"]}),
    ("pipelines", {"camera": "yard"}),
    ("silence", {}),
]


@pytest.mark.parametrize("before", CHANGES, ids=repr)
def test_whatever_changes_of_a_worker_is_noticed_after_whatever_it_was(before: tuple[str, Any]) -> None:
    for after in CHANGES if before[0] != "silence" else ():
        world = World(
            declared(
                {
                    "cameras": {"gate": "rtsp://10.0.0.5/1"},
                    "models": {"people": {"path": "people.onnx"}},
                    "pipelines": {"a": {"camera": "gate", "detect": "people"}},
                }
            )
        )
        reconciler = Reconciler(PLACE, world.secrets)
        world.carry_out(reconciler.plan(world.seen()))
        changed(world, *before)
        for _ in range(3):
            world.carry_out(reconciler.plan(world.seen()))
        changed(world, *after)
        assert reconciler.plan(world.seen()) == reconcile(world.seen(), PLACE, world.secrets), after


def test_only_what_has_changed_is_rendered_again() -> None:
    pipelines = {name: {"camera": "gate", "detect": "people"} for name in PIPELINES}
    document = {"cameras": {"gate": "rtsp://10.0.0.5/1"}, "models": {"people": {"path": "p.onnx"}}}
    first, *_ = there = declared({**document, "pipelines": pipelines})
    renderings = Renderings(Secrets({}))

    def rendered(resources: list[Resource]) -> dict[str, object]:
        by_kind: dict[str, dict[str, Resource]] = {"Pipeline": {}, "Camera": {}, "Model": {}}
        for resource in resources:
            by_kind[resource.kind][resource.name] = resource
        return dict(renderings.of(by_kind["Pipeline"], by_kind["Camera"], by_kind["Model"]))

    before = rendered(there)
    other = declared({"pipelines": {"b": {**pipelines["b"], "cooldown": "9s"}}})
    after = rendered([*other, *(one for one in there if one.key != ("Pipeline", "b"))])
    assert {name for name in PIPELINES if after[name] is not before[name]} == {"b"}
    assert first.key == ("Camera", "gate")
    moved = declared({"cameras": {"gate": "rtsp://10.0.0.5/2"}})
    assert all(rendered([*moved, *there[1:]])[name] is not before[name] for name in PIPELINES)
