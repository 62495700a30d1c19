"""From where a node's code is to an instance of it, in the process that will run it.

Defining a system imports no node: this is the only place that does, and it says what is wrong with one
file, line and reason first.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import runpy
import sys
import sysconfig
import traceback
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from argus.core.errors import ArgusError
from argus.flow.graph import NodeSpec, Target
from argus.flow.node import ConsumerNode, EndOfStream, Node, ProducerNode

SCRIPT_NAME = "__argus_main__"
"""`__name__` of a system's own file where it is loaded for its nodes."""


class NodeBroken(ArgusError):
    """A node's code cannot be found, imported or made; the message says where and why."""


class FunctionNode(Node):
    """A node that was written as a function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        """Call `function`; its arguments after the first (for producers: all) are its params."""
        self.function = function

    def settings(self) -> dict[str, Any]:
        """Return params by name, for the call."""
        return self.params if isinstance(self.params, dict) else {}


class FunctionProducer(FunctionNode, ProducerNode):
    """A function without an argument, or a generator function; either may be `async`."""

    _stream: Generator[Any] | AsyncGenerator[Any] | None = None

    def setup(self) -> None:
        """Begin the generator, where it is one."""
        if inspect.isgeneratorfunction(self.function) or inspect.isasyncgenfunction(self.function):
            self._stream = self.function(**self.settings())

    def loop(self) -> Any:
        """Return the next value."""
        if self._stream is None:
            return self.function(**self.settings())
        if isinstance(self._stream, AsyncGenerator):
            return self._following(self._stream)
        try:
            return next(self._stream)
        except StopIteration:
            raise EndOfStream("the generator has ended") from None

    def teardown(self) -> Any:
        """End the generator."""
        if isinstance(self._stream, AsyncGenerator):
            return self._closed(self._stream)
        if self._stream is not None:
            self._stream.close()
        return None

    @staticmethod
    async def _following(stream: AsyncGenerator[Any]) -> Any:
        try:
            return await anext(stream)
        except StopAsyncIteration:
            raise EndOfStream("the generator has ended") from None

    @staticmethod
    async def _closed(stream: AsyncGenerator[Any]) -> None:
        await stream.aclose()


class FunctionConsumer(FunctionNode, ConsumerNode):
    """A function of one message."""

    def loop(self, data: Any) -> Any:
        """Return what becomes of it."""
        return self.function(data, **self.settings())


def make_node(spec: NodeSpec, folder: str) -> Node:
    """Return a new instance of a node, its name and first params set, not yet set up.

    Raises:
        NodeBroken: it cannot be imported, is not there once, or does not take these params.
    """
    if folder not in sys.path:
        sys.path.insert(0, folder)
    found = load_target(spec.target, spec.name)
    node = from_object(found, spec.name)
    node.name = spec.name
    node.params = first_params(node, spec)
    return node


def load_target(target: Target, name: str) -> Any:
    """Return the class or function that a node is made of.

    Raises:
        NodeBroken: it cannot be imported, or is not there once.
    """
    if target.attribute is not None and "<" in target.attribute:
        raise NodeBroken(
            f"node {name}: {target.attribute} is made inside of a function, where no other process finds it: "
            "move it to the top of its file, or run with debug=True"
        )
    try:
        module = _module(target, name)
    except NodeBroken:
        raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        raise NodeBroken(f"node {name}: {where_of(error)}") from error
    attribute = target.attribute or _said(Path(target.where)).get("class")
    if attribute is None:
        return _only_node(module, target.where, name)
    found: Any = module
    for part in attribute.split("."):
        found = getattr(found, part, None)
    if found is None:
        raise NodeBroken(f"node {name}: there is no {attribute} in {target.where}")
    return found


def from_object(found: Any, name: str) -> Node:
    """Return a node for a class or a function.

    Raises:
        NodeBroken: it is neither a subclass of `Node` nor a function of one message or none.
    """
    if isinstance(found, type) and issubclass(found, Node):
        try:
            return found()
        except Exception as error:
            raise NodeBroken(f"node {name}: {where_of(error)}: a node is made without arguments") from error
    if not callable(found) or isinstance(found, type):
        raise NodeBroken(
            f"node {name}: {found!r} is no node: give a subclass of ProducerNode, ConsumerNode, SinkNode, "
            "FusionNode or GatewayNode, or a function"
        )
    taken = [p for p in inspect.signature(found).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    needed = [p for p in taken if p.default is p.empty]
    if len(needed) > 1:
        raise NodeBroken(f"node {name}: {found.__name__} takes {len(needed)} messages: take one, or none")
    return FunctionConsumer(found) if needed else FunctionProducer(found)


def first_params(node: Node, spec: NodeSpec) -> Any:
    """Return the params that a node begins with.

    Raises:
        NodeBroken: it does not take them; every fault is listed.
    """
    if isinstance(node, FunctionNode):
        known = settable(node)
        strange = sorted(set(spec.params) - set(known))
        if strange:
            raise NodeBroken(f"node {spec.name}: takes no {', '.join(strange)}: it takes {_list(known)}")
        return {**known, **spec.params}
    if node.Params is None:
        if spec.params:
            raise NodeBroken(
                f"node {spec.name}: takes no params, but {', '.join(sorted(spec.params))} "
                f"{'was' if len(spec.params) == 1 else 'were'} given: give {type(node).__name__} a class "
                "Params(pydantic.BaseModel) that has them"
            )
        return None
    return validated(node.Params, spec.params, spec.name)


def validated(model: type[Any], values: Mapping[str, Any], name: str) -> Any:
    """Return an instance of a pydantic model.

    Raises:
        NodeBroken: the values do not fit; every fault is listed.
    """
    from pydantic import ValidationError

    unknown = sorted(set(values) - set(model.model_fields))
    if unknown:
        raise NodeBroken(f"node {name}: takes no {', '.join(unknown)}: it takes {_list(model.model_fields)}")
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'params'}: {e['msg']}" for e in error.errors(include_url=False)
        )
        raise NodeBroken(f"node {name}: {faults}") from None


def settable(node: FunctionNode) -> dict[str, Any]:
    """Return the params of a function with their defaults."""
    parameters = list(inspect.signature(node.function).parameters.values())
    if isinstance(node, FunctionConsumer):
        parameters = parameters[1:]
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def where_of(error: BaseException) -> str:
    """Return file, line and reason of an error, in one line: the innermost place in a user's code."""
    foreign = (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), "<")
    ours = Path(__file__).parent
    places = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(foreign) and Path(frame.filename).parent != ours
    ]
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}: SyntaxError: {error.msg}"
    reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"{places[-1].filename}:{places[-1].lineno}: {reason}" if places else reason


