"""What a node's folder says of the node in `node.toml`: its file, its class, and what its image needs.

Reading only; a folder without one says nothing, and its node takes the defaults.
See `docs/reference/node-toml.md`.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from argus.core.errors import SpecError
from argus.core.resources.spec import Names, Spec

NODE_TOML = "node.toml"


def _one_word(value: str) -> str:
    if not re.fullmatch(r"[^\s'\"\\$`;&|<>]+", value):
        raise ValueError("has blanks, quotes or signs that a shell reads: write one name")
    return value


def _package(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+:=~-]*", value):
        raise ValueError(f"{value!r} is no name of a Debian package")
    return value


def _requirement(value: str) -> str:
    if not re.match(r"[A-Za-z0-9./]", value) or re.search(r"[\n\r'\\$`]", value):
        raise ValueError(f"{value!r} is nothing that pip can install: write it as in requirements.txt")
    return value


def _inside(value: str) -> str:
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{value!r} leads out of the system's folder: copy it there")
    return _one_word(value)


class NodeToml(Spec):
    """The table `[node]`."""

    file: Annotated[str, AfterValidator(_inside)] | None = None
    """The file in the folder that holds the node; None: `node.py`, or the only one."""
    class_: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*$")] | None = Field(
        default=None, alias="class"
    )
    """The class or function in it; None: the only one there."""
    base: Annotated[str, AfterValidator(_one_word)] = "python:3.11-slim-bookworm"
    """The image that its own is built upon; it must have Python 3.11 or later, and `apt-get` for `system`."""
    dependencies: tuple[Annotated[str, AfterValidator(_requirement)], ...] = ()
    """What pip installs, as in a requirements file."""
    system: tuple[Annotated[str, AfterValidator(_package)], ...] = ()
    """Debian packages."""
    files: Annotated[Names, AfterValidator(lambda names: tuple(_inside(n) for n in names))] = ()
    """Files and folders besides its own folder, relative to that of the system: weights, labels."""
    device: Literal["gpu"] | None = None
    """What it runs on, unless the system's file says so; None: a processor."""


def read_node_toml(folder: Path) -> NodeToml:
    """Return what `node.toml` in a folder says; the defaults where there is none.

    Raises:
        SpecError: it is no TOML, or says what cannot be; every fault is listed.
    """
    path = folder / NODE_TOML
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return NodeToml()
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: cannot be read: {error}") from error
    try:
        content: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{path}: is no TOML: {error}") from error
    strange = sorted(set(content) - {"node"})
    if strange:
        raise SpecError(f"{path}: {', '.join(strange)}: only the table [node] is known")
    return NodeToml.read(content.get("node", {}), str(path), at=("node",))
