"""`argus flow set`: params of a node, changed while it runs; and how `key=value` is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from argus.cli.flow_systems import SystemOption
from argus.cli.tables import Output, OutputOption, print_data, print_facts, say
from argus.core.errors import SpecError


def set_params(
    node: Annotated[str, typer.Argument(metavar="NODE", help="Which node; all its replicas are changed.")],
    values: Annotated[
        list[str],
        typer.Argument(metavar="KEY=VALUE...", help="Params; values as in YAML: `0.6`, `[car, bus]`."),
    ],
    system: SystemOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Change params of a node while it runs, and show all of them as they are then.

    The node checks the values and says what it makes of them; where it cannot take one, nothing changes. A
    node that does not run now gets them when it does.

    **Examples**

    `argus flow set yolo confidence=0.6`

    `argus flow set yolo classes=[car,bus] --system my-robot`
    """
    from argus.flow.control import Control

    change = Control(system).set(node, read_values(values))
    if output is Output.TABLE:
        print_facts({}, output, [(name, str(value)) for name, value in change.params.items()])
        if change.waiting:
            say(f"{', '.join(change.waiting)}: not taken yet: it does not run, or is at work; see the log")
    else:
        print_data({"node": node, "params": change.params, "waiting": list(change.waiting)}, output)


def read_values(texts: Sequence[str]) -> dict[str, Any]:
    """Return what `key=value` texts say; values are YAML.

    Raises:
        SpecError: one is no such text.
    """
    import yaml

    values: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise SpecError(f"{text}: write KEY=VALUE, such as confidence=0.6")
        try:
            values[key.strip()] = yaml.safe_load(value) if value.strip() else ""
        except yaml.YAMLError as error:
            raise SpecError(
                f"{text}: the value is no YAML: put quotes around it ({_first_line(error)})"
            ) from None
    return values


def read_node_values(texts: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return what `node.key=value` texts say, by node.

    Raises:
        SpecError: one is no such text.
    """
    found: dict[str, dict[str, Any]] = {}
    for key, value in read_values(texts).items():
        node, dot, param = key.partition(".")
        if not dot or not node or not param:
            raise SpecError(f"--params {key}: write NODE.KEY=VALUE, such as yolo.confidence=0.6")
        found.setdefault(node, {})[param] = value
    return found


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
