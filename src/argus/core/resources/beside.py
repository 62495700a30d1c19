"""Paths in specs that are meant from where their file lies: weights, recordings, lists of labels.

Only what exists there is taken for a path: a name of a model or an address stays as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from argus.core.paths import is_there
from argus.core.resources.declared import NAME
from argus.core.urls import scheme_of


def beside(path: str, folder: Path) -> str:
    """Return a relative path from a folder where it exists there, else as it is written."""
    if scheme_of(path) is not None or Path(path).is_absolute():
        return path
    found = folder / path
    return str(found) if is_there(found) else path


def with_paths_beside(kind: str, spec: dict[str, Any], folder: Path) -> None:
    """Make the relative paths in a spec absolute, in place, where they exist in a folder.

    Args:
        kind: Of the resource.
        spec: In its full form.
        folder: Where its file lies.
    """
    folder = folder.absolute()
    match kind:
        case "Camera":
            _set(spec, "url", folder)
        case "Model":
            _of_model(spec, folder)
        case "BatchJob":
            _set_pattern(spec, "source", folder)
        case "Pipeline":
            for part in ("detect", "track", "branches", "degrade"):
                _of_models_in(spec.get(part), folder)


def _of_models_in(value: Any, folder: Path) -> None:
    if isinstance(value, list):
        for item in value:
            _of_models_in(item, folder)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in {"model", "appearance_model"}:
                _of_models_in(item, folder)
            elif isinstance(item, dict):
                _of_model(item, folder)
            elif isinstance(item, str) and not NAME.fullmatch(item):  # a name is never a path
                _set(value, key, folder)


def _of_model(model: dict[str, Any], folder: Path) -> None:
    _set(model, "path", folder)
    if isinstance(model.get("labels"), str):
        _set(model, "labels", folder)


def _set(fields: dict[str, Any], key: str, folder: Path) -> None:
    if _may_be_path(fields[key]):
        fields[key] = beside(fields[key], folder)


def _set_pattern(fields: dict[str, Any], key: str, folder: Path) -> None:
    """The same for what may be a pattern, which exists when something fits it."""
    text = fields[key]
    if not _may_be_path(text) or scheme_of(text) is not None or Path(text).is_absolute():
        return
    if any(sign in text for sign in "*?["):
        try:
            fits = next(folder.glob(text), None) is not None
        except (ValueError, OSError, NotImplementedError):
            return
        if fits:
            fields[key] = str(folder / text)
    else:
        _set(fields, key, folder)


def _may_be_path(text: str) -> bool:
    return "$" not in text and "\0" not in text and len(text) < 4096
