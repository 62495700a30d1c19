"""What weights say of themselves: task, layout, labels, shapes, parameters; nothing is run but a look.

Weights that can run code when they are opened (`.pt`) are never opened here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from argus.core.errors import ModelUnreadable, UnknownName
from argus.core.paths import expanded
from argus.core.resources.model import ModelSpec
from argus.vision.models.registry import NOTHING_TOLD, ModelFacts, Registry
from argus.vision.models.registry_files import check_readable
from argus.vision.models.registry_parameters import count_parameters
from argus.vision.models.registry_record import RegisteredModel, sha256_of

PICKLED = frozenset({".pt", ".pth", ".pkl", ".ckpt"})
BUILTINS = {
    "builtin:people": "people, by OpenCV's histogram of gradients; needs no weights",
    "builtin:motion": "whatever moves before a still background; needs no weights",
    "builtin:plaza": "people and vehicles of the synthetic plaza, by a small network of this repository",
}
_PLAZA = Path(__file__).parent / "weights" / "plaza.onnx"


@dataclass(frozen=True, slots=True)
class Inspection:
    """Everything that `argus models inspect` shows; None and empty where nobody knows."""

    model: str
    """What was asked for."""
    description: str | None = None
    path: Path | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    parameters: int | None = None
    task: str | None = None
    layout: str | None = None
    input_size: tuple[int, int] | None = None
    """Width and height of the canvas."""
    batch: int | None = None
    inputs: tuple[str, ...] = ()
    """As `name [1, 3, 640, 640] float32`."""
    outputs: tuple[str, ...] = ()
    quantised: str | None = None
    """`no`, `static` or `dynamic`, as `Signature.quantised`."""
    labels: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    engine: str | None = None
    """What `engine: auto` takes here."""
    registered: RegisteredModel | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the inspection as one JSON object."""
        record = self.registered.record if self.registered else None
        return {
            "model": self.model,
            "description": self.description,
            "path": None if self.path is None else str(self.path),
            "size_bytes": self.size_bytes,
            "sha256": self.sha256,
            "parameters": self.parameters,
            "task": self.task,
            "layout": self.layout,
            "input_size": list(self.input_size) if self.input_size else None,
            "batch": self.batch,
            "inputs": list(self.inputs),
            "outputs": list(self.outputs),
            "quantised": self.quantised,
            "labels": list(self.labels),
            "engine": self.engine,
            "name": record.name if record else None,
            "version": record.version if record else None,
            "source": record.source if record else None,
            "licence": record.licence if record else None,
            "fingerprint": record.fingerprint if record else None,
            "metadata": self.metadata,
        }


def read_facts(weights: Path, told: ModelFacts = NOTHING_TOLD) -> ModelFacts:
    """Return what is known of weights before they are registered; what was told wins.

    Raises:
        ModelUnreadable: it is no network, or one whose layout is unknown.
        SpecError: what was told does not fit the network.
    """
    check_readable(weights)
    if weights.suffix.lower() in PICKLED:
        return told
    from argus.vision.models.opening import plan

    planned = plan(weights, _spec(weights, told), weights.name)
    _, height, width = planned.canvas
    metadata = dict(planned.signature.metadata)
    return replace(
        told,
        task=planned.task,
        layout=planned.layout.name,
        labels=planned.labels,
        input_size=(width, height),
        licence=told.licence or metadata.get("license"),
        metadata=metadata,
    )


def inspect(model: str, registry: Registry, told: ModelFacts = NOTHING_TOLD) -> Inspection:
    """Return what is known of a model.

    Args:
        model: The path of weights, a name or `name@version` in the registry, or `builtin:NAME`.
        registry: Where names are looked up.
        told: How the weights are to be read, for a path.

    Raises:
        ModelUnreadable: there is no such model, or it is damaged.
        UnknownName: there is no such built-in model.
    """
    if model.startswith("builtin:"):
        if model not in BUILTINS:
            raise UnknownName("built-in model", model, BUILTINS)
        if model != "builtin:plaza":
            return Inspection(model, BUILTINS[model], task="detect")
        return replace(_look_into(model, _PLAZA, told), description=BUILTINS[model])
    from argus.vision.models.load import find_weights

    path, spec = find_weights(ModelSpec(path=model))
    if expanded(model) == path:
        return _look_into(model, path, told)
    registered = registry.find(model)
    labels = spec.labels if isinstance(spec.labels, tuple) else ()
    facts = ModelFacts(labels=labels, reading=registered.record.reading)
    return replace(_look_into(model, path, facts), registered=registered)


def _look_into(model: str, path: Path, told: ModelFacts) -> Inspection:
    if not path.is_file():
        raise ModelUnreadable(
            f"{model}: {path.name} is missing from this installation: install argus-vision again"
        )
    file = Inspection(model, path=path, size_bytes=path.stat().st_size, sha256=sha256_of(path))
    if path.suffix.lower() in PICKLED:
        return replace(
            file, description="opened only with `trusted: true`, since it can run code", engine="torch"
        )
    from argus.vision.models.engines.choose import engine_for
    from argus.vision.models.opening import plan

    spec = _spec(path, told)
    planned = plan(path, spec, path.name)
    batch, height, width = planned.canvas
    return replace(
        file,
        parameters=count_parameters(path),
        task=planned.task,
        layout=planned.layout.name,
        input_size=(width, height),
        batch=batch,
        inputs=tuple(map(str, planned.signature.inputs)),
        outputs=tuple(map(str, planned.signature.outputs)),
        quantised=planned.signature.quantised,
        labels=planned.labels,
        metadata=dict(planned.signature.metadata),
        # OpenVINO leaves networks that make their scales for each picture to ONNX Runtime.
        engine="onnxruntime" if planned.signature.quantised == "dynamic" else engine_for(spec),
    )


def _spec(weights: Path, told: ModelFacts) -> ModelSpec:
    labels = {"labels": list(told.labels)} if told.labels else {}
    return ModelSpec.read({**labels, **(told.reading or {}), "path": str(weights)}, weights.name)
