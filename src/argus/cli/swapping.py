"""`argus models swap` and `rollback`: other weights for a Model that the control plane runs.

The registry of weights on this machine is another thing: `argus.cli.models`.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from argus.cli.server import ServerOption, connect, named_well, names_of
from argus.cli.tables import Output, OutputOption, print_data, say
from argus.core.paths import expanded, is_file

Model = Annotated[str, typer.Argument(help="A Model of the control plane; see `argus get models`.")]


def swap(
    name: Model,
    path: Annotated[
        str, typer.Argument(help="Weights: a file, `name@version` of the registry, or `builtin:NAME`.")
    ],
    output: OutputOption = Output.TABLE,
    server: ServerOption = None,
) -> None:
    """Let a Model that runs use other weights from now on; no frame is lost.

    They are loaded beside the old ones first. Where they cannot be, the old ones go on, and the conditions of
    the pipelines say why. Needs `argus up`; the registry stays as it is.

    **Example**

    `argus models swap people people@2`
    """
    with connect(server) as client:
        file = expanded(path)
        with named_well("model", name, lambda: names_of(client, "models")):
            model = client.swap_model(name, str(file.absolute()) if is_file(file) else path)
        _show(model, output)


def rollback(name: Model, output: OutputOption = Output.TABLE, server: ServerOption = None) -> None:
    """Let a Model that runs use the weights again that it had before the last `swap`.

    Needs `argus up`; the registry stays as it is.

    **Example**

    `argus models rollback people`
    """
    with connect(server) as client:
        with named_well("model", name, lambda: names_of(client, "models")):
            model = client.rollback_model(name)
        _show(model, output)


def _show(model: dict[str, Any], output: Output) -> None:
    if output is not Output.TABLE:
        print_data(model, output)
        return
    name = model["metadata"]["name"]
    typer.echo(f"model/{name} uses {model['spec']['path']}")
    say(
        "what runs goes on with the weights before until these are loaded, and where they cannot be: "
        f"see `argus describe model {name}`"
    )
