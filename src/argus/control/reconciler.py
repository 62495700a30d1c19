"""What has to be done so that what runs becomes what is wanted. Values in, actions and statuses out.

Level-triggered: it looks at what is, not at what has happened, and so may be asked at any time and any number
of times; asked again after its actions were carried out it wants nothing. It remembers what it made of things
that have not changed, which makes it faster and changes nothing of what it says. Who asks, and carries out,
is `argus.control.loop`.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from argus.control.placement import PREFIXES, Placed, place
from argus.control.plan import FINALIZER, Action, Ensure, Hold, Place, Plan, Remove, Seen
from argus.control.rendering import Rendered
from argus.control.renderings import Renderings
from argus.control.runtime.protocol import Probes, Workload
from argus.control.telling import Known, Telling
from argus.core.resources.resource import Resource
from argus.core.secrets import Secrets
from argus.stream.config import PipelinePlan, WorkerConfig, written


def reconcile(seen: Seen, place_: Place, secrets: Secrets) -> Plan:
    """Return what is to be done about cameras, models and pipelines; jobs are `argus.control.jobs`.

    Args:
        seen: What is wanted, and what is.
        place_: Where workers keep things.
        secrets: Where `${NAME}` is looked up.
    """
    return Reconciler(place_, secrets).plan(seen)


@dataclass(slots=True)
class _Worker:
    """A worker as it is wanted, and of what that was made."""

    members: list[Rendered]
    workload: Workload


class Reconciler:
    """Reconciles again and again; each time as `reconcile` would, which has seen nothing before."""

    def __init__(self, place_: Place, secrets: Secrets) -> None:
        """Begin with nothing known; see `reconcile`."""
        self._place = place_
        self._renderings = Renderings(secrets)
        self._telling = Telling()
        self._places: dict[str, tuple[Rendered, Placed]] = {}
        self._placed: list[Placed] = []
        self._workers: dict[str, str] = {}
        self._wanted: dict[str, _Worker] = {}

    def plan(self, seen: Seen) -> Plan:
        """Return what is to be done now."""
        by_kind: dict[str, dict[str, Resource]] = defaultdict(dict)
        going = []
        for resource in seen.resources:
            if resource.metadata.deletion_timestamp is None:
                by_kind[resource.kind][resource.name] = resource
            elif resource.kind == "Pipeline":
                going.append(resource)
        pipelines, cameras, models = by_kind["Pipeline"], by_kind["Camera"], by_kind["Model"]
        rendered = self._renderings.of(pipelines, cameras, models)
        ready = [one for one in rendered.values() if isinstance(one, Rendered)]
        self._settle(ready, pipelines)
        self._want(ready)
        actions: list[Action] = [*self._start(seen), *self._stop(seen), *_hold(pipelines.values())]
        actions += self._let_go(going, seen) if going else ()
        users: dict[str, list[str]] = defaultdict(list)
        for name, pipeline in pipelines.items():
            for model in self._renderings.traits(pipeline).models:
                users[model].append(name)
        known = Known(pipelines, cameras, models, rendered, self._workers, users)
        return Plan(actions, self._telling.statuses(seen, known))

    def _settle(self, ready: list[Rendered], pipelines: Mapping[str, Resource]) -> None:
        """See which pipeline belongs to which worker."""
        places = {}
        for one in ready:
            worker = pipelines[one.name].status.get("worker")
            place_ = self._places.get(one.name)
            if place_ is None or place_[0] is not one or place_[1].worker != worker:
                pack = one.spec.placement.pack
                place_ = (one, Placed(one.name, one.camera, one.calls, pack, worker=worker))
            places[one.name] = place_
        self._places = places
        placed = [place_ for _, place_ in places.values()]
        if placed != self._placed:
            self._placed, self._workers = placed, place(placed)

    def _want(self, ready: list[Rendered]) -> None:
        """See what each worker is to do."""
        members: dict[str, list[Rendered]] = defaultdict(list)
        for one in ready:
            members[self._workers[one.name]].append(one)
        wanted = {}
        for name, inside in sorted(members.items()):
            before = self._wanted.get(name)
            same = before is not None and before.members == inside
            wanted[name] = before if before is not None and same else self._worker(name, inside)
        self._wanted = wanted

    def _worker(self, name: str, inside: list[Rendered]) -> _Worker:
        config = WorkerConfig(
            worker=name,
            storage=self._place.storage(name),
            cameras={one.camera: one.camera_spec for one in sorted(inside, key=lambda o: o.camera)},
            pipelines={
                one.name: PipelinePlan(camera=one.camera, spec=one.spec, generation=one.generation)
                for one in inside
            },
        )
        workload = Workload(
            name=name,
            command=(sys.executable, "-m", "argus.stream.worker"),
            config=written(config),
            limits=self._place.limits,
            probes=Probes(readiness="/readyz", liveness="/healthz"),
        )
        return _Worker(inside, workload)

    def _start(self, seen: Seen) -> Iterator[Action]:
        for name, worker in self._wanted.items():
            status = seen.workloads.get(name)
            if status is None:
                names = ", ".join(one.name for one in worker.members)
                yield Ensure(worker.workload, "start", f"pipelines {names} want a worker")
            elif status.workload != worker.workload:
                yield Ensure(worker.workload, "update", _difference(status.workload, worker.workload))

    def _stop(self, seen: Seen) -> Iterator[Action]:
        for name in seen.workloads:
            if name.startswith(PREFIXES) and name not in self._wanted:
                yield Remove(name, "no pipeline wants it any more")

    def _let_go(self, going: Sequence[Resource], seen: Seen) -> Iterator[Action]:
        lives, unheard = self._still_run(seen)
        for resource in going:
            metadata = resource.metadata
            if FINALIZER not in metadata.finalizers or unheard or resource.name in lives:
                continue
            left = tuple(f for f in metadata.finalizers if f != FINALIZER)
            yield Hold(resource.key, metadata.uid, left, "no worker runs it any more")

    def _still_run(self, seen: Seen) -> tuple[set[str], bool]:
        """Return which pipelines some worker may still run, and whether it may be any of them."""
        lives: set[str] = set()
        unheard = False
        for name, status in seen.workloads.items():
            if not name.startswith(PREFIXES) or status.workload is None:
                continue
            report = seen.reports.get(name)
            if report is not None:
                lives.update(pipeline.name for pipeline in report.pipelines)
            elif status.pid is not None:
                # A worker that does not answer may still run what its last config said, or the one before.
                lives.update(_pipelines_in(status.workload.config))
                unheard |= name not in self._wanted
        return lives, unheard


def _hold(pipelines: Iterable[Resource]) -> Iterator[Action]:
    for resource in pipelines:
        metadata = resource.metadata
        if FINALIZER not in metadata.finalizers:
            finalizers = (*metadata.finalizers, FINALIZER)
            yield Hold(resource.key, metadata.uid, finalizers, "its worker has to end it before it goes")


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


def _pipelines_in(config: str) -> set[str]:
    try:
        return set(msgspec.json.decode(config)["pipelines"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return set()
