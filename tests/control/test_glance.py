"""What is said of a pipeline and a camera in one word, in each situation they can be in."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from argus.control.glance import camera_glance, pipeline_glance
from argus.control.runtime.protocol import WorkloadStatus
from argus.core.resources import phases
from argus.core.resources.resource import Metadata, Resource
from argus.stream.report import CameraReport, PipelineReport, WorkerReport

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PIPELINE = Resource(kind="Pipeline", metadata=Metadata(name="watch", generation=2), spec={"camera": "gate"})
RUNS = WorkloadStatus(name="worker-0", kind="service", state="running", pid=7, ready=True, since=NOW)
LOOKS = PipelineReport(name="watch", camera="gate", generation=2, frames={"processed": 9})
ONLINE = CameraReport(name="gate", state="online")
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "resources.md"


def workload(**changes: Any) -> WorkloadStatus:
    return msgspec.structs.replace(RUNS, **changes)


def told(
    *, pipeline: dict[str, Any] | None = None, camera: dict[str, Any] | None = None, **changes: Any
) -> WorkerReport:
    """Return the report of a worker in which all is well but for these changes."""
    return WorkerReport(
        worker="worker-0",
        pid=7,
        started_at=NOW,
        ready=True,
        healthy=True,
        cameras=(msgspec.structs.replace(ONLINE, **(camera or {})),),
        pipelines=(msgspec.structs.replace(LOOKS, **(pipeline or {})),),
        **changes,
    )


FAILED_MODEL = {"name": "people", "failure": "out of memory", "pipelines": ["watch"]}
GIVEN_UP = {
    "over": True,
    "given_up": True,
    "retries": 3,
    "state": "lost",
    "reason": "given up after 3 retries: 10.0.0.5 does not answer",
}
DEAD = {"pid": None, "ready": False, "restarts": 3, "reason": "exit code 1"}


SITUATIONS: dict[str, tuple[WorkloadStatus | None, WorkerReport | None, str]] = {
    "no worker yet": (None, None, "Starting False WorkerStarting"),
    "worker begins": (workload(state="starting", ready=False), None, "Starting False WorkerStarting"),
    "worker died": (workload(state="backing-off", **DEAD), None, "Restarting False WorkerDied"),
    "worker given up": (workload(state="failed", **DEAD), None, "Failed False WorkerFailed"),
    "worker silent": (workload(), None, "Unknown Unknown WorkerSilent"),
    "not taken up": (workload(), told(pipeline={"name": "other"}), "Starting False WorkerStarting"),
    "model is being opened": (
        workload(),
        told(pipeline={"generation": 0, "reason": "Starting", "message": "its model is being opened"}),
        "Starting False Starting",
    ),
    "old generation": (workload(), told(pipeline={"generation": 1}), "Updating False Updating"),
    "refused change": (
        workload(),
        told(pipeline={"generation": 1, "refused_generation": 2, "reason": "ModelUnreadable"}),
        "Degraded False ModelUnreadable",
    ),
    "refused from the start": (
        workload(),
        told(pipeline={"generation": 0, "refused_generation": 2, "reason": "ModelUnreadable"}),
        "Failed False ModelUnreadable",
    ),
    "refused config": (
        workload(),
        told(pipeline={"generation": 1}, config_problem="no JSON"),
        "Degraded False ConfigRefused",
    ),
    "a step fails": (
        workload(),
        told(pipeline={"reason": "StepFailed", "message": "no such class"}),
        "Failed False StepFailed",
    ),
    "model gone": (workload(), told(models=(FAILED_MODEL,)), "Failed False ModelFailed"),
    "camera connects": (workload(), told(camera={"state": "connecting"}), "Starting False CameraConnecting"),
    "camera lost": (workload(), told(camera={"state": "lost"}), "Degraded False CameraLost"),
    "camera frozen": (workload(), told(camera={"state": "frozen"}), "Degraded False CameraFrozen"),
    "camera dark": (workload(), told(camera={"state": "dark"}), "Degraded True CameraDark"),
    "camera covered": (workload(), told(camera={"state": "covered"}), "Degraded True CameraCovered"),
    "camera blurred": (workload(), told(camera={"state": "blurred"}), "Degraded True CameraBlurred"),
    "camera moved": (workload(), told(camera={"state": "moved"}), "Degraded True CameraMoved"),
    "recording ended": (workload(), told(camera={"over": True}), "Ended False Ended"),
    "camera given up": (
        workload(),
        told(camera=GIVEN_UP),
        "Failed False CameraGivenUp",
    ),
    "no frame yet": (workload(), told(pipeline={"frames": {"decoded": 3}}), "Starting False NoFrameYet"),
    "nothing stored": (workload(), told(storage_problem="disk full"), "Degraded True StorageFailing"),
    "less service": (workload(), told(pipeline={"rung": "half the frames"}), "Degraded True ServiceReduced"),
    "nothing moves": (workload(), told(pipeline={"frames": {"gated": 5}}), "Running True Running"),
    "all is well": (workload(), told(), "Running True Running"),
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_pipelines_phase_says_how_it_is(situation: str) -> None:
    status, report, expected = SITUATIONS[situation]
    glance = pipeline_glance(PIPELINE, "worker-0", status, report)
    assert f"{glance.phase} {glance.ready} {glance.reason}" == expected


def test_the_camera_of_another_pipeline_does_not_matter() -> None:
    other = CameraReport(name="yard", state="lost", reason="no route")
    report = msgspec.structs.replace(told(), cameras=(other, ONLINE))
    assert pipeline_glance(PIPELINE, "worker-0", workload(), report).phase == "Running"


def test_why_a_camera_is_lost_stands_in_the_pipelines_message() -> None:
    report = told(camera={"state": "lost", "reason": "10.0.0.5 does not answer"})
    message = pipeline_glance(PIPELINE, "worker-0", workload(), report).message
    assert message == "camera gate is lost: 10.0.0.5 does not answer"


def test_what_to_do_about_a_camera_that_was_given_up_stands_in_the_messages() -> None:
    report = told(camera=GIVEN_UP)
    said = (
        "given up after 3 retries: 10.0.0.5 does not answer; `argus restart worker-0`, or a change of the"
        " camera, calls it again"
    )
    assert camera_glance("gate", workload(), report).message == f"it was {said}"
    assert pipeline_glance(PIPELINE, "worker-0", workload(), report).message == f"camera gate was {said}"


@pytest.mark.parametrize(
    ("status", "report", "phase", "reason"),
    [
        (None, None, "connecting", "WorkerStarting"),
        (workload(state="starting", ready=False), None, "connecting", "WorkerStarting"),
        (workload(state="backing-off", **DEAD), None, "unknown", "WorkerDied"),
        (workload(state="failed", **DEAD), None, "unknown", "WorkerFailed"),
        (workload(), None, "unknown", "WorkerSilent"),
        (workload(), told(camera={"state": "connecting"}), "connecting", "Connecting"),
        (workload(), told(camera={"state": "frozen"}), "frozen", "Frozen"),
        (workload(), told(camera={"over": True}), "ended", "Ended"),
        (workload(), told(camera=GIVEN_UP), "failed", "GivenUp"),
        (workload(), told(camera={**GIVEN_UP, "state": "online"}), "failed", "GivenUp"),
        (workload(), told(), "online", "Online"),
    ],
)
def test_a_cameras_state_says_how_it_is(
    status: WorkloadStatus | None, report: WorkerReport | None, phase: str, reason: str
) -> None:
    glance = camera_glance("gate", status, report)
    assert (glance.phase, glance.reason) == (phase, reason)


@pytest.mark.parametrize(
    ("words", "meanings"),
    [
        (phases.PipelinePhase, phases.PIPELINE_PHASES),
        (phases.CameraPhase, phases.CAMERA_PHASES),
        (phases.JobPhase, phases.JOB_PHASES),
    ],
)
def test_every_phase_has_a_meaning_that_the_reference_tells(words: Any, meanings: dict[str, str]) -> None:
    page = PAGE.read_text("utf-8")
    assert list(get_args(words)) == list(meanings)
    for word, meaning in meanings.items():
        assert f"| `{word}` | {meaning} |" in page
