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
    given_up: bool = False
    """True where it is not called again."""
    retries: int = 0
    """How often it was called again since its last picture, in vain."""


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
    """One open model, of pipelines or of their branches."""

    name: str
    description: str
    batch: int
    occupancy: float
    """Frames per inference, mean; crops, of a branch's."""
    inferences: int
    inference_ms: float
    pipelines: tuple[str, ...]
    failure: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as one JSON object."""
        return {
            "name": self.name,
            "description": self.description,
            "batch": self.batch,
            "occupancy": round(self.occupancy, 3),
            "inferences": self.inferences,
            "inference_ms": round(self.inference_ms, 3),
            "pipelines": list(self.pipelines),
            "failure": self.failure,
        }


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """All of it, at one moment."""

    cameras: tuple[CameraStatus, ...] = ()
    pipelines: tuple[PipelineStatus, ...] = ()
    models: tuple[ModelStatus, ...] = ()
    branch_models: tuple[ModelStatus, ...] = ()
    """A pipeline goes on without these: what they would have found is left out."""
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
                    "given_up": c.given_up,
                    "retries": c.retries,
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
            "models": [model.to_json() for model in self.models],
            "branch_models": [model.to_json() for model in self.branch_models],
            "threads_left": self.threads_left,
            "problems": list(self.problems),
        }
