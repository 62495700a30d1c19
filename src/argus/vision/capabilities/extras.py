"""Optional packages: which are installed, and the command that installs the others."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass

from argus.vision.capabilities.finding import Finding


@dataclass(frozen=True, slots=True)
class Extra:
    """Something that Argus can use and does not need."""

    name: str
    module: str
    """Looked for, never imported: torch alone takes seconds."""
    distribution: str | None
    gives: str
    install: str


EXTRAS = (
    Extra("torch", "ultralytics", "ultralytics", "weights in .pt files", "pip install 'argus-vision[torch]'"),
    Extra(
        "supervision",
        "supervision",
        "supervision",
        "annotators and converters",
        "pip install 'argus-vision[supervision]'",
    ),
)


def look_at_extras() -> Iterator[Finding]:
    """Yield every extra."""
    for extra in EXTRAS:
        installed = importlib.util.find_spec(extra.module) is not None
        version = _version(extra.distribution) if installed else None
        yield Finding(
            "extras",
            extra.name,
            "ok" if installed else "missing",
            f"{version or 'installed'}: {extra.gives}" if installed else f"not installed: {extra.gives}",
            remedy=None if installed else extra.install,
            data={"installed": installed, "version": version},
        )


def _version(distribution: str | None) -> str | None:
    try:
        return importlib.metadata.version(distribution) if distribution else None
    except importlib.metadata.PackageNotFoundError:
        return None
