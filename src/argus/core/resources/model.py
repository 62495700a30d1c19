"""The `Model` resource: which weights, and how they are to be read and run.

The words only; what loads them is `argus.vision.models`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from argus.core.resources.spec import Spec

Task = Literal["auto", "detect", "classify", "segment", "embed"]
Engine = Literal["auto", "openvino", "onnxruntime"]
Precision = Literal["auto", "f32", "bf16", "f16", "int8"]
Side = Annotated[int, Field(ge=8, le=8192)]


class ModelSpec(Spec):
    """Weights, and how they are read and run. What is not said is read from the weights themselves."""

    path: str = Field(min_length=1)
    """A file, a name in the registry, or `builtin:people`, `builtin:motion`, `builtin:plaza`."""
    task: Task = "auto"
    """What the model must do; `auto` reads it from the network. Say `embed` for a re-identification network
    that could be taken for a classifier."""
    classes: tuple[str, ...] | None = None
    """Keep only objects of these classes; None keeps all."""
    confidence: float = Field(default=0.25, ge=0, le=1)
    """Objects below this score are left out. Higher gives fewer false objects; lower finds fainter ones."""
    iou: float = Field(default=0.7, ge=0, le=1)
    """Two boxes of one class that overlap more than this are one object. Higher keeps objects that stand
    close together; lower removes more doubles. Networks without NMS ignore it."""
    engine: Engine = "auto"
    """`auto`: OpenVINO on CPUs, ONNX Runtime on GPUs and for what OpenVINO cannot run. A network that
    OpenVINO cannot run right goes to ONNX Runtime even where it was named, with a warning."""
    device: str = Field(default="auto", min_length=1)
    """`auto`, `cpu`, `cuda`, `cuda:1`, `tensorrt`, `coreml`, or an OpenVINO device such as `GPU`."""
    precision: Precision = "auto"
    """`auto` takes a lower precision only where it is faster and, tried on this machine, gives the same
    detections. Networks that are quantised run as they are."""
    layout: str | None = None
    """Name of the output layout, for a network that is not recognised by itself."""
    labels: tuple[str, ...] | str | None = None
    """Names by class id, or a text file with one per line; None reads them from the network."""
    input_size: tuple[Side, Side] | None = None
    """Width and height in pixels for a network that accepts any; one number means a square. Larger finds
    smaller objects; smaller is faster."""
    trusted: bool = False
    """True lets weights be loaded that can run code in them (`.pt`)."""
    max_detections: int = Field(default=300, ge=1, le=30_000)
    """At most this many objects per frame, the best first."""
    batch: int | None = Field(default=None, ge=1, le=256)
    """Frames per inference for a network whose batch is dynamic; None: 1. Higher serves GPUs; lower is
    sooner."""
    threads: int | None = Field(default=None, ge=1, le=1024)
    """CPU threads of the engine; None: one for each core."""
    streams: int | None = Field(default=None, ge=1, le=1024)
    """Inferences that run at once; no more than cores. More look at more frames per second; 1 is sooner done
    with each, on all cores. None: as many as give most frames per second."""

    @field_validator("input_size", mode="before")
    @classmethod
    def _square(cls, value: Any) -> Any:
        return (value, value) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("classes", mode="before")
    @classmethod
    def _one_class(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value
