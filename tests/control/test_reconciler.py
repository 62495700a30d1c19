"""What is done so that what runs becomes what is wanted, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from argus.control.plan import FINALIZER, Ensure, Hold, Place, Plan, Remove, Seen
from argus.control.reconciler import reconcile
from argus.control.runtime.protocol import Workload, WorkloadStatus
from argus.core.resources.manifest import read_drafts
from argus.core.resources.resource import Metadata, Resource
from argus.core.secrets import Secrets
from argus.stream.report import CameraReport, PipelineReport, WorkerReport

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PLACE = Place(results="sqlite:////x/results.db", blobs="/x/blobs", spool=Path("/x/spool"))
GATE: Mapping[str, Any] = {
    "cameras": {"gate": "rtsp://10.0.0.5/1"},
    "models": {"people": {"path": "people.onnx"}},
    "pipelines": {"watch": {"camera": "gate", "detect": "people"}},
}


def declared(document: Mapping[str, Any], *, held: bool = True) -> list[Resource]:
    """Return resources as a store would give them."""
    return [
        Resource(
            kind=draft.kind,
            metadata=Metadata(
                name=draft.name,
                uid=f"uid-{draft.kind}-{draft.name}",
                generation=1,
                creation_timestamp=NOW,
                finalizers=(FINALIZER,) if held and draft.kind == "Pipeline" else (),
            ),
            spec=draft.spec,
        )
        for draft in read_drafts([dict(document)], "test")
    ]


def going(resource: Resource) -> Resource:
    return msgspec.structs.replace(
        resource, metadata=msgspec.structs.replace(resource.metadata, deletion_timestamp=NOW)
    )


class World:
    """Resources, and a runtime that does at once what it is told."""

    def __init__(self, resources: Iterable[Resource], environment: Mapping[str, str] | None = None) -> None:
        self.resources = {resource.key: resource for resource in resources}
        self.workloads: dict[str, WorkloadStatus] = {}
        self.reports: dict[str, WorkerReport] = {}
        self.environment = dict(environment or {})
        self.secrets = Secrets(self.environment)
        self.now = NOW

    def seen(self) -> Seen:
        return Seen(tuple(self.resources.values()), self.workloads, self.reports, self.now)

    def plan(self) -> Plan:
        return reconcile(self.seen(), PLACE, self.secrets)

    def settle(self, rounds: int = 10) -> int:
        """Reconcile until nothing is left to do; return the rounds it took."""
        for number in range(rounds):
            plan = self.plan()
            if not plan.actions and not plan.statuses:
                return number
            self.carry_out(plan)
        raise AssertionError("it never comes to rest")

    def carry_out(self, plan: Plan) -> None:
        for action in plan.actions:
            match action:
                case Ensure(workload, _, _):
                    self.runs(workload)
                case Remove(name, _):
                    self.workloads.pop(name)
                    self.reports.pop(name, None)
                case Hold(key, _, finalizers, _):
                    self._hold(key, finalizers)
        for key, status in plan.statuses.items():
            self.resources[key] = msgspec.structs.replace(self.resources[key], status=status)

    def _hold(self, key: tuple[str, str], finalizers: tuple[str, ...]) -> None:
        before = self.resources[key]
        if not finalizers and before.metadata.deletion_timestamp is not None:
            del self.resources[key]
            return
        metadata = msgspec.structs.replace(before.metadata, finalizers=finalizers)
        self.resources[key] = msgspec.structs.replace(before, metadata=metadata)

    def runs(self, workload: Workload) -> None:
        """Let a worker run and say so."""
        config = msgspec.json.decode(workload.config)
        self.workloads[workload.name] = WorkloadStatus(
            name=workload.name, kind="service", state="running", pid=1, port=1, since=NOW, workload=workload
        )
        self.reports[workload.name] = WorkerReport(
            worker=workload.name,
            pid=1,
            started_at=NOW,
            ready=True,
            healthy=True,
            cameras=tuple(
                CameraReport(name=name, state="online", width=64, height=48) for name in config["cameras"]
            ),
            pipelines=tuple(
                PipelineReport(
                    name=name,
                    camera=plan["camera"],
                    generation=plan["generation"],
                    model="people",
                    frames={"processed": 1},
                )
                for name, plan in config["pipelines"].items()
            ),
        )

    def said(self, kind: str, name: str, type_: str) -> tuple[str, str, str]:
        condition = self.resources[kind, name].condition(type_)
        assert condition is not None
        return condition.status, condition.reason, condition.message


def test_a_pipeline_gets_a_worker_that_is_told_all_it_needs() -> None:
    plan = World(declared(GATE)).plan()
    [ensure] = plan.actions
    assert isinstance(ensure, Ensure)
    config = msgspec.json.decode(ensure.workload.config)
    assert ensure.workload.name == config["worker"] == "worker-people-0"
    assert config["cameras"]["gate"]["url"] == "rtsp://10.0.0.5/1"
    assert config["pipelines"]["watch"]["spec"]["detect"]["model"]["path"] == "people.onnx"
    assert config["storage"] == {
        "results": "sqlite:////x/results.db", "blobs": "/x/blobs", "spool": "/x/spool/worker-people-0"
    }  # fmt: skip


def test_it_comes_to_rest_and_stays_there() -> None:
    world = World(declared(GATE, held=False))
    assert world.settle() <= 3
    assert world.plan() == Plan()
    assert world.said("Pipeline", "watch", "Ready")[:2] == ("True", "Running")
    assert world.said("Camera", "gate", "Online")[:2] == ("True", "Online")


def test_a_pipeline_whose_camera_is_missing_waits_and_says_so() -> None:
    world = World(declared({"pipelines": {"watch": {"camera": "gate", "detect": "builtin:people"}}}))
    world.settle()
    assert world.workloads == {}
    status, reason, message = world.said("Pipeline", "watch", "Accepted")
    assert (status, reason) == ("False", "CameraMissing")
    assert "'gate'" in message


def test_it_runs_when_the_camera_comes() -> None:
    world = World(declared({"pipelines": {"watch": {"camera": "gate", "detect": "builtin:people"}}}))
    world.settle()
    world.resources |= {r.key: r for r in declared({"cameras": {"gate": "rtsp://10.0.0.5/1"}})}
    world.settle()
    assert world.said("Pipeline", "watch", "Ready")[0] == "True"


def test_a_secret_that_is_not_set_is_named_and_no_other_pipeline_suffers() -> None:
    document = {
        "cameras": {"gate": "rtsp://u:${GATE_PASSWORD}@10.0.0.5/1", "yard": "rtsp://10.0.0.6/1"},
        "pipelines": {
            "a": {"camera": "gate", "detect": "builtin:people"},
            "b": {"camera": "yard", "detect": "builtin:people"},
        },
    }
    world = World(declared(document))
    world.settle()
    assert world.said("Pipeline", "a", "Accepted")[1] == "SecretMissing"
    assert "GATE_PASSWORD" in world.said("Pipeline", "a", "Accepted")[2]
    assert world.said("Pipeline", "b", "Ready")[0] == "True"


def test_a_secret_stands_in_the_workers_config_and_in_no_status() -> None:
    document = {
        "cameras": {"gate": "rtsp://u:${GATE_PASSWORD}@10.0.0.5/1"},
        "pipelines": {"a": {"camera": "gate", "detect": "builtin:people"}},
    }
    world = World(declared(document), {"GATE_PASSWORD": "hunter2"})
    world.settle()
    assert "hunter2" in next(iter(world.workloads.values())).workload.config  # type: ignore[union-attr]
    assert not any("hunter2" in repr(resource) for resource in world.resources.values())


def test_another_confidence_is_handed_over_without_another_worker() -> None:
    world = World(declared(GATE))
    world.settle()
    changed = {**GATE, "models": {"people": {"path": "people.onnx", "confidence": 0.6}}}
    world.resources |= {r.key: r for r in declared(changed) if r.kind == "Model"}
    [ensure] = world.plan().actions
    assert isinstance(ensure, Ensure)
    assert (ensure.verb, ensure.workload.name) == ("update", "worker-people-0")
    assert ensure.reason == "pipeline watch has changed"


def test_a_deleted_pipeline_goes_when_its_worker_has_ended_it() -> None:
    both = {
        **GATE,
        "cameras": {"gate": "rtsp://10.0.0.5/1", "yard": "rtsp://10.0.0.6/1"},
        "pipelines": {
            "watch": {"camera": "gate", "detect": "people"},
            "other": {"camera": "yard", "detect": "people"},
        },
    }
    world = World(declared(both))
    world.settle()
    world.resources["Pipeline", "watch"] = going(world.resources["Pipeline", "watch"])
    first = world.plan()
    assert [type(action) for action in first.actions] == [Ensure]
    world.carry_out(first)
    world.settle()
    assert ("Pipeline", "watch") not in world.resources
    assert world.said("Pipeline", "other", "Ready")[0] == "True"


def test_the_last_pipeline_takes_its_worker_with_it() -> None:
    world = World(declared(GATE))
    world.settle()
    world.resources["Pipeline", "watch"] = going(world.resources["Pipeline", "watch"])
    world.settle()
    assert world.workloads == {}
    assert ("Pipeline", "watch") not in world.resources


def test_a_worker_that_died_is_said_to_have_with_its_last_words() -> None:
    world = World(declared(GATE))
    world.settle()
    dead = msgspec.structs.replace(
        world.workloads["worker-people-0"],
        state="backing-off",
        pid=None,
        restarts=3,
        reason="exit code 1",
        last_lines=("loading", "error: people.onnx is damaged"),
    )
    world.workloads["worker-people-0"] = dead
    world.reports.clear()
    world.carry_out(world.plan())
    status, reason, message = world.said("Pipeline", "watch", "Ready")
    assert (status, reason) == ("False", "WorkerDied")
    assert "exit code 1" in message
    assert "people.onnx is damaged" in message


def test_a_refused_change_is_said_while_the_old_one_goes_on() -> None:
    world = World(declared(GATE))
    world.settle()
    [before] = world.reports["worker-people-0"].pipelines
    refused = msgspec.structs.replace(
        before,
        generation=1,
        refused_generation=2,
        reason="ModelUnreadable",
        message="people.onnx is no network",
    )
    world.reports["worker-people-0"] = msgspec.structs.replace(
        world.reports["worker-people-0"], pipelines=(refused,)
    )
    pipeline = world.resources["Pipeline", "watch"]
    world.resources["Pipeline", "watch"] = msgspec.structs.replace(
        pipeline, metadata=msgspec.structs.replace(pipeline.metadata, generation=2)
    )
    world.workloads["worker-people-0"] = msgspec.structs.replace(
        world.workloads["worker-people-0"], workload=_wanted(world)
    )
    world.carry_out(world.plan())
    assert world.resources["Pipeline", "watch"].status["phase"] == "Degraded"
    assert world.said("Pipeline", "watch", "Ready")[2] == "people.onnx is no network; generation 1 goes on"
    assert world.said("Model", "people", "Loaded")[1] == "ModelRefused"


def test_models_of_one_pipeline_are_each_told_as_they_are() -> None:
    models = {
        "people": {"path": "people.onnx"},
        "looks": {"path": "looks.onnx", "task": "embed"},
        "hats": {"path": "hats.onnx", "task": "classify"},
    }
    branches = [{"model": "looks"}, {"model": "hats"}]
    watch = {"camera": "gate", "detect": "people", "branches": branches}
    world = World(declared({**GATE, "models": models, "pipelines": {"watch": watch}}))
    world.settle()
    [(name, report)] = world.reports.items()
    world.reports[name] = msgspec.structs.replace(
        report,
        models=({"name": "people.onnx", "description": "yolov8, f32", "pipelines": ["watch"]},),
        branch_models=(
            {
                "name": "hats.onnx",
                "description": "x",
                "pipelines": ["watch"],
                "failure": "the device is gone",
            },
            {"name": "looks.onnx", "description": "embedder, bf16", "pipelines": ["watch"]},
        ),
    )
    world.carry_out(world.plan())
    assert world.said("Model", "people", "Loaded") == ("True", "Loaded", "yolov8, f32")
    assert world.said("Model", "looks", "Loaded") == ("True", "Loaded", "embedder, bf16")
    assert world.said("Model", "hats", "Loaded") == ("False", "ModelRefused", "the device is gone")


def _wanted(world: World) -> Workload:
    return next(a.workload for a in world.plan().actions if isinstance(a, Ensure))


@pytest.mark.parametrize(
    ("state", "truth"), [("online", "True"), ("frozen", "False"), ("connecting", "Unknown")]
)
def test_a_camera_is_said_to_be_as_its_worker_sees_it(state: str, truth: str) -> None:
    world = World(declared(GATE))
    world.settle()
    camera = CameraReport(name="gate", state=state, reason="one picture for 10 s")
    world.reports["worker-people-0"] = msgspec.structs.replace(
        world.reports["worker-people-0"], cameras=(camera,)
    )
    world.carry_out(world.plan())
    assert world.said("Camera", "gate", "Online")[0] == truth
    assert world.resources["Camera", "gate"].status["state"] == state


def test_a_camera_that_was_given_up_has_failed_and_says_after_how_many_retries() -> None:
    world = World(declared(GATE))
    world.settle()
    camera = CameraReport(name="gate", state="lost", over=True, given_up=True, retries=3, reason="given up")
    world.reports["worker-people-0"] = msgspec.structs.replace(
        world.reports["worker-people-0"], cameras=(camera,)
    )
    world.carry_out(world.plan())
    status = world.resources["Camera", "gate"].status
    assert (status["state"], status["retries"]) == ("failed", 3)
    assert "argus restart worker-people-0" in world.said("Camera", "gate", "Online")[2]


def test_a_condition_keeps_the_time_since_when_it_is_so() -> None:
    world = World(declared(GATE))
    world.settle()
    world.now = NOW + timedelta(hours=1)
    assert world.plan() == Plan()


def test_what_others_run_is_left_alone() -> None:
    world = World(declared(GATE))
    stranger = WorkloadStatus(name="flow-robot", kind="service", state="running", since=NOW)
    world.workloads["flow-robot"] = stranger
    world.settle()
    assert world.workloads["flow-robot"] is stranger


def test_place_is_part_of_what_a_worker_is_told() -> None:
    other = reconcile(
        World(declared(GATE)).seen(), replace(PLACE, results="postgresql://db/argus"), Secrets({})
    )
    [ensure] = other.actions
    assert isinstance(ensure, Ensure)
    assert "postgresql://db/argus" in ensure.workload.config
