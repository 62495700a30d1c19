"""Clips of events: when each is cut out of its camera's own packets, and where it goes.

When a clip is due is counted in the camera's own time; a camera that gives no frame any more gets no second
longer than one that does. What cuts is `argus.vision.clips`; which events get one is `keeping`.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import structlog

from argus.core.errors import ArgusError, UnknownName
from argus.core.frame import Frame
from argus.core.resources.pipeline import ClipSpec
from argus.storage.records import Attachment
from argus.stream.keeping import LONGEST_CLIP_S
from argus.stream.late_blobs import LateBlobs
from argus.stream.scribe import Scribe
from argus.vision.clips import Clip, ClipUnavailable

_LOOK_S: Final = 0.25
_GRACE_S: Final = 3.0
"""How much later than due a clip is cut where the camera's time stands still."""
_TRIES: Final = 6
_WAITING: Final = 500
"""Clips that wait at most; beyond that the newest find no room."""


class CameraNow(Protocol):
    """What is asked of a camera."""

    @property
    def latest(self) -> Frame | None:
        """Its newest frame."""
        ...


class Cutter(Protocol):
    """What is asked of `argus.vision.engine.engine.Engine`."""

    @property
    def cameras(self) -> Mapping[str, CameraNow]:
        """By name."""
        ...

    def cut_clip(self, camera: str, start_s: float, end_s: float, path: Path) -> Clip:
        """Write a piece of what is kept as an MP4."""
        ...


@dataclass(slots=True, eq=False)
class _Job:
    event: str
    key: str
    camera: str
    start_s: float
    end_s: float | None
    """None while the event goes on."""
    clip: ClipSpec
    wall_s: float
    """Monotonic time at which the event was raised."""
    time_s: float
    """The camera's time then."""
    tries: int = 0
    not_before_s: float = 0.0
    file: Path | None = None
    """Cut, and waiting for a store that takes it."""

    @property
    def until_s(self) -> float:
        """Where the clip ends, as far as that is known, in the camera's time."""
        longest_s = self.start_s - self.clip.before + LONGEST_CLIP_S
        return longest_s if self.end_s is None else min(longest_s, self.end_s + self.clip.after)


