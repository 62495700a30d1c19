"""Whether a worker does what it is for: values in, sentences out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from argus.core.resources.camera import CameraSpec
from argus.core.urls import mask_urls
from argus.vision.engine.status import CameraStatus, ModelStatus

GRACE_S: Final = 5.0
"""Beyond the limit of a camera until its worker counts as ill."""
UNSTORED_S: Final = 30.0
"""Seconds for which nothing could be stored until a worker counts as ill."""


def ills_of_cameras(cameras: Iterable[CameraStatus], specs: Mapping[str, CameraSpec]) -> tuple[str, ...]:
    """Return what is wrong with cameras as they are; their specs have the limits."""
    ills = []
    for camera in cameras:
        spec = specs.get(camera.name)
        if camera.given_up:
            ills.append(f"camera {camera.name} was {mask_urls(camera.reason)}")
        elif spec is not None:
            limits = {"lost": spec.lost_after, "frozen": spec.health.frozen_after}
            limit_s = limits.get(camera.state)
            if limit_s is not None and camera.for_s > limit_s + GRACE_S:
                ills.append(f"camera {camera.name} is {camera.state}: {camera.reason}")
    return tuple(ills)


def ills_of_models(models: Iterable[ModelStatus]) -> tuple[str, ...]:
    """Return which models are gone, with pipelines that wait for them."""
    return tuple(
        f"model {model.name} is gone, {', '.join(model.pipelines)} wait for another: {model.failure}"
        for model in models
        if model.failure is not None and model.pipelines
    )


def ills_of_storage(problem: str, stuck_s: float) -> tuple[str, ...]:
    """Return what is wrong with storing; nothing for trouble that has only begun."""
    return (f"nothing was stored for {stuck_s:.0f} s: {problem}",) if problem and stuck_s > UNSTORED_S else ()
