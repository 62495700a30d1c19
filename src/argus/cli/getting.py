"""`argus get`: what there is, what became of it, and what was seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from argus.cli.resource_tables import COLUMNS, RESULTS, table
from argus.cli.server import ServerOption, connect, split_kind
from argus.cli.tables import Output, print_data, print_items
from argus.cli.things import plural_of, resource_called, result_called, workload_called
from argus.core.errors import SpecError

if TYPE_CHECKING:
    from argus.control.client import Client


class Form(StrEnum):
    """What `-o` takes where lists are wide."""

    TABLE = "table"
    WIDE = "wide"
    NAME = "name"
    JSON = "json"
    YAML = "yaml"


def get(
    kind: Annotated[
        str,
        typer.Argument(
            help="`cameras`, `models`, `pipelines`, `jobs`, `workloads`, `events`, `alerts`, `tracks`, "
            "`detections`, `uploads`, or `all`; or one of them with a name: `camera/gate`."
        ),
    ],
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Only these.")] = None,
    output: Annotated[
        Form, typer.Option("--output", "-o", help="`table`, `wide`, `name`, `json` or `yaml`.")
    ] = Form.TABLE,
    selector: Annotated[
        str | None, typer.Option("--selector", "-l", help="Only resources with these labels: `site=north`.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on, and show what changes.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Results at most; the latest.")] = 50,
    camera: Annotated[list[str] | None, typer.Option(help="Results of these cameras.")] = None,
    pipeline: Annotated[list[str] | None, typer.Option(help="Results of these pipelines.")] = None,
    type_: Annotated[
        list[str] | None, typer.Option("--type", help="Events of these types: `zone.entered`, `camera.*`.")
    ] = None,
    zone: Annotated[list[str] | None, typer.Option(help="Results in these zones, lines and crowds.")] = None,
    class_: Annotated[list[str] | None, typer.Option("--class", help="Results of these classes.")] = None,
    severity: Annotated[list[str] | None, typer.Option(help="Of these severities.")] = None,
    job: Annotated[str | None, typer.Option(help="Results of this job.")] = None,
    since: Annotated[str | None, typer.Option(help="Began after: `1h`, `2d`, or a time.")] = None,
    until: Annotated[str | None, typer.Option(help="Began before: likewise.")] = None,
    server: ServerOption = None,
) -> None:
    """List resources, workloads and what was seen.

    **Examples**

    `argus get pipelines`

    `argus get alerts --since 1h -o wide`

    `argus get events --camera gate --type zone.entered --watch`

    `argus get cameras -l site=north -o json`
    """
    with connect(server) as client:
        kind, names = split_kind(kind, names or ())
        if kind == "all":
            _all(client, output, selector)
            return
        plural = plural_of(kind)
        filters = _filters(
            camera=camera, pipeline=pipeline, type=type_, zone=zone, class_=class_, severity=severity,
            job=job, since=_moment(since), until=_moment(until),
        )  # fmt: skip
        if watch:
            _watch(client, plural, names, selector, filters, output)
            return
        if plural in RESULTS:
            items = [result_called(client, plural, name) for name in names] or _results(
                client, plural, filters, limit
            )
        elif plural == "uploads":
            items = [result_called(client, plural, name) for name in names] if names else client.uploads()
        elif plural == "workloads":
            items = [workload_called(client, name) for name in names] if names else client.workloads()
        else:
            items = (
                [resource_called(client, plural, name) for name in names]
                if names
                else client.list(plural, selector=selector)
            )
        _print(plural, items, output, one=len(names) == 1)


def _filters(**given: Any) -> dict[str, Any]:
    return {key: value for key, value in given.items() if value}


def _moment(text: str | None) -> str | None:
    """Return a time as the API wants it; `1h` is an hour ago."""
    from argus.core.durations import parse_duration_s

    if text is None:
        return None
    try:
        return (datetime.now(UTC) - timedelta(seconds=float(parse_duration_s(text)))).isoformat()
    except (ValueError, OverflowError):
        pass
    try:
        return datetime.fromisoformat(text).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        raise SpecError(f"{text!r} is no time: write 1h, 2d, or 2026-11-21T14:30") from None


def _all(client: Client, output: Form, selector: str | None) -> None:
    from argus.core.resources.kinds import kinds

    found = client.list(selector=selector)
    if output in {Form.JSON, Form.YAML}:
        print_data({"items": found}, Output(output.value))
        return
    for kind in kinds():
        items = [item for item in found if item["kind"] == kind.name]
        if items:
            typer.secho(kind.plural.upper(), bold=True)
            _print(kind.plural, items, output)
            typer.echo()


def _print(plural: str, items: Sequence[Mapping[str, Any]], output: Form, *, one: bool = False) -> None:
    if output in {Form.JSON, Form.YAML}:
        print_data(items[0] if one else {"items": list(items)}, Output(output.value))
        return
    if output is Form.NAME:
        for item in items:
            typer.echo(f"{plural}/{_name(item)}")
        return
    if not items:
        typer.secho(f"no {plural}", err=True, dim=True)
        return
    headers, rows = table(plural, items, wide=output is Form.WIDE)
    print_items(items, Output.TABLE, headers, rows)


def _name(item: Mapping[str, Any]) -> str:
    if "id" in item:
        return str(item["id"])
    return str(item["metadata"]["name"] if "metadata" in item else item.get("name") or item.get("frame"))


def _watch(
    client: Client,
    plural: str,
    names: Sequence[str],
    selector: str | None,
    filters: Mapping[str, Any],
    output: Form,
) -> None:
    """Print changes as they come: a line each, or a JSON object each."""
    import json

    def line(item: Mapping[str, Any], word: str = "") -> None:
        if output in {Form.JSON, Form.YAML}:
            typer.echo(json.dumps({"type": word, "object": item} if word else item, ensure_ascii=False))
            return
        if output is Form.NAME:
            typer.echo(f"{plural}/{_name(item)}")
            return
        cells = [column.cell(item) for column in COLUMNS[plural] if output is Form.WIDE or not column.wide]
        typer.echo("  ".join([*([word] if word else []), *(cell for cell in cells if cell not in {"–", ""})]))

    last: dict[str, list[str]] = {}
    for word, item in _changes(client, plural, selector, filters):
        name = _name(item)
        if names and name not in names:
            continue
        # What is told again without anything new in it, as for a program, is not for people.
        shown = [column.cell(item) for column in COLUMNS[plural] if column.header not in {"AGE", "FOR"}]
        if last.get(name) != shown or output in {Form.JSON, Form.YAML}:
            line(item, word)
        last[name] = shown


def _changes(
    client: Client, plural: str, selector: str | None, filters: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if plural in {"events", "alerts"}:
        for item in client.stream(plural, **filters):
            yield "", item
    elif plural in {"tracks", "detections", "workloads", "uploads"}:
        raise SpecError(f"{plural} cannot be watched: ask for them again, or watch events")
    else:
        for change in client.watch(plural, selector=selector):
            if change.type != "BOOKMARK":
                yield change


def _results(client: Client, plural: str, filters: Mapping[str, Any], most: int) -> list[dict[str, Any]]:
    listing = {
        "events": client.events,
        "alerts": client.alerts,
        "tracks": client.tracks,
        "detections": client.detections,
    }
    return list(listing[plural](most=most, **filters))
