"""Plans that could not be applied: why, in words, and when to try again. Nothing is tried here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from argus.core.errors import ArgusError, DownloadFailed, ModelError, ModelUnavailable, SpecError
from argus.core.paths import expanded
from argus.core.resources.model import ModelSpec
from argus.core.resources.pipeline import BranchSpec, PipelineSpec
from argus.stream.config import PipelinePlan

AGAIN_S: Final = 30.0

Weights = tuple[tuple[str, tuple[int, int] | None], ...]
"""Files and what tells a version of them from others (time in ns, bytes); None: there is no such file."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A plan that could not be applied."""

    plan: PipelinePlan
    reason: str
    """CamelCase."""
    message: str
    at_s: float
    """When it was tried last, monotonic seconds."""
    weights: Weights
    """As they were then."""
    passing: bool
    """True where the same may work later, whatever the files say."""

    def is_due(self, plan: PipelinePlan, now_s: float) -> bool:
        """Return whether a plan is to be tried, this one having been refused."""
        if plan != self.plan:
            return True
        return now_s - self.at_s >= AGAIN_S and (self.passing or weights_of(plan.spec) != self.weights)


def refused(plan: PipelinePlan, error: Exception, now_s: float) -> Refusal:
    """Return the refusal that an error means."""
    known = isinstance(error, ArgusError)
    reason = type(error).__name__ if known else "Defect"
    if isinstance(error, SpecError) and not isinstance(error, ModelError):
        reason = "SpecRefused"
    passing = not known or isinstance(error, (ModelUnavailable, DownloadFailed, LookupError))
    weights = weights_of(plan.spec)
    # What is not there may come, under its path or as a name in the registry.
    passing |= any(signature is None for _, signature in weights)
    message = str(error) if known else f"{error!r}: a defect of Argus; the log has its traceback"
    return Refusal(plan, reason, message, now_s, weights, passing)


def weights_of(spec: PipelineSpec) -> Weights:
    """Return the files that a pipeline's models are read from, as they are now."""
    paths = {model if isinstance(model, str) else model.path for model in _models(spec)}
    found: list[tuple[str, tuple[int, int] | None]] = []
    for path in sorted(paths):
        if path.startswith("builtin:"):
            continue
        try:
            stat = expanded(path).stat()
        except (OSError, ValueError):  # no file can be called so
            found.append((path, None))
        else:
            found.append((path, (stat.st_mtime_ns, stat.st_size)))
    return tuple(found)


def _models(spec: PipelineSpec) -> list[str | ModelSpec]:
    models: list[str | ModelSpec] = []
    if spec.detect is not None:
        models.append(spec.detect.model)
        if spec.detect.shadow is not None:
            models.append(spec.detect.shadow.model)
    if spec.track is not None and spec.track.appearance_model is not None:
        models.append(spec.track.appearance_model)
    branches: list[BranchSpec] = list(spec.branches)
    while branches:
        branch = branches.pop()
        models.append(branch.model)
        branches += branch.branches
    return models
