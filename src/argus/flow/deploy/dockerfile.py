"""The Dockerfile of a node: what changes least comes first, so that a change of code builds one small layer.

Text only; nothing is built. The folder that it is built in is the system's.

Source: Docker, "Building best practices".
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from argus.core.errors import SpecError
from argus.core.version import __version__
from argus.flow.deploy.layout import Place, folder_of
from argus.flow.graph import Graph, NodeSpec

USER = 10001
HOME = "/var/lib/argus"


def dockerfile(graph: Graph, place: Place, *, image: str, path: str) -> str:
    """Return the Dockerfile of a node.

    The system's file names every node, so the code of all of them is in each image, but only what this
    node needs is installed, and only its folder is there as a whole.

    Args:
        graph: The system.
        place: The node.
        image: What the image is to be called.
        path: Where the Dockerfile is, below the folder that is written to; for its header.

    Raises:
        SpecError: code lies outside of the system's folder, or the system has no file.
    """
    if graph.script is None:
        raise SpecError(f"system {graph.name}: has no file: define it in one, such as main.py")
    root, script = Path(graph.folder), Path(graph.script)
    toml = place.toml
    blocks = [
        f"# Node {place.node.name} of {graph.name}. Written by `argus deploy`; build it in the system's "
        "folder:\n"
        f"#   docker build -f DIR/{path} -t {image} .",
        f"FROM {toml.base}",
    ]
    if toml.system:
        packages = " ".join(sorted(toml.system))
        blocks.append(
            f"RUN apt-get update \\\n && apt-get install --yes --no-install-recommends {packages} \\\n"
            " && rm -rf /var/lib/apt/lists/*"
        )
    blocks.append(f"RUN pip install --no-cache-dir {shlex.quote(f'argus-vision=={_release(__version__)}')}")
    if toml.dependencies:
        blocks.append(f"RUN pip install --no-cache-dir {' '.join(map(shlex.quote, toml.dependencies))}")
    blocks.append(
        f"RUN useradd --uid {USER} --no-create-home --home-dir {HOME} argus \\\n"
        f" && install --directory --owner argus {HOME}"
    )
    blocks.append(f"ENV ARGUS_HOME={HOME} PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1\nWORKDIR /app")
    copies = [_copy(file, file) for file in sorted(toml.files)]
    copies += [line for node in graph.nodes if node is not place.node for line in _code(root, node)]
    copies += _own(root, place.node)
    copies.append(_copy(_relative(root, script, "the system's file"), "./"))
    blocks.append("\n".join(dict.fromkeys(copies)))
    command = ["argus", "flow", "run", script.name, "--only", place.node.name]
    blocks.append(f"USER {USER}:{USER}\nCMD {json.dumps(command)}")
    return "\n\n".join(blocks) + "\n"


def _release(version: str) -> str:
    """Return the version that a package index has: without what marks a build of our own."""
    return version.partition("+")[0]


def _own(root: Path, node: NodeSpec) -> list[str]:
    """Return what copies a node's own folder, or file."""
    folder = folder_of(node)
    if folder is None:
        return _code(root, node)
    place = _relative(root, folder, f"node {node.name}")
    return [_copy(f"{place}/", f"{place}/")]


def _code(root: Path, node: NodeSpec) -> list[str]:
    """Return what copies a node's code and no more: enough for the system's file to be read."""
    if node.target.kind == "module":
        package = node.target.where.partition(".")[0]
        if (root / package).is_dir():
            return [_copy(f"{package}/", f"{package}/")]
        return [_copy(f"{package}.py", "./")] if (root / f"{package}.py").is_file() else []
    if node.target.kind == "script":
        return []
    path = Path(node.target.where)
    folder = folder_of(node)
    if folder is None:
        file = path if path.is_file() else path.with_suffix(".py")
        place = _relative(root, file, f"node {node.name}")
        return [_copy(place, place)]
    place = _relative(root, folder, f"node {node.name}")
    toml = [f"{place}/node.toml"] if (folder / "node.toml").is_file() else []
    return [f"COPY {json.dumps([f'{place}/*.py', *toml, f'{place}/'])}"]


def _copy(source: str, target: str) -> str:
    if " " in source or " " in target:
        return f"COPY {json.dumps([source, target])}"
    return f"COPY {source} {target}"


def _relative(root: Path, path: Path, what: str) -> str:
    try:
        return path.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        raise SpecError(
            f"{what}: {path} is not below {root}, the system's folder, which images are built from: move it"
        ) from None
