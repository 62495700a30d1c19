"""What a worker and a job are told: one JSON file each, which a worker reads again whenever it changes.

Whoever writes the file has put models in the place of their names and filled in secrets: it is for the
eyes of its owner alone (mode 0600). A file is replaced as a whole (`os.replace`), or mounted by Kubernetes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from pydantic import Field, ValidationError

from argus.core.errors import SpecError
from argus.core.resources.camera import CameraSpec
from argus.core.resources.pipeline import PipelineSpec
from argus.core.resources.spec import Spec, explain
from argus.core.urls import MASK, mask_urls

CONFIG_VARIABLE: Final = "ARGUS_WORKER_CONFIG"
"""Environment variable with the file's path."""


class StorageConfig(Spec):
    """Where results go."""

    results: str = Field(repr=False)
    """URL of the results; see `argus.storage.opening`."""
    blobs: str = Field(repr=False)
    """URL of the blobs."""
    spool: str
    """Folder of this worker in which records wait for the database."""


class PipelinePlan(Spec):
    """One pipeline of a worker."""

    camera: str
    """Name of its camera in the same file."""
    spec: PipelineSpec
    """With models written out."""
    generation: int = 0
    """Of the resource that it was made from; the worker's report says which one it runs."""


class WorkerConfig(Spec):
    """All that a worker does."""

    worker: str
    """Name of the workload."""
    host: str = "127.0.0.1"
    """Where it listens."""
    port: int = Field(default=0, ge=0, le=65535)
    """0: any that is free, which it tells its supervisor."""
    storage: StorageConfig
    cameras: dict[str, CameraSpec] = Field(default_factory=dict)
    """By name, with secrets filled in."""
    pipelines: dict[str, PipelinePlan] = Field(default_factory=dict)
    """By name."""


class JobConfig(Spec):
    """All that one run of a batch job does."""

    job: str
    """Name of the resource."""
    run: str
    """Its uid and the number of the run; key of `argus.storage.records.Run`."""
    source: str
    """A file, a folder, a pattern, or `blob:KEY`, where KEY may end in `*`."""
    pipeline: str
    """Name of the pipeline, as records have it."""
    spec: PipelineSpec
    storage: StorageConfig
    report: bool = True
    """Keep an HTML report of each file among the blobs, `jobs/JOB/RUN/reports/…`."""


def read_config(path: Path) -> WorkerConfig | JobConfig:
    """Return what a file says.

    Raises:
        SpecError: it is no such file; the message never shows a secret of it.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SpecError(f"{path}: cannot be read: {error.strerror}") from None
    return parsed(data, str(path))


def parsed(data: bytes, where: str) -> WorkerConfig | JobConfig:
    """Return what a file's bytes say; `where` is what people call it. Raises as `read_config` does."""
    try:
        content = json.loads(data)
    except ValueError as error:
        # The position alone: what stands there may be half a secret.
        at = f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else "its encoding"
        raise SpecError(f"{where}: is no JSON ({at}): was it written to its end?") from None
    except RecursionError:
        raise SpecError(f"{where}: is nested too deeply for a config") from None
    if not isinstance(content, dict) or ("worker" in content) == ("job" in content):
        raise SpecError(f"{where}: is neither a worker's config, which has `worker`, nor a job's, with `job`")
    kind = WorkerConfig if "worker" in content else JobConfig
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise SpecError("\n".join(map(_discreet(error), explain(error, kind, where)))) from None


def written(config: WorkerConfig | JobConfig) -> str:
    """Return the file's text: the same config gives the same text."""
    content = to_builtins(config)
    return json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), indent=0) + "\n"


def blobs_of_run(job: str, run: str) -> str:
    """Return what the keys of a run's blobs begin with, without the `/` behind it."""
    return f"jobs/{job}/{re.sub(r'[^a-z0-9_]+', '-', run.lower()).strip('-')}"


def to_builtins(config: Spec) -> dict[str, Any]:
    """Return a spec in its JSON form, which reads back as an equal one."""
    return config.model_dump(mode="json", by_alias=True)


_GOT: Final = re.compile(r" \(got .*\)$", re.DOTALL)


def _discreet(error: ValidationError) -> Callable[[str], str]:
    """Return what takes the values at fault out of what is said of them: secrets have been filled in here."""
    texts = {fault["input"] for fault in error.errors() if isinstance(fault["input"], str)}

    def hide(line: str) -> str:
        line = _GOT.sub("", line)
        for text in sorted(texts, key=len, reverse=True):
            line = line.replace(text, MASK) if text else line
        return mask_urls(line)

    return hide
