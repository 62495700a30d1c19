"""Which resources are to be told something else of, and what: their new statuses.

Of whom nothing has changed that a status is made of, and who was right the last time, is right now; only the
others are looked at. What is said is `argus.control.verdicts`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from argus.control.outlook import Outlook, outlook
from argus.control.plan import Key, Seen
from argus.control.rendering import Obstacle, Rendered
from argus.control.verdicts import camera_status, model_status, pipeline_status, pipeline_waits
from argus.core.resources.resource import Resource

_Right = tuple[Resource, object, object]
"""Who has the status that it should have, of whom else that was made, and what was seen of it."""


@dataclass(frozen=True, slots=True)
class Known:
    """What there is, brought together."""

    pipelines: Mapping[str, Resource]
    cameras: Mapping[str, Resource]
    models: Mapping[str, Resource]
    rendered: Mapping[str, Rendered | Obstacle]
    workers: Mapping[str, str]
    """By pipeline."""
    users: Mapping[str, Sequence[str]]
    """Pipelines by the model that they name."""


class Telling:
    """Remembers of whom nothing new is to be said, and why that is so."""

    def __init__(self) -> None:
        """Begin with nobody known."""
        self._right: dict[Key, _Right] = {}
        self._outlooks: dict[str, Outlook] = {}

    def statuses(self, seen: Seen, known: Known) -> dict[Key, dict[str, Any]]:
        """Return the statuses that are to be others."""
        self._outlooks = self._looked(seen)
        round_ = _Round(seen, known, self._outlooks, self._right)
        round_.pipelines()
        round_.cameras()
        round_.models()
        self._right = round_.right
        return round_.statuses

    def _looked(self, seen: Seen) -> dict[str, Outlook]:
        """Return the outlook of each worker; the very object as before, where it is an equal one."""
        looked = {}
        for name, workload in seen.workloads.items():
            now = outlook(workload, seen.reports.get(name))
            before = self._outlooks.get(name)
            looked[name] = before if before == now and before is not None else now
        return looked


class _Round:
    """Statuses at one moment."""

    def __init__(
        self,
        seen: Seen,
        known: Known,
        outlooks: Mapping[str, Outlook],
        right: Mapping[Key, _Right],
    ) -> None:
        self.statuses: dict[Key, dict[str, Any]] = {}
        self.right: dict[Key, _Right] = {}
        self._seen = seen
        self._known = known
        self._outlooks = outlooks
        self._before = right
        self._watchers: dict[str, list[str]] = defaultdict(list)
        self._readers: dict[str, str] = {}

    def pipelines(self) -> None:
        """Tell of pipelines, and see which cameras they look at."""
        seen, known = self._seen, self._known
        for name, one in known.rendered.items():
            resource = known.pipelines[name]
            if isinstance(one, Obstacle):
                if not self._is_right(resource, "", one):
                    self._set(resource, "", one, pipeline_waits(resource, one, seen.now))
                continue
            worker = known.workers[name]
            self._watchers[one.camera].append(name)
            self._readers.setdefault(one.camera, worker)
            looks = self._outlooks.get(worker)
            if not self._is_right(resource, worker, looks):
                workload, report = seen.workloads.get(worker), seen.reports.get(worker)
                status = pipeline_status(resource, worker, workload, report, seen.now)
                self._set(resource, worker, looks, status)

    def cameras(self) -> None:
        """Tell of cameras."""
        seen = self._seen
        for camera in self._known.cameras.values():
            reader, users = self._readers.get(camera.name, ""), self._watchers.get(camera.name, [])
            looks = self._outlooks.get(reader)
            if not self._is_right(camera, users, looks):
                workload, report = seen.workloads.get(reader), seen.reports.get(reader)
                self._set(camera, users, looks, camera_status(camera, users, workload, report, seen.now))

    def models(self) -> None:
        """Tell of models."""
        paths = {str(model.spec.get("path")) for model in self._known.models.values()}
        for model in self._known.models.values():
            users = self._known.users.get(model.name, ())
            loaded, failure = self._model_seen(model, set(users), paths)
            self._set(model, users, None, model_status(model, users, loaded, failure, self._seen.now))

    def _model_seen(self, model: Resource, users: set[str], paths: set[str]) -> tuple[str | None, str | None]:
        """Return how some worker describes a model, or why some worker could not open it.

        Args:
            model: It.
            users: Pipelines that name it, for what they find or in a branch.
            paths: Those of all models: what is open by one of them is that model.
        """
        path = str(model.spec.get("path"))
        for report in self._seen.reports.values():
            for pipeline in report.pipelines:
                if pipeline.reason.startswith("Model") and pipeline.name in users:
                    return None, pipeline.message
            for opened in (*report.models, *report.branch_models):
                ours = not users.isdisjoint(opened.get("pipelines", ()))
                name = opened.get("name", "")
                if name != path and (not ours or name in paths):
                    continue
                if opened.get("failure") and ours:
                    return None, str(opened["failure"])
                return str(opened.get("description", "")), None
        return None, None

    def _is_right(self, resource: Resource, of: object, looks: object) -> bool:
        """Return whether a resource has the status that it should have, as was found before."""
        key = resource.key
        before = self._before.get(key)
        if before is None or before[0] is not resource or before[1] != of or before[2] is not looks:
            return False
        self.right[key] = before
        return True

    def _set(self, resource: Resource, of: object, looks: object, status: dict[str, Any]) -> None:
        if resource.status != status:
            self.statuses[resource.key] = status
        else:
            self.right[resource.key] = (resource, of, looks)