class Clips:
    """The clips of one engine's cameras, cut in a thread of their own. Safe from any thread."""

    def __init__(
        self, cutter: Cutter, blobs: LateBlobs, scribe: Scribe, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start the thread; the blobs stay the caller's."""
        self.kept = 0
        """Clips that were stored."""
        self.lost = 0
        """Clips that could not be cut or stored."""
        self._cutter = cutter
        self._blobs = blobs
        self._scribe = scribe
        self._clock = clock
        self._jobs: dict[str, _Job] = {}
        self._lock = threading.Lock()
        self._working = threading.Lock()
        self._ending = threading.Event()
        self._folder = tempfile.TemporaryDirectory(prefix="argus-clips-")
        self._thread = threading.Thread(target=self._run, name="argus-clips", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Clips that are not cut yet."""
        return len(self._jobs)

    def begin(
        self, event: str, key: str, camera: str, clip: ClipSpec, *, start_s: float, end_s: float | None
    ) -> None:
        """Note an event that gets a clip; `end_s` where it is over already, by the clock of the frames."""
        frame = camera in self._cutter.cameras and self._cutter.cameras[camera].latest
        time_s = frame.time_s if frame else start_s
        job = _Job(event, key, camera, start_s, end_s, clip, self._clock(), time_s)
        with self._lock:
            if len(self._jobs) >= _WAITING:
                self.lost += 1
            else:
                self._jobs[event] = job

    def end(self, event: str, end_s: float | None) -> None:
        """Note that it is over, at a time or, for None, because its stream is."""
        with self._lock:
            job = self._jobs.get(event)
            if job is not None and job.end_s is None:
                job.end_s = self._time_of(job) if end_s is None else end_s

    def flush(self, camera: str | None = None, *, timeout_s: float = 10.0) -> None:
        """Cut what waits with what is there, of one camera or all: it is about to go.

        What is not done in time is given up.
        """
        until = self._clock() + timeout_s
        with self._lock:
            jobs = [job for job in self._jobs.values() if camera in (None, job.camera)]
        for job in jobs:
            if self._clock() < until:
                self._work(job, last=True)
            else:
                with self._lock:
                    self.lost += self._jobs.pop(job.event, None) is not None

    def close(self, timeout_s: float = 3.0) -> None:
        """Cut what waits, for so long at most, and end the thread; idempotent."""
        self._ending.set()
        self._thread.join(timeout_s)
        self.flush(timeout_s=timeout_s)
        self._folder.cleanup()

    def _run(self) -> None:
        while not self._ending.wait(_LOOK_S):
            with self._lock:
                jobs = list(self._jobs.values())
            for job in jobs:
                if self._ending.is_set():
                    return
                if self._is_due(job):
                    self._work(job)

    def _time_of(self, job: _Job) -> float:
        """Return the camera's time now; what it would be, where it gives no frames."""
        camera = self._cutter.cameras.get(job.camera)
        frame = None if camera is None else camera.latest
        gone_s = job.time_s + (self._clock() - job.wall_s) - _GRACE_S
        return gone_s if frame is None else max(frame.time_s, gone_s)

    def _is_due(self, job: _Job) -> bool:
        now_s = self._clock()
        return now_s >= job.not_before_s and (job.file is not None or self._time_of(job) >= job.until_s)

    def _work(self, job: _Job, *, last: bool = False) -> None:
        """Cut and store one clip; `last`: it does not matter what comes later, for nothing will."""
        with self._working:
            if self._jobs.get(job.event) is not job:
                return  # somebody else did it meanwhile
            try:
                done = self._cut(job, last=last) and self._store(job, last=last)
            except Exception:  # noqa: BLE001 - a clip that cannot be cut is no harm to the others
                structlog.get_logger().exception("clip.not_cut", camera=job.camera)
                self.lost += 1
                done = True
            if done or last:
                if job.file is not None:
                    job.file.unlink(missing_ok=True)
                with self._lock:
                    self._jobs.pop(job.event, None)

    def _cut(self, job: _Job, *, last: bool) -> bool:
        """Return whether there is something to store, or nothing more to be done."""
        if job.file is not None:
            return True
        path = Path(self._folder.name) / f"{job.event}.mp4"
        start_s = max(0.0, job.start_s - job.clip.before)
        try:
            self._ask(job, start_s, path, last=last)
        except UnknownName:
            self.lost += 1  # the camera was removed
            return True
        except ClipUnavailable as error:
            job.tries += 1
            if error.early and not last and job.tries < _TRIES:
                job.not_before_s = self._clock() + 0.5
                return False
            structlog.get_logger().info("clip.not_there", camera=job.camera, reason=str(error))
            self.lost += 1
            return True
        except ArgusError as error:
            return self._again(job, error, last=last)
        job.file, job.tries = path, 0
        return True

    def _ask(self, job: _Job, start_s: float, path: Path, *, last: bool) -> None:
        """Cut to the end, or, where nothing will come any more, to where the stream has come by now."""
        camera = self._cutter.cameras.get(job.camera)
        frame = None if camera is None else camera.latest
        ends = [job.until_s]
        if last and frame is not None and frame.time_s < job.until_s + 1:
            ends += [max(start_s, frame.time_s - less_s) for less_s in (0.05, 0.5, 2.0)]
        for end_s in ends:
            try:
                self._cutter.cut_clip(job.camera, start_s, end_s, path)
            except ClipUnavailable as error:
                if not error.early or end_s == ends[-1]:
                    raise
            else:
                return

    def _store(self, job: _Job, *, last: bool) -> bool:
        """Return whether nothing more is to be done."""
        if job.file is None:
            return True
        try:
            self._blobs.put_file(job.key, job.file)
        except (ArgusError, OSError) as error:
            return self._again(job, error, last=last)
        self.kept += 1
        event, key = job.event, job.key
        self._scribe.take(lambda: [Attachment(event=event, clip=key)])
        return True

    def _again(self, job: _Job, error: Exception, *, last: bool) -> bool:
        """Return True where it is given up."""
        job.tries += 1
        if job.tries == 1:
            structlog.get_logger().warning(
                "clip.not_kept", camera=job.camera, error=str(error), consequence="tried again; events go on"
            )
        if last or job.tries >= _TRIES:
            self.lost += 1
            return True
        job.not_before_s = self._clock() + 2.0**job.tries
        return False
