"""From resources to what workers are told: models in the place of their names, secrets filled in.

Pure but for the secrets it is given. What cannot be rendered is said in words for the resource's conditions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, TypeVar

import msgspec

from argus.core.errors import SpecError
from argus.core.resources.camera import CameraSpec
from argus.core.resources.manifest import filled
from argus.core.resources.model import ModelSpec
from argus.core.resources.pipeline import PipelineSpec
from argus.core.resources.references import models_named, with_models
from argus.core.resources.resource import Resource
from argus.core.resources.spec import Spec
from argus.core.secrets import Secrets

S = TypeVar("S", bound=Spec)


class Obstacle(msgspec.Struct, frozen=True):
    """Why a pipeline does not run yet."""

    reason: str
    """In one CamelCase word."""
    message: str
    """In a sentence, with what to do."""


@dataclass(frozen=True, slots=True, eq=False)  # the same one, or another: what is in it takes long to compare
class Rendered:
    """A pipeline with all that it needs."""

    name: str
    generation: int
    spec: PipelineSpec
    camera: str
    camera_spec: CameraSpec
    calls: tuple[str, ...]
    """What it calls its models."""


def render(
    pipeline: Resource,
    cameras: Mapping[str, Resource],
    models: Mapping[str, Resource],
    secrets: Secrets,
) -> Rendered | Obstacle:
    """Return a pipeline ready for a worker, or what stands in its way.

    Args:
        pipeline: The resource.
        cameras: By name, those that are being deleted left out.
        models: Likewise.
        secrets: Where `${NAME}` is looked up.
    """
    camera_name = pipeline.spec.get("camera")
    if not camera_name:
        return Obstacle("NoCamera", f"pipeline {pipeline.name} names no camera: set spec.camera")
    if camera_name not in cameras:
        return Obstacle(
            "CameraMissing", f"waits for camera {camera_name!r}, which nobody has declared: apply it"
        )
    try:
        camera = _read(CameraSpec, cameras[camera_name], secrets)
        spec = _read(PipelineSpec, pipeline, secrets)
        named = tuple(dict.fromkeys(models_named(spec)))
        known = {name: _read(ModelSpec, models[name], secrets) for name in named if name in models}
    except SpecError as error:
        return Obstacle(_word_for(error), str(error))
    calls = tuple(name if name in models else PurePath(name).stem for name in named[:1])
    generation = pipeline.metadata.generation
    return Rendered(pipeline.name, generation, with_models(spec, known), camera_name, camera, calls)


def resolved_pipeline(
    pipeline: Resource, models: Mapping[str, Resource], secrets: Secrets
) -> PipelineSpec | Obstacle:
    """Return a pipeline's spec for a job, which needs no camera; models in the place of their names."""
    try:
        spec = _read(PipelineSpec, pipeline, secrets)
        named = dict.fromkeys(models_named(spec))
        known = {name: _read(ModelSpec, models[name], secrets) for name in named if name in models}
    except SpecError as error:
        return Obstacle(_word_for(error), str(error))
    return with_models(spec, known)


def _read(type_: type[S], resource: Resource, secrets: Secrets) -> S:
    where = f"{resource.kind} {resource.name}"
    spec: dict[str, Any] = filled(resource.spec, secrets, where)
    return type_.read(spec, where, secrets=secrets)


def _word_for(error: SpecError) -> str:
    return "SecretMissing" if "environment variable" in str(error) else "SpecImpossible"
