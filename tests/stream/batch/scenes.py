"""Recordings with something that moves, jobs for them, and what the stores hold afterwards."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from argus.storage.blobs import Blobs
from argus.storage.opening import open_blobs, open_results
from argus.storage.protocol import Page, Query, ResultStore
from argus.storage.records import Run
from argus.stream.batch import run_batch
from argus.stream.config import JobConfig
from argus.vision.sinks.pictures import encode_picture
from tests.sources.videos import make_video

T = TypeVar("T")

RECORDED = 1_750_000_000.0
"""When the recordings ended: no test depends on now."""
_CODED = {"g": "10", "preset": "ultrafast"}
MOTION: dict[str, Any] = {
    "detect": {"model": "builtin:motion"},
    "zones": {"middle": {"polygon": [[0.3, 0.0], [0.7, 0.0], [0.7, 1.0], [0.3, 1.0]], "severity": "high"}},
    "store": {"detections": "every 500ms", "clips": {"before": "500ms", "after": "500ms"}},
}


def walkers(seed: int) -> Callable[[int, int, int], NDArray[np.uint8]]:
    """Return a painter of two bright squares that walk through a still, grainy scene."""
    grain = np.random.default_rng(seed).integers(40, 60, (120, 160, 3), dtype=np.uint8)

    def paint(index: int, width: int, height: int) -> NDArray[np.uint8]:
        picture = grain[:height, :width].copy()
        if index >= 8:  # what is there from the start belongs to the scene
            x = 4 * (index - 8) + 3 * seed
            for top, left in ((20, x % 220 - 40), (75, 180 - (x + 50) % 240)):
                picture[top : top + 24, max(0, left) : max(0, left + 20)] = 230
        return picture

    return paint


def record(path: Path, *, seed: int = 1, frames: int = 60) -> Path:
    """Make a recording of some seconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    make_video(
        path,
        frames=frames,
        width=160,
        height=120,
        fps=10,
        codec="libx264",
        paint=walkers(seed),
        options=_CODED,
    )
    os.utime(path, (RECORDED, RECORDED))
    return path


def picture(path: Path, *, index: int = 20) -> Path:
    """Make one picture of the scene."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_picture(walkers(1)(index, 160, 120)))
    os.utime(path, (RECORDED, RECORDED))
    return path


def job_config(
    home: Path, source: object, *, run: str = "u-1", report: bool = False, **spec: Any
) -> JobConfig:
    """Return a job whose stores lie in a folder."""
    content = {
        "job": "nightly",
        "run": run,
        "source": str(source),
        "pipeline": "yard",
        "spec": MOTION | spec,
        "storage": {
            "results": f"sqlite:///{home}/results.db",
            "blobs": f"{home}/blobs",
            "spool": f"{home}/spool",
        },
        "report": report,
    }
    return JobConfig.read(content, "job")


def do(config: JobConfig, stop: threading.Event | None = None) -> tuple[int, str]:
    """Do a job in this process."""
    return run_batch(config, stop=stop or threading.Event())


def asked(config: JobConfig, ask: Callable[[ResultStore], Coroutine[Any, Any, T]]) -> T:
    """Return what the store of a job's results answers."""

    async def run() -> T:
        store = await open_results(config.storage.results)
        try:
            return await ask(store)
        finally:
            await store.close()

    return asyncio.run(run())


def run_of(config: JobConfig) -> Run:
    run = asked(config, lambda store: store.run(config.run))
    assert run is not None
    return run


def contents(config: JobConfig) -> dict[str, list[Any]]:
    """Return all that a job's stores hold, without what says when it was written."""

    async def read(store: ResultStore) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        for kind in ("events", "alerts", "tracks", "detections"):
            page: Callable[..., Coroutine[Any, Any, Page[Any]]] = getattr(store, kind)
            cursor: str | None = None
            found[kind] = []
            while True:
                answer = await page(Query(), limit=200, cursor=cursor)
                found[kind] += [_plain(item) for item in answer.items]
                cursor = answer.cursor
                if cursor is None:
                    break
            # What happened at one moment has no order.
            found[kind].sort(key=lambda record: (record.get("id"), record.get("file"), record.get("frame")))
        run = await store.run(config.run)
        assert run is not None
        found["run"] = [run.files, run.done, run.frames, run.events, run.alerts, run.state]
        return found

    found = asked(config, read)
    blobs = open_blobs(config.storage.blobs)
    found["blobs"] = [(info.key, bytes_of(blobs, info.key)) for info in blobs.list()]
    blobs.close()
    return found


def bytes_of(blobs: Blobs, key: str) -> bytes:
    with blobs.open(key) as file:
        return file.read()


def _plain(record: Any) -> Any:
    said = msgspec.to_builtins(record)
    said.pop("seq", None)
    return said
