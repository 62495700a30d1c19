"""What of a worker may change what is said of its cameras, models and pipelines; the rest are figures. Pure.

Two equal outlooks give equal statuses: so it is known, without making them, that there is nothing new to say.
"""

from __future__ import annotations

from argus.control.glance import has_looked
from argus.control.runtime.protocol import WorkloadStatus
from argus.stream.report import WorkerReport

Outlook = tuple[object, ...]


def outlook(workload: WorkloadStatus | None, report: WorkerReport | None) -> Outlook:
    """Return what may change a status; equal values mean that none changes."""
    return _of_workload(workload), _of_report(report)


def _of_workload(status: WorkloadStatus | None) -> object:
    if status is None:
        return None
    return (
        status.state,
        status.pid,
        status.starts,
        status.restarts,
        status.ready,
        status.reason,
        status.last_exit,
        status.last_lines,
    )


def _of_report(report: WorkerReport | None) -> object:
    if report is None:
        return None
    pipelines = [
        (
            p.name,
            p.camera,
            p.generation,
            p.model,
            p.reason,
            p.message,
            p.rung,
            p.refused_generation,
            has_looked(p),
        )
        for p in report.pipelines
    ]
    cameras = [(c.name, c.state, c.reason, c.over, c.given_up, c.width, c.height) for c in report.cameras]
    models = [
        (m.get("name"), m.get("description"), m.get("failure"), tuple(m.get("pipelines", ())))
        for m in report.models
    ]
    of_worker = (report.ready, report.config, report.config_problem, report.storage_problem)
    return of_worker, pipelines, cameras, models
