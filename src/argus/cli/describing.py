"""`argus describe`: one thing in full, with its conditions and what was done about it."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from argus.cli.resource_tables import RESULTS, age, clock
from argus.cli.server import ServerOption, connect, split_kind
from argus.cli.tables import Output, OutputOption, print_data, print_facts, show, size_text
from argus.cli.things import plural_of, resource_called, result_called, workload_called
from argus.core.errors import SpecError

if TYPE_CHECKING:
    from argus.control.client import Client


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
        plural = plural_of(kind)
        if len(names) != 1:
            raise SpecError(f"name one of them: argus describe {plural.removesuffix('s')} NAME")
        (name,) = names
        if plural == "workloads":
            _describe_workload(workload_called(client, name), output)
            return
        if plural in RESULTS or plural == "uploads":
            print_data(result_called(client, plural, name), Output.YAML if output is Output.TABLE else output)
            return
        resource = resource_called(client, plural, name)
        if output is not Output.TABLE:
            print_data(resource, output)
            return
        _describe(resource, client.decisions(), _recent(client, plural, name))


def _recent(client: Client, plural: str, name: str) -> list[Mapping[str, Any]]:
    if plural not in {"cameras", "pipelines"}:
        return []
    return list(client.events(most=5, **{plural[:-1]: [name]}))


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
