"""The registry of models: a folder with one folder per name and version.

    models/people/1/model.json     what is known of it
    models/people/1/yolox_s.onnx   the weights

A version is written beside the registry, flushed, and moved in by one rename under a lock; so two
processes may register at once, and a kill at any moment leaves no half version. Loading
networks is not done here, nor is fetching them (`argus.vision.models.pull`).
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import JsonValue, ValidationError

from argus.core.errors import ArgusError, ModelUnreadable, OutputError, SpecError, UnknownName
from argus.core.settings import read_settings
from argus.vision.models.registry_files import (
    check_readable,
    companions,
    fault_of,
    flush_folder,
    take,
    verify,
)
from argus.vision.models.registry_lock import locked
from argus.vision.models.registry_record import (
    RECORD_FILE,
    ModelRecord,
    RegisteredModel,
    WeightsFile,
    checked_name,
    checked_version,
    fingerprint_of,
    split_reference,
)

_PATIENCE_S = 120.0
_INCOMING = ".incoming-"
_REMOVED = ".removed-"


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What is known of weights before they are registered; all of it may be missing."""

    task: str | None = None
    layout: str | None = None
    labels: Sequence[str] = ()
    input_size: tuple[int, int] | None = None
    licence: str | None = None
    reading: Mapping[str, JsonValue] | None = None
    metadata: Mapping[str, str] | None = None


NOTHING_TOLD = ModelFacts()


@dataclass(frozen=True, slots=True)
class Registration:
    """The version that holds the weights, and whether it is new."""

    model: RegisteredModel
    created: bool