def code_file(folder: Path) -> Path:
    """Return the file of a folder that holds the node: said in `node.toml`, named for it, or the only one.

    Raises:
        NodeBroken: there is none, or several that could be meant.
    """
    said = _said(folder).get("file")
    if said:
        return folder / said
    for name in ("node.py", f"{folder.name}.py", "main.py", "__init__.py"):
        if (folder / name).is_file():
            return folder / name
    files = sorted(folder.glob("*.py"))
    if len(files) != 1:
        found = ", ".join(f.name for f in files) or "no Python file"
        raise NodeBroken(f"{folder}: which file holds the node? there is {found}: call it node.py")
    return files[0]


def _said(folder: Path) -> dict[str, str]:
    """Return what `node.toml` says of a node's code; read in full it is by `argus.flow.deploy.node_toml`."""
    file = folder / "node.toml"
    if not file.is_file():
        return {}
    import tomllib

    try:
        table = tomllib.loads(file.read_text(encoding="utf-8")).get("node", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise NodeBroken(f"{file}: is no TOML: {error}") from None
    return {key: str(table[key]) for key in ("file", "class") if key in table}


def _module(target: Target, name: str) -> ModuleType:
    if target.kind == "module":
        return importlib.import_module(target.where)
    if target.kind == "script":
        script = ModuleType(SCRIPT_NAME)
        sys.modules.setdefault(SCRIPT_NAME, script)
        script.__dict__.update(runpy.run_path(target.where, run_name=SCRIPT_NAME))
        return script
    path = Path(target.where)
    if path.is_dir():
        path = code_file(path)
    elif not path.is_file() and path.with_suffix(".py").is_file():
        path = path.with_suffix(".py")
    if not path.is_file():
        raise NodeBroken(f"node {name}: there is no {target.where}")
    ast.parse(path.read_text(encoding="utf-8"), str(path))
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    loaded = importlib.util.spec_from_file_location(f"argus_node_{name.replace('-', '_')}", path)
    assert loaded is not None
    assert loaded.loader is not None
    module = importlib.util.module_from_spec(loaded)
    sys.modules[loaded.name] = module
    loaded.loader.exec_module(module)
    return module


def _only_node(module: ModuleType, where: str, name: str) -> Any:
    own = [v for v in vars(module).values() if getattr(v, "__module__", None) == module.__name__]
    nodes: list[Any] = [v for v in own if isinstance(v, type) and issubclass(v, Node)]
    # A base class beside the one that is meant is no second node.
    nodes = [v for v in nodes if not any(v in other.__mro__[1:] for other in nodes)]
    if not nodes:
        nodes = [v for v in own if inspect.isfunction(v) and not v.__name__.startswith("_")]
    if len(nodes) != 1:
        found = ", ".join(sorted(v.__name__ for v in nodes)) or "none"
        raise NodeBroken(f"node {name}: {where} must hold one node class or one function; there is {found}")
    return nodes[0]


def _list(names: Any) -> str:
    return ", ".join(sorted(names)) or "nothing"
