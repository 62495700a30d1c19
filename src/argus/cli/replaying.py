"""`argus replay`: changed rules over a recording, before they go live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from argus.cli.server import ServerOption, connect, named_well, names_of
from argus.cli.tables import Output, OutputOption, print_data, print_items, say

if TYPE_CHECKING:
    from argus.control.client import Client
    from argus.core.resources.model import ModelSpec
    from argus.core.resources.pipeline import PipelineSpec
    from argus.stream.replay import Replay
    from argus.vision.results import Alert

LIVE, CHANGED = "live", "changed"


def replay(
    pipeline: Annotated[str, typer.Argument(help="Which pipeline of the control plane.")],
    video: Annotated[str, typer.Argument(help="A recording: a video, or a folder of pictures.")],
    filename: Annotated[
        Path | None,
        typer.Option("--filename", "-f", help="File with the changed pipeline.", show_default=False),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Another model for the changed version: a Model's name, a file, or `builtin:NAME`.",
            show_default=False,
        ),
    ] = None,
    output: OutputOption = Output.TABLE,
    server: ServerOption = None,
) -> None:
    """Run the live and the changed rules of a pipeline over a recording, and show which alerts differ.

    Nothing is stored and nothing that runs is touched. Without -f and --model it shows what the live rules
    find.

    **Examples**

    `argus replay gate-safety night.mp4 -f changed.yaml`

    `argus replay gate-safety night.mp4 --model yolox-tiny -o json`
    """
    with connect(server) as client:
        with named_well("pipeline", pipeline, lambda: names_of(client, "pipelines")):
            resource = client.get("pipelines", pipeline)
        specs = versions(resource, _models(client), filename, model)
        done = _run(specs, video)
        if output is not Output.TABLE:
            from argus.stream.replay_compare import compare

            told = done.to_json()
            if CHANGED in done.versions:
                told["comparison"] = compare(done.versions[LIVE], done.versions[CHANGED]).to_json()
            print_data(told, output)
        else:
            print_replay(done)
        for name, found in done.versions.items():
            if found.error is not None:
                say(f"{name}: {found.error}")


def versions(
    resource: Mapping[str, Any], models: Mapping[str, ModelSpec], changed: Path | None, model: str | None
) -> dict[str, PipelineSpec]:
    """Return the versions to compare, with models in the place of their names.

    Args:
        resource: The pipeline as it runs.
        models: By name, those of the control plane.
        changed: File with the changed one.
        model: What shall look in the changed one.

    Raises:
        SpecError: a version cannot be.
    """
    from argus.core.resources.pipeline import DetectSpec, PipelineSpec
    from argus.core.resources.references import with_models

    name = resource["metadata"]["name"]
    live = PipelineSpec.read(_filled(resource["spec"], f"Pipeline {name}"), f"Pipeline {name}")
    specs = {LIVE: with_models(live, models)}
    if changed is not None or model is not None:
        other = live if changed is None else _changed(changed, name)
        if model is not None:
            look = other.detect or DetectSpec(model=model)
            other = other.model_copy(update={"detect": look.model_copy(update={"model": model})})
        specs[CHANGED] = with_models(other, models)
    return specs


def print_replay(done: Replay) -> None:
    """Print what the versions found, and each alert with who raised it."""
    headers, *rows = done.table()
    print_items((), Output.TABLE, [cell.upper() for cell in headers], rows)
    if CHANGED not in done.versions:
        _print_alerts([("", alert) for alert in done.versions[LIVE].alerts], [])
        return
    from argus.stream.replay_compare import compare

    told = compare(done.versions[LIVE], done.versions[CHANGED])
    found = [("only live", alert) for alert in told.only_a]
    found += [("only changed", alert) for alert in told.only_b]
    for pair in told.both:
        found.append((f"both, was {pair.a.severity}" if pair.differs else "both", pair.b))
    _print_alerts(found, ["WHO"])
    say(
        "both raise the same alerts"
        if told.same
        else f"{len(told.only_a)} alerts would come no more, {len(told.only_b)} would be new"
    )


def _print_alerts(found: Sequence[tuple[str, Alert]], first: list[str]) -> None:
    if not found:
        say("no alerts")
        return
    typer.echo()
    rows = []
    for who, alert in sorted(found, key=lambda one: one[1].event.start_s):
        event = alert.event
        minutes, seconds = divmod(event.start_s, 60)
        what = " ".join(str(part) for part in (event.class_name, event.object_id) if part is not None)
        rows.append(
            [
                *([who] if first else []),
                f"{minutes:.0f}:{seconds:04.1f}",
                alert.severity,
                alert.rule,
                what or "–",
            ]
        )
    print_items((), Output.TABLE, [*first, "AT", "SEVERITY", "RULE", "OBJECT"], rows)


def _run(specs: Mapping[str, PipelineSpec], video: str) -> Replay:
    import threading

    from argus.cli.job import stopping_on_signals
    from argus.cli.sending import progress_bar
    from argus.stream.replay import replay as run

    stop = threading.Event()
    with stopping_on_signals(stop), progress_bar(f"looking at {Path(video).name}") as advance:
        return run(specs, video, on_progress=advance, stop=stop)


def _models(client: Client) -> dict[str, ModelSpec]:
    from argus.core.resources.model import ModelSpec

    return {
        (name := item["metadata"]["name"]): ModelSpec.read(
            _filled(item["spec"], f"Model {name}"), f"Model {name}"
        )
        for item in client.iterate("models")
    }


def _filled(spec: dict[str, Any], where: str) -> dict[str, Any]:
    from argus.control.secrets_file import secrets_of
    from argus.core.resources.manifest import filled
    from argus.core.settings import read_settings

    return filled(spec, secrets_of(read_settings()), where)


def _changed(path: Path, name: str) -> PipelineSpec:
    """Return the pipeline of this name in a file; the only one there is where it is called otherwise."""
    from argus.core.errors import UnknownName
    from argus.core.resources.files import read_pipeline

    try:
        return read_pipeline(path, name)[0]
    except UnknownName:
        return read_pipeline(path)[0]
