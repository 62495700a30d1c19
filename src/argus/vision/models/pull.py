"""Getting weights into the registry: from the catalogue, from an address, from a file.

What is fetched is verified and looked into before it is registered, so the registry holds networks only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from argus.core.errors import ModelUnreadable, UnknownName
from argus.core.paths import expanded, is_file, is_folder
from argus.vision.models.catalogue import CATALOGUE, CatalogueEntry
from argus.vision.models.pull_address import WeightsAddress, is_address, parse_address
from argus.vision.models.pull_download import GIB, USUAL_PATIENCE, Patience, Progress, discard, download
from argus.vision.models.registry import NOTHING_TOLD, ModelFacts, Registration, Registry
from argus.vision.models.registry_facts import read_facts
from argus.vision.models.registry_files import verify
from argus.vision.models.registry_record import name_from, split_reference


@dataclass(frozen=True, slots=True)
class PullOptions:
    """What is said besides where the weights are."""

    name: str | None = None
    """Name, or `name@version`, in the registry; None: the catalogue's, or the nearest to the file's."""
    told: ModelFacts = NOTHING_TOLD
    """What is known better than the weights themselves say it."""
    unverified: bool = False
    """True takes weights from an address without a checksum."""
    limit_bytes: int = 4 * GIB
    """Longer downloads are refused."""
    patience: Patience = USUAL_PATIENCE


NO_OPTIONS = PullOptions()


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull came to."""

    registration: Registration
    vouched: bool
    """False where no checksum was given: what arrived is trusted from now on."""


def pull(
    what: str,
    registry: Registry,
    downloads: Path,
    options: PullOptions = NO_OPTIONS,
    report: Callable[[Progress], None] = lambda _: None,
) -> Pulled:
    """Register what `what` stands for, fetching it where it is not here.

    Args:
        what: A name of the catalogue, an address with its checksum, or a file.
        registry: Where it goes.
        downloads: Where files are gathered while they arrive.
        options: What else is said.
        report: Called often with how far a download is.

    Raises:
        SpecError: `what` or an option is nothing that can be pulled.
        DownloadFailed: the server refused or was lost; what has arrived is kept for the next pull.
        ModelUnreadable: it is no network, or not the file that was asked for.
        OutputError: the disk is full or cannot be written.
    """
    if is_address(what):
        address = parse_address(what, unverified=options.unverified)
        return _fetched(address, registry, downloads, options, report)
    if what in CATALOGUE:
        entry = CATALOGUE[what]
        informed = replace(options, name=options.name or entry.name, told=_told_by(entry, options.told))
        return _fetched(entry.address, registry, downloads, informed, report)
    path = expanded(what)
    if not is_file(path):
        raise _nothing_there(what, path)
    return Pulled(add_file(path, registry, options), vouched=True)


def add_file(path: Path, registry: Registry, options: PullOptions = NO_OPTIONS) -> Registration:
    """Register a file of this machine.

    Raises:
        ModelUnreadable: it is no network that can be read.
        SpecError: the name, the version or what was told does not fit.
    """
    name, version = split_reference(options.name or name_from(path.stem))
    return registry.register(path, name=name, version=version, facts=read_facts(path, options.told))


def _fetched(
    address: WeightsAddress,
    registry: Registry,
    downloads: Path,
    options: PullOptions,
    report: Callable[[Progress], None],
) -> Pulled:
    name, version = split_reference(options.name or name_from(Path(address.file_name).stem))
    known = _already_here(registry, name, version, address.sha256, options.told)
    if known is not None:
        return Pulled(known, vouched=True)
    with download(
        address, downloads, limit_bytes=options.limit_bytes, patience=options.patience, report=report
    ) as file:
        try:
            facts = read_facts(file, options.told)
        except ModelUnreadable:
            discard(file)
            raise
        registration = registry.register(
            file, name=name, version=version, source=address.shown, facts=facts, link=True
        )
        discard(file)
    return Pulled(registration, vouched=address.sha256 is not None)


def _already_here(
    registry: Registry, name: str, version: str | None, sha256: str | None, told: ModelFacts
) -> Registration | None:
    """Return the version that holds these very weights, sound and read in the same way, if there is one."""
    for model in registry.versions(name):
        record = model.record
        same_reading = record.reading == dict(told.reading or {}) and record.labels == tuple(
            told.labels or record.labels
        )
        if record.sha256 == sha256 and version in {None, record.version} and same_reading:
            try:
                verify(model)
            except ModelUnreadable:
                return None
            return Registration(model, created=False)
    return None


def _told_by(entry: CatalogueEntry, told: ModelFacts) -> ModelFacts:
    """Return what the catalogue knows, where the user has not said otherwise."""
    return replace(
        told,
        labels=told.labels or entry.labels,
        licence=told.licence or entry.licence,
        reading={"layout": entry.layout, "input_size": list(entry.input_size), **(told.reading or {})},
    )


def _nothing_there(what: str, path: Path) -> ModelUnreadable | UnknownName:
    if is_folder(path):
        return ModelUnreadable(f"{what}: this is a folder; give the path of the weights in it")
    if path.suffix or "/" in what:
        return ModelUnreadable(f"{what}: there is no such file; check the path")
    return UnknownName("model of the catalogue", what, CATALOGUE)
