"""`argus models`: what there is, what a network is, fetching, registering, removing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from argus.cli.download_bar import download_bar
from argus.cli.inspection import facts_of, size_in_pixels
from argus.cli.swapping import rollback, swap
from argus.cli.tables import Output, OutputOption, print_data, print_facts, print_items, say, size_text
from argus.cli.weight_options import InputSize, Labels, Layout, Licence, Name, Task, told_of
from argus.core.errors import ModelUnreadable
from argus.core.paths import expanded

if TYPE_CHECKING:
    from argus.vision.models.pull import PullOptions
    from argus.vision.models.registry import Registration

app = typer.Typer(
    name="models",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Models: weights in the registry of this machine (`list`, `pull`, `register`, `inspect`, `remove`), "
    "and which of them a running Model uses (`swap`, `rollback`).",
    epilog="`argus models pull yolox-tiny`, then `argus run VIDEO --model yolox-tiny`",
)

_NO_LIMIT_GIB = float(1 << 30)
"""What `--max-size inf` comes to: more than any disk holds."""


@app.command("list")
def list_models(
    catalogue: Annotated[
        bool, typer.Option("--catalogue", help="Show what can be pulled by name instead.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read every byte and compare the checksums.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """The models of the registry, with what they do and where they came from.

    **Example**

    `argus models list --verify`
    """
    if catalogue:
        _list_catalogue(output)
        return
    from argus.vision.models.registry import Registry
    from argus.vision.models.registry_files import verify as check

    items: list[dict[str, Any]] = []
    rows: list[list[str]] = []
    damaged: list[str] = []
    for model in Registry.of_user().models():
        item, record = model.to_json(), model.record
        state = []
        if verify:
            try:
                check(model, every_byte=True)
            except ModelUnreadable as error:
                damaged.append(str(error))
                item["sound"], state = False, ["damaged"]
            else:
                item["sound"], state = True, ["sound"]
        items.append(item)
        rows.append(
            [
                record.reference,
                record.task or "?",
                record.layout or "?",
                str(len(record.labels)),
                size_in_pixels(record.input_size),
                size_text(record.size_bytes),
                _licence(record.licence),
                *state,
            ]
        )
    headers = ["MODEL", "TASK", "LAYOUT", "CLASSES", "INPUT", "SIZE", "LICENCE"]
    if output is Output.TABLE and not rows:
        say("no model is registered yet: `argus models list --catalogue` shows what can be pulled by name")
    else:
        print_items(items, output, [*headers, "STATE"] if verify else headers, rows)
    if output is Output.TABLE:
        say("built in, needing no weights: builtin:people, builtin:motion, builtin:plaza")
    if damaged:
        raise ModelUnreadable("\n".join(damaged))


def _list_catalogue(output: Output) -> None:
    from argus.vision.models.catalogue import CATALOGUE

    entries = list(CATALOGUE.values())
    rows = [
        [
            entry.name,
            entry.title,
            f"{entry.accuracy:.1f}",
            f"{entry.size_mb:.1f} MB",
            size_in_pixels(entry.input_size),
            entry.licence,
        ]
        for entry in entries
    ]
    headers = ["NAME", "NETWORK", "COCO MAP", "SIZE", "INPUT", "LICENCE"]
    print_items([entry.to_json() for entry in entries], output, headers, rows)
    if output is Output.TABLE:
        say("fetch one with `argus models pull NAME`")


@app.command()
def pull(
    what: Annotated[
        str,
        typer.Argument(help="A name of the catalogue, `https://…#sha256=…`, or a file.", show_default=False),
    ],
    *,
    name: Name = None,
    labels: Labels = None,
    task: Task = None,
    layout: Layout = None,
    input_size: InputSize = None,
    licence: Licence = None,
    no_checksum: Annotated[
        bool, typer.Option("--no-checksum", help="Take an address that states no checksum.")
    ] = False,
    max_size: Annotated[float, typer.Option(help="Largest download, in GiB.", min=0.001)] = 4.0,
    output: OutputOption = Output.TABLE,
) -> None:
    """Fetch weights, verify them and register them.

    A download that breaks off, also by Ctrl-C, goes on where it ended when the same command is given again.

    **Examples**

    `argus models pull yolox-tiny`

    `argus models pull https://example.org/people.onnx#sha256=9f86d0…`
    """
    from argus.core.settings import read_settings
    from argus.vision.models.pull import PullOptions
    from argus.vision.models.pull import pull as pull_weights
    from argus.vision.models.registry import Registry

    settings = read_settings()
    options = PullOptions(
        name=name,
        told=told_of(labels, task, layout, input_size, licence),
        unverified=no_checksum,
        limit_bytes=int(min(max_size, _NO_LIMIT_GIB) * (1 << 30)),
    )
    try:
        with download_bar() as report:
            pulled = pull_weights(what, Registry(settings.models), settings.downloads, options, report)
    except KeyboardInterrupt:
        say("what has arrived is kept: the same command goes on where this one ended")
        raise
    if not pulled.vouched:
        sha256 = pulled.registration.model.record.sha256
        say(f"nobody vouched for this file; from now on it is known by its checksum: sha256={sha256}")
    _show_registration(pulled.registration, output)


@app.command()
def register(
    weights: Annotated[Path, typer.Argument(help="File of the weights.", show_default=False)],
    *,
    name: Name = None,
    labels: Labels = None,
    task: Task = None,
    layout: Layout = None,
    input_size: InputSize = None,
    licence: Licence = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Copy weights of this machine into the registry, as a new version of a name.

    The same weights, labels and settings are one version, however often they are registered.

    **Example**

    `argus models register people.onnx --name people --labels people.txt`
    """
    from argus.vision.models.pull import PullOptions, add_file
    from argus.vision.models.registry import Registry

    options: PullOptions = PullOptions(name=name, told=told_of(labels, task, layout, input_size, licence))
    _show_registration(add_file(expanded(weights), Registry.of_user(), options), output)


