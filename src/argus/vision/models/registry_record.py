"""What the registry writes down about one version of a model: `model.json`, and the names it goes by.

Only the words and their checks; folders, locks and moves are `argus.vision.models.registry`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from argus.core.errors import SpecError

RECORD_FILE = "model.json"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_BLOCK = 1 << 20


class WeightsFile(BaseModel):
    """One file of a version, as it was when it was registered."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(pattern=r"^[^./][^/]*$")
    size_bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    mtime_ns: int
    """Modification time; while it and the size stand, the file is taken for unchanged."""


class ModelRecord(BaseModel):
    """One version of a model. Fields that a later Argus adds are ignored by an earlier one."""

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = 1
    name: str
    version: str
    source: str
    """Where the weights came from, credentials masked."""
    created: datetime
    """When the version was registered, UTC."""
    files: tuple[WeightsFile, ...] = Field(min_length=1)
    """The weights first, then what has to lie beside them."""
    fingerprint: str
    """Of the weights, the labels and how they are read: equal fingerprints give equal detections."""
    task: str | None = None
    layout: str | None = None
    labels: tuple[str, ...] = ()
    """By class id; empty where nobody knows them."""
    input_size: tuple[int, int] | None = None
    """Width and height that the network takes; None where it is free."""
    licence: str | None = None
    reading: dict[str, JsonValue] = {}
    """Settings of the model's spec that were given at registration, such as `layout`."""
    metadata: dict[str, str] = {}
    """What the weights say of themselves."""

    @property
    def sha256(self) -> str:
        """Checksum of the weights."""
        return self.files[0].sha256

    @property
    def size_bytes(self) -> int:
        """Size of all files together."""
        return sum(file.size_bytes for file in self.files)

    @property
    def reference(self) -> str:
        """What people write to get exactly this version: `name@version`."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A version that lies in the registry."""

    folder: Path
    record: ModelRecord

    @property
    def path(self) -> Path:
        """The weights."""
        return self.folder / self.record.files[0].name

    @property
    def overrides(self) -> dict[str, Any]:
        """What a loader has to be told besides the path: labels, and settings given at registration."""
        labels = {"labels": list(self.record.labels)} if self.record.labels else {}
        return {**labels, **self.record.reading}

    def to_json(self) -> dict[str, Any]:
        """Return the record with its path, checksum and size, as commands print it."""
        record = self.record
        return {
            "name": record.name,
            "version": record.version,
            "path": str(self.path),
            "source": record.source,
            "sha256": record.sha256,
            "size_bytes": record.size_bytes,
            "created": record.created.isoformat(timespec="seconds"),
            "task": record.task,
            "layout": record.layout,
            "labels": list(record.labels),
            "input_size": list(record.input_size) if record.input_size else None,
            "licence": record.licence,
            "fingerprint": record.fingerprint,
            "reading": record.reading,
            "metadata": record.metadata,
        }


def checked_name(name: str) -> str:
    """Return `name` if a model may be called so.

    Raises:
        SpecError: it is no DNS label.
    """
    if _NAME.fullmatch(name) is None:
        raise SpecError(
            f"model name {name!r}: use up to 63 lower-case letters, digits and '-', "
            f"such as {name_from(name)!r}"
        )
    return name


def checked_version(version: str) -> str:
    """Return `version` if a version may be called so.

    Raises:
        SpecError: it holds signs that a folder or a reference cannot carry.
    """
    if _VERSION.fullmatch(version) is None:
        raise SpecError(
            f"model version {version!r}: use letters, digits, '.', '_' and '-', such as 1 or 2024-06"
        )
    return version


def name_from(text: str) -> str:
    """Return the nearest permitted name to any text, such as the stem of a file."""
    label = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].strip("-")
    return label or "model"


def split_reference(reference: str) -> tuple[str, str | None]:
    """Return name and version of `name` or `name@version`.

    Raises:
        SpecError: either is not permitted.
    """
    name, at, version = reference.partition("@")
    return checked_name(name), checked_version(version) if at else None


def sha256_of(path: Path) -> str:
    """Return the checksum of a file, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def fingerprint_of(sha256s: Sequence[str], labels: Sequence[str], reading: Mapping[str, JsonValue]) -> str:
    """Return one value for everything that decides what a model detects."""
    told = json.dumps(
        {"weights": list(sha256s), "labels": list(labels), "reading": dict(reading)},
        sort_keys=True,
        ensure_ascii=True,
        separators=(",", ":"),
    )
    return hashlib.sha256(told.encode()).hexdigest()[:16]
