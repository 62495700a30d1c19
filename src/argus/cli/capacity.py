"""`argus bench capacity`: how many cameras this machine holds, and what runs out first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from argus.cli.tables import Output, OutputOption

if TYPE_CHECKING:
    from argus.vision.bench.capacity import Alone, Capacity, Goal


def capacity(
    source: Annotated[
        str,
        typer.Option(
            "--source",
            "-s",
            help="What a camera is like: a video (repeated), a camera, or `synthetic:plaza?…`.",
        ),
    ],
    model: Annotated[
        str, typer.Option("--model", "-m", help="ONNX file, registered name or `builtin:…`.")
    ] = "builtin:plaza",
    fps: Annotated[
        float | None, typer.Option(min=0.01, help="Frames a second wanted of each.", show_default="all")
    ] = None,
    goal: Annotated[str, typer.Option(help="How old 95 of 100 results may be: `200ms`, `1s`.")] = "200ms",
    most: Annotated[int, typer.Option("--max", min=1, help="Cameras to try at most.")] = 64,
    seconds: Annotated[
        float,
        typer.Option(
            min=1, max=3600, help="Seconds that each number of cameras is measured, at least; more is surer."
        ),
    ] = 5.0,
    output: OutputOption = Output.TABLE,
) -> None:
    """Find how many such cameras this machine holds, and what runs out first: decoding, inference or memory.

    They hold where 95 of 100 wanted frames are looked at and 95 of 100 results are younger than the goal.
    Numbers are doubled until they do not, then halved in between. Other programs on the machine take part.

    **Example**

    `argus bench capacity --source street.mp4 --model yolov8n.onnx --fps 5 --goal 200ms`
    """
    from argus.core.durations import parse_duration_s
    from argus.core.errors import SpecError
    from argus.core.resources.model import ModelSpec
    from argus.core.urls import mask_url
    from argus.vision.bench.capacity import Goal
    from argus.vision.bench.capacity_measure import measure_capacity
    from argus.vision.runner.job import leave_cores_to_the_engine

    try:
        wanted = Goal(float(parse_duration_s(goal)))
    except ValueError as error:
        raise SpecError(f"--goal {error}") from None
    leave_cores_to_the_engine()
    spec = ModelSpec.read({"path": model}, "model")
    found, alone = measure_capacity(source, spec, fps=fps, goal=wanted, most=most, seconds=seconds, say=_say)
    if output is Output.TABLE:
        _show(mask_url(source), model, wanted, found, alone)
    else:
        from argus.cli.tables import print_data
        from argus.vision.bench.tables import machine

        alone_data = {
            "decode_ms": round(1000 * alone.decode_s, 2),
            "decode_cameras": alone.decode_cameras,
            "inference_fps": round(alone.inference_fps, 1),
            "inference_cameras": alone.inference_cameras,
            "cores": alone.cores,
            "free_mb": round(alone.free_bytes / 1e6),
        }
        head = {"machine": machine(), "source": mask_url(source), "model": model, "fps": alone.fps}
        print_data(head | {"goal_ms": 1000 * wanted.age_s} | found.to_json() | {"alone": alone_data}, output)


def _say(text: str) -> None:
    typer.secho(text, err=True, dim=True)


def _show(source: str, model: str, goal: Goal, found: Capacity, alone: Alone) -> None:
    from rich.table import Table
    from rich.text import Text

    from argus.cli.tables import show
    from argus.vision.bench.tables import machine

    steps = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("cameras", "looked at", "age p95", "model busy", "cores", "others", "memory", "holds"):
        steps.add_column(title, justify="right")
    for load in sorted(found.loads, key=lambda load: load.cameras):
        holds = load.holds(goal)
        steps.add_row(
            str(load.cameras),
            f"{load.looked_share:.0%}",
            f"{1000 * load.p95_age_s:.0f} ms",
            f"{load.busy:.0%}",
            f"{load.cores:.2f}",
            f"{load.other_cores:.2f}",
            f"{load.rss_bytes / 1e6:.0f} MB",
            Text("yes" if holds else "no", "green" if holds else "yellow"),
        )
    facts = Table(show_header=False, box=None, pad_edge=False)
    each = "" if found.camera_bytes is None else f"{found.camera_bytes / 1e6:.1f} MB each"
    for name, text in (
        ("machine", machine()),
        ("camera", f"{source}, {alone.fps:g} frames/s"),
        ("model", model),
        (
            "goal",
            f"p95 age {1000 * goal.age_s:.0f} ms at most, {goal.share:.0%} of the frames looked at",
        ),
        ("decoding alone", f"{1000 * alone.decode_s:.1f} ms CPU per frame: {alone.decode_cameras} cameras"),
        ("inference alone", f"{alone.inference_fps:.0f} frames/s: {alone.inference_cameras} cameras"),
        ("memory", each),
        ("holds", f"{'at least ' if found.at_least else ''}{found.cameras} cameras"),
        ("runs out first", f"{found.saturated}: {found.why}"),
    ):
        if text:
            facts.add_row(Text(name, "bold cyan"), Text(text))
    show(steps, facts)
