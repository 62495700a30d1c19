"""Rules by which Prometheus calls somebody, made of the declared metrics.

Each metric says which rules read it, and a test holds both against each other. What the cameras see is not
watched here: alerts of pipelines are Argus's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from argus.control.monitoring.promql import increase, quantile, rate, series, summed

PREFIX: Final = "Argus"
_OF_PIPELINE: Final = ("camera", "pipeline")


@dataclass(frozen=True, slots=True)
class Rule:
    """One alert rule."""

    name: str
    """As metrics name it; Prometheus gets it with `Argus` before it."""
    group: str
    expression: str
    lasts: str
    """How long it must hold before somebody is called."""
    severity: Literal["critical", "warning"]
    summary: str
    """One line, with the labels' values."""
    description: str
    """What it means and what to do."""


def every_rule() -> tuple[Rule, ...]:
    """Return all rules."""
    return (*_cameras(), *_pipelines(), *_storage(), *_workloads(), *_jobs(), *_control_plane())


def rules() -> dict[str, Any]:
    """Return a file of rules as Prometheus reads it, in its JSON form (which is YAML too)."""
    found = every_rule()
    return {
        "groups": [
            {
                "name": f"argus-{group}",
                "rules": [
                    {
                        "alert": f"{PREFIX}{rule.name}",
                        "expr": rule.expression,
                        "for": rule.lasts,
                        "labels": {"severity": rule.severity},
                        "annotations": {"summary": rule.summary, "description": rule.description},
                    }
                    for rule in found
                    if rule.group == group
                ],
            }
            for group in dict.fromkeys(rule.group for rule in found)
        ]
    }


def _cameras() -> tuple[Rule, ...]:
    def state(matcher: str) -> str:
        return f"{series('argus_camera_state', {'state': matcher})} == 1"

    damaged = summed(rate("argus_camera_frames_corrupt_total", "5m"), ["camera"])
    decoded = summed(rate("argus_camera_frames_decoded_total", "5m"), ["camera"])
    return (
        Rule(
            "CameraLost",
            "cameras",
            state("=lost"),
            "30s",
            "critical",
            "Camera {{ $labels.camera }} is lost",
            "It does not answer. Check its power and network, then the address in its spec.",
        ),
        Rule(
            "CameraFrozen",
            "cameras",
            state("=frozen"),
            "30s",
            "critical",
            "Camera {{ $labels.camera }} shows a picture that does not change",
            "It answers, but its picture stands still. Restart the camera.",
        ),
        Rule(
            "CameraPictureBad",
            "cameras",
            state("=~blurred|dark|covered|moved"),
            "2m",
            "warning",
            "Camera {{ $labels.camera }} is {{ $labels.state }}",
            "Its pipelines see little or the wrong place. Look at its snapshot; clean or turn it back.",
        ),
        Rule(
            "CameraStreamDamaged",
            "cameras",
            f"{damaged} / {decoded} > 0.05",
            "5m",
            "warning",
            "{{ $value | humanizePercentage }} of the frames of camera {{ $labels.camera }} are damaged",
            "Packets are lost on the way. Use TCP, a cable, or a lower bit rate.",
        ),
        Rule(
            "CameraReconnecting",
            "cameras",
            f"{increase('argus_camera_reconnects_total', '10m')} > 3",
            "0s",
            "warning",
            "Camera {{ $labels.camera }} was connected to again and again",
            "It drops its connection. Check its network, and how many clients it serves at once.",
        ),
    )


def _pipelines() -> tuple[Rule, ...]:
    dropped = rate("argus_frames_total", "5m", {"outcome": "=~dropped_stale|dropped_full"})
    came = rate("argus_frames_total", "5m", {"outcome": "!=skipped"})
    late = quantile(0.95, "argus_glass_to_event_seconds", "5m", _OF_PIPELINE)
    return (
        Rule(
            "FramesDropped",
            "pipelines",
            f"{summed(dropped, _OF_PIPELINE)} / {summed(came, _OF_PIPELINE)} > 0.2",
            "5m",
            "warning",
            "Pipeline {{ $labels.pipeline }} drops {{ $value | humanizePercentage }} of its frames",
            "The machine cannot keep up. Lower the frame rate, use a smaller model, or add a machine.",
        ),
        Rule(
            "EventsLate",
            "pipelines",
            f"{late} > 2",
            "5m",
            "warning",
            "Events of pipeline {{ $labels.pipeline }} come {{ $value | humanizeDuration }} after the fact",
            "Look at the seconds per stage on the dashboard: waiting means too little machine.",
        ),
        Rule(
            "PipelineDegraded",
            "pipelines",
            f"{series('argus_pipeline_degraded')} == 1",
            "10m",
            "warning",
            "Pipeline {{ $labels.pipeline }} gives less than full service",
            "It has stepped down its ladder to keep up. Give it more machine, or ask less of it.",
        ),
        Rule(
            "PipelineFailed",
            "pipelines",
            f"{series('argus_pipeline_failed')} == 1",
            "1m",
            "critical",
            "Pipeline {{ $labels.pipeline }} does not do what it should",
            "`argus describe pipeline {{ $labels.pipeline }}` says why.",
        ),
        Rule(
            "ModelFailed",
            "pipelines",
            f"{series('argus_model_failed')} == 1",
            "1m",
            "critical",
            "Model {{ $labels.model }} cannot be run",
            "`argus describe model {{ $labels.model }}` says why; `:rollback` brings the last one back.",
        ),
    )


