"""`argus bench`: the performance table, measured here, beside the limit and beside peers."""

from __future__ import annotations

import shutil
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from argus.cli.capacity import capacity
from argus.core.errors import SpecError

if TYPE_CHECKING:
    from argus.vision.bench.tables import Row

app = typer.Typer(invoke_without_command=True, rich_markup_mode="markdown")

Model = Annotated[
    str, typer.Option("--model", "-m", help="ONNX detector to measure with.", show_default="builtin:plaza")
]
Video = Annotated[
    str | None,
    typer.Option("--video", help="Video to measure with.", show_default="the plaza, rendered to a file"),
]
Frames = Annotated[int, typer.Option(min=20, help="Frames per contender and round.")]
Rounds = Annotated[int, typer.Option(min=1, help="Each contender runs so often, in turn.")]


def _runnable(peers: Path | None) -> Path | None:
    if peers is not None and shutil.which(peers) is None:
        raise SpecError(f"--peers {peers} is no program: give a Python that has the peers, or leave it out")
    return peers


def _known(output: str) -> str:
    if output not in ("table", "json", "markdown"):
        raise SpecError(f"unknown output {output!r}: take table, json or markdown")
    return output


# Asked before anything runs: what is measured for minutes is not to be lost to a word misspelt.
Peers = Annotated[
    Path | None,
    typer.Option(
        help="Python that has the peers (ultralytics); `make bench` makes one.",
        show_default=False,
        callback=_runnable,
    ),
]
Output = Annotated[
    str, typer.Option("--output", "-o", help="`table`, `json` or `markdown`.", callback=_known)
]


@app.callback()
def bench(
    context: typer.Context,
    model: Model = "builtin:plaza",
    video: Video = None,
    frames: Frames = 300,
    rounds: Rounds = 3,
    peers: Peers = None,
    output: Output = "table",
) -> None:
    """Measure Argus on this machine: ratios to the engine alone and to peers, in one run.

    Without a command, everything is measured.

    **Example**

    `argus bench --model yolov8n.onnx --video street.mp4 --rounds 5`
    """
    _end_as_by_ctrl_c(context)
    if context.invoked_subcommand is None:
        from argus.vision.bench.suite import measure_run, measure_stages, measure_tracker_rows

        rows = measure_run(model, video, frames, rounds, peers, _say)
        rows += measure_stages(model, video, frames, _say)
        rows += measure_tracker_rows(_say)
        _show(rows, output)


@app.command()
def run(
    model: Model = "builtin:plaza",
    video: Video = None,
    frames: Frames = 300,
    rounds: Rounds = 3,
    peers: Peers = None,
    output: Output = "table",
) -> None:
    """The main job beside the engines alone, a plain loop and `ultralytics predict`.

    **Example**

    `argus bench run --model yolov8n.onnx --video street.mp4 -o markdown`
    """
    from argus.vision.bench.suite import measure_run

    _show(measure_run(model, video, frames, rounds, peers, _say), output)


@app.command()
def stages(
    model: Model = "builtin:plaza", video: Video = None, frames: Frames = 300, output: Output = "table"
) -> None:
    """CPU time per frame of everything but inference: decode, preprocess, post-process, rules, output.

    **Example**

    `argus bench stages --model yolov8n.onnx --video street.mp4`
    """
    from argus.vision.bench.suite import measure_stages

    _show(measure_stages(model, video, frames, _say), output)


@app.command()
def tracker(output: Output = "table") -> None:
    """The tracker beside its floor (one overlap matrix and one assignment), and with ten zones and events.

    **Example**

    `argus bench tracker`
    """
    from argus.vision.bench.suite import measure_tracker_rows

    _show(measure_tracker_rows(_say), output)


app.command("capacity")(capacity)


@app.command()
def flow(rounds: Rounds = 3, peers: Peers = None, output: Output = "table") -> None:
    """Nodes and links: pictures over shared memory beside peers, DURABLE over Redis, debug mode, start-up.

    **Example**

    `argus bench flow --rounds 5 --peers .venv-peers/bin/python`
    """
    from argus.flow.bench.suite import measure_flow

    _show(measure_flow(rounds, _say, peers), output)


@app.command()
def engine(
    model: Model = "builtin:plaza",
    video: Video = None,
    frames: Frames = 300,
    rounds: Rounds = 3,
    output: Output = "table",
) -> None:
    """Many cameras and one model: batches, the engine's own cost, a still fleet, health, gate, skipping.

    **Example**

    `argus bench engine --model yolov8n-dynamic.onnx --video street.mp4 -o markdown`
    """
    from argus.vision.bench.engine_suite import measure_engine

    _show(measure_engine(model, video, frames, rounds, _say), output)


@app.command()
def control(
    events: Annotated[int, typer.Option(min=1000, help="Events behind the API.")] = 1_000_000,
    resources: Annotated[int, typer.Option(min=100, help="Resources behind it.")] = 10_000,
    rounds: Rounds = 3,
    output: Output = "table",
) -> None:
    """The control plane: its start, a killed worker, lists and filters with a million events behind them.

    **Example**

    `argus bench control --events 100000 -o markdown`
    """
    from argus.control.bench.suite import measure_control

    _show(measure_control(events, resources, rounds, _say), output)


def _end_as_by_ctrl_c(context: typer.Context) -> None:
    """Let SIGTERM end the measurement so that folders and contenders go with it."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread may have handlers
        return
    by_ctrl_c = signal.getsignal(signal.SIGINT)
    before = signal.signal(
        signal.SIGTERM,
        by_ctrl_c if callable(by_ctrl_c) else signal.default_int_handler,  # in the background it is ignored
    )
    context.call_on_close(lambda: signal.signal(signal.SIGTERM, before))


def _say(text: str) -> None:
    typer.secho(text, err=True, dim=True)


def _show(rows: list[Row], output: str) -> None:
    from argus.vision.bench.tables import show

    show(rows, output)
