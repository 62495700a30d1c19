"""The control plane as one object: what the API answers from, and what keeps the reconciler going."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from argus.control.runtime.protocol import Runtime, WorkloadStatus
from argus.control.store.protocol import ResourceStore
from argus.core.metric_registry import Samples
from argus.core.secrets import Secrets
from argus.core.settings import Settings
from argus.storage.blobs import Blobs
from argus.storage.protocol import ResultStore
from argus.stream.report import WorkerReport


@dataclass(frozen=True, slots=True)
class Decision:
    """One thing that the reconciler did, and why."""

    at: datetime
    action: str
    """`start`, `update`, `stop`, `restart`, `release`, `run`, `expire`."""
    subject: str
    """The workload or resource: `worker-people-0`, `Pipeline/gate`."""
    reason: str


@dataclass(slots=True)
class Plane:
    """The parts; each is used from one event loop."""

    settings: Settings
    store: ResourceStore
    results: ResultStore
    blobs: Blobs
    runtime: Runtime
    secrets: Secrets
    started_at: datetime
    workloads: Mapping[str, WorkloadStatus] = field(default_factory=dict)
    """As last seen."""
    reports: Mapping[str, WorkerReport] = field(default_factory=dict)
    """By workload, as last heard; of those that answer."""
    decisions: deque[Decision] = field(default_factory=lambda: deque(maxlen=1000))
    """The latest last."""
    problems: dict[str, str] = field(default_factory=dict)
    """What is wrong with the control plane itself, by part: `results`: why it does not answer."""
    wake: Callable[[], None] = lambda: None
    """Lets the reconciler look now."""
    samplers: list[Callable[[Samples], None]] = field(default_factory=list)
    """Each says what a part has counted, whenever `/metrics` is asked for; quick, and from the event loop."""
    allow_private: bool = False
    """True lets the server fetch from private addresses for users."""

    def worker_of_camera(self, camera: str) -> str | None:
        """Return the base URL of a worker that reads a camera, `http://127.0.0.1:PORT`; None: none does."""
        return self._address(lambda report: any(c.name == camera for c in report.cameras))

    def worker_of_pipeline(self, pipeline: str) -> str | None:
        """Return the base URL of the worker that runs a pipeline; None: none does."""
        return self._address(lambda report: any(p.name == pipeline for p in report.pipelines))

    def _address(self, fits: Callable[[WorkerReport], bool]) -> str | None:
        for name, report in self.reports.items():
            status = self.workloads.get(name)
            if status is not None and status.port is not None and fits(report):
                return f"http://127.0.0.1:{status.port}"
        return None
