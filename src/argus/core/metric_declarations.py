"""The metrics themselves: names, labels and what they mean. Data only.

`argus.core.metric_registry` is what others import; who says which: workers say what is of cameras, pipelines,
models and their storage, the control plane what is of workloads, jobs and itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from argus.core.errors import UnknownName
from argus.core.metrics import LIMITS_S

Area = Literal["cameras", "pipelines", "models", "storage", "workloads", "jobs", "control plane"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric."""

    name: str
    """`argus_frames_total`: prefix, thing, unit; counters end in `_total`."""
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    """As `Samples` takes them."""
    area: Area = "control plane"
    """Row of the dashboard."""
    panel: str | None = None
    """Title of the dashboard panel that shows it; None: none does. Metrics of one title share a panel."""
    unit: str = "short"
    """What its values are, in Grafana's words: `s`, `bytes`, `percentunit`, `bool`; of a counter: what it
    counts."""
    rules: tuple[str, ...] = field(default=())
    """Names of the alert rules that read it."""
    limits: tuple[float, ...] = LIMITS_S
    """Of a histogram: upper limits of its buckets in seconds."""

    @property
    def written_labels(self) -> tuple[str, ...]:
        """The labels as they stand in the text: Prometheus overwrites `job` with its own."""
        return tuple("job_name" if label == "job" else label for label in self.labels)


_PIPELINE: Final = ("camera", "pipeline")