class Registry:
    """The models of one folder. Safe to use from several processes; nothing is kept in memory."""

    def __init__(self, folder: Path) -> None:
        """Open the registry in `folder`, which need not exist yet."""
        self.folder = folder

    @classmethod
    def of_user(cls) -> Registry:
        """Return the registry of this user: `$ARGUS_HOME/models`."""
        return cls(read_settings().models)

    def models(self) -> list[RegisteredModel]:
        """Return every version, by name, the newest of each name last.

        Raises:
            ModelUnreadable: a `model.json` is damaged.
        """
        return [model for name in self.names() for model in self.versions(name)]

    def names(self) -> list[str]:
        """Return the names that have a version, sorted."""
        return sorted(
            {record.parent.parent.name for record in _listed(self.folder, f"[!.]*/[!.]*/{RECORD_FILE}")}
        )

    def versions(self, name: str) -> list[RegisteredModel]:
        """Return every version of a name in the order of registration; none for an unknown name."""
        records = _listed(self.folder / checked_name(name), f"[!.]*/{RECORD_FILE}")
        found = [model for record in records if (model := _read(record.parent)) is not None]
        return sorted(found, key=lambda model: (model.record.created, model.record.version))

    def find(self, reference: str) -> RegisteredModel:
        """Return the version that `name@version`, or the newest that `name`, stands for; looks at no file.

        Raises:
            UnknownName: there is no such name or version.
        """
        name, version = split_reference(reference)
        versions = self.versions(name)
        if not versions:
            raise UnknownName("model", name, self.names())
        if version is None:
            return versions[-1]
        for model in versions:
            if model.record.version == version:
                return model
        raise UnknownName(f"version of {name}", version, [model.record.version for model in versions])

    def resolve(self, reference: str) -> RegisteredModel:
        """Return what `find` does, once its files are known to be those that were registered.

        Cheap while size and modification time stand; otherwise the file is read and its checksum compared.

        Raises:
            UnknownName: there is no such name or version.
            ModelUnreadable: a file is missing or damaged; the message says how to mend it.
        """
        model = self.find(reference)
        verify(model)
        return model

    def register(
        self,
        weights: Path,
        *,
        name: str,
        version: str | None = None,
        source: str | None = None,
        facts: ModelFacts = NOTHING_TOLD,
        link: bool = False,
    ) -> Registration:
        """Add weights as a version, or return the version that holds the same already, mended if damaged.

        Args:
            weights: The file; external data that ONNX keeps beside it comes along.
            name: Name of the model, a DNS label.
            version: None: the version of the same content, else the next number.
            source: Where it came from, credentials masked; None: the path.
            facts: What is known of the weights.
            link: Share the file's blocks instead of copying them where the disk can do so; nobody may write
                to the file afterwards.

        Raises:
            SpecError: name or version are not permitted, or the version holds something else.
            ModelUnreadable: the file is missing or cannot be read.
            OutputError: the registry cannot be written.
        """
        checked_name(name)
        if version is not None:
            checked_version(version)
        check_readable(weights)
        with self._changing(), self._incoming() as incoming:
            files = [take(path, incoming, link) for path in [weights, *companions(weights)]]
            fingerprint = fingerprint_of([file.sha256 for file in files], facts.labels, facts.reading or {})
            versions = self.versions(name)
            for model in versions:
                if model.record.fingerprint == fingerprint and version in {None, model.record.version}:
                    return Registration(self._mended(model, incoming, files), created=False)
            version = version or _next_version(versions)
            if (self.folder / name / version).exists():
                raise SpecError(
                    f"model {name}@{version} holds other content: leave the version out to get the next one, "
                    f"or first `argus models remove {name}@{version}`"
                )
            record = ModelRecord(
                name=name,
                version=version,
                source=source or str(weights.absolute()),
                created=datetime.now(UTC),
                files=tuple(files),
                fingerprint=fingerprint,
                task=facts.task,
                layout=facts.layout,
                labels=tuple(facts.labels),
                input_size=facts.input_size,
                licence=facts.licence,
                reading=dict(facts.reading or {}),
                metadata=dict(facts.metadata or {}),
            )
            _write_record(incoming, record)
            folder = self.folder / name / version
            folder.parent.mkdir(exist_ok=True)
            incoming.rename(folder)
            flush_folder(folder.parent)
        return Registration(RegisteredModel(folder, record), created=True)

    def remove(self, reference: str) -> RegisteredModel:
        """Remove one version, `name@version`, or `name` where it has a single one; return what it was.

        Raises:
            UnknownName: there is no such name or version.
            SpecError: `name` has several versions and none is named.
        """
        name, version = split_reference(reference)
        self.find(reference)
        with self._changing():
            versions = self.versions(name)
            if version is None and len(versions) > 1:
                known = ", ".join(model.record.reference for model in versions)
                raise SpecError(f"model {name!r} has {len(versions)} versions; name one: {known}")
            model = self.find(reference)
            doomed = Path(tempfile.mkdtemp(prefix=_REMOVED, dir=self.folder))
            model.folder.rename(doomed / "version")
            shutil.rmtree(doomed)
            if not any(model.folder.parent.iterdir()):
                model.folder.parent.rmdir()
        return model

    def _mended(self, model: RegisteredModel, incoming: Path, files: list[WeightsFile]) -> RegisteredModel:
        """Return the version, its files replaced by the same ones just brought in where they are damaged."""
        if not any(fault_of(model.folder / file.name, file, every_byte=True) for file in model.record.files):
            return model
        record = model.record.model_copy(update={"files": tuple(files)})
        _write_record(incoming, record)
        doomed = Path(tempfile.mkdtemp(prefix=_REMOVED, dir=self.folder))
        model.folder.rename(doomed / "version")
        incoming.rename(model.folder)
        flush_folder(model.folder.parent)
        shutil.rmtree(doomed)
        return RegisteredModel(model.folder, record)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Hold the registry alone; what a killed process left is swept away first."""
        with locked(self.folder / ".lock", "the registry of models", _PATIENCE_S):
            try:
                # Whoever made these held the lock, and we hold it now: nobody is working in them.
                for leftover in [*self.folder.glob(f"{_INCOMING}*"), *self.folder.glob(f"{_REMOVED}*")]:
                    shutil.rmtree(leftover)
                yield
            except OSError as error:
                if isinstance(error, ArgusError):
                    raise
                raise OutputError(error.filename or self.folder, error.strerror or error) from error

    @contextmanager
    def _incoming(self) -> Iterator[Path]:
        folder = Path(tempfile.mkdtemp(prefix=_INCOMING, dir=self.folder))
        folder.chmod(0o755)
        try:
            yield folder
        finally:
            if folder.exists():
                shutil.rmtree(folder)


def _listed(folder: Path, pattern: str) -> list[Path]:
    """Return what matches in a folder, of which others may be removing parts."""
    while True:
        try:
            return list(folder.glob(pattern))
        except FileNotFoundError:  # a folder went between being found and being looked into
            continue


def _read(folder: Path) -> RegisteredModel | None:
    """Return the version in a folder; None where it was removed meanwhile, for who reads holds no lock."""
    path = folder / RECORD_FILE
    try:
        record = ModelRecord.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        reason = error.strerror if isinstance(error, OSError) else _firstfault_of(error)
        raise ModelUnreadable(
            f"{path}: this is no record of a model ({reason}); "
            f"remove the folder {folder} and get the model again"
        ) from error
    return RegisteredModel(folder, record)


def _firstfault_of(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in fault["loc"])
    return f"{place}: {fault['msg']}" if place else fault["msg"]


def _next_version(versions: list[RegisteredModel]) -> str:
    numbers = [int(model.record.version) for model in versions if model.record.version.isdecimal()]
    return str(max(numbers, default=0) + 1)


def _write_record(folder: Path, record: ModelRecord) -> None:
    with (folder / RECORD_FILE).open("w", encoding="utf-8") as file:
        json.dump(record.model_dump(mode="json"), file, indent=2, ensure_ascii=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    flush_folder(folder)
