"""Argus: the operating system for visual intelligence.

The names below are what most programs need; each is loaded when it is first used, so that
`import argus` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from argus.core.version import __version__ as __version__

if TYPE_CHECKING:
    from argus.core.detections import Detections
    from argus.core.errors import ArgusError
    from argus.core.frame import Frame
    from argus.core.resources.model import ModelSpec
    from argus.core.resources.pipeline import PipelineSpec
    from argus.flow.node import ConsumerNode, FusionNode, GatewayNode, ProducerNode, SinkNode
    from argus.flow.qos import QoS
    from argus.flow.system import System, run
    from argus.vision.draw import Annotator
    from argus.vision.models import load_classifier, load_detector, load_embedder, load_model
    from argus.vision.pipeline import Pipeline
    from argus.vision.results import Alert, Event, FrameResult
    from argus.vision.runner.job import Job, run_job
    from argus.vision.sources import open_source
    from argus.vision.tracking import load_tracker

_HOMES = {
    "Alert": "argus.vision.results",
    "Annotator": "argus.vision.draw",
    "ArgusError": "argus.core.errors",
    "ConsumerNode": "argus.flow.node",
    "Detections": "argus.core.detections",
    "Event": "argus.vision.results",
    "Frame": "argus.core.frame",
    "FrameResult": "argus.vision.results",
    "FusionNode": "argus.flow.node",
    "GatewayNode": "argus.flow.node",
    "Job": "argus.vision.runner.job",
    "ModelSpec": "argus.core.resources.model",
    "Pipeline": "argus.vision.pipeline",
    "PipelineSpec": "argus.core.resources.pipeline",
    "ProducerNode": "argus.flow.node",
    "QoS": "argus.flow.qos",
    "SinkNode": "argus.flow.node",
    "System": "argus.flow.system",
    "load_classifier": "argus.vision.models",
    "load_detector": "argus.vision.models",
    "load_embedder": "argus.vision.models",
    "load_model": "argus.vision.models",
    "load_tracker": "argus.vision.tracking",
    "open_source": "argus.vision.sources",
    "run": "argus.flow.system",
    "run_job": "argus.vision.runner.job",
}

__all__ = [
    "Alert",
    "Annotator",
    "ArgusError",
    "ConsumerNode",
    "Detections",
    "Event",
    "Frame",
    "FrameResult",
    "FusionNode",
    "GatewayNode",
    "Job",
    "ModelSpec",
    "Pipeline",
    "PipelineSpec",
    "ProducerNode",
    "QoS",
    "SinkNode",
    "System",
    "load_classifier",
    "load_detector",
    "load_embedder",
    "load_model",
    "load_tracker",
    "open_source",
    "run",
    "run_job",
]


def __getattr__(name: str) -> object:
    """Load a public name from where it lives, on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'argus' has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