def _storage() -> tuple[Rule, ...]:
    backlog = series("argus_storage_backlog_records")
    return (
        Rule(
            "StorageBacklogGrowing",
            "storage",
            f"{backlog} > 1000 and deriv({backlog}[10m]) > 0",
            "10m",
            "warning",
            "{{ $value | humanize }} records of {{ $labels.workload }} wait for the database",
            "They are kept on the worker's disk. The database is slow or away: look at it.",
        ),
        Rule(
            "RecordsDropped",
            "storage",
            f"{increase('argus_storage_dropped_records_total', '10m')} > 0",
            "0s",
            "critical",
            "Records of {{ $labels.workload }} are being dropped",
            "The spool is full, since the database has been away too long. Traces and detections go first.",
        ),
        Rule(
            "ClipsLost",
            "storage",
            f"{increase('argus_clips_lost_total', '10m')} > 0",
            "0s",
            "warning",
            "Clips of {{ $labels.workload }} are missing",
            "`argus get events` says why of each: blobs have no room, a camera is gone, a worker was killed.",
        ),
        Rule(
            "StorageFailing",
            "storage",
            f"{series('argus_storage_failing')} == 1",
            "2m",
            "critical",
            "{{ $labels.workload }} cannot write its results",
            "Events are kept on its disk meanwhile. `argus status` says what the database answers.",
        ),
    )


def _workloads() -> tuple[Rule, ...]:
    return (
        Rule(
            "WorkloadBackingOff",
            "workloads",
            f"{series('argus_workload_state', {'state': '=backing-off'})} == 1",
            "1m",
            "critical",
            "Workload {{ $labels.workload }} dies at every start",
            "`argus logs {{ $labels.workload }}` shows its last words.",
        ),
        Rule(
            "WorkloadUnhealthy",
            "workloads",
            f"{series('argus_workload_healthy')} == 0",
            "2m",
            "warning",
            "Workload {{ $labels.workload }} does not answer, or says that it is not well",
            "`argus describe workload {{ $labels.workload }}` says why.",
        ),
        Rule(
            "WorkloadRestarting",
            "workloads",
            f"{increase('argus_workload_restarts_total', '15m')} > 3",
            "0s",
            "warning",
            "Workload {{ $labels.workload }} was started again {{ $value | humanize }} times in 15 minutes",
            "`argus logs {{ $labels.workload }}` shows how it ended.",
        ),
    )


def _jobs() -> tuple[Rule, ...]:
    running = f"{series('argus_job_state', {'state': '=running'})} == 1"
    still = f"changes({series('argus_job_progress_ratio')}[30m]) == 0"
    return (
        Rule(
            "JobFailed",
            "jobs",
            f"{series('argus_job_state', {'state': '=failed'})} == 1",
            "0s",
            "warning",
            "The latest run of job {{ $labels.job_name }} failed",
            "`argus describe batchjob {{ $labels.job_name }}` says why; `:run` tries again.",
        ),
        Rule(
            "JobStuck",
            "jobs",
            f"{running} and on (job_name) {still}",
            "30m",
            "warning",
            "Job {{ $labels.job_name }} has come no further for half an hour",
            "`argus get workloads` names its process, `argus logs` shows what it is doing.",
        ),
    )


def _control_plane() -> tuple[Rule, ...]:
    failed = summed(rate("argus_api_requests_total", "5m", {"status": "=~5.."}), [])
    asked = summed(rate("argus_api_requests_total", "5m"), [])
    return (
        Rule(
            "Down",
            "control-plane",
            f"absent({series('argus_info')})",
            "2m",
            "critical",
            "The control plane does not answer",
            "Workers go on without it. `argus up -d` starts it again and it finds them.",
        ),
        Rule(
            "DatabaseDown",
            "control-plane",
            f"{series('argus_database_up')} == 0",
            "1m",
            "critical",
            "The database of {{ $labels.database }} does not answer",
            "`argus status` says what it answers. Nothing that was accepted is lost meanwhile.",
        ),
        Rule(
            "ReconcilerSlow",
            "control-plane",
            f"{quantile(0.95, 'argus_reconcile_seconds', '10m', [])} > 5",
            "10m",
            "warning",
            "A round of the reconciler takes {{ $value | humanizeDuration }}",
            "Changes come late. Look at the database of resources and at the load of the machine.",
        ),
        Rule(
            "ReconcilerFailing",
            "control-plane",
            f"{increase('argus_reconcile_failures_total', '10m')} > 5",
            "5m",
            "warning",
            "The reconciler cannot do what it should",
            "`argus status` names the problems; the conditions of resources say which are concerned.",
        ),
        Rule(
            "ApiErrors",
            "control-plane",
            f"{failed} / {asked} > 0.01",
            "5m",
            "warning",
            "{{ $value | humanizePercentage }} of the requests to the API fail",
            "`argus logs` shows the faults; `argus status` says whether a database is away.",
        ),
        Rule(
            "ApiSlow",
            "control-plane",
            f"{quantile(0.95, 'argus_api_request_seconds', '10m', ['route'])} > 1",
            "10m",
            "warning",
            "{{ $labels.route }} takes {{ $value | humanizeDuration }} to answer",
            "Ask for less at a time, or look at the database.",
        ),
    )
