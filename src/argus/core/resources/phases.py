"""How a resource is doing at a glance: the words of `status.phase` and of a camera's `status.state`.

One word each for people and programs; why it is so stands in the conditions. What the words follow from is
`argus.control`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

PipelinePhase = Literal[
    "Waiting", "Starting", "Updating", "Running", "Degraded", "Ended", "Restarting", "Failed", "Unknown"
]
CameraPhase = Literal[
    "unused",
    "connecting",
    "online",
    "frozen",
    "lost",
    "blurred",
    "dark",
    "covered",
    "moved",
    "ended",
    "failed",
    "unknown",
]
JobPhase = Literal[
    "Pending", "Running", "Suspended", "Succeeded", "Failed", "Cancelled", "Scheduled", "Terminating"
]

PIPELINE_PHASES: Final[Mapping[PipelinePhase, str]] = {
    "Waiting": "It names a camera or a secret that is not there, or cannot be understood.",
    "Starting": "Its worker, its model or its camera is being started; no frame was looked at yet.",
    "Updating": "Its worker still does what was declared before.",
    "Running": "Its frames are being looked at.",
    "Degraded": "It does less than it should: its camera is ill, nothing can be stored, a change of it was "
    "refused, or it has too much to do.",
    "Ended": "The recording that is its camera was played to its end.",
    "Restarting": "Its worker died and is started again.",
    "Failed": "It does nothing: its worker, its camera or its model was given up, or one of its steps fails.",
    "Unknown": "Its worker runs and does not answer.",
}
CAMERA_PHASES: Final[Mapping[CameraPhase, str]] = {
    "unused": "No pipeline looks at it, so nobody opens it.",
    "connecting": "It is being opened.",
    "online": "It gives pictures.",
    "frozen": "It gives the same picture again and again.",
    "lost": "It gives nothing; it is called again.",
    "blurred": "Its picture has lost its sharpness.",
    "dark": "Its picture is black, or nearly.",
    "covered": "Something hides its view.",
    "moved": "It looks elsewhere.",
    "ended": "A recording, played to its end.",
    "failed": "It was given up: its `max_retries` are spent, or what it names cannot be read.",
    "unknown": "Nobody can say: its worker does not run, or does not answer.",
}
JOB_PHASES: Final[Mapping[JobPhase, str]] = {
    "Pending": "It is about to begin, or something keeps it from that.",
    "Running": "A run of it goes on.",
    "Suspended": "Somebody has set `suspend`.",
    "Succeeded": "Its run has come to its end.",
    "Failed": "Its run was given up.",
    "Cancelled": "Nobody wants its run any more.",
    "Scheduled": "It waits for its next time.",
    "Terminating": "It is being deleted.",
}


def status_schema(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of what the status of a kind says at a glance; nothing of kinds without phases.

    Other words are no fault: in a file a status is passed over, and an older Argus may have written it.
    """
    named: dict[str, tuple[str, Mapping[Any, str]]] = {
        "Camera": ("state", CAMERA_PHASES),
        "Pipeline": ("phase", PIPELINE_PHASES),
        "BatchJob": ("phase", JOB_PHASES),
    }
    if kind not in named:
        return {}
    name, phases = named[kind]
    says = " ".join(f"`{phase}`: {meaning}" for phase, meaning in phases.items())
    return {name: {"description": says, "examples": list(phases)}}
