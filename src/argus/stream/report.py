"""What a worker says of itself at `/stats`: values, read by the control plane and by people."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class CameraReport(msgspec.Struct, frozen=True, kw_only=True):
    """One camera; states as `argus.core.resources.camera.CameraState` has them."""

    name: str
    state: str
    reason: str = ""
    for_s: float = 0.0
    decoded: int = 0
    corrupt: int = 0
    connections: int = 0
    fps: float = 0.0
    """Frames decoded per second, over the last seconds."""
    width: int = 0
    height: int = 0
    over: bool = False
    """True where no frame will come: a recording was played to its end, or the camera was given up."""
    given_up: bool = False
    """True where it is not called again: its `max_retries` are spent, or its address cannot be read."""
    retries: int = 0
    """How often it was called again since its last picture, in vain."""


class PipelineReport(msgspec.Struct, frozen=True, kw_only=True):
    """One pipeline."""

    name: str
    camera: str
    generation: int
    """Of the plan that it runs."""
    model: str = ""
    frames: dict[str, int] = {}
    """By outcome, as `FrameCounts.to_json`."""
    fps: float = 0.0
    """Frames looked at per second, over the last seconds."""
    latency: dict[str, Any] = {}
    rung: str = "full service"
    events: int = 0
    alerts: int = 0
    refused_generation: int | None = None
    """Generation of a plan that could not be applied; it goes on as it was."""
    reason: str = ""
    """CamelCase, where something is wrong: `ModelUnreadable`, `SpecRefused`, `StepFailed`, `Starting`."""
    message: str = ""
    """What is wrong, and what to do."""


class WorkerReport(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    worker: str
    pid: int
    started_at: datetime
    ready: bool
    """True when what the config asks for is running, or has been refused with a reason."""
    healthy: bool
    """False when a camera is frozen or lost beyond its limit, nothing can be stored, or a model is gone."""
    unhealthy: tuple[str, ...] = ()
    """Why, a sentence each."""
    config: str = ""
    """Digest (hexadecimal SHA-256 of the file's bytes) of the config that is applied."""
    config_problem: str = ""
    """Why the file as it is now cannot be applied: it goes on with the last good one."""
    cameras: tuple[CameraReport, ...] = ()
    pipelines: tuple[PipelineReport, ...] = ()
    models: tuple[dict[str, Any], ...] = ()
    """As `ModelStatus` has them."""
    branch_models: tuple[dict[str, Any], ...] = ()
    """Likewise."""
    backlog: int = 0
    """Records that are not stored yet."""
    storage_problem: str = ""
