"""What the classes of a network are called: from the spec, a file, the metadata, or well-known sets."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence

from argus.core.errors import ModelUnreadable, SpecError, UnknownName
from argus.core.paths import expanded
from argus.core.resources.model import ModelSpec
from argus.vision.models.catalogue_labels import COCO

UNCOUNTED = 1000
"""How many names are made up for a network that does not say how many classes it knows."""
NO_LITERAL = (ValueError, TypeError, SyntaxError, MemoryError, RecursionError)
"""What `ast.literal_eval` raises for a text that is none."""


def labels_in_metadata(metadata: Mapping[str, str]) -> tuple[str, ...] | None:
    """Return the names that a network carries as `names`, by class id; None where it carries none.

    Written as a Python dictionary or list, or as JSON; read as data, never run.
    """
    text = metadata.get("names") or metadata.get("labels") or metadata.get("classes")
    if not text:
        return None
    try:
        value = ast.literal_eval(text)
    except NO_LITERAL:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return None
    if isinstance(value, Mapping):
        try:
            by_id = {int(key): str(name) for key, name in value.items()}
        except (TypeError, ValueError, OverflowError):
            return None
        return tuple(by_id[i] for i in range(len(by_id))) if set(by_id) == set(range(len(by_id))) else None
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(str(name) for name in value)
    return None


def labels_of_spec(spec: ModelSpec) -> tuple[str, ...] | None:
    """Return the labels that the spec gives, reading them from its file if it names one.

    Raises:
        SpecError: the file is missing, empty or no text.
    """
    if spec.labels is None or isinstance(spec.labels, tuple):
        return spec.labels
    file = expanded(spec.labels)
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is no text in UTF-8"
        raise SpecError(f"labels file {file}: {reason}; give a text file with one name per line") from error
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise SpecError(f"labels file {file}: it is empty; give one name per line")
    return tuple(lines)


def choose_labels(
    file: str, classes: int, told: tuple[str, ...] | None, carried: tuple[str, ...] | None
) -> tuple[str, ...]:
    """Return one name per class.

    Args:
        file: how messages call the model.
        classes: how many classes its outputs have; 0 where they do not say.
        told: the labels of the spec.
        carried: the labels of the metadata.

    Raises:
        SpecError: the spec gives another number of labels than there are classes.
        ModelUnreadable: the metadata do.
    """
    if told is not None:
        if classes and len(told) != classes:
            raise SpecError(
                f"{file}: {len(told)} labels were given for a network with {classes} classes; "
                "give one for each class, in the order of training"
            )
        return told
    if carried is not None:
        if classes and len(carried) != classes:
            raise ModelUnreadable(
                f"{file}: its metadata name {len(carried)} classes and its outputs have {classes}; "
                "give the right names with `labels`"
            )
        return carried
    if classes == len(COCO):
        return COCO
    return tuple(f"class_{i}" for i in range(classes or UNCOUNTED))


def class_ids(labels: Sequence[str], classes: Sequence[str] | None) -> frozenset[int] | None:
    """Return the ids of the wanted classes; None: all.

    Raises:
        UnknownName: the model knows no such class.
    """
    if classes is None:
        return None
    for name in classes:
        if name not in labels:
            raise UnknownName("class", name, labels)
    return frozenset(i for i, label in enumerate(labels) if label in classes)
