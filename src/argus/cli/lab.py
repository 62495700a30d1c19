"""`argus lab`: cameras that fail on purpose, and what Argus makes of it."""

from __future__ import annotations

import contextlib
import json as json_format
import threading
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from argus.vision.engine.engine import Engine
    from argus.vision.lab.outcome import Outcome


def lab(
    faults: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FAULT...]", help="Only these; see `--list`.", show_default=False),
    ] = None,
    camera: Annotated[
        str, typer.Option(help="Which camera fails: `synthetic`, `rtsp` or `both`.", show_default=True)
    ] = "both",
    neighbours: Annotated[int, typer.Option(min=0, max=64, help="Cameras beside it, all well.")] = 15,
    fps: Annotated[
        float, typer.Option(min=0.5, max=60, help="Frames looked at per second and camera.")
    ] = 5.0,
    times: Annotated[
        int,
        typer.Option(min=1, max=1000, help="Try each fault so often: what is left to chance falls anew."),
    ] = 1,
    model: Annotated[str, typer.Option("--model", "-m", help="What looks at them.")] = "builtin:plaza",
    grid: Annotated[
        str | None,
        typer.Option(
            help="Show all cameras meanwhile: a port or a file, as for `argus run`.", show_default=False
        ),
    ] = None,
    catalogue: Annotated[bool, typer.Option("--list", help="List the faults and end.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="End with 1 where a promise was not kept.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print the outcomes, or with --list the faults, as a JSON list.")
    ] = False,
) -> None:
    """Let one camera of many fail in every way; measure what is noticed, how soon, and what the others feel.

    The cameras are real streams: drawn here, or encoded and served by GStreamer's RTSP server. Takes about
    half a minute per fault and time.

    **Examples**

    `argus lab`

    `argus lab freeze drop half-open --camera rtsp --grid 8090`

    `argus lab corrupt packet-loss --times 10`

    `argus lab --json > lab.json`
    """
    from rich.console import Console

    from argus.cli.job import stopping_on_signals
    from argus.core.errors import ArgusError, SpecError
    from argus.core.resources.model import ModelSpec
    from argus.vision.lab import FAULTS, CameraKind, rtsp_camera_problem
    from argus.vision.lab.trial import TrialSpec, choose_faults, run_trial
    from argus.vision.runner.job import leave_cores_to_the_engine
    from argus.vision.runner.showing import GridShow, open_grid

    known: dict[str, tuple[CameraKind, ...]] = {
        "synthetic": ("synthetic",),
        "rtsp": ("rtsp",),
        "both": ("synthetic", "rtsp"),
    }
    if camera not in known:
        raise SpecError(f"--camera {camera}: take {', '.join(known)}")
    if catalogue and json:
        typer.echo(json_format.dumps([fault.to_json() for fault in FAULTS], indent=2))
        return
    if catalogue:
        for fault in FAULTS:
            typer.echo(f"{fault.name:18}{fault.title}")
        return
    kinds = known[camera]
    chosen = choose_faults(faults or [], kinds)
    errors = Console(stderr=True, highlight=False)
    if "rtsp" in kinds and (problem := rtsp_camera_problem()) is not None:
        if camera == "rtsp":
            raise SpecError(f"the RTSP cameras of the lab cannot be run here: {problem}")
        errors.print(f"without RTSP cameras: {problem}", markup=False)
        kinds = ("synthetic",)
        chosen = choose_faults(faults or [], kinds)
    leave_cores_to_the_engine()
    stop = threading.Event()
    outcomes: list[Outcome] = []
    with contextlib.ExitStack() as held:
        held.enter_context(stopping_on_signals(stop))
        shows: list[GridShow] = []

        def on_start(engine: Engine) -> None:
            if grid is None:
                return
            if shows:  # one page, or one film, of all rounds
                shows[0].turn_to(engine)
                return
            page, file = open_grid(grid)
            shows.append(held.enter_context(GridShow(engine, page=page, file=file)))
            if page is not None:
                errors.print(f"the cameras are to be seen at {page.url}", markup=False, soft_wrap=True)

        def on_outcome(outcome: Outcome) -> None:
            outcomes.append(outcome)
            errors.print(f"  {_in_words(outcome)}", style=None if outcome.kept else "yellow", markup=False)

        looked = ModelSpec.read({"path": model}, "model")
        spec = TrialSpec(chosen, kinds, neighbours, fps, looked, times=times)
        failure: ArgusError | None = None
        try:
            run_trial(
                spec,
                lambda text: errors.print(text, style="dim", markup=False),
                on_outcome=on_outcome,
                on_start=on_start,
                stop=stop,
            )
        except ArgusError as error:  # what was found until then took minutes: it is shown first
            failure = error
    if failure is not None and not outcomes:
        raise failure
    if json:
        typer.echo(json_format.dumps([outcome.to_json() for outcome in outcomes], indent=2))
    else:
        Console(highlight=False).print(outcomes_table(outcomes))
    if failure is not None:
        raise failure
    if stop.is_set():
        raise typer.Exit(130)
    if strict and not all(outcome.kept for outcome in outcomes):
        raise typer.Exit(1)


def outcomes_table(outcomes: list[Outcome]) -> Table:
    """Return the outcomes as a table for people."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, collapse_padding=True)
    for title in ("fault", "camera", "told"):
        table.add_column(title, no_wrap=True)
    for title in ("after, of", "back after", "others' p95", "worst one's"):
        table.add_column(title, justify="right")
    table.add_column("kept", no_wrap=True)
    for outcome in outcomes:
        table.add_row(
            outcome.fault.name,
            outcome.kind,
            outcome.told if outcome.fault.expect or outcome.told != "online" else "nothing",
            _seconds(outcome.detect_s, of=outcome.fault.within_s),
            _seconds(outcome.recover_s),
            _change(outcome.neighbours_p95_change),
            _change(outcome.worst_neighbour_change),
            _verdict(outcome),
            style=None if outcome.kept else "yellow",
        )
    return table


def _verdict(outcome: Outcome) -> str:
    if outcome.tries == 1:
        return "yes" if outcome.kept else "no"
    return f"{'yes' if outcome.kept else 'no'} {outcome.tries_in_time}/{outcome.tries}"


def _seconds(value: float | None, of: float | None = None) -> str:
    if value is None:
        return "never"
    return f"{value:.1f} s" if of is None else f"{value:.1f}/{of:g} s"


def _change(part: float | None) -> str:
    return "unknown" if part is None else f"{part:+.0%}"


def _in_words(outcome: Outcome) -> str:
    return (
        f"{outcome.told} after {_seconds(outcome.detect_s)}, back after {_seconds(outcome.recover_s)}, "
        f"neighbours' p95 {_change(outcome.neighbours_p95_change)}\n  the worst of them "
        f"{_change(outcome.worst_neighbour_change)}, without a fault {_change(outcome.worst_without_fault)}; "
        f"results of one {_change(outcome.worst_rate_change)}"
    )
