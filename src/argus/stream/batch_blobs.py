"""What a job stores besides records: pictures beside the work, clips and reports after it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final, Self, TypeVar

from argus.core.resources.pipeline import PipelineSpec
from argus.storage.blobs import Blobs, BlobsUnavailable
from argus.stream.config import JobConfig, blobs_of_run
from argus.vision.engine.accounting import FrameCounts
from argus.vision.results import Event, FrameResult
from argus.vision.runner.summary import RunSummary
from argus.vision.sinks.history import History
from argus.vision.sinks.pictures import Snapshots
from argus.vision.sinks.report import write_report
from argus.vision.sources.protocol import SourceInfo

T = TypeVar("T")

_WAITING: Final = 32
"""Pictures that wait to be stored; beyond that the recording waits."""
_TRIES: Final = 4
_FIRST_WAIT_S: Final = 0.5


def folder_of(config: JobConfig) -> str:
    """Return what the keys of a run's blobs begin with: `jobs/NAME/RUN`."""
    return blobs_of_run(config.job, config.run)


def insist(call: Callable[[], T]) -> T:
    """Return what a call to a store of blobs gives, tried again a few times while that is away.

    Raises:
        BlobsUnavailable: it stays away.
    """
    for attempt in range(_TRIES):
        try:
            return call()
        except BlobsUnavailable:
            if attempt == _TRIES - 1:
                raise
            time.sleep(_FIRST_WAIT_S * 2.0**attempt)
    raise AssertionError("unreachable")


class Uploads:
    """Stores pictures in a thread of its own; use it with `with`. For one thread."""

    def __init__(self, blobs: Blobs) -> None:
        """Begin with nothing to do."""
        self._blobs = blobs
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="argus-uploads")
        self._waiting: deque[Future[None]] = deque()

    def store(self, key: str, data: bytes) -> None:
        """Take a picture; waits while too many wait.

        Raises:
            BlobsUnavailable: one before could not be stored.
        """
        while self._waiting and (len(self._waiting) >= _WAITING or self._waiting[0].done()):
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(self._put, key, data))

    def wait(self) -> None:
        """Wait until all is stored; raises likewise."""
        while self._waiting:
            self._waiting.popleft().result()

    def _put(self, key: str, data: bytes) -> None:
        insist(lambda: self._blobs.put(key, data))

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the thread; what waits is let go."""
        self._pool.shutdown(wait=True, cancel_futures=True)


class Page:
    """The report on one recording, as it comes to be."""

    def __init__(self, info: SourceInfo, model: str, spec: PipelineSpec) -> None:
        """Begin without results."""
        self._summary = RunSummary(info, model)
        self._history = History()
        self._snapshots = Snapshots()
        self._spec = spec
        self._began_s = time.perf_counter()

    def write(self, result: FrameResult) -> None:
        """Take one frame's result."""
        self._summary.count(result)
        self._snapshots.write(result)
        self._history.write(result)

    def finish(
        self, path: Path, still_open: tuple[Event, ...], counts: FrameCounts, problems: tuple[str, ...]
    ) -> None:
        """Write the page.

        Raises:
            OutputError: the disk is full.
        """
        self._history.finish(still_open)
        summary = self._summary
        summary.decoded, summary.gated, summary.corrupt = counts.decoded, counts.gated, counts.corrupt
        summary.skipped, summary.problems = counts.skipped, list(problems)
        summary.wall_s = time.perf_counter() - self._began_s
        title = f"Argus: {summary.source.name}"
        write_report(path, summary, self._history, self._snapshots.jpeg, self._spec, title)
