"""What a node's file says of its class, read without importing it: kind, outputs, names of its params.

Reading only, and only what is certain: a base class that cannot be found, a computed value or a decorator
makes that fact None, never a guess. What follows from these facts is `argus.flow.checks`'.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from argus.core.errors import SpecError
from argus.flow.graph import Target
from argus.flow.loading import NodeBroken, code_file
from argus.flow.syntax import ClassTree, Library, Module, NotPython, dotted

Kind = Literal["producer", "consumer", "sink", "fusion", "gateway"]
_KINDS: Final[dict[str, Kind]] = {
    "ProducerNode": "producer",
    "ConsumerNode": "consumer",
    "SinkNode": "sink",
    "FusionNode": "fusion",
    "GatewayNode": "gateway",
}
_NODES: Final = "argus.flow.node"
_NODES_FILE: Final = Path(__file__).with_name("node.py")
_PUBLIC: Final = {
    f"{where}.{name}": f"{_NODES}.{name}" for where in ("argus", "argus.flow") for name in _KINDS
}
"""The names by which users import them."""


class TargetUnreadable(SpecError):
    """There is certainly no node where one is said to be."""


@dataclass(frozen=True, slots=True)
class Outline:
    """What is certain about a node; None: it cannot be told without running its code."""

    name: str
    """Of the class."""
    file: Path
    kind: Kind | None = None
    outputs: tuple[str, ...] | None = None
    params: frozenset[str] | None = None


def outline_of(target: Target, folder: str = ".") -> Outline | None:
    """Return what the code of a node says of it, or None where that cannot be told.

    Args:
        target: Where the code is.
        folder: Where modules are looked for before `sys.path`.

    Raises:
        TargetUnreadable: nothing is there, it is no Python, or it holds no node, or several.
    """
    library = Library(Path(folder), files={_NODES: _NODES_FILE}, names=_PUBLIC)
    try:
        modules = [library.read(file) for file in _files_of(target, library)]
        if not modules:
            return None
        if target.attribute is not None:
            found = _named(target.attribute, modules, target)
        else:
            found = _only(modules, library)
        return None if found is None else _outline(found, library)
    except NotPython as error:
        raise TargetUnreadable(str(error)) from None


def _files_of(target: Target, library: Library) -> list[Path]:
    """Return the Python files that may hold the node; none where only an import could tell."""
    if target.kind == "module":
        file = library.file_of(target.where)
        if file is None and not _may_be_imported(target.where):
            raise TargetUnreadable(f"there is no module {target.where}: install it, or correct its name")
        return [] if file is None else [file]
    place = Path(target.where)
    if place.is_dir():
        try:
            place = code_file(place)
        except NodeBroken as error:
            raise TargetUnreadable(str(error)) from None
    elif not place.is_file() and place.with_suffix(".py").is_file():
        place = place.with_suffix(".py")
    if not place.is_file():
        raise TargetUnreadable(f"there is nothing at {target.where}: correct the path, or make the node")
    return [place]


def _may_be_imported(module: str) -> bool:
    """Return whether some finder of Python's knows the outermost package."""
    try:
        return importlib.util.find_spec(module.partition(".")[0]) is not None
    except (ImportError, ValueError):
        return False


def _named(attribute: str, modules: Sequence[Module], target: Target) -> ClassTree | None:
    """Return the class of a name, or None where the name may be anything."""
    first = attribute.partition(".")[0]
    for module in modules:
        thing = module.names.get(first)
        if isinstance(thing, ast.ClassDef) and first == attribute:
            return ClassTree(module, thing)
        if thing is not None or module.open:
            return None
    raise TargetUnreadable(f"{target.where} has no {attribute}: name one of its classes or functions")


def _only(modules: Sequence[Module], library: Library) -> ClassTree | None:
    """Return the only node of some files, or None where there may be others."""
    classes = [
        ClassTree(module, thing)
        for module in modules
        for name, thing in module.names.items()
        if isinstance(thing, ast.ClassDef) and not name.startswith("_")
    ]
    verdicts = [(one, _is_node(one, library)) for one in classes]
    nodes = [one for one, verdict in verdicts if verdict]
    below = {id(base.tree) for one in nodes for base in library.bases(one) if base is not None}
    nodes = [one for one in nodes if id(one.tree) not in below]
    if len(nodes) > 1:
        names = ", ".join(sorted(one.name for one in nodes))
        raise TargetUnreadable(f"{nodes[0].module.file} has several nodes: {names}: leave one there")
    if any(verdict is None for _, verdict in verdicts) or any(module.open for module in modules):
        return None
    if nodes:
        return nodes[0]
    if any(_is_callable(thing) for module in modules for thing in module.names.values()):
        return None  # where there is no class, a function can be the node
    raise TargetUnreadable(
        f"{modules[0].file} has no node: write a class on ProducerNode, ConsumerNode, FusionNode, SinkNode"
        " or GatewayNode in it"
    )


def _is_callable(thing: object) -> bool:
    return isinstance(thing, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.Call)


def _is_node(one: ClassTree, library: Library) -> bool | None:
    """Return whether a class is a node, or None where a base class cannot be found."""
    lineage = library.lineage(one)
    if any(base is not None and base.module.file == _NODES_FILE for base in lineage):
        return True
    return None if None in lineage else False


def _outline(one: ClassTree, library: Library) -> Outline:
    lineage = library.lineage(one)
    ours = [base.name for base in lineage if base is not None and base.module.file == _NODES_FILE]
    kind = next((_KINDS[name] for name in ours if name in _KINDS), None)
    return Outline(one.name, one.module.file, kind, _outputs(lineage), _params(lineage, library))


def _outputs(lineage: Sequence[ClassTree | None]) -> tuple[str, ...] | None:
    for one in lineage:
        if one is None or one.tree.decorator_list or one.makes("outputs"):
            return None
        value = one.bound("outputs")
        if value is None:
            continue
        try:
            names = ast.literal_eval(value) if isinstance(value, ast.expr) else None
        except ValueError:
            return None
        if isinstance(names, tuple | list) and all(isinstance(name, str) for name in names):
            return tuple(names)
        return None
    return None


def _params(lineage: Sequence[ClassTree | None], library: Library) -> frozenset[str] | None:
    for one in lineage:
        if one is None or one.tree.decorator_list:
            return None
        value = one.bound("Params")
        if value is None:
            continue
        if isinstance(value, ast.Constant) and value.value is None:
            return frozenset()
        if isinstance(value, ast.ClassDef):
            return _fields(ClassTree(one.module, value), library)
        model = library.resolve(one.module, value)
        return None if model is None else _fields(model, library)
    return None


def _fields(model: ClassTree, library: Library) -> frozenset[str] | None:
    """Return the fields of a pydantic model, or None where it may have others."""
    fields: frozenset[str] = frozenset()
    for one in library.lineage(model):
        if one is None or one.tree.decorator_list:
            return None
        fields |= one.fields
    bases = [dotted(one.module, base) for one in library.lineage(model) if one for base in one.tree.bases]
    return fields if {"pydantic.BaseModel", "pydantic.main.BaseModel"} & set(bases) else None
