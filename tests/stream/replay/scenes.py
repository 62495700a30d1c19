"""Versions of rules to be replayed."""

from __future__ import annotations

from typing import Any

from argus.core.resources.pipeline import PipelineSpec

ZONE: dict[str, Any] = {"polygon": [[0.3, 0], [0.7, 0], [0.7, 1], [0.3, 1]], "severity": "high"}


def spec(**changes: Any) -> PipelineSpec:
    return PipelineSpec.read(
        {"detect": {"model": "builtin:motion"}, "zones": {"middle": ZONE}} | changes, "pipeline"
    )
