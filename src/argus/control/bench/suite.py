"""What `argus bench control` measures: what the control plane promises, on a real one."""

from __future__ import annotations

from collections.abc import Callable

from argus.control.bench.home import MeasuredHome
from argus.control.bench.lives import life_rows
from argus.control.bench.load import load_rows
from argus.vision.bench.tables import Row


def measure_control(events: int, resources: int, rounds: int, say: Callable[[str], None]) -> list[Row]:
    """Return the rows of lives and of load.

    Args:
        events: How many lie behind the API.
        resources: Likewise.
        rounds: How often something is killed; questions are asked twenty times as often.
        say: Hears of progress.
    """
    with MeasuredHome() as home:
        rows = life_rows(home, rounds, say)
    with MeasuredHome() as home:
        rows += load_rows(home, events, resources, 20 * rounds, say)
    return rows
