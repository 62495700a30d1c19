"""What cameras, pipelines and models have to say besides results, as lines for people."""

from __future__ import annotations

from rich.console import Console

from argus.vision.engine.notices import Notice


def say_notice(console: Console, notice: Notice) -> None:
    """Print a line for each thing that has begun, or happened at once, at local time."""
    for line in lines_of(notice):
        # Soft: a log is not to be broken at the eightieth letter.
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def lines_of(notice: Notice) -> list[str]:
    """Return the same as text: `14:03:07 gate camera.lost: no picture any more`."""
    return [
        f"{event.started_at.astimezone():%H:%M:%S} {notice.pipeline or notice.camera} {event.type}"
        + (f": {event.message}" if event.message else "")
        for event in notice.events
        # An ill camera's recovery has an event of its own, so what ends need not be told.
        if event.phase == "start" or (event.phase == "end" and event.end_s == event.start_s)
    ]
