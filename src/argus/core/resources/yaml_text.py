"""YAML as specs are written in it: the plain part of YAML 1.2, and no tricks.

`on`, `no` and `12:30` are texts, as everybody expects; keys are texts and stand once; a file cannot
blow up by naming itself over and over. JSON is read as JSON. What the values mean is not known here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Final

import yaml

from argus.core.errors import SpecError

LARGEST_BYTES: Final = 4 * 2**20
MOST_VALUES: Final = 200_000
"""Values that all aliases of a file may stand for together."""


def read_documents(path: Path) -> list[Any]:
    """Return the YAML documents of a file as mappings, lists, texts, numbers, truths and None.

    Raises:
        SpecError: there is no such file, or it is no such YAML; the message names file and line.
    """
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise SpecError(f"{path}: larger than {LARGEST_BYTES // 2**20} MiB; this is no file of resources")
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise SpecError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise SpecError(f"{path}: this is a folder; name the YAML file in it") from None
    except OSError as error:
        raise SpecError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SpecError(f"{path}: this is no text in UTF-8, so no YAML either") from None
    return parse_documents(text, str(path))


def parse_documents(text: str, where: str) -> list[Any]:
    """Return the YAML documents of a text; see `read_documents`. Empty documents are left out."""
    if text.lstrip().startswith(("{", "[")):
        plain = _from_json(text, where)
        if plain is not None:
            return [plain]
    try:
        nodes = list(yaml.compose_all(text, Loader=_Loader))
        budget = _Budget(where)
        for node in nodes:
            budget.spend(node)
        loader = _Loader("")
        loader.where = where
        try:
            return [value for node in nodes if (value := loader.construct_document(node)) is not None]
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark is not None else ""
        problem = " ".join(part for part in (error.context, error.problem) if part)
        raise SpecError(f"{where}{line}: this is no YAML: {problem}") from None
    except yaml.reader.ReaderError as error:
        raise SpecError(f"{where}: this is no YAML: it holds {_char(error)}") from None
    except (ValueError, KeyError) as error:
        if isinstance(error, SpecError):
            raise
        raise SpecError(
            f"{where}: a value is not what its tag or form says: {str(error).split(';')[0]}"
        ) from None
    except RecursionError:
        raise SpecError(f"{where}: nested too deeply for a file of resources") from None


def _from_json(text: str, where: str) -> Any:
    """Return the value of a text in JSON; None where it is none, and may be YAML.

    JSON is nearly YAML: its tabs are not, and what it writes as two halves of a character would stay two.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        if len(set(keys)) != len(keys):
            twice = next(key for key in keys if keys.count(key) > 1)
            raise SpecError(f"{where}: the key {twice[:80]!r} stands in one place twice")
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=once)
    except RecursionError:
        raise SpecError(f"{where}: nested too deeply for a file of resources") from None
    except SpecError:
        raise
    except ValueError:
        return None


class _Budget:
    """Counts the values that a document stands for, aliases followed, without following them."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._sizes: dict[int, int] = {}

    def spend(self, node: yaml.Node) -> int:
        """Return how many values a node stands for."""
        known = self._sizes.get(id(node))
        if known is not None:
            if known == 0:
                raise SpecError(f"{self._where}:{node.start_mark.line + 1}: a value that contains itself")
            return known
        self._sizes[id(node)] = 0
        size = 1 + sum(self.spend(child) for child in _children(node))
        if size > MOST_VALUES:
            raise SpecError(f"{self._where}: holds more than {MOST_VALUES} values, aliases followed")
        self._sizes[id(node)] = size
        return size


def _children(node: yaml.Node) -> Iterable[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield value
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def _char(error: yaml.reader.ReaderError) -> str:
    code = error.character
    return f"the character #x{ord(code) if isinstance(code, str) else code:04x}"


class _Loader(yaml.SafeLoader):
    where: str = ""
    # What YAML 1.1 would guess is forgotten, and so is every tag but those added below.
    yaml_implicit_resolvers: Any = {}  # noqa: RUF012
    yaml_constructors: ClassVar[Any] = {}


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, Any]:
    own: set[str] = set()
    for key_node, _ in node.value:
        line = f"{loader.where}:{key_node.start_mark.line + 1}"
        if not isinstance(key_node, yaml.ScalarNode):
            raise SpecError(f"{line}: a key must be a plain text")
        if key_node.value in own:
            raise SpecError(f"{line}: the key {key_node.value!r} stands here twice")
        own.add(key_node.value)
    loader.flatten_mapping(node)  # what `<<` brings in comes first, so that the own keys win
    return {str(key.value): loader.construct_object(value, deep=True) for key, value in node.value}


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node))


def _unknown(loader: _Loader, node: yaml.Node) -> Any:
    raise SpecError(f"{loader.where}:{node.start_mark.line + 1}: the tag {node.tag!r} is not allowed here")


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+0123456789."),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", "-+."),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), list(_first))
for _tag, _construct in (
    ("bool", yaml.SafeLoader.construct_yaml_bool),
    ("null", yaml.SafeLoader.construct_yaml_null),
    ("str", yaml.SafeLoader.construct_yaml_str),
    ("float", yaml.SafeLoader.construct_yaml_float),
    ("seq", yaml.SafeLoader.construct_yaml_seq),
    ("int", _integer),
    ("map", _mapping),
):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _construct)
_Loader.add_constructor(None, _unknown)