METRICS: Final[tuple[Metric, ...]] = (
    # What cameras give.
    Metric(
        "argus_camera_state",
        "gauge",
        "1 for the state that a camera is in, 0 for the others.",
        ("camera", "state"),
        "cameras",
        "Camera states",
        "bool",
        ("CameraLost", "CameraFrozen", "CameraPictureBad"),
    ),
    Metric(
        "argus_camera_state_seconds",
        "gauge",
        "Seconds since a camera came into its state.",
        ("camera",),
        "cameras",
        "Time in state",
        "s",
    ),
    Metric(
        "argus_camera_frames_decoded_total",
        "counter",
        "Frames decoded of a camera.",
        ("camera",),
        "cameras",
        "Frames decoded",
        "fps",
        ("CameraStreamDamaged",),
    ),
    Metric(
        "argus_camera_frames_corrupt_total",
        "counter",
        "Frames of a camera that came damaged.",
        ("camera",),
        "cameras",
        "Damaged frames",
        "fps",
        ("CameraStreamDamaged",),
    ),
    Metric(
        "argus_camera_reconnects_total",
        "counter",
        "Connections to a camera after the first.",
        ("camera",),
        "cameras",
        "Reconnects",
        "ops",
        ("CameraReconnecting",),
    ),
    # What becomes of frames.
    Metric(
        "argus_frames_total",
        "counter",
        "Frames that came to a pipeline, by what became of them: processed, gated, dropped_stale, "
        "dropped_full or corrupt; skipped: left out for the target rate.",
        (*_PIPELINE, "outcome"),
        "pipelines",
        "Frames by outcome",
        "fps",
        ("FramesDropped",),
    ),
    Metric(
        "argus_frames_waiting",
        "gauge",
        "Frames of a pipeline that wait or are being looked at.",
        _PIPELINE,
        "pipelines",
        "Frames on the way",
    ),
    Metric(
        "argus_stage_seconds",
        "histogram",
        "Seconds that frames spend in a stage: wait (decoding, gate, mailbox), infer, steps (tracking, "
        "rules, branches).",
        (*_PIPELINE, "stage"),
        "pipelines",
        "Seconds per stage",
        "s",
    ),
    Metric(
        "argus_frame_age_seconds",
        "histogram",
        "Seconds from a frame's arrival until its result was handed on.",
        _PIPELINE,
        "pipelines",
        "Age of results",
        "s",
    ),
    Metric(
        "argus_glass_to_event_seconds",
        "histogram",
        "Seconds from a frame's arrival until the event that it raised was handed on.",
        _PIPELINE,
        "pipelines",
        "Glass to event",
        "s",
        ("EventsLate",),
    ),
    Metric(
        "argus_events_total",
        "counter",
        "Events by type; pipeline is empty for those of a camera's health.",
        (*_PIPELINE, "type"),
        "pipelines",
        "Events",
        "ops",
    ),
    Metric(
        "argus_alerts_total",
        "counter",
        "Alerts by severity.",
        (*_PIPELINE, "severity"),
        "pipelines",
        "Alerts",
        "ops",
    ),
    Metric(
        "argus_pipeline_degraded",
        "gauge",
        "1 while a pipeline gives less than full service to keep up.",
        _PIPELINE,
        "pipelines",
        "Pipelines in trouble",
        "bool",
        ("PipelineDegraded",),
    ),
    Metric(
        "argus_pipeline_failed",
        "gauge",
        "1 while a pipeline cannot do what its resource asks for.",
        _PIPELINE,
        "pipelines",
        "Pipelines in trouble",
        "bool",
        ("PipelineFailed",),
    ),
    # What models do.
    Metric(
        "argus_inferences_total",
        "counter",
        "Batches that a model was run on.",
        ("model",),
        "models",
        "Inferences",
        "ops",
    ),
    Metric(
        "argus_inference_seconds",
        "gauge",
        "Mean seconds of one inference.",
        ("model",),
        "models",
        "Seconds per inference",
        "s",
    ),
    Metric(
        "argus_batch_frames",
        "gauge",
        "Mean number of frames in a batch.",
        ("model",),
        "models",
        "Batch size",
    ),
    Metric(
        "argus_batch_limit_frames",
        "gauge",
        "Largest number of frames in a batch.",
        ("model",),
        "models",
        "Batch size",
    ),
    Metric(
        "argus_model_failed",
        "gauge",
        "1 while a model cannot be run.",
        ("model",),
        "models",
        "Models that failed",
        "bool",
        ("ModelFailed",),
    ),
    Metric(
        "argus_threads_abandoned",
        "gauge",
        "Threads left to themselves in calls that did not come back.",
        (),
        "models",
        "Abandoned threads",
    ),
    # What is kept.
    Metric(
        "argus_storage_backlog_records",
        "gauge",
        "Records that wait in a worker's spool for the database.",
        (),
        "storage",
        "Storage backlog",
        rules=("StorageBacklogGrowing",),
    ),
    Metric(
        "argus_storage_dropped_records_total",
        "counter",
        "Records that found no room in the spool.",
        (),
        "storage",
        "Records dropped",
        "ops",
        ("RecordsDropped",),
    ),
    Metric(
        "argus_storage_failing",
        "gauge",
        "1 while nothing can be written to the database of results.",
        (),
        "storage",
        "Storage failing",
        "bool",
        ("StorageFailing",),
    ),
    Metric(
        "argus_clips_kept_total",
        "counter",
        "Clips of events that were cut and stored.",
        (),
        "storage",
        "Clips",
        "ops",
    ),
    Metric(
        "argus_clips_lost_total",
        "counter",
        "Clips of events that could not be made or stored, those of a killed worker included; each event "
        "says why.",
        (),
        "storage",
        "Clips",
        "ops",
        ("ClipsLost",),
    ),
    Metric(
        "argus_records",
        "gauge",
        "Records in the database of results, by kind.",
        ("kind",),
        "storage",
        "Records kept",
    ),
    Metric(
        "argus_expired_records_total",
        "counter",
        "Records removed because their time was over or there were too many, by kind.",
        ("kind",),
        "storage",
        "Records expired",
        "ops",
    ),
    Metric(
        "argus_blobs_removed_total",
        "counter",
        "Blobs removed because nothing needs them any more.",
        (),
        "storage",
        "Blobs removed",
        "ops",
    ),
    # What runs.
    Metric(
        "argus_workload_state",
        "gauge",
        "1 for the state that a workload is in, 0 for the others.",
        ("workload", "state"),
        "workloads",
        "Workload states",
        "bool",
        ("WorkloadBackingOff",),
    ),
    Metric(
        "argus_workload_ready",
        "gauge",
        "1 while a workload says that it is ready.",
        ("workload",),
        "workloads",
        "Workloads ready",
        "bool",
    ),
    Metric(
        "argus_workload_healthy",
        "gauge",
        "1 while a workload says that it is well.",
        ("workload",),
        "workloads",
        "Workloads healthy",
        "bool",
        ("WorkloadUnhealthy",),
    ),
    Metric(
        "argus_workload_restarts_total",
        "counter",
        "Starts of a workload after its process ended by itself.",
        ("workload",),
        "workloads",
        "Workload restarts",
        "ops",
        ("WorkloadRestarting",),
    ),
    Metric(
        "argus_workload_memory_bytes",
        "gauge",
        "Memory that a workload holds.",
        ("workload",),
        "workloads",
        "Workload memory",
        "bytes",
    ),
    Metric(
        "argus_workload_cpu_seconds_total",
        "counter",
        "CPU seconds of a workload's present process.",
        ("workload",),
        "workloads",
        "Workload CPUs",
        "cores",
    ),
    # What jobs do.
    Metric(
        "argus_job_state",
        "gauge",
        "1 for the state that the latest run of a job is in, 0 for the others: running, finished, failed, "
        "cancelled.",
        ("job", "state"),
        "jobs",
        "Job states",
        "bool",
        ("JobFailed", "JobStuck"),
    ),
    Metric(
        "argus_job_progress_ratio",
        "gauge",
        "How far the latest run of a job has come, 0 to 1.",
        ("job",),
        "jobs",
        "Job progress",
        "percentunit",
        ("JobStuck",),
    ),
    Metric(
        "argus_job_left_seconds",
        "gauge",
        "Seconds until the latest run of a job will be done.",
        ("job",),
        "jobs",
        "Time left",
        "s",
    ),
    Metric(
        "argus_job_frames",
        "gauge",
        "Frames that the latest run of a job has looked at.",
        ("job",),
        "jobs",
        "Frames of jobs",
    ),
    # The control plane itself.
    Metric(
        "argus_info",
        "gauge",
        "1, with the version that answers.",
        ("version",),
        rules=("Down",),
    ),
    Metric(
        "argus_uptime_seconds",
        "gauge",
        "Seconds since the process started.",
        (),
        panel="Uptime",
        unit="s",
    ),
    Metric(
        "argus_resources",
        "gauge",
        "Resources by kind.",
        ("kind",),
        panel="Resources",
    ),
    Metric(
        "argus_reconcile_seconds",
        "histogram",
        "Seconds of one round of the reconciler.",
        (),
        panel="Reconcile seconds",
        unit="s",
        rules=("ReconcilerSlow",),
    ),
    Metric(
        "argus_reconcile_actions_total",
        "counter",
        "What the reconciler did, by action.",
        ("action",),
        panel="Reconcile actions",
        unit="ops",
    ),
    Metric(
        "argus_reconcile_failures_total",
        "counter",
        "Actions of the reconciler that failed.",
        (),
        panel="Reconcile failures",
        unit="ops",
        rules=("ReconcilerFailing",),
    ),
    Metric(
        "argus_database_up",
        "gauge",
        "1 while a database answers: resources, results.",
        ("database",),
        panel="Databases",
        unit="bool",
        rules=("DatabaseDown",),
    ),
    Metric(
        "argus_api_requests_total",
        "counter",
        "Requests to the API by method, route and status.",
        ("method", "route", "status"),
        panel="API requests",
        unit="reqps",
        rules=("ApiErrors",),
    ),
    Metric(
        "argus_api_request_seconds",
        "histogram",
        "Seconds until the API had answered; streams are left out.",
        ("method", "route"),
        panel="API seconds",
        unit="s",
        rules=("ApiSlow",),
    ),
    Metric(
        "argus_api_streams",
        "gauge",
        "Clients of streams: events, alerts, watch, logs, video.",
        ("stream",),
        panel="Streams",
    ),
    Metric(
        "argus_uploads_open",
        "gauge",
        "Uploads that are not complete.",
        (),
        panel="Uploads open",
    ),
    Metric(
        "argus_uploads_total",
        "counter",
        "Uploads by outcome: complete, expired, deleted.",
        ("outcome",),
        panel="Uploads",
        unit="ops",
    ),
    Metric(
        "argus_upload_bytes_total",
        "counter",
        "Bytes taken in by uploads.",
        (),
        panel="Bytes uploaded",
        unit="Bps",
    ),
)
"""All, in the order in which they are shown. `merged` adds `workload` to what a worker says."""
_BY_NAME: Final = {one.name: one for one in METRICS}


def metric(name: str) -> Metric:
    """Return what is declared of a metric.

    Raises:
        UnknownName: it is not declared.
    """
    try:
        return _BY_NAME[name]
    except KeyError:
        raise UnknownName("metric", name, _BY_NAME) from None