@app.command()
def inspect(
    model: Annotated[
        str,
        typer.Argument(
            help="A file, `name` or `name@version` in the registry, or `builtin:NAME`.", show_default=False
        ),
    ],
    *,
    labels: Labels = None,
    task: Task = None,
    layout: Layout = None,
    input_size: InputSize = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what a network takes and gives, and how it will be read.

    **Example**

    `argus models inspect yolov8n.onnx`
    """
    from argus.vision.models.registry import Registry
    from argus.vision.models.registry_facts import inspect as look_into

    seen = look_into(model, Registry.of_user(), told_of(labels, task, layout, input_size, None))
    print_facts(seen.to_json(), output, facts_of(seen))


@app.command()
def remove(
    models: Annotated[
        list[str],
        typer.Argument(help="`name@version`, or `name` where there is one version.", show_default=False),
    ],
    *,
    every_version: Annotated[bool, typer.Option("--all", help="Remove every version of the names.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Remove versions from the registry, with their weights.

    **Example**

    `argus models remove people@1`
    """
    from argus.vision.models.registry import Registry

    registry = Registry.of_user()
    removed = []
    for reference in models:
        versions = registry.versions(reference) if every_version else []
        for one in [model.record.reference for model in versions] or [reference]:
            removed.append(registry.remove(one).record.reference)
            if output is Output.TABLE:
                typer.echo(f"removed {removed[-1]}")
    if output is not Output.TABLE:
        print_data({"items": removed}, output)


app.command("swap")(swap)
app.command("rollback")(rollback)


def _show_registration(registration: Registration, output: Output) -> None:
    model, record = registration.model, registration.model.record
    if output is not Output.TABLE:
        print_data({**model.to_json(), "created_now": registration.created}, output)
        return
    what = f"{record.task or 'weights'}, layout {record.layout}" if record.layout else "weights"
    typer.echo(
        f"{'registered' if registration.created else 'already here:'} {record.reference} "
        f"({what}, {len(record.labels)} classes, {size_text(record.size_bytes)})"
    )
    say(f"use it with `argus run SOURCE --model {record.name}`")


def _licence(text: str | None) -> str:
    """Return the short form that a table has room for: `AGPL-3.0` of `AGPL-3.0 License (https://…)`."""
    return "?" if text is None else text.partition(" License")[0][:16]
