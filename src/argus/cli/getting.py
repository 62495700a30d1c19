"""`argus get` and `describe`: what there is, what became of it, and what was seen."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from argus.cli.resource_tables import COLUMNS, RESULTS, age, clock, table
from argus.cli.server import ServerOption, connect, named_well, names_of, split_kind
from argus.cli.tables import Output, OutputOption, print_data, print_facts, print_items, show, size_text
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
            "`detections`, or `all`; or one of them with a name: `camera/gate`."
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
        plural = _plural(kind)
        filters = _filters(
            camera=camera, pipeline=pipeline, type=type_, zone=zone, class_=class_, severity=severity,
            job=job, since=_moment(since), until=_moment(until),
        )  # fmt: skip
        if watch:
            _watch(client, plural, names, selector, filters, output)
            return
        if plural in RESULTS:
            items = [_result(client, plural, name) for name in names] or _results(
                client, plural, filters, limit
            )
        elif plural == "workloads":
            items = [_workload(client, name) for name in names] if names else client.workloads()
        else:
            items = (
                [_resource(client, plural, name) for name in names]
                if names
                else client.list(plural, selector=selector)
            )
        _print(plural, items, output, one=len(names) == 1)


def describe(
    kind: Annotated[str, typer.Argument(help="Kind, such as `pipeline`; or `pipeline/gate-safety`.")],
    name: Annotated[str | None, typer.Argument(help="Which one.")] = None,
    output: OutputOption = Output.TABLE,
    server: ServerOption = None,
) -> None:
    """Show one resource in full: its spec, its conditions, and what was done about it.

    **Example**

    `argus describe pipeline gate-safety`
    """
    with connect(server) as client:
        kind, names = split_kind(kind, [name] if name else [])
        plural = _plural(kind)
        if len(names) != 1:
            raise SpecError(f"name one of them: argus describe {plural.removesuffix('s')} NAME")
        (name,) = names
        if plural == "workloads":
            _describe_workload(_workload(client, name), output)
            return
        if plural in RESULTS:
            print_data(_result(client, plural, name), Output.YAML if output is Output.TABLE else output)
            return
        resource = _resource(client, plural, name)
        if output is not Output.TABLE:
            print_data(resource, output)
            return
        _describe(resource, client.decisions(), _recent(client, plural, name))


def _resource(client: Client, plural: str, name: str) -> dict[str, Any]:
    with named_well(plural.removesuffix("s"), name, lambda: names_of(client, plural)):
        return client.get(plural, name)


def _workload(client: Client, name: str) -> dict[str, Any]:
    with named_well("workload", name, lambda: (w["metadata"]["name"] for w in client.workloads())):
        return client.workload(name)


def _plural(word: str) -> str:
    from argus.core.errors import UnknownName
    from argus.core.resources.kinds import kind_called, kinds

    others = ("workloads", "events", "alerts", "tracks", "detections")
    small = word.lower()
    for plural in others:
        if small in {plural, plural.removesuffix("s")}:
            return plural
    try:
        return kind_called(small).plural
    except UnknownName:
        known = [*(kind.plural for kind in kinds()), *others, "all"]
        raise UnknownName("kind", word, known) from None


def _filters(**given: Any) -> dict[str, Any]:
    return {key: value for key, value in given.items() if value}


def _moment(text: str | None) -> str | None:
    """Return a time as the API wants it; `1h` is an hour ago."""
    from argus.core.durations import parse_duration_s

    if text is None:
        return None
    try:
        return (datetime.now(UTC) - timedelta(seconds=float(parse_duration_s(text)))).isoformat()
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).astimezone(UTC).isoformat()
    except ValueError:
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
    metadata = item.get("metadata")
    return str(metadata["name"] if metadata else item.get("name") or item.get("id") or item.get("frame"))


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
    elif plural in {"tracks", "detections", "workloads"}:
        raise SpecError(f"{plural} cannot be watched: ask for them again, or watch events")
    else:
        for change in client.watch(plural, selector=selector):
            if change.type != "BOOKMARK":
                yield change


def _recent(client: Client, plural: str, name: str) -> list[Mapping[str, Any]]:
    if plural not in {"cameras", "pipelines"}:
        return []
    return list(client.events(most=5, **{plural[:-1]: [name]}))


def _results(client: Client, plural: str, filters: Mapping[str, Any], most: int) -> list[dict[str, Any]]:
    listing = {
        "events": client.events,
        "alerts": client.alerts,
        "tracks": client.tracks,
        "detections": client.detections,
    }
    return list(listing[plural](most=most, **filters))


def _result(client: Client, plural: str, id_: str) -> dict[str, Any]:
    if plural == "events":
        return client.event(id_)
    if plural == "alerts":
        return client.alert(id_)
    raise SpecError(f"{plural} are only listed: argus get {plural}")


def _describe_workload(workload: Mapping[str, Any], output: Output) -> None:
    """Print one workload in full: its status and what it runs."""
    status, spec = workload["status"], workload["spec"]
    facts = [
        ("Name", workload["metadata"]["name"]),
        ("Kind", f"{spec['kind']}, for {spec['owner']}" if spec.get("owner") else spec["kind"]),
        ("State", f"{status['state']} for {age(status.get('since'))}"),
        ("Ready", "yes" if status.get("ready") else "no"),
        ("Pid", str(status.get("pid") or "–")),
        ("Port", str(status.get("port") or "–")),
        ("Restarts", str(status.get("restarts", 0))),
        ("Memory", size_text(status.get("memory_bytes", 0))),
        ("Last exit", str(status.get("last_exit") or "–")),
        ("Command", " ".join(spec.get("command", ())) or "–"),
    ]
    print_facts(workload, output, facts)


def _describe(
    resource: Mapping[str, Any], decisions: Sequence[Mapping[str, Any]], events: Sequence[Mapping[str, Any]]
) -> None:
    import yaml
    from rich.text import Text

    metadata, status = resource["metadata"], dict(resource.get("status", {}))
    created = metadata.get("creationTimestamp")
    conditions = status.pop("conditions", [])
    status.pop("observedGeneration", None)
    facts = [
        ("Name", metadata["name"]),
        ("Kind", resource["kind"]),
        ("Labels", ", ".join(f"{k}={v}" for k, v in metadata.get("labels", {}).items()) or "none"),
        ("Created", f"{clock(created)} ({age(created)} ago)"),
        ("Generation", str(metadata.get("generation", 0))),
        *(
            (key[:1].upper() + key[1:], str(value))
            for key, value in status.items()
            if not isinstance(value, (dict, list)) and value is not None
        ),
    ]
    width = max(len(name) for name, _ in facts) + 2
    for name, value in facts:
        show(Text.assemble((f"{name}:".ljust(width), "bold cyan"), value))
    show(Text("Conditions:", "bold cyan"))
    for condition in conditions:
        colour = {"True": "green", "False": "red"}.get(condition["status"], "yellow")
        since = age(condition.get("lastTransitionTime"))
        show(
            Text.assemble(
                "  ",
                (f"{condition['type']} {condition['status']}", colour),
                f"  {condition['reason']} for {since}",
                f": {condition['message']}" if condition.get("message") else "",
            )
        )
    show(Text("Spec:", "bold cyan"))
    spec = yaml.safe_dump(_said(resource["spec"]), allow_unicode=True, sort_keys=False)
    typer.echo(textwrap.indent(spec, "  "), nl=False)
    about = {f"{resource['kind']}/{metadata['name']}", str(status.get("worker"))}
    mine = [d for d in decisions if d["subject"] in about][-5:]
    if mine:
        show(Text("Done:", "bold cyan"))
        for one in mine:
            show(Text(f"  {clock(one['at'])}  {one['action']} {one['subject']}: {one['reason']}"))
    if events:
        show(Text("Latest events:", "bold cyan"))
        for event in events:
            what = f"{event.get('class_name') or ''} {event.get('object_id') or ''}".strip()
            told = (event["type"], event.get("region"), what, event.get("message"))
            show(Text(f"  {clock(event['started_at'])}  {' '.join(str(part) for part in told if part)}"))


def _said(value: Any) -> Any:
    """Return a spec without what says nothing, as people wrote it rather than as it is kept."""
    if isinstance(value, dict):
        return {k: _said(v) for k, v in value.items() if v not in (None, [], {}, "")}
    return [_said(item) for item in value] if isinstance(value, list) else value
