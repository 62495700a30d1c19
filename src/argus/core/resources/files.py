"""Files of resources: the short form and the envelope, which mean the same, and files of one pipeline.

Reading only: nothing named in a file is opened, and no camera or model is asked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from argus.core.errors import SpecError, UnknownName, did_you_mean
from argus.core.resources.camera import CameraSpec
from argus.core.resources.job import JobSpec
from argus.core.resources.model import ModelSpec
from argus.core.resources.pipeline import BranchSpec, DetectSpec, PipelineSpec
from argus.core.resources.spec import Spec
from argus.core.resources.yaml_text import read_documents
from argus.core.secrets import Secrets
from argus.core.urls import scheme_of

API_VERSION: Final = "argus.dev/v1"

KINDS: Final[Mapping[str, tuple[str, type[Spec]]]] = MappingProxyType({
    "Camera": ("cameras", CameraSpec),
    "Model": ("models", ModelSpec),
    "Pipeline": ("pipelines", PipelineSpec),
    "BatchJob": ("jobs", JobSpec),
})  # fmt: skip
"""Kind of resource → its section in the short form, and its spec."""

_SECTIONS: Final = {section: (kind, spec) for kind, (section, spec) in KINDS.items()}
_ENVELOPE: Final = ("apiVersion", "kind", "metadata", "spec")
_METADATA: Final = frozenset({
    "name", "labels", "annotations", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp",
    "deletionTimestamp", "finalizers", "managedFields", "ownerReferences", "generateName", "selfLink",
})  # fmt: skip
"""What Kubernetes writes there; only name and labels mean something here."""
_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Resources:
    """All that one file declares, by kind and name."""

    cameras: dict[str, CameraSpec] = field(default_factory=dict)
    models: dict[str, ModelSpec] = field(default_factory=dict)
    pipelines: dict[str, PipelineSpec] = field(default_factory=dict)
    jobs: dict[str, JobSpec] = field(default_factory=dict)
    labels: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    """Labels by kind and name; the short form has none."""
    secrets: Secrets = field(default_factory=lambda: Secrets({}))
    """What was taken from the environment; `secrets.hide` takes it out of a text again."""


def read_resources(path: Path | str, *, environment: Mapping[str, str] | None = None) -> Resources:
    """Return the resources that a file declares, in either form.

    Args:
        path: A YAML file of one or several documents.
        environment: Where `${NAME}` is looked up; the process's own unless told.

    Raises:
        SpecError: the file cannot be read, or says something impossible; names file and place.
    """
    path = Path(path)
    return _resources(path, _documents(path), Secrets(os.environ if environment is None else environment))


def read_pipeline(
    path: Path | str, name: str | None = None, *, environment: Mapping[str, str] | None = None
) -> tuple[PipelineSpec, Resources]:
    """Return the pipeline that a file holds, ready to run here, and all that the file declares.

    The file holds resources with one pipeline, or several of which `name` is one; or the fields of a
    pipeline stand at its top, beside `models` or without. Models that the file declares take the place
    of their names; weights given by a relative path are looked for beside the file first.

    Args:
        path: A YAML file.
        name: Which pipeline; needed where there are several.
        environment: Where `${NAME}` is looked up; the process's own unless told.

    Raises:
        SpecError: as for `read_resources`; or the file holds no pipeline, or several and no name was given.
        UnknownName: no pipeline has this name.
    """
    path = Path(path)
    secrets = Secrets(os.environ if environment is None else environment)
    documents = _documents(path)
    if len(documents) == 1 and _is_bare_pipeline(documents[0]):
        bare = documents[0]
        fields = {key: value for key, value in bare.items() if key not in _SECTIONS}
        resources = _resources(path, [{k: v for k, v in bare.items() if k in _SECTIONS}], secrets)
        if resources.pipelines:
            raise SpecError(f"{path}: the fields of a pipeline at the top, and `pipelines` too: choose one")
        spec = PipelineSpec.read(_filled(fields, str(path), secrets), str(path), secrets=secrets)
        resources = Resources(
            resources.cameras, resources.models, {name or path.stem: spec}, resources.jobs, {}, secrets
        )
    else:
        resources = _resources(path, documents, secrets)
        found = resources.pipelines
        if name is not None and name not in found:
            raise UnknownName(f"pipeline in {path}", name, found)
        if not found:
            raise SpecError(f"{path}: holds no pipeline: add a section `pipelines`")
        if name is None and len(found) > 1:
            raise SpecError(f"{path}: holds {len(found)} pipelines ({', '.join(sorted(found))}): name one")
        spec = found[name or next(iter(found))]
    return _with_models(spec, resources.models, path.parent), resources


def _documents(path: Path) -> list[dict[str, Any]]:
    documents = read_documents(path)
    if not documents:
        raise SpecError(f"{path}: the file is empty")
    for document in documents:
        if not isinstance(document, dict):
            found = "a list" if isinstance(document, list) else f"the single value {str(document)[:40]!r}"
            raise SpecError(f"{path}: expected fields and their values (a mapping), found {found}")
    return documents


def _is_bare_pipeline(document: dict[str, Any]) -> bool:
    known = {field.alias or name for name, field in PipelineSpec.model_fields.items()}
    return "kind" not in document and "apiVersion" not in document and bool(known & document.keys())


def _resources(path: Path, documents: list[dict[str, Any]], secrets: Secrets) -> Resources:
    resources = Resources(secrets=secrets)
    for number, document in enumerate(documents, 1):
        where = str(path) if len(documents) == 1 else f"{path}: document {number}"
        if "apiVersion" in document or "kind" in document:
            _take_envelope(resources, document, path, where)
        else:
            _take_sections(resources, document, path, where)
    return resources


def _take_sections(resources: Resources, document: dict[str, Any], path: Path, where: str) -> None:
    """Take the short form: sections of names and specs."""
    if _is_bare_pipeline(document):
        raise SpecError(
            f"{where}: the fields of a pipeline stand at the top: put them under `pipelines:` and a name"
        )
    for section, entries in document.items():
        if section not in _SECTIONS:
            known = [*_SECTIONS, *_ENVELOPE]
            hint = did_you_mean(section, known) or f"; known here: {', '.join(_SECTIONS)}"
            raise SpecError(f"{where}: {section}: unknown field{hint}")
        if entries is None:
            continue
        if not isinstance(entries, dict):
            raise SpecError(f"{where}: {section}: expected names and their specs (a mapping)")
        for name, spec in entries.items():
            _add(resources, section, name, spec, path=path, where=where)


def _take_envelope(resources: Resources, document: dict[str, Any], path: Path, where: str) -> None:
    """Take one resource as Kubernetes writes it. Its `status` is somebody else's and left alone."""
    for key in document:
        if key not in {*_ENVELOPE, "status"}:
            hint = did_you_mean(key, _ENVELOPE) or f"; known here: {', '.join(_ENVELOPE)}"
            raise SpecError(f"{where}: {key}: unknown field{hint}")
    for key in _ENVELOPE:
        if document.get(key) is None:
            raise SpecError(f"{where}: {key}: this field is required")
    if document["apiVersion"] != API_VERSION:
        raise SpecError(
            f"{where}: apiVersion: {str(document['apiVersion'])!r} is not known; write {API_VERSION}"
        )
    kind, metadata = document["kind"], document["metadata"]
    if not isinstance(kind, str) or kind not in KINDS:
        raise UnknownName(f"kind in {where}:", str(kind), KINDS)
    if not isinstance(metadata, dict):
        raise SpecError(f"{where}: metadata: expected fields and their values (a mapping)")
    for key in metadata:
        if key not in _METADATA:
            hint = did_you_mean(key, _METADATA) or "; known here: name, labels"
            raise SpecError(f"{where}: metadata.{key}: unknown field{hint}")
    name, labels = metadata.get("name"), metadata.get("labels") or {}
    if not isinstance(name, str):
        raise SpecError(f"{where}: metadata.name: this field is required")
    if not isinstance(labels, dict) or not all(isinstance(value, str) for value in labels.values()):
        raise SpecError(f"{where}: metadata.labels: expected texts and their texts; quote numbers and truths")
    _add(resources, KINDS[kind][0], name, document["spec"], path=path, where=where)
    if labels:
        resources.labels[kind, name] = labels


