"""Python files as they are written: what names a module binds, and the classes behind names; nothing is run.

Nothing is known of nodes here; that is `argus.flow.outlines`.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from argus.core.errors import SpecError

_MOST_STEPS: Final = 32
"""Imports and assignments followed from a name; a longer way is a circle."""

Bound = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.expr | str
"""What a name of a module stands for; a text is the dotted name of an import."""


class NotPython(SpecError):
    """A file cannot be read as Python."""


@dataclass(frozen=True, slots=True)
class Module:
    """One parsed file."""

    file: Path
    names: Mapping[str, Bound]
    open: bool
    """True where `from x import *` may bind more."""


@dataclass(frozen=True, slots=True)
class ClassTree:
    """A class as it is written."""

    module: Module
    tree: ast.ClassDef

    @property
    def name(self) -> str:
        """What it is called."""
        return self.tree.name

    def bound(self, name: str) -> ast.expr | ast.ClassDef | None:
        """Return what a name is bound to in its body, which base classes are no part of."""
        for item in self.tree.body:
            if isinstance(item, ast.ClassDef) and item.name == name:
                return item
            targets = item.targets if isinstance(item, ast.Assign) else []
            targets = [item.target] if isinstance(item, ast.AnnAssign) else targets
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                return item.value if isinstance(item, ast.Assign | ast.AnnAssign) else None
        return None

    def makes(self, name: str) -> bool:
        """Return whether an attribute is made by code: assigned in a method, or a property."""
        return any(
            (isinstance(item, ast.Attribute) and item.attr == name and isinstance(item.ctx, ast.Store))
            or (isinstance(item, ast.FunctionDef) and item.name == name)
            for item in ast.walk(self.tree)
        )

    @property
    def fields(self) -> frozenset[str]:
        """Names with a type in its body, as dataclasses and pydantic models have them."""
        return frozenset(
            item.target.id
            for item in self.tree.body
            if isinstance(item, ast.AnnAssign)
            and isinstance(item.target, ast.Name)
            and "ClassVar" not in ast.dump(item.annotation)
        )


class Library:
    """Parses files, each once, and follows names from one to another."""

    def __init__(
        self, folder: Path, *, files: Mapping[str, Path] | None = None, names: Mapping[str, str] | None = None
    ) -> None:
        """Look for modules in `folder`, then where Python does.

        Args:
            folder: Comes first.
            files: Modules whose files are known.
            names: Dotted names that are made when they are asked for, and where they come from.
        """
        self._folder = folder
        self._files = dict(files or {})
        self._names = dict(names or {})
        self._read: dict[Path, Module] = {}

    def read(self, file: Path) -> Module:
        """Return a parsed file.

        Raises:
            NotPython: it is none, or cannot be read.
        """
        if file not in self._read:
            try:
                tree = ast.parse(file.read_bytes(), str(file))
            except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
                why = error.msg if isinstance(error, SyntaxError) else str(error)
                raise NotPython(f"{file}{line} is no Python: {why}") from None
            except OSError as error:
                raise NotPython(f"{file} cannot be read: {error.strerror or error}") from None
            self._read[file] = _parsed(file, tree)
        return self._read[file]

    def file_of(self, module: str) -> Path | None:
        """Return the file of a module, looked for as Python does, but importing nothing on the way."""
        if module in self._files:
            return self._files[module]
        parts = module.split(".")
        for root in dict.fromkeys([self._folder, *map(Path, sys.path)]):
            base = root.joinpath(*parts)
            for file in (base / "__init__.py", base.with_name(f"{base.name}.py")):
                if file.is_file():
                    return file
        return None

    def lineage(self, one: ClassTree) -> list[ClassTree | None]:
        """Return a class and all that it is built on, each before its bases; None: an unknown one."""
        found: list[ClassTree | None] = []
        left: list[ClassTree | None] = [one]
        seen: set[int] = set()
        while left:
            here = left.pop(0)
            if here is not None and id(here.tree) in seen:
                continue
            found.append(here)
            if here is not None:
                seen.add(id(here.tree))
                left = [*self.bases(here), *left]
        return found

    def bases(self, one: ClassTree) -> list[ClassTree | None]:
        """Return the base classes; None for one that is not found. `object` and such are left out."""
        return [
            self.resolve(one.module, base)
            for base in one.tree.bases
            if (dotted(one.module, base) or "").rpartition(".")[2] not in _HARMLESS
        ]

    def resolve(self, module: Module, expression: ast.expr) -> ClassTree | None:
        """Return the class that an expression names, or None."""
        name = dotted(module, expression)
        for _ in range(_MOST_STEPS):
            if name is None:
                return None
            where, _, last = self._names.get(name, name).rpartition(".")
            file = self.file_of(where) if where else module.file
            if file is None:
                return None
            module = self.read(file)
            thing = module.names.get(last)
            if isinstance(thing, ast.ClassDef):
                return ClassTree(module, thing)
            if isinstance(thing, ast.expr):
                name = dotted(module, thing)
            else:
                name = thing if isinstance(thing, str) else None
        return None


_HARMLESS: Final = {"object", "ABC", "Generic", "Protocol", "BaseModel", "Exception", "Enum", "NamedTuple"}
"""Base classes that say nothing of what is asked here."""


def dotted(module: Module, expression: ast.expr) -> str | None:
    """Return the full name of what `node.ProducerNode` names, or None; a name of the module has no dot."""
    if isinstance(expression, ast.Subscript):
        return dotted(module, expression.value)
    if isinstance(expression, ast.Attribute):
        outer = dotted(module, expression.value)
        return None if outer is None else f"{outer}.{expression.attr}"
    if isinstance(expression, ast.Name):
        thing = module.names.get(expression.id)
        return thing if isinstance(thing, str) else expression.id
    return None


def _parsed(file: Path, tree: ast.Module) -> Module:
    names: dict[str, Bound] = {}
    opened = False
    package = _package_of(file)
    for item in _statements(tree.body):
        if isinstance(item, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names[item.name] = item
        elif isinstance(item, ast.Import):
            for alias in item.names:
                first = alias.name.partition(".")[0]
                names[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(item, ast.ImportFrom):
            origin = _absolute(item, package)
            for alias in item.names:
                opened = opened or alias.name == "*"
                names[alias.asname or alias.name] = f"{origin}.{alias.name}"
        elif isinstance(item, ast.Assign):
            names.update({target.id: item.value for target in item.targets if isinstance(target, ast.Name)})
        elif isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and item.value:
            names[item.target.id] = item.value
    return Module(file, names, opened)


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a module, also those under `if`, `try` and `with`."""
    for item in body:
        if isinstance(item, ast.If):
            yield from _statements([*item.body, *item.orelse])
        elif isinstance(item, ast.With):
            yield from _statements(item.body)
        elif isinstance(item, ast.Try):
            caught = [line for handler in item.handlers for line in handler.body]
            yield from _statements([*item.body, *caught, *item.orelse, *item.finalbody])
        else:
            yield item


def _package_of(file: Path) -> list[str]:
    """Return the names of the packages that a file lies in, outermost first."""
    package: list[str] = []
    folder = file.parent
    while (folder / "__init__.py").is_file():
        package.insert(0, folder.name)
        folder = folder.parent
    return package


def _absolute(item: ast.ImportFrom, package: list[str]) -> str:
    """Return the module that `from … import` names."""
    if not item.level:
        return item.module or ""
    outer = package[: max(0, len(package) - item.level + 1)]
    return ".".join([*outer, *([item.module] if item.module else [])])
