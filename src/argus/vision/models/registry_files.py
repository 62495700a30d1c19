"""The files of a version: brought in, flushed, and compared with what they were.

Which version they belong to, and who may change it when, is `argus.vision.models.registry`.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from argus.core.errors import ModelUnreadable
from argus.vision.models.registry_parameters import external_files
from argus.vision.models.registry_record import RECORD_FILE, RegisteredModel, WeightsFile, sha256_of


def verify(model: RegisteredModel, *, every_byte: bool = False) -> None:
    """Make sure that the files of a version are those that were registered.

    Args:
        model: The version.
        every_byte: Compare checksums even where size and modification time stand.

    Raises:
        ModelUnreadable: a file is missing or damaged.
    """
    for file in model.record.files:
        path = model.folder / file.name
        fault = fault_of(path, file, every_byte)
        if fault is not None:
            reference = model.record.reference
            raise ModelUnreadable(
                f"model {reference} is damaged: {path} {fault}; "
                f"pull or register the same weights again to mend it ({model.record.source}), "
                f"or `argus models remove {reference}`"
            )


def fault_of(path: Path, file: WeightsFile, every_byte: bool) -> str | None:
    """Return what is wrong with a registered file, or None; `every_byte` compares its checksum always."""
    try:
        stat = path.stat()
        if stat.st_size != file.size_bytes:
            return f"has {stat.st_size} bytes instead of {file.size_bytes}"
        if stat.st_mtime_ns == file.mtime_ns and not every_byte:
            return None
        return None if sha256_of(path) == file.sha256 else "has another checksum than when it was registered"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def check_readable(weights: Path) -> None:
    """Make sure that there is a file, that it can be read, and that it holds something.

    Raises:
        ModelUnreadable: it is not so.
    """
    try:
        with weights.open("rb") as file:
            if not file.read(1):
                raise ModelUnreadable(f"{weights}: this file is empty; download or export it again")
    except OSError as error:
        raise ModelUnreadable(
            f"{weights}: {(error.strerror or str(error)).lower()}; give the path of weights"
        ) from error


def companions(weights: Path) -> list[Path]:
    """Return the files beside the weights that their format cannot do without.

    Raises:
        ModelUnreadable: one of them does not lie beside the weights.
    """
    if weights.suffix.lower() != ".onnx":
        return []
    # The names that exporters use for the tensors of a network over 2 GiB, and those that the file says.
    usual = [f"{weights.name}.data", f"{weights.name}_data", f"{weights.stem}.data"]
    said = sorted({str(Path(name)) for name in external_files(weights)}.difference(usual))
    for name in said:
        if Path(name).name != name:
            raise ModelUnreadable(
                f"{weights}: its tensors lie in {name}, and not in its own folder: save the network again, "
                "with all its tensors in one file beside it"
            )
    return [path for name in [*usual, *said] if (path := weights.with_name(name)).is_file()]


def take(path: Path, folder: Path, link: bool) -> WeightsFile:
    """Bring a file into `folder`, flushed to the disk, and return what it is.

    Raises:
        ModelUnreadable: its name is one that the registry needs for itself, or hides.
    """
    if path.name.startswith(".") or path.name == RECORD_FILE:
        raise ModelUnreadable(f"{path}: no file of this name can be registered; give it another one")
    target = folder / path.name
    if not (link and _linked(path, target)):
        shutil.copyfile(path, target)
    with target.open("rb+") as file:
        os.fsync(file.fileno())
    target.chmod(0o644)
    stat = target.stat()
    return WeightsFile(
        name=target.name, size_bytes=stat.st_size, sha256=sha256_of(target), mtime_ns=stat.st_mtime_ns
    )


def _linked(path: Path, target: Path) -> bool:
    try:
        os.link(path, target)
    except OSError:  # another disk, or one that knows no links
        return False
    return True


def flush_folder(folder: Path) -> None:
    """Make sure that what was renamed into `folder` survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
