"""A download as it is shown to people. What is downloaded is `argus.vision.models.pull`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from argus.vision.models.pull_download import Progress


@contextmanager
def download_bar() -> Iterator[Callable[[Progress], None]]:
    """Show a download on stderr: a bar on a terminal, notes alone elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bar

    errors = Console(stderr=True, highlight=False)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task: Any = None

        def report(progress: Progress) -> None:
            nonlocal task
            if task is None:
                # Only now: files of this machine are pulled without a download.
                task = bar.add_task("pulling", total=progress.total_bytes)
            bar.update(task, completed=progress.done_bytes, total=progress.total_bytes)
            if progress.note:
                bar.console.print(progress.note, style="dim", markup=False)

        yield report
