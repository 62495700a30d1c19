"""Files of resources in either form, and files of one pipeline, read to be used in this process.

Every `${NAME}` is filled in at once. Nothing named in a file is opened, and no camera or model is asked.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from argus.core.errors import SpecError, UnknownName
from argus.core.resources.beside import beside
from argus.core.resources.camera import CameraSpec
from argus.core.resources.declared import ManifestError, declared_in, is_bare_pipeline, not_a_mapping
from argus.core.resources.job import JobSpec
from argus.core.resources.kinds import kinds
from argus.core.resources.manifest import filled, read_spec
from argus.core.resources.model import ModelSpec
from argus.core.resources.pipeline import PipelineSpec
from argus.core.resources.references import with_models
from argus.core.resources.spec import Spec
from argus.core.resources.yaml_text import read_documents
from argus.core.secrets import Secrets


@dataclass(frozen=True, slots=True)
class Resources:
    """All that one file declares, by kind and name."""

    specs: dict[str, dict[str, Spec]] = field(default_factory=dict)
    """Kind → name → spec; every kind that there is has an entry."""
    labels: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    """Labels by kind and name; the short form has none."""
    secrets: Secrets = field(default_factory=lambda: Secrets({}))
    """What was taken from the environment; `secrets.hide` takes it out of a text again."""

    @property
    def cameras(self) -> dict[str, CameraSpec]:
        """Cameras by name."""
        return cast("dict[str, CameraSpec]", self.specs.get("Camera", {}))

    @property
    def models(self) -> dict[str, ModelSpec]:
        """Models by name."""
        return cast("dict[str, ModelSpec]", self.specs.get("Model", {}))

    @property
    def pipelines(self) -> dict[str, PipelineSpec]:
        """Pipelines by name."""
        return cast("dict[str, PipelineSpec]", self.specs.get("Pipeline", {}))

    @property
    def jobs(self) -> dict[str, JobSpec]:
        """Jobs by name."""
        return cast("dict[str, JobSpec]", self.specs.get("BatchJob", {}))


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
    if len(documents) == 1 and is_bare_pipeline(documents[0]):
        bare, sections = documents[0], {kind.plural for kind in kinds()}
        fields = {key: value for key, value in bare.items() if key not in sections}
        resources = _resources(path, [{k: v for k, v in bare.items() if k in sections}], secrets)
        if resources.pipelines:
            raise SpecError(f"{path}: the fields of a pipeline at the top, and `pipelines` too: choose one")
        spec = PipelineSpec.read(filled(fields, secrets, str(path)), str(path), secrets=secrets)
        resources.specs["Pipeline"] = {name or path.stem: spec}
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
    ready = with_models(spec, resources.models, path=lambda named: beside(named, path.parent))
    return ready, resources


def _documents(path: Path) -> list[dict[str, Any]]:
    documents = read_documents(path)
    if not documents:
        raise SpecError(f"{path}: the file is empty")
    for document in documents:
        if not isinstance(document, dict):
            raise SpecError(f"{path}: {not_a_mapping(document)}")
    return documents


def _resources(path: Path, documents: list[dict[str, Any]], secrets: Secrets) -> Resources:
    where = str(path)
    declared, faults = declared_in(documents, where)
    resources = Resources({kind.name: {} for kind in kinds()}, secrets=secrets)
    for one in declared:
        spec = read_spec(one, where, secrets)
        if isinstance(spec, list):
            faults += spec
            continue
        resources.specs[one.kind.name][one.name] = spec
        if one.labels:
            resources.labels[one.kind.name, one.name] = one.labels
    if faults:
        raise ManifestError(sorted(faults, key=lambda fault: fault.document))
    return resources
