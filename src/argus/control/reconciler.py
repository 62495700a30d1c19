"""What has to be done so that what runs becomes what is wanted. Pure: values in, actions and statuses out.

Level-triggered: it looks at what is, not at what has happened, and so may be asked at any time and any number
of times; asked again after its actions were carried out it wants nothing. Who asks, and carries out, is
`argus.control.loop`.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from argus.control.placement import PREFIXES, place
from argus.control.rendering import Obstacle, Rendered, render
from argus.control.runtime.protocol import Limits, Probes, Workload, WorkloadStatus
from argus.control.verdicts import camera_status, model_status, pipeline_status, pipeline_waits
from argus.core.resources.resource import Resource
from argus.core.secrets import Secrets
from argus.stream.config import PipelinePlan, StorageConfig, WorkerConfig, written
from argus.stream.report import WorkerReport

FINALIZER: Final = "argus.dev/worker"
"""Holds a pipeline until its worker has told its open events."""
Key = tuple[str, str]


class Ensure(msgspec.Struct, frozen=True):
    """Let a workload run as described."""

    workload: Workload
    verb: str
    """`start` or `update`."""
    reason: str


class Remove(msgspec.Struct, frozen=True):
    """End a workload."""

    name: str
    reason: str


class Hold(msgspec.Struct, frozen=True):
    """Set the finalizers of a resource."""

    key: Key
    uid: str
    finalizers: tuple[str, ...]
    reason: str


Action = Ensure | Remove | Hold


@dataclass(frozen=True, slots=True)
class Place:
    """Where workers keep what they have to keep, and how they are started."""

    results: str
    blobs: str
    spool: Path
    """Each worker has a folder in it."""
    limits: Limits = field(default_factory=Limits)

    def storage(self, worker: str) -> StorageConfig:
        """Return where one worker's results go."""
        return StorageConfig(results=self.results, blobs=self.blobs, spool=str(self.spool / worker))


@dataclass(frozen=True, slots=True)
class Seen:
    """All that is known at one moment."""

    resources: Sequence[Resource]
    workloads: Mapping[str, WorkloadStatus]
    reports: Mapping[str, WorkerReport]
    now: datetime


@dataclass(slots=True)
class Plan:
    """What is to be done."""

    actions: list[Action] = field(default_factory=list)
    statuses: dict[Key, dict[str, Any]] = field(default_factory=dict)
    """Of resources whose status is to be another."""


def reconcile(seen: Seen, place_: Place, secrets: Secrets) -> Plan:
    """Return what is to be done about cameras, models and pipelines; jobs are `argus.control.jobs`.

    Args:
        seen: What is wanted, and what is.
        place_: Where workers keep things.
        secrets: Where `${NAME}` is looked up.
    """
    return _Reconciling(seen, place_, secrets).plan()


