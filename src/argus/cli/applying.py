"""`argus apply`, `diff`, `delete`, `schema`: what somebody wants, sent to the control plane."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from argus.cli.server import ServerOption, connect, named_well, names_of, split_kind
from argus.cli.tables import Output, OutputOption, print_data, say

if TYPE_CHECKING:
    from argus.control.client import Client
    from argus.core.resources.resource import Draft

Files = Annotated[
    list[str],
    typer.Option("--filename", "-f", help="A YAML or JSON file, a folder of them, or `-` for stdin."),
]


def apply(
    filename: Files,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and tell, but change nothing.")] = False,
    output: OutputOption = Output.TABLE,
    server: ServerOption = None,
) -> None:
    """Create or change resources as files say: all of them, or none.

    Applying the same twice changes nothing. Relative paths of weights and recordings are looked for beside
    the file.

    **Examples**

    `argus apply -f argus.yaml`

    `argus get pipelines -o yaml | argus apply --dry-run -f -`
    """
    items = _sent(server, filename, dry_run=dry_run)
    if output is not Output.TABLE:
        print_data({"items": items}, output)
        return
    for item in items:
        resource = item["resource"]
        note = " (dry run)" if dry_run else ""
        typer.echo(f"{resource['kind'].lower()}/{resource['metadata']['name']} {item['outcome']}{note}")


def diff(filename: Files, server: ServerOption = None) -> None:
    """Show what `argus apply` would change; exit 1 where that is anything.

    **Example**

    `argus diff -f argus.yaml`
    """
    changes = [item for item in _sent(server, filename, dry_run=True) if item["outcome"] != "unchanged"]
    for item in changes:
        _print_diff(item)
    if changes:
        raise typer.Exit(1)
    say("nothing would change")


def delete(
    kind: Annotated[str | None, typer.Argument(help="Kind, such as `camera`; or `camera/gate`.")] = None,
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Which ones.")] = None,
    filename: Annotated[
        list[str] | None, typer.Option("--filename", "-f", help="Delete what a file declares.")
    ] = None,
    selector: Annotated[
        str | None, typer.Option("--selector", "-l", help="Those with these labels: `site=north`.")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait until they are gone.")] = True,
    server: ServerOption = None,
) -> None:
    """Delete resources; what they run ends in good order first.

    A job goes with what it found. Events of cameras and pipelines stay.

    **Examples**

    `argus delete pipeline gate-safety`

    `argus delete -f argus.yaml`

    `argus delete cameras -l site=north`
    """
    import functools

    from argus.core.errors import SpecError
    from argus.core.resources.kinds import kind_called, kind_named

    with connect(server) as client:
        wanted: list[tuple[str, str]] = []
        if filename:
            # What refers to others goes first.
            wanted += [(kind_named(draft.kind).plural, draft.name) for draft in reversed(drafts_in(filename))]
        if kind is not None:
            kind, names = split_kind(kind, names or ())
            plural = kind_called(kind).plural
            wanted += [(plural, name) for name in names]
            if selector is not None:
                wanted += [
                    (plural, item["metadata"]["name"]) for item in client.list(plural, selector=selector)
                ]
        if not wanted:
            raise SpecError("nothing to delete: name a kind and names, labels with -l, or a file with -f")
        for plural, name in wanted:
            with named_well(plural.removesuffix("s"), name, functools.partial(names_of, client, plural)):
                client.delete(plural, name)
            say(f"{plural}/{name} deleted" if not wait else f"{plural}/{name} is being deleted")
        if wait:
            _wait_gone(client, wanted)


def schema(
    kind: Annotated[str | None, typer.Argument(help="A kind; without one, that of whole files.")] = None,
) -> None:
    """Print the JSON Schema of a kind, or of whole files, for editors and other programs.

    With `# yaml-language-server: $schema=argus.schema.json` at the top of a file, editors check it.

    **Examples**

    `argus schema > argus.schema.json`

    `argus schema pipeline`
    """
    from argus.core.resources.kinds import kind_called
    from argus.core.resources.schema import schema_of, schema_of_files

    print_data(schema_of_files() if kind is None else schema_of(kind_called(kind)), Output.JSON)


def drafts_in(filenames: Sequence[str]) -> list[Draft]:
    """Return what files declare, checked.

    Raises:
        SpecError: a file is missing, or says what cannot be.
    """
    from argus.core.errors import SpecError
    from argus.core.paths import is_folder
    from argus.core.resources.manifest import read_drafts, read_text
    from argus.core.resources.yaml_text import read_documents

    drafts: list[Draft] = []
    for filename in filenames:
        if filename == "-":
            documents = read_text(sys.stdin.read(), "stdin")
            drafts += read_drafts(_each(documents), "stdin", folder=Path.cwd())
            continue
        path = Path(filename)
        paths = [path]
        if is_folder(path):
            paths = sorted(p for p in path.iterdir() if p.suffix in {".yaml", ".yml", ".json"})
            if not paths:
                raise SpecError(f"{path}: no YAML or JSON file in this folder")
        for one in paths:
            documents = read_documents(one)
            if not documents and one is path:
                raise SpecError(f"{one}: the file is empty")
            drafts += read_drafts(_each(documents), str(one), folder=one.parent.absolute())
    return drafts


def _each(documents: Iterable[Any]) -> list[Any]:
    """Return documents one by one, those of lists too: such as `argus get -o yaml` prints, or plain ones."""
    found: list[Any] = []
    for document in documents:
        items = document.get("items") if isinstance(document, dict) else document
        found += items if isinstance(items, list) else [document]
    return found


def documents_of(drafts: Sequence[Draft]) -> list[dict[str, Any]]:
    """Return drafts as envelopes, as the API takes them."""
    from argus.core.resources.resource import API_VERSION

    documents = []
    for draft in drafts:
        metadata: dict[str, Any] = {"name": draft.name}
        if draft.labels:
            metadata["labels"] = draft.labels
        if draft.annotations:
            metadata["annotations"] = draft.annotations
        if draft.resource_version:
            metadata["resourceVersion"] = draft.resource_version
        documents.append(
            {"apiVersion": API_VERSION, "kind": draft.kind, "metadata": metadata, "spec": draft.spec}
        )
    return documents


def _sent(server: str | None, filenames: Sequence[str], *, dry_run: bool) -> list[dict[str, Any]]:
    with connect(server) as client:
        return client.apply(documents_of(drafts_in(filenames)), dry_run=dry_run)


def _is_there(client: Client, plural: str, name: str) -> bool:
    from argus.control.client import NotThere

    try:
        client.get(plural, name)
    except NotThere:
        return False
    return True


def _print_diff(item: dict[str, Any]) -> None:
    import difflib

    import yaml

    def text(resource: dict[str, Any] | None) -> list[str]:
        if resource is None:
            return []
        told = {"metadata": {"labels": resource["metadata"].get("labels", {})}, "spec": resource["spec"]}
        return yaml.safe_dump(told, sort_keys=True, allow_unicode=True).splitlines(keepends=True)

    name = f"{item['resource']['kind'].lower()}/{item['resource']['metadata']['name']}"
    lines = difflib.unified_diff(
        text(item.get("before")), text(item["resource"]), f"now/{name}", f"new/{name}"
    )
    colours = {"+": typer.colors.GREEN, "-": typer.colors.RED}
    for line in lines:
        typer.secho(line.rstrip("\n"), fg=colours.get(line[:1]))


def _wait_gone(client: Client, wanted: Sequence[tuple[str, str]]) -> None:
    import time

    from argus.core.errors import ArgusError

    until = time.monotonic() + 60
    for plural, name in wanted:
        while _is_there(client, plural, name):
            if time.monotonic() > until:
                raise ArgusError(
                    f"{plural}/{name} is still there after 60 s: see `argus describe {plural} {name}`; "
                    "it goes when its worker has ended it"
                )
            time.sleep(0.1)
        say(f"{plural}/{name} deleted")
