"""What the worker's tests are made of: a config, a writer that remembers, frames without a camera."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from argus.core.detections import Detections
from argus.core.frame import Frame
from argus.core.resources.camera import CameraSpec
from argus.core.resources.pipeline import PipelineSpec
from argus.storage.protocol import ResultsUnavailable
from argus.storage.records import Record
from argus.stream.config import PipelinePlan, StorageConfig, WorkerConfig
from argus.vision.pictures import ArrayPicture
from argus.vision.results import Event, FrameResult

BEGAN = datetime(2026, 11, 21, 8, 0, 0, tzinfo=UTC)
SCENE = "synthetic:plaza?width=480&height=270&fps=12&people=14"
PLAZA = {"model": {"path": "builtin:plaza"}}
ZONE = {"polygon": [[0.1, 0.3], [0.9, 0.3], [0.9, 1], [0.1, 1]], "severity": "high"}


def until(true: Callable[[], Any], *, within_s: float = 15.0, what: str = "") -> Any:
    """Wait for something to come true and return it."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if found := true():
            return found
        time.sleep(0.01)
    raise AssertionError(f"not within {within_s} s: {what or true}")


def plan(camera: str = "gate", generation: int = 1, **spec: Any) -> PipelinePlan:
    """A pipeline that looks for what moves, which takes no network."""
    spec.setdefault("detect", {"model": {"path": "builtin:motion"}})
    return PipelinePlan(camera=camera, spec=PipelineSpec.read(spec, "test"), generation=generation)


def config(
    folder: Path, cameras: Mapping[str, str | CameraSpec] | None = None, **pipelines: PipelinePlan
) -> WorkerConfig:
    """A worker whose results go below a folder; it looks at the plaza unless told otherwise."""
    given: Mapping[str, str | CameraSpec] = {"gate": SCENE} if cameras is None else cameras
    return WorkerConfig(
        worker="worker-0",
        storage=StorageConfig(
            results=f"sqlite:///{folder}/results.db",
            blobs=str(folder / "blobs"),
            spool=str(folder / "spool"),
        ),
        cameras={
            name: CameraSpec(url=spec) if isinstance(spec, str) else spec for name, spec in given.items()
        },
        pipelines=pipelines,
    )


class RememberingWriter:
    """Holds records in memory; it can be told to refuse them, as a full disk does."""

    dropped = 0
    backlog = 0
    problem = ""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.full = threading.Event()

    def put(self, records: Sequence[Record]) -> None:
        if self.full.is_set():
            raise ResultsUnavailable("no space left on device: free some")
        self.records += records

    def flush(self, timeout_s: float | None = None) -> bool:
        return True

    def close(self, timeout_s: float = 5.0) -> None:
        """Nothing is held."""

    def of(self, type_: type[Any]) -> list[Any]:
        """Those of one type, in order."""
        return [record for record in self.records if isinstance(record, type_)]


def frame(index: int, *, fps: float = 10.0, shade: int = 80, camera: str = "gate") -> Frame:
    """A small frame of one colour."""
    picture = ArrayPicture(np.full((48, 64, 3), shade, np.uint8))
    at = BEGAN + timedelta(seconds=index / fps)
    return Frame(picture, camera, index, index / fps, at, None, time.monotonic())


def event(phase: str, at: int, **facts: Any) -> Event:
    """A change of an event that started at frame `at`."""
    facts.setdefault("id", "engine-1")
    facts.setdefault("type", "zone.entered")
    facts.setdefault("object_id", 7)
    facts.setdefault("snapshot_frame", at)
    return Event(
        camera="gate",
        phase=phase,  # type: ignore[arg-type]
        start_s=at / 10,
        started_at=BEGAN + timedelta(seconds=at / 10),
        **facts,
    )


def result(frame_: Frame, *events: Event, alerts: Sequence[Any] = ()) -> FrameResult:
    """What a pipeline made of a frame in which nothing was seen."""
    return FrameResult(frame_, Detections.empty(("person",)), tuple(events), tuple(alerts), model="test")