class _Reconciling:
    def __init__(self, seen: Seen, place_: Place, secrets: Secrets) -> None:
        self._seen = seen
        self._place = place_
        self._secrets = secrets
        self._plan = Plan()
        self._by_kind: dict[str, dict[str, Resource]] = defaultdict(dict)
        self._going: list[Resource] = []
        for resource in seen.resources:
            if resource.metadata.deletion_timestamp is None:
                self._by_kind[resource.kind][resource.name] = resource
            elif resource.kind == "Pipeline":
                self._going.append(resource)

    def plan(self) -> Plan:
        rendered, waiting = self._render()
        workers = place(one.placed for one in rendered)
        configs = self._configs(rendered, workers)
        self._start(configs)
        self._stop(configs)
        self._hold(rendered, waiting)
        self._let_go(configs)
        self._tell(rendered, waiting, workers)
        return self._plan

    def _render(self) -> tuple[list[Rendered], list[tuple[Resource, Obstacle]]]:
        rendered: list[Rendered] = []
        waiting: list[tuple[Resource, Obstacle]] = []
        for pipeline in self._by_kind["Pipeline"].values():
            one = render(pipeline, self._by_kind["Camera"], self._by_kind["Model"], self._secrets)
            if isinstance(one, Obstacle):
                waiting.append((pipeline, one))
            else:
                rendered.append(one)
        return rendered, waiting

    def _configs(self, rendered: list[Rendered], workers: Mapping[str, str]) -> dict[str, WorkerConfig]:
        members: dict[str, list[Rendered]] = defaultdict(list)
        for one in rendered:
            members[workers[one.resource.name]].append(one)
        return {
            worker: WorkerConfig(
                worker=worker,
                storage=self._place.storage(worker),
                cameras={one.camera: one.camera_spec for one in sorted(inside, key=lambda o: o.camera)},
                pipelines={
                    one.resource.name: PipelinePlan(
                        camera=one.camera, spec=one.spec, generation=one.resource.metadata.generation
                    )
                    for one in inside
                },
            )
            for worker, inside in sorted(members.items())
        }

    def _start(self, configs: Mapping[str, WorkerConfig]) -> None:
        for worker, config in configs.items():
            wanted = Workload(
                name=worker,
                command=(sys.executable, "-m", "argus.stream.worker"),
                config=written(config),
                limits=self._place.limits,
                probes=Probes(readiness="/readyz", liveness="/healthz"),
            )
            status = self._seen.workloads.get(worker)
            if status is None:
                names = ", ".join(config.pipelines)
                self._plan.actions.append(Ensure(wanted, "start", f"pipelines {names} want a worker"))
            elif status.workload != wanted:
                self._plan.actions.append(Ensure(wanted, "update", _difference(status.workload, wanted)))

    def _stop(self, configs: Mapping[str, WorkerConfig]) -> None:
        for name in self._seen.workloads:
            if name.startswith(PREFIXES) and name not in configs:
                self._plan.actions.append(Remove(name, "no pipeline wants it any more"))

    def _hold(self, rendered: Sequence[Rendered], waiting: Sequence[tuple[Resource, Obstacle]]) -> None:
        for resource in (*(one.resource for one in rendered), *(one for one, _ in waiting)):
            metadata = resource.metadata
            if FINALIZER not in metadata.finalizers:
                self._plan.actions.append(
                    Hold(
                        resource.key,
                        metadata.uid,
                        (*metadata.finalizers, FINALIZER),
                        "its worker has to end it before it goes",
                    )
                )

    def _let_go(self, configs: Mapping[str, WorkerConfig]) -> None:
        for resource in self._going:
            metadata = resource.metadata
            if FINALIZER not in metadata.finalizers or self._still_runs(resource.name, configs):
                continue
            left = tuple(f for f in metadata.finalizers if f != FINALIZER)
            self._plan.actions.append(Hold(resource.key, metadata.uid, left, "no worker runs it any more"))

    def _still_runs(self, pipeline: str, configs: Mapping[str, WorkerConfig]) -> bool:
        for name, status in self._seen.workloads.items():
            if not name.startswith(PREFIXES) or status.workload is None:
                continue
            report = self._seen.reports.get(name)
            if report is not None and any(p.name == pipeline for p in report.pipelines):
                return True
            # A worker that does not answer may still run what its last config said.
            if report is None and status.pid is not None and _mentions(status.workload.config, pipeline):
                return True
            if name not in configs and status.pid is not None and report is None:
                return True
        return False

    def _tell(
        self,
        rendered: Sequence[Rendered],
        waiting: Sequence[tuple[Resource, Obstacle]],
        workers: Mapping[str, str],
    ) -> None:
        seen = self._seen
        watchers: dict[str, list[str]] = defaultdict(list)
        readers: dict[str, str] = {}
        for resource, obstacle in waiting:
            self._set(resource, pipeline_waits(resource, obstacle, seen.now))
        for one in rendered:
            name = one.resource.name
            worker = workers[name]
            watchers[one.camera].append(name)
            readers.setdefault(one.camera, worker)
            self._set(
                one.resource,
                pipeline_status(
                    one.resource, worker, seen.workloads.get(worker), seen.reports.get(worker), seen.now
                ),
            )
        for camera in self._by_kind["Camera"].values():
            reader = readers.get(camera.name, "")
            self._set(
                camera,
                camera_status(
                    camera,
                    watchers[camera.name],
                    seen.workloads.get(reader),
                    seen.reports.get(reader),
                    seen.now,
                ),
            )
        for model in self._by_kind["Model"].values():
            users = [p.name for p in self._by_kind["Pipeline"].values() if _names(p.spec, model.name)]
            loaded, failure = self._model_seen(model, users)
            self._set(model, model_status(model, users, loaded, failure, seen.now))

    def _model_seen(self, model: Resource, users: Sequence[str]) -> tuple[str | None, str | None]:
        path = model.spec.get("path")
        for report in self._seen.reports.values():
            for pipeline in report.pipelines:
                if pipeline.name in users and pipeline.reason.startswith("Model"):
                    return None, pipeline.message
            for opened in report.models:
                if opened.get("failure") and set(opened.get("pipelines", ())) & set(users):
                    return None, str(opened["failure"])
                if opened.get("name") == path or set(opened.get("pipelines", ())) & set(users):
                    return str(opened.get("description", "")), None
        return None, None

    def _set(self, resource: Resource, status: dict[str, Any]) -> None:
        if resource.status != status:
            self._plan.statuses[resource.key] = status


def _difference(before: Workload | None, after: Workload) -> str:
    if before is None:
        return "it is not known what it was told"
    if msgspec.structs.replace(before, config=after.config) != after:
        return "its command or limits are others: it is started again"
    try:
        was = msgspec.json.decode(before.config)
        now = msgspec.json.decode(after.config)
        changes = [
            f"{section[:-1]} {name} {word}"
            for section in ("cameras", "pipelines")
            for names, word in (
                (now[section].keys() - was[section].keys(), "is new"),
                (was[section].keys() - now[section].keys(), "is gone"),
                ({n for n in now[section].keys() & was[section].keys() if now[section][n] != was[section][n]},
                 "has changed"),
            )
            for name in sorted(names)
        ]  # fmt: skip
    except (msgspec.DecodeError, KeyError, AttributeError, TypeError):
        return "its config is another"
    return "; ".join(changes) or "its config is another"


def _mentions(config: str, pipeline: str) -> bool:
    try:
        return pipeline in msgspec.json.decode(config)["pipelines"]
    except (msgspec.DecodeError, KeyError, TypeError):
        return False


def _names(value: Any, model: str) -> bool:
    """Return whether a pipeline's spec names a model, anywhere that a model may stand."""
    if isinstance(value, dict):
        named = value.get("model") == model or value.get("appearance_model") == model
        return named or any(_names(inner, model) for inner in value.values())
    return isinstance(value, list) and any(_names(inner, model) for inner in value)
