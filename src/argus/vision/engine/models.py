"""Which model a pipeline means, and what each rung of its ladder makes of it. Pure but for opening."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from argus.core.resources.model import ModelSpec
from argus.core.resources.pipeline import PipelineSpec
from argus.vision.branches.sharing import Wanted
from argus.vision.engine.ladder import Rung
from argus.vision.models import load_detector, load_embedder
from argus.vision.models.appearance import DetectorWithAppearance
from argus.vision.models.protocols import Detector


def spec_of(model: str | ModelSpec) -> ModelSpec:
    """Return a model as a spec."""
    return model if isinstance(model, ModelSpec) else ModelSpec.read({"path": model}, f"model {model}")


def model_of(pipeline: PipelineSpec, default: ModelSpec) -> ModelSpec:
    """Return the model that a pipeline's frames are shown to.

    What `detect` filters is filtered after the model, so that pipelines with other classes or a higher
    confidence share it. Only what the model must do otherwise (a lower confidence, another overlap) makes it
    a model of its own.
    """
    if pipeline.detect is None:
        return default
    spec = spec_of(pipeline.detect.model)
    changes: dict[str, Any] = {}
    if pipeline.detect.confidence is not None and pipeline.detect.confidence < spec.confidence:
        changes["confidence"] = pipeline.detect.confidence
    if pipeline.detect.iou is not None and pipeline.detect.iou != spec.iou:
        changes["iou"] = pipeline.detect.iou
    return spec.model_copy(update=changes) if changes else spec


def model_at(rung: Rung, full: ModelSpec) -> ModelSpec:
    """Return the model at a rung of a ladder, given that of full service."""
    if rung.motion_only:
        return ModelSpec.read({"path": "builtin:motion"}, "motion")
    spec = full if rung.model is None else spec_of(rung.model)
    return spec if rung.input_size is None else spec.model_copy(update={"input_size": rung.input_size})


def on_cpu(spec: ModelSpec) -> ModelSpec:
    """Return the same model on the processor, which does not vanish."""
    return spec.model_copy(update={"device": "cpu", "engine": "auto", "precision": "auto"})


@dataclass(frozen=True, slots=True)
class LaneSpec(Wanted):
    """What looks at frames; equal specs share a lane."""

    appearance: str | ModelSpec | None = None
    """A re-identification network that looks at every detection besides."""
    candidate: bool = False
    """True looks beside a model in service, in a lane of its own, whatever that one is."""

    @property
    def key(self) -> str:
        """The same for equal specs only."""
        other = self.appearance
        appearance = other.model_dump_json() if isinstance(other, ModelSpec) else other
        return f"{self.model.model_dump_json()} {appearance}{' candidate' * self.candidate}"


def open_detector(spec: LaneSpec) -> Detector:
    """Open what a lane is made for.

    Raises:
        ModelError: it cannot be opened.
    """
    detector = load_detector(spec.model)
    if spec.appearance is None:
        return detector
    try:
        return DetectorWithAppearance(detector, load_embedder(spec.appearance))
    except BaseException:
        detector.close()
        raise
