"""A job in a terminal: progress on stderr, Ctrl-C, the summary last."""

from __future__ import annotations

import contextlib
import json as json_format
import signal
import threading
from collections.abc import Iterator
from types import FrameType

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from argus.cli.notices import say_notice
from argus.vision.engine.agreement_report import AgreementReport
from argus.vision.runner.job import Job, default_model, leave_cores_to_the_engine, run_job
from argus.vision.runner.outputs import STILL
from argus.vision.runner.summary import RunSummary
from argus.vision.sources.protocol import SourceInfo


def run_in_terminal(job: Job, *, json: bool = False, quiet: bool = False) -> RunSummary:
    """Run a job with a progress bar on stderr; print the summary to stdout as a table or as JSON."""
    errors = Console(stderr=True)
    if not quiet:
        say_default_model(errors, job)
    leave_cores_to_the_engine()
    stop = threading.Event()
    with _progress(errors, enabled=not quiet) as progress, stopping_on_signals(stop):
        summary = run_job(
            job,
            on_open=progress.begin,
            on_frame=progress.advance,
            on_notice=None if quiet else lambda notice: say_notice(errors, notice),
            stop=stop,
        )
    if json:
        typer.echo(json_format.dumps(summary.to_json(), indent=2))
    elif not quiet:
        Console(highlight=False).print(summary_table(summary))
    return summary


def say_default_model(console: Console, job: Job) -> None:
    """Say which model looks where nobody named one."""
    if job.model is None and job.pipeline is None:
        console.print(
            f"[dim]no --model given: using {default_model(job.source)}; see `argus models list`[/dim]",
            highlight=False,
        )


class _Bar:
    """A progress bar that learns of the source when it is open; redrawn a few times a second."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._task = None if progress is None else progress.add_task("opening", total=None, fps="")

    def begin(self, info: SourceInfo) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, description=info.name, total=info.frame_count)

    def advance(self, summary: RunSummary) -> None:
        # Every frame, but cheap: rich draws on a timer of its own.
        if self._progress is not None and self._task is not None and (summary.processed % 5 == 0):
            self._progress.update(self._task, completed=summary.processed, fps=f"{summary.fps:.1f} fps")


@contextlib.contextmanager
def _progress(console: Console, *, enabled: bool) -> Iterator[_Bar]:
    if not enabled or not console.is_terminal:
        yield _Bar(None)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[fps]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, refresh_per_second=5) as progress:
        yield _Bar(progress)


@contextlib.contextmanager
def stopping_on_signals(stop: threading.Event) -> Iterator[None]:
    """Let the first Ctrl-C or SIGTERM end the run in good order, the second at once."""

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    if threading.current_thread() is not threading.main_thread():  # only the main thread may have handlers
        yield
        return
    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def agreement_in_words(report: AgreementReport) -> str:
    """Return how far a candidate agreed with the model beside which it looked."""
    agreed = "100 %" if report.agreement == 1.0 else f"{min(100 * report.agreement, 99.9):.1f} %"
    return (
        f"{report.candidate}: {agreed} agreement in {report.frames} frames"
        f" ({report.only_live} objects it did not see, {report.only_candidate} it alone saw)"
    )


def summary_table(summary: RunSummary) -> Table:
    """Return the summary as a table for people."""
    table = Table(
        title="Interrupted" if summary.interrupted else None, show_header=False, box=None, pad_edge=False
    )
    table.add_column(no_wrap=True)
    table.add_column()
    info = summary.source

    def pairs(counts: dict[str, int]) -> str:
        return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"

    def row(name: str, text: str, style: str = "bold cyan") -> None:
        # `Text`, because names of files and cameras may hold what rich takes for markup.
        table.add_row(Text(name, style), Text(text))

    codec = f" {info.codec}" if info.codec else ""
    rate = f" at {info.fps:.4g} fps" if info.fps else ""
    row("source", f"{info.name} ({info.kind}, {info.width}x{info.height}{rate}{codec})")
    row("model", summary.model)
    row(
        "frames",
        f"{summary.processed} in {summary.wall_s:.1f} s: {summary.fps:.1f} fps"
        + (f" ({summary.media_s:.1f} s of video)" if summary.media_s and info.kind not in STILL else ""),
    )
    lost = {
        "skipped": summary.skipped,
        "gated": summary.gated,
        "dropped as stale": summary.dropped_stale,
        "corrupt": summary.corrupt,
        "left out of files": summary.left_out,
    }
    if any(lost.values()):
        row("not processed", pairs({name: count for name, count in lost.items() if count}))
    row("detections", pairs(dict(summary.detections.most_common(8))))
    if summary.tracks:
        row("tracks", pairs({name: len(ids) for name, ids in summary.tracks.items()}))
    row("events", pairs(dict(sorted(summary.events.items()))))
    if summary.alerts:
        row("alerts", pairs(dict(summary.alerts)))
    if summary.agreement is not None:
        row("candidate", agreement_in_words(summary.agreement))
    for problem in summary.problems[:5]:
        row("problem", problem, "yellow")
    for path in summary.outputs:
        row("wrote", path)
    return table
