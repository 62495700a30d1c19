"""What is said of a pipeline, a camera and a model: conditions made of what is known of their worker. Pure.

Conditions follow Kubernetes' conventions; a reason is for programs, a message for people and says what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from argus.control.glance import camera_glance, pipeline_glance
from argus.control.rendering import Obstacle
from argus.control.runtime.protocol import WorkloadStatus
from argus.core.resources.resource import Condition, Resource, Truth, with_conditions
from argus.stream.report import WorkerReport


class Teller:
    """Makes the conditions of one resource at one moment."""

    def __init__(self, resource: Resource, now: datetime) -> None:
        self._resource = resource
        self._now = now
        self._said: list[Condition] = []

    def say(self, type_: str, truth: Truth | bool, reason: str, message: str = "") -> None:
        """Say one condition."""
        status: Truth = truth if isinstance(truth, str) else "True" if truth else "False"
        self._said.append(
            Condition(
                type=type_,
                status=status,
                reason=reason,
                message=message,
                last_transition_time=self._now,
                observed_generation=self._resource.metadata.generation,
            )
        )

    def status(self, **facts: Any) -> dict[str, Any]:
        """Return a whole status; facts that are None are left out."""
        return {
            "observedGeneration": self._resource.metadata.generation,
            **{key: value for key, value in facts.items() if value is not None},
            "conditions": with_conditions(self._resource.conditions, self._said),
        }


def pipeline_waits(resource: Resource, obstacle: Obstacle, now: datetime) -> dict[str, Any]:
    """Return the status of a pipeline that cannot run yet."""
    teller = Teller(resource, now)
    teller.say("Accepted", False, obstacle.reason, obstacle.message)
    teller.say("Ready", False, obstacle.reason, obstacle.message)
    return teller.status(phase="Waiting", camera=resource.spec.get("camera"))


def pipeline_status(
    resource: Resource,
    worker: str,
    workload: WorkloadStatus | None,
    report: WorkerReport | None,
    now: datetime,
) -> dict[str, Any]:
    """Return the status of a pipeline that has a worker."""
    teller = Teller(resource, now)
    teller.say("Accepted", True, "Resolved", "its camera, models and secrets are there")
    glance = pipeline_glance(resource, worker, workload, report)
    teller.say("Ready", glance.ready, glance.reason, glance.message)
    mine = next((p for p in report.pipelines if p.name == resource.name), None) if report else None
    if report is not None and mine is not None and any(c.name == mine.camera for c in report.cameras):
        _, online, reason, message = camera_glance(mine.camera, workload, report)
        teller.say("CameraOnline", online, reason, message)
    return teller.status(
        phase=glance.phase,
        worker=worker,
        camera=resource.spec.get("camera"),
        model=mine.model or None if mine else None,
        rung=mine.rung if mine and mine.rung != "full service" else None,
    )


def camera_status(
    resource: Resource,
    users: Sequence[str],
    workload: WorkloadStatus | None,
    report: WorkerReport | None,
    now: datetime,
) -> dict[str, Any]:
    """Return the status of a camera.

    Args:
        resource: The camera.
        users: Pipelines that look at it.
        workload: The worker that reads it, where there is one.
        report: What that says.
        now: The wall clock's time.
    """
    teller = Teller(resource, now)
    if not users:
        teller.say("Online", "Unknown", "NotWatched", "no pipeline looks at it, so nobody opens it")
        return teller.status(state="unused")
    glance = camera_glance(resource.name, workload, report)
    teller.say("Online", glance.online, glance.reason, glance.message)
    mine = next((c for c in report.cameras if c.name == resource.name), None) if report else None
    return teller.status(
        state=glance.phase,
        pipelines=sorted(users),
        retries=mine.retries if mine is not None and mine.given_up else None,
        resolution=f"{mine.width}x{mine.height}" if mine is not None and mine.width else None,
    )


def model_status(
    resource: Resource, users: Sequence[str], loaded: str | None, failure: str | None, now: datetime
) -> dict[str, Any]:
    """Return the status of a model.

    Args:
        resource: The model.
        users: Pipelines that name it.
        loaded: How the engine describes it, where some worker has it open.
        failure: Why some worker could not open it.
        now: The wall clock's time.
    """
    teller = Teller(resource, now)
    if failure:
        teller.say("Loaded", False, "ModelRefused", failure)
    elif loaded:
        teller.say("Loaded", True, "Loaded", loaded)
    elif users:
        teller.say("Loaded", "Unknown", "Waiting", "no worker has opened it yet")
    else:
        teller.say("Loaded", "Unknown", "NotUsed", "no pipeline names it")
    return teller.status(usedBy=sorted(users) or None, description=loaded)
