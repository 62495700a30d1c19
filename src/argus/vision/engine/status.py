"""How an engine is doing, as values: for people, programs and whoever decides what to change."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from argus.core.resources.camera import CameraState
from argus.vision.engine.accounting import FrameCounts


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """One camera."""

    name: str
    state: CameraState
    reason: str
    """Why it is so, in words."""
    for_s: float
    """Since when, in seconds."""
    decoded: int
    corrupt: int
    connections: int
    source: str
    """Its address as it may be shown."""


@dataclass(frozen=True, slots=True)
class PipelineStatus:
    """One pipeline."""

    name: str
    camera: str
    model: str
    frames: FrameCounts
    latency: dict[str, Any]
    """Count and quantiles per stage; see `argus.vision.engine.meters`."""
    rung: str = "full service"
    """Where it stands on its ladder."""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """One open model."""

    name: str
    description: str
    batch: int
    occupancy: float
    """Frames per inference, mean."""
    inferences: int
    inference_ms: float
    pipelines: tuple[str, ...]
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """All of it, at one moment."""

    cameras: tuple[CameraStatus, ...] = ()
    pipelines: tuple[PipelineStatus, ...] = ()
    models: tuple[ModelStatus, ...] = ()
    threads_left: int = 0
    """Threads left to themselves in calls that did not come back, over all cameras so far."""
    problems: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Return it as one JSON object."""
        return {
            "cameras": [
                {
                    "name": c.name,
                    "state": c.state,
                    "reason": c.reason,
                    "for_s": round(c.for_s, 2),
                    "source": c.source,
                    "decoded": c.decoded,
                    "corrupt": c.corrupt,
                    "connections": c.connections,
                }
                for c in self.cameras
            ],
            "pipelines": [
                {
                    "name": p.name,
                    "camera": p.camera,
                    "model": p.model,
                    "frames": p.frames.to_json(),
                    "latency": p.latency,
                    "rung": p.rung,
                    "error": p.error,
                }
                for p in self.pipelines
            ],
            "models": [
                {
                    "name": m.name,
                    "description": m.description,
                    "batch": m.batch,
                    "occupancy": round(m.occupancy, 3),
                    "inferences": m.inferences,
                    "inference_ms": round(m.inference_ms, 3),
                    "pipelines": list(m.pipelines),
                    "failure": m.failure,
                }
                for m in self.models
            ],
            "threads_left": self.threads_left,
            "problems": list(self.problems),
        }