def _add(resources: Resources, section: str, name: str, data: Any, *, path: Path, where: str) -> None:
    """Read one spec and put it to the others."""
    kind, spec_type = _SECTIONS[section]
    place = f"{path}: {section}.{name}"
    if not _LABEL.fullmatch(name):
        raise SpecError(
            f"{place}: {name!r} is no name: use at most 63 small letters, digits and -,"
            " with a letter or digit first and last"
        )
    held: dict[str, Any] = getattr(resources, section)
    if name in held:
        raise SpecError(f"{where}: a {kind} {name!r} stands in this file twice")
    if kind == "Model" and isinstance(data, str):
        data = {"path": data}
    filled = _filled(data, place, resources.secrets)
    held[name] = spec_type.read(filled, str(path), at=(section, name), secrets=resources.secrets)


def _filled(value: Any, where: str, secrets: Secrets) -> Any:
    """Return the same value with each `${NAME}` in its texts replaced."""
    if isinstance(value, str):
        return secrets.fill(value, where) if "$" in value else value
    if isinstance(value, dict):
        return {key: _filled(item, f"{where}.{key}", secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, f"{where}.{number}", secrets) for number, item in enumerate(value)]
    return value


def _with_models(spec: PipelineSpec, models: Mapping[str, ModelSpec], folder: Path) -> PipelineSpec:
    """Put models in the place of their names, and paths beside the file in the place of relative ones."""

    def model(named: str | ModelSpec) -> str | ModelSpec:
        if isinstance(named, str):
            if named not in models:
                return _beside(named, folder)
            named = models[named]
        return named.model_copy(update={"path": _beside(named.path, folder)})

    def branch(one: BranchSpec) -> BranchSpec:
        nested = tuple(branch(inner) for inner in one.branches)
        # Its name is what the file calls the model, not the weights that stand behind that.
        return one.model_copy(update={"model": model(one.model), "branches": nested, "name": one.title})

    detect: DetectSpec | None = spec.detect
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


def _beside(path: str, folder: Path) -> str:
    if scheme_of(path) is not None or Path(path).is_absolute():
        return path
    beside = folder / path
    return str(beside) if beside.exists() else path
