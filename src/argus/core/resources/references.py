"""Which models a pipeline names, and the same pipeline with models in the place of their names. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from argus.core.resources.model import ModelSpec
from argus.core.resources.pipeline import BranchSpec, PipelineSpec


def models_named(spec: PipelineSpec) -> Iterator[str]:
    """Yield each name, path or `builtin:NAME` that stands where a model is wanted, the detector's first."""
    for named in _places(spec):
        if isinstance(named, str):
            yield named


def with_models(
    spec: PipelineSpec,
    models: Mapping[str, ModelSpec],
    *,
    path: Callable[[str], str] = lambda path: path,
) -> PipelineSpec:
    """Return a pipeline in which models stand in the place of their names.

    Args:
        spec: The pipeline.
        models: By name; what is not among them stays as it is written.
        path: Makes the path of weights what it shall be, such as one beside a file.
    """

    def model(named: str | ModelSpec) -> str | ModelSpec:
        if isinstance(named, str):
            if named not in models:
                return path(named)
            named = models[named]
        return named.model_copy(update={"path": path(named.path)})

    def branch(one: BranchSpec) -> BranchSpec:
        nested = tuple(branch(inner) for inner in one.branches)
        # Its name is what people call the model, not the weights that stand behind that.
        return one.model_copy(update={"model": model(one.model), "branches": nested, "name": one.title})

    detect = spec.detect
    if detect is not None:
        shadow = detect.shadow
        if shadow is not None:
            shadow = shadow.model_copy(update={"model": model(shadow.model)})
        detect = detect.model_copy(update={"model": model(detect.model), "shadow": shadow})
    track = spec.track
    if track is not None and track.appearance_model is not None:
        track = track.model_copy(update={"appearance_model": model(track.appearance_model)})
    degrade = tuple(
        step if step.model is None else step.model_copy(update={"model": model(step.model)})
        for step in spec.degrade
    )
    branches = tuple(branch(b) for b in spec.branches)
    changes = {"detect": detect, "track": track, "branches": branches, "degrade": degrade}
    return spec.model_copy(update=changes)


def _places(spec: PipelineSpec) -> Iterator[str | ModelSpec]:
    if spec.detect is not None:
        yield spec.detect.model
        if spec.detect.shadow is not None:
            yield spec.detect.shadow.model
    if spec.track is not None and spec.track.appearance_model is not None:
        yield spec.track.appearance_model
    yield from _of_branches(spec.branches)
    for step in spec.degrade:
        if step.model is not None:
            yield step.model


def _of_branches(branches: tuple[BranchSpec, ...]) -> Iterator[str | ModelSpec]:
    for branch in branches:
        yield branch.model
        yield from _of_branches(branch.branches)
