"""Tables of several cameras for people: how they are doing, and what became of them."""

from __future__ import annotations

import time
from collections import deque
from typing import Final

from rich.table import Table
from rich.text import Text

from argus.cli.job import agreement_in_words
from argus.vision.engine.engine import Engine
from argus.vision.engine.status import CameraStatus, PipelineStatus
from argus.vision.runner.cameras import Watched
from argus.vision.runner.summary import RunSummary

_STYLES: Final = {"online": "green", "done": "green", "lost": "bold red", "frozen": "bold red"}
_RATE_S: Final = 3.0
"""Over how long frames per second are counted."""


class CamerasNow:
    """How the cameras of an engine are doing, as a table that is drawn again and again."""

    def __init__(self, engine: Engine) -> None:
        """Begin without rates."""
        self._engine = engine
        self._seen: dict[str, deque[tuple[float, int]]] = {}

    def draw(self) -> Table:
        """Return the table of this moment."""
        table = _table(
            ["camera", "state", "fps", "age p95", "gated", "dropped", "model"], {"camera", "state", "model"}
        )
        status = self._engine.status()
        pipelines = {pipeline.camera: pipeline for pipeline in status.pipelines}
        for camera in status.cameras:
            pipeline = pipelines.get(camera.name)
            if pipeline is None:
                continue
            frames = pipeline.frames
            model = pipeline.model
            if pipeline.error is not None:
                model = f"failed: {pipeline.error}"
            elif pipeline.rung != "full service":
                model += f" ({pipeline.rung})"
            table.add_row(
                Text(camera.name),
                Text(_since(camera), _STYLES.get(camera.state, "yellow")),
                f"{self._rate(camera.name, frames.processed):.1f}",
                _age(pipeline),
                str(frames.gated),
                str(frames.dropped_stale + frames.dropped_full),
                Text(model),
            )
        return table

    def _rate(self, camera: str, processed: int) -> float:
        """Return the frames per second of the last seconds."""
        now_s = time.monotonic()
        seen = self._seen.setdefault(camera, deque())
        seen.append((now_s, processed))
        while len(seen) > 2 and now_s - seen[1][0] >= _RATE_S:
            seen.popleft()
        since_s, before = seen[0]
        return (processed - before) / (now_s - since_s) if now_s > since_s else 0.0


def sums(watched: Watched) -> list[Table]:
    """Return what became of each camera as tables for people."""
    left = {"camera", "state"}
    titles = [
        "camera",
        "state",
        "frames",
        "fps",
        "age p95",
        "gated",
        "dropped",
        "corrupt",
        "events",
        "alerts",
    ]
    left_out = any(summary.left_out for summary in watched.summaries)
    if left_out:
        titles.insert(7, "left out of files")
    table = _table(titles, left)
    cameras = {camera.name: camera for camera in watched.status.cameras}
    pipelines = {pipeline.camera: pipeline for pipeline in watched.status.pipelines}
    for summary in watched.summaries:
        name = summary.source.name
        state = _ended(summary, cameras[name].state, given_up=name in watched.given_up)
        cells = [
            str(summary.processed),
            f"{summary.fps:.1f}",
            _age(pipelines.get(name)),
            str(summary.gated),
            str(summary.dropped_stale + summary.dropped_full),
            str(summary.corrupt),
            str(sum(summary.events.values())),
            str(sum(summary.alerts.values())),
        ]
        if left_out:
            cells.insert(5, str(summary.left_out))
        table.add_row(Text(name), Text(state, _STYLES.get(state, "yellow")), *cells)
    facts = Table(show_header=False, box=None, pad_edge=False)
    facts.add_row(Text("model", "bold cyan"), Text(watched.summaries[0].model))
    facts.add_row(Text("time", "bold cyan"), f"{max(s.wall_s for s in watched.summaries):.1f} s")
    for summary in watched.summaries:
        if summary.agreement is not None:
            name = f"{summary.source.name}: {agreement_in_words(summary.agreement)}"
            facts.add_row(Text("candidate", "bold cyan"), Text(name))
    return [table, facts]


def written(watched: Watched, shared: list[str]) -> list[str]:
    """Return the files, each once; paths are printed whole, which no table does."""
    own = [path for summary in watched.summaries for path in summary.outputs]
    return list(dict.fromkeys([*own, *shared]))


def _ended(summary: RunSummary, state: str, *, given_up: bool) -> str:
    if given_up:
        return "given up"
    if summary.source.live:
        return state
    return "interrupted" if summary.interrupted else "done"


def _table(titles: list[str], left: set[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        table.add_column(title, justify="left" if title in left else "right", no_wrap=title != "model")
    return table


def _since(camera: CameraStatus) -> str:
    if camera.given_up:
        return "given up"
    return camera.state if camera.state == "online" else f"{camera.state} for {camera.for_s:.0f} s"


def _age(pipeline: PipelineStatus | None) -> str:
    p95_ms = None if pipeline is None else pipeline.latency["age"].get("p95_ms")
    return "" if p95_ms is None else f"{p95_ms:.0f} ms"
