"""The door to all models: a spec, a path or a name in, a model that works out.

Weights that are read as data load at once; weights that can run code load only when trusted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import structlog

from argus.core.errors import (
    ModelUnreadable,
    SpecError,
    UnknownName,
    UntrustedModel,
    WrongTask,
    did_you_mean,
)
from argus.core.paths import expanded, is_file, is_folder
from argus.core.resources.model import ModelSpec
from argus.vision.models.detector import NetworkDetector
from argus.vision.models.engines.choose import check_precision, engine_for
from argus.vision.models.labels import class_ids
from argus.vision.models.layouts.layout import VectorLayout
from argus.vision.models.opening import Plan, plan
from argus.vision.models.precision import open_at_best
from argus.vision.models.protocols import Classifier, Detector, Embedder, Segmenter
from argus.vision.models.reading import Thresholds
from argus.vision.models.vectors import NetworkClassifier, NetworkEmbedder

AnyModel = Detector | Classifier | Embedder
BUILTIN = ("motion", "people", "plaza")
"""What may stand behind `builtin:`."""
_PICKLED = frozenset({".pt", ".pth", ".pkl", ".ckpt"})
_OF_NETWORKS = ("engine", "device", "precision", "layout", "labels", "batch", "threads", "streams")
"""Settings that mean nothing to what is computed without a network."""
_WEIGHTS = Path(__file__).parent / "weights"


def load_model(model: ModelSpec | str | Path, **overrides: Any) -> AnyModel:
    """Return the model, ready to work, of whatever task it is.

    Args:
        model: A spec, the path of weights, a name in the registry, or `builtin:NAME`.
        overrides: Settings of `ModelSpec` that win over those of `model`.

    Raises:
        SpecError: the spec is wrong, or does not fit the network.
        ModelError: the weights are missing, damaged, unknown or not trusted.
        MissingExtra: an optional package is needed.
    """
    spec = _spec(model, overrides)
    if spec.path.startswith("builtin:"):
        return _builtin(spec)
    file, spec = find_weights(spec)
    if file.suffix.lower() in _PICKLED:
        return _pickled(file, spec)
    return _network(file, spec, Path(spec.path).name)


def load_detector(model: ModelSpec | str | Path, **overrides: Any) -> Detector:
    """Return a detector (a segmenter is one); see `load_model`.

    Raises:
        WrongTask: the model does something else.
    """
    return cast("Detector", _expect("detect", load_model(model, **overrides)))


def load_segmenter(model: ModelSpec | str | Path, **overrides: Any) -> Segmenter:
    """Return a detector with masks; see `load_model`.

    Raises:
        WrongTask: the model does something else.
    """
    return cast("Segmenter", _expect("segment", load_model(model, **overrides)))


def load_classifier(model: ModelSpec | str | Path, **overrides: Any) -> Classifier:
    """Return a classifier; see `load_model`.

    Raises:
        WrongTask: the model does something else.
    """
    return cast("Classifier", _expect("classify", load_model(model, **overrides)))


def load_embedder(model: ModelSpec | str | Path, **overrides: Any) -> Embedder:
    """Return an embedder for re-identification; see `load_model`.

    Raises:
        WrongTask: the model does something else.
    """
    overrides = {"task": "embed", **overrides} if not _names_task(model) else overrides
    return cast("Embedder", _expect("embed", load_model(model, **overrides)))


def task_of(model: AnyModel) -> str:
    """Return what a model does: `detect`, `segment`, `classify` or `embed`."""
    if hasattr(model, "classify"):
        return "classify"
    if hasattr(model, "embed"):
        return "embed"
    return str(getattr(model, "task", "detect"))


def find_weights(spec: ModelSpec) -> tuple[Path, ModelSpec]:
    """Return the file of a spec, and the spec with what the registry knows of the model added.

    Raises:
        ModelUnreadable: there is neither such a file nor such a name.
    """
    file = expanded(spec.path)
    if is_file(file):
        return file, spec
    if is_folder(file):
        raise ModelUnreadable(f"model {spec.path}: this is a folder; name the file of the weights in it")
    from argus.vision.models.registry import Registry

    registry = Registry.of_user()
    known: list[str] = []
    if len(file.parts) == 1 and not file.is_absolute():
        known = registry.names()
        try:
            found = registry.resolve(spec.path)
        except (UnknownName, SpecError):
            pass
        else:
            said = spec.model_dump(exclude_unset=True)
            return found.path, ModelSpec.read(
                {**found.overrides, **said, "path": spec.path}, f"model {spec.path}"
            )
    near = did_you_mean(file.name, _neighbours(file)).replace("?", f" in {file.parent}?")
    near = near or did_you_mean(spec.path, [*known, *(f"builtin:{name}" for name in BUILTIN)])
    raise ModelUnreadable(
        f"model {spec.path}: there is no such file, and no model of this name in the registry{near}"
        " (`argus models list` shows what there is, `argus models pull` fetches more)"
    )


def _neighbours(file: Path) -> list[str]:
    try:
        return [other.name for other in file.parent.iterdir() if other.is_file()]
    except OSError:
        return []


def _spec(model: ModelSpec | str | Path, overrides: dict[str, Any]) -> ModelSpec:
    if isinstance(model, ModelSpec):
        if not overrides:
            return model
        given = {**model.model_dump(exclude_unset=True), **overrides}
    else:
        given = {"path": str(model), **overrides}
    return ModelSpec.read(given, f"model {given['path']}")


def _names_task(model: ModelSpec | str | Path) -> bool:
    return isinstance(model, ModelSpec) and model.task != "auto"


def _builtin(spec: ModelSpec) -> AnyModel:
    name = spec.path.removeprefix("builtin:")
    if name not in BUILTIN:
        raise UnknownName("built-in model", name, BUILTIN)
    if name == "plaza":
        return _network(_WEIGHTS / "plaza.onnx", spec, spec.path)
    if spec.task not in {"auto", "detect"}:
        raise WrongTask(f"{spec.path} is a detector, and the spec says `task: {spec.task}`")
    _tell_unused(spec)
    if name == "people":
        from argus.vision.models.people import PeopleDetector

        return PeopleDetector(spec)
    from argus.vision.models.motion import MotionDetector

    return MotionDetector(spec)


def _tell_unused(spec: ModelSpec) -> None:
    """Warn of settings that were made in vain; what says the default anyway is met."""
    fields = ModelSpec.model_fields
    unused = [name for name in _OF_NETWORKS if getattr(spec, name) != fields[name].default]
    if spec.device == "cpu":
        unused.remove("device")
    if unused:
        structlog.get_logger().warning(
            "model.settings_unused",
            model=spec.path,
            settings=unused,
            reason="it is no network; it runs on the CPU",
        )


def _pickled(file: Path, spec: ModelSpec) -> AnyModel:
    if not spec.trusted:
        raise UntrustedModel(
            f"{file.name}: weights of this format can run code when they are loaded: "
            "say `trusted: true` if you know where they come from, or export them to ONNX"
        )
    from argus.vision.models.checkpoint import CheckpointDetector

    return CheckpointDetector(file, spec)


def _network(file: Path, spec: ModelSpec, name: str) -> AnyModel:
    if not file.is_file():
        raise ModelUnreadable(
            f"{name}: {file.name} is missing from this installation: install argus-vision again"
        )
    planned = plan(file, spec, name)
    _check_task(planned, spec)
    wanted = class_ids(planned.labels, spec.classes)
    engine = engine_for(spec)
    check_precision(engine, spec, planned.signature, name)
    network = open_at_best(engine, planned, spec)
    layout = planned.layout
    if isinstance(layout, VectorLayout):
        kind = NetworkClassifier if layout.task == "classify" else NetworkEmbedder
        return kind(name=name, labels=planned.labels, network=network, layout=layout, canvas=planned.canvas)
    return NetworkDetector(
        name=name,
        labels=planned.labels,
        network=network,
        layout=layout,
        canvas=planned.canvas,
        thresholds=Thresholds(spec.confidence, spec.iou, spec.max_detections, wanted),
    )


def _check_task(planned: Plan, spec: ModelSpec) -> None:
    if spec.task not in {"auto", planned.task} and (spec.task, planned.task) != ("detect", "segment"):
        raise WrongTask(
            f"{planned.name} is {_article(planned.task)} (layout {planned.layout.name}), and the spec says "
            f"`task: {spec.task}`; change the task or name another model; {planned.signature}"
        )


_KINDS = {
    "detect": "a detector",
    "segment": "a segmenter",
    "classify": "a classifier",
    "embed": "an embedder",
}
_DOORS = {
    "detect": "load_detector",
    "segment": "load_segmenter",
    "classify": "load_classifier",
    "embed": "load_embedder",
}


def _article(task: str) -> str:
    return _KINDS.get(task, f"a model for {task}")


def _expect(task: str, model: AnyModel) -> AnyModel:
    has = task_of(model)
    if has == task or (task, has) == ("detect", "segment"):
        return model
    model.close()
    raise WrongTask(
        f"{model.name} is {_article(has)}, and {_article(task)} is needed here: "
        f"name another model, or use it as what it is (`{_DOORS.get(has, 'load_model')}`)"
    )
