"""From what runs to what shall run: which steps lead there. Pure; who takes them is `converger`.

Cameras come before their pipelines and go after them. What a pipeline keeps (its actions, its store) is no
matter of the engine: a change of that alone disturbs nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from argus.core.resources.camera import CameraSpec
from argus.core.resources.pipeline import PipelineSpec, PlacementSpec, StoreSpec
from argus.core.urls import scheme_of
from argus.stream.config import PipelinePlan, WorkerConfig
from argus.vision.branches.plan import but_models

Do = Literal[
    "add camera",
    "change camera",
    "release camera",
    "remove camera",
    "add pipeline",
    "change pipeline",
    "swap model",
    "begin anew",
    "keep otherwise",
    "remove pipeline",
]
"""`release camera`: let a recording run, now that its pipelines are there to see its beginning. `swap model`:
another model alone, its own or a branch's, tracks go on. `begin anew`: the same pipeline with new tracks, for
its camera is another. `keep otherwise`: what is stored alone, or the generation."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do."""

    do: Do
    name: str
    """Of the camera or pipeline."""


@dataclass(frozen=True, slots=True)
class Running:
    """What has been applied."""

    cameras: Mapping[str, CameraSpec] = field(default_factory=dict)
    pipelines: Mapping[str, PipelinePlan] = field(default_factory=dict)


def steps(running: Running, wanted: WorkerConfig) -> tuple[Step, ...]:
    """Return what leads from what runs to what shall run, in order; nothing where they are the same.

    Pipelines are added before others are removed, so that one that is renamed need not load its model again.
    """
    return tuple(_steps(running, wanted))


def engine_spec(plan: PipelinePlan, beginnings: int = 0) -> PipelineSpec:
    """Return what of a plan the engine is told.

    Args:
        plan: The plan.
        beginnings: Another number makes another spec, which lets the engine begin anew with it.
    """
    parts = {
        "camera": plan.camera,
        "actions": (),
        "store": StoreSpec(),
        # Nothing in an engine looks at it: what a number can be hidden in.
        "placement": PlacementSpec(pack=1 + beginnings % 1024),
    }
    return plan.spec.model_copy(update=parts)


def is_recording(url: str) -> bool:
    """Return whether an address is a recording's or a drawn scene's, which have a beginning to wait for."""
    scheme = scheme_of(url)
    return scheme in {"file", "synthetic"} or (scheme is None and not url.startswith("/dev/video"))


def _steps(running: Running, wanted: WorkerConfig) -> Iterator[Step]:
    new = [name for name in wanted.cameras if name not in running.cameras]
    other = [
        name
        for name, spec in wanted.cameras.items()
        if name in running.cameras and running.cameras[name] != spec
    ]
    held = [name for name in new if is_recording(wanted.cameras[name].url)]
    yield from (Step("add camera", name) for name in new if name not in held)
    yield from (Step("change camera", name) for name in other)
    to_do = {
        name: step
        for name, plan in wanted.pipelines.items()
        if (step := _step_for(name, running.pipelines.get(name), plan, other)) is not None
    }
    for camera in held:
        yield Step("add camera", camera)
        for name in [name for name in to_do if wanted.pipelines[name].camera == camera]:
            yield to_do.pop(name)
        yield Step("release camera", camera)
    yield from (step for step in to_do.values() if step.do != "add pipeline")
    yield from (step for step in to_do.values() if step.do == "add pipeline")
    yield from (Step("remove pipeline", name) for name in running.pipelines if name not in wanted.pipelines)
    yield from (Step("remove camera", name) for name in running.cameras if name not in wanted.cameras)


def _step_for(name: str, before: PipelinePlan | None, plan: PipelinePlan, other: list[str]) -> Step | None:
    if before is None:
        return Step("add pipeline", name)
    if before.camera in other or before.camera != plan.camera:
        return Step("begin anew", name)
    if before == plan:
        return None
    was, will_be = engine_spec(before), engine_spec(plan)
    if was == will_be:
        return Step("keep otherwise", name)
    alone = _but_the_models(was) == _but_the_models(will_be)
    return Step("swap model" if alone else "change pipeline", name)


def _but_the_models(spec: PipelineSpec) -> PipelineSpec:
    detect = None if spec.detect is None else spec.detect.model_copy(update={"model": ""})
    return spec.model_copy(update={"detect": detect, "branches": but_models(spec.branches)})
