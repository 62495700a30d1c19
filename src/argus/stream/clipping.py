"""Clips of events: when each is cut out of its camera's own packets, and what becomes of it.

When a clip is due is counted in the camera's own time; a camera that gives no frame any more gets no second
longer than one that does. None is lost silently: an event whose clip could not be made says so, and why.
How much a clip holds is `clip_jobs`, which events get one `keeping`, what survives a kill `promises`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

import structlog

from argus.core.errors import ArgusError, UnknownName
from argus.core.resources.pipeline import ClipSpec
from argus.stream.clip_jobs import ClipJob, Cutter
from argus.stream.late_blobs import LateBlobs
from argus.stream.promises import cut_short
from argus.stream.scribe import Scribe
from argus.vision.clips import ClipUnavailable

_LOOK_S: Final = 0.25
_GRACE_S: Final = 3.0
"""How much later than due a clip is cut where the camera's time stands still."""
_TRIES: Final = 6
_AGAIN_S: Final = 0.5
_WAITING: Final = 500
"""Clips that wait at most; beyond that the newest find no room."""
_ENDED: Final = "the worker was asked to end"
_SILENT: Final = "the camera gave no more"


class Clips:
    """The clips of one engine's cameras, cut in a thread of their own. Safe from any thread."""

    def __init__(
        self, cutter: Cutter, blobs: LateBlobs, scribe: Scribe, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start the thread; the blobs stay the caller's."""
        self.kept = 0
        """Clips that were stored."""
        self.lost = len(scribe.promises.left)
        """Clips that could not be cut or stored, those included that a killed worker did not make."""
        self._cutter = cutter
        self._blobs = blobs
        self._scribe = scribe
        self._folder = scribe.promises.folder
        self._clock = clock
        self._jobs: dict[str, ClipJob] = {}
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._over = False
        """True when nothing is cut any more."""
        self._thread = threading.Thread(target=self._run, name="argus-clips", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Clips that are not stored yet."""
        return len(self._jobs)

    def begin(
        self, event: str, key: str, camera: str, clip: ClipSpec, *, start_s: float, end_s: float | None
    ) -> None:
        """Promise an event a clip, before its record is handed on; its end is by the clock of the frames.

        Args:
            event: Its id.
            key: What the clip will be kept under.
            camera: Whose picture.
            clip: How much.
            start_s: When it began.
            end_s: When it ended; None while it goes on.
        """
        frame = camera in self._cutter.cameras and self._cutter.cameras[camera].latest
        time_s = frame.time_s if frame else start_s
        job = ClipJob(event, key, camera, start_s, end_s, clip, self._clock(), time_s)
        self._scribe.take(lambda: self._scribe.promises.promise(event))
        with self._lock:
            over, full = self._over, len(self._jobs) >= _WAITING
            self._jobs[event] = job
        if over:
            self._lose(job, _ENDED)
        elif full:
            self._lose(job, f"{_WAITING} others were waiting to be cut")

    def end(self, event: str, end_s: float | None) -> None:
        """Note that it is over, at a time or, for None, because its stream is."""
        with self._lock:
            job = self._jobs.get(event)
            if job is not None and job.end_s is None:
                job.end_s = self._time_of(job) if end_s is None else end_s

    def flush(self, camera: str, why: str, *, timeout_s: float = 10.0) -> None:
        """Cut what waits of a camera with what is there: it is about to go. Storing it may come later.

        Args:
            camera: Its name.
            why: Why nothing more will come of it, as events are to say it.
            timeout_s: What is not cut within is lost.
        """
        until_s = time.monotonic() + timeout_s
        for job in self._waiting_now():
            if job.camera != camera:
                continue
            left_s = max(0.0, until_s - time.monotonic())
            if not job.lock.acquire(timeout=left_s):
                continue  # it is being cut or stored this moment
            try:
                if self._is_waiting(job) and job.file is None:
                    self._cut(job, no_more=why)
            finally:
                job.lock.release()

    def close(self, timeout_s: float = 3.0) -> None:
        """Cut and store what waits with what is there, and end the thread; idempotent.

        What is not done in so many seconds is lost.
        """
        self._ending.set()
        self._thread.join(timeout_s)
        with self._lock:
            self._over = True
        for job in self._waiting_now():
            self._lose(job, f"{_ENDED}, and there was no time left")

    def _run(self) -> None:
        while not self._ending.wait(_LOOK_S):
            for job in self._waiting_now():
                if not self._ending.is_set() and self._is_due(job):
                    self._work(job)
        while self._goes_on():
            for job in self._waiting_now():
                self._work(job, no_more=_ENDED)

    def _goes_on(self) -> bool:
        """Return whether anything is left to be done before the end; from then on nothing is taken."""
        with self._lock:
            self._over |= not self._jobs
            return not self._over

    def _waiting_now(self) -> list[ClipJob]:
        with self._lock:
            return list(self._jobs.values())

    def _is_waiting(self, job: ClipJob) -> bool:
        return self._jobs.get(job.event) is job

    def _time_of(self, job: ClipJob) -> float:
        """Return the camera's time now; what it would be, where it gives no frames."""
        camera = self._cutter.cameras.get(job.camera)
        frame = None if camera is None else camera.latest
        gone_s = job.time_s + (self._clock() - job.wall_s) - _GRACE_S
        return gone_s if frame is None else max(frame.time_s, gone_s)

    def _is_due(self, job: ClipJob) -> bool:
        now_s = self._clock()
        return now_s >= job.not_before_s and (job.file is not None or self._time_of(job) >= job.until_s)

    def _work(self, job: ClipJob, *, no_more: str | None = None) -> None:
        """Cut and store one clip; `no_more`: why it does not matter what comes later, for nothing will."""
        with job.lock:
            try:
                if self._is_waiting(job) and job.file is None:
                    self._cut(job, no_more=no_more)
                if self._is_waiting(job) and job.file is not None:
                    self._store(job, last=no_more is not None)
            except Exception as error:  # noqa: BLE001 - a clip that cannot be cut is no harm to the others
                structlog.get_logger().exception("clip.not_cut", camera=job.camera, event_id=job.event)
                self._lose(job, f"it could not be cut ({type(error).__name__})")

    def _cut(self, job: ClipJob, *, no_more: str | None) -> None:
        path = self._folder / f"{job.event}.mp4"
        silent = _SILENT if job.tries + 1 >= _TRIES else None
        try:
            job.cut(self._cutter, path, no_more=no_more or silent)
        except UnknownName:
            self._lose(job, "its camera was removed")
        except ClipUnavailable as error:
            job.tries += 1
            if error.come_to_s is None or (no_more or silent) is not None:
                self._lose(job, str(error))
            else:
                job.not_before_s = self._clock() + _AGAIN_S
        except ArgusError as error:
            self._again(job, error, last=no_more is not None)

    def _store(self, job: ClipJob, *, last: bool) -> None:
        assert job.file is not None
        try:
            self._blobs.put_file(job.key, job.file)
        except (ArgusError, OSError) as error:
            self._again(job, error, last=last)
            return
        if self._settle(job):
            event, key, lack = job.event, job.key, job.lack
            promises, note = self._scribe.promises, None if lack is None else cut_short(lack)
            self._scribe.take(lambda: promises.kept(event, key, note))
            self.kept += 1

    def _again(self, job: ClipJob, error: Exception, *, last: bool) -> None:
        """Try it again later, a few times."""
        job.tries += 1
        if job.tries == 1:
            structlog.get_logger().warning(
                "clip.not_kept", camera=job.camera, error=str(error), consequence="tried again; events go on"
            )
        if last or job.tries >= _TRIES:
            self._lose(job, str(error))
        else:
            job.not_before_s = self._clock() + 2.0**job.tries

    def _lose(self, job: ClipJob, why: str) -> None:
        """Give a clip up: it is counted, and its event says so in its `clip_note`."""
        if not self._settle(job):
            return
        structlog.get_logger().warning("clip.missing", event_id=job.event, camera=job.camera, reason=why)
        event, promises = job.event, self._scribe.promises
        self._scribe.take(lambda: promises.lost(event, why))
        self.lost += 1

    def _settle(self, job: ClipJob) -> bool:
        """Return whether this was the last to be done about a clip."""
        with self._lock:
            settled = self._jobs.pop(job.event, None) is job
        if settled and job.file is not None:
            job.file.unlink(missing_ok=True)
        return settled
