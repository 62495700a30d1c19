"""All recordings of one run, one after another: looked at, kept, and then never looked at again.

A recording is done when all that it gave is in the stores. Whoever is killed before that begins it anew and
writes the very same; so a run that was killed ten times gives what one does that nobody disturbed.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

import msgspec
import structlog

from argus.core.errors import OutputError, SourceError, SpecError
from argus.core.resources.resource import utc_now
from argus.storage.blob_keys import key_part
from argus.storage.blobs import BlobNotFound, Blobs
from argus.storage.records import Record, Run
from argus.stream.batch_account import Account, FileSums
from argus.stream.batch_blobs import Page, Uploads, folder_of, insist
from argus.stream.batch_clips import Wanted, cut_clips
from argus.stream.batch_files import Recording, fetch, in_order, recorded_at, recordings_of, with_lengths
from argus.stream.batch_looking import Looker
from argus.stream.batch_reading import Reread, fitted
from argus.stream.batch_recorder import BatchRecorder, Labels
from argus.stream.batch_runs import RunKeeper
from argus.stream.config import JobConfig
from argus.vision.engine.accounting import FrameCounts
from argus.vision.sources import open_source
from argus.vision.sources.protocol import SourceInfo

_TELL_S: Final = 1.0
_FLUSH_S: Final = 1.0
_BACKLOG: Final = 20_000
"""Records that may wait for the store; beyond that the recording waits, for none may be dropped."""


class Stopped(Exception):
    """Somebody said stop; what is done stays."""


class Writer(Protocol):
    """What is asked of `argus.storage.writer.ResultWriter`."""

    def put(self, records: Sequence[Record]) -> None:
        """Take records; returns when the spool has them."""
        ...

    def flush(self, timeout_s: float | None = None) -> bool:
        """Wait until all that was put is in the store; return whether it is."""
        ...

    @property
    def backlog(self) -> int:
        """Records that are not in the store yet."""
        ...

    @property
    def problem(self) -> str:
        """Why nothing is being written; empty where all is well."""
        ...


@dataclass(frozen=True, slots=True)
class Bench:
    """What a run works with; all of it stays the caller's."""

    config: JobConfig
    looker: Looker
    writer: Writer
    blobs: Blobs
    keeper: RunKeeper
    stopped: Callable[[], bool]
    tell: Callable[[Run], None]
    """Hears about once a second how far the run is; must be quick."""


def begun(config: JobConfig, before: Run | None) -> Run:
    """Return a run as an attempt at it begins; `before`: as the last attempt left it."""
    now = utc_now()
    if before is None:
        return Run(id=config.run, job=config.job, started_at=now, updated_at=now)
    return msgspec.structs.replace(
        before, state="running", attempt=before.attempt + 1, updated_at=now, finished_at=None, message=""
    )


def found(config: JobConfig, run: Run, blobs: Blobs) -> tuple[Recording, ...]:
    """Return the recordings of a run: those that its first attempt found, in the same order.

    Raises:
        SourceError: there are none.
        SpecError: the source cannot be.
        BlobNotFound: a blob that was named is not there.
    """
    try:
        recordings = recordings_of(config.source, blobs)
    except (SourceError, BlobNotFound):
        if not run.files:
            raise
        recordings = ()
    return with_lengths(in_order(run.files, recordings) if run.files else recordings, config.spec.fps)


class Work:
    """See the module. Used by one thread, once."""

    def __init__(self, bench: Bench, run: Run, recordings: Sequence[Recording]) -> None:
        """Begin an attempt; see `begun` and `found`."""
        self._bench = bench
        self._recordings = recordings
        self._folder = folder_of(bench.config)
        spool = Path(bench.config.storage.spool)
        self._scratch = spool.with_name(f"{spool.name}-files")
        shutil.rmtree(self._scratch, ignore_errors=True)  # what a killed attempt has left
        sums = {name: one for name, one in self._known().items() if name in run.done}
        run = msgspec.structs.replace(run, files=tuple(recording.name for recording in recordings))
        self.account = Account(run, recordings, sums, time.monotonic())
        """How far it is."""
        self._told_s = 0.0

    def do(self) -> None:
        """Look at all that is not done; recordings that cannot be looked at are named in the account.

        Raises:
            Stopped: before the end.
            ModelUnavailable: the model failed.
            BlobsUnavailable: pictures cannot be stored.
            ResultsUnavailable: how far the run is cannot be kept.
            OutputError: the disk is full.
        """
        bench, account = self._bench, self.account
        bench.keeper.keep(account.told(utc_now(), time.monotonic()))
        try:
            for position, recording in enumerate(self._recordings):
                if bench.stopped():
                    raise Stopped
                if recording.name in account.files:
                    continue
                try:
                    sums = self._look(position, recording)
                except OutputError:
                    raise
                except (SourceError, SpecError, BlobNotFound) as error:
                    structlog.get_logger().warning("job.file_left_out", file=recording.name, error=str(error))
                    account.fail(recording.name, error)
                    continue
                self._settle(recording.name, sums)
        finally:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _look(self, position: int, recording: Recording) -> FileSums:
        """Look at one recording to its end, and keep all that it gives."""
        bench, config = self._bench, self._bench.config
        if recording.path is None and recording.key is None:
            raise SpecError(f"{recording.name} was there when the run began, and is gone: put it back")
        with (
            self._fetched(recording) as path,
            open_source(path, fps=config.spec.fps, name=recording.name) as source,
            Uploads(bench.blobs) as uploads,
        ):
            info = source.info
            self.account.expect(recording.name, info.frame_count)
            spec = fitted(config.spec, info)
            page = Page(info, bench.looker.model, spec) if config.report else None
            labels = Labels(config.job, config.run, config.pipeline, recording.name, self._folder)
            on_result = None if page is None else page.write
            recorder = BatchRecorder(labels, spec, self._put, uploads.store, on_result=on_result)

            def tick(counts: FrameCounts) -> None:
                self._see(recording.name, counts, recorder)

            read = Reread(source, recorded_at(path) if info.kind == "file" else None, bench.stopped)
            counts = bench.looker.look(recording.name, read, spec, recorder, tick=tick)
            if bench.stopped():
                raise Stopped
            problems = tuple(source.counters.problems)
            clips = self._cut(path, info, recorder)
            if page is not None:
                file = self._scratch / "report.html"
                page.finish(file, recorder.still_open, counts, problems)
                key = recorder.key("reports", f"{position + 1:04d}-{key_part(recording.name)}.html")
                insist(lambda: bench.blobs.put_file(key, file))
            uploads.wait()
        recorder.flush()
        return msgspec.structs.replace(
            _sums(counts, recorder), clips=clips, media_s=round(recorder.last_s, 3), problems=problems
        )

    @contextmanager
    def _fetched(self, recording: Recording) -> Iterator[Path]:
        """Give a file to read a recording from; a copy is there for no longer than it is needed."""
        path = fetch(recording, self._bench.blobs, self._scratch)
        try:
            yield path
        finally:
            if recording.path is None:
                path.unlink(missing_ok=True)

    def _put(self, records: Sequence[Record]) -> None:
        writer = self._bench.writer
        writer.put(records)
        while writer.backlog > _BACKLOG and not self._bench.stopped():
            writer.flush(_FLUSH_S)

    def _see(self, name: str, counts: FrameCounts, recorder: BatchRecorder) -> None:
        """Tell how far a recording has come, about once a second."""
        now_s = time.monotonic()
        if now_s - self._told_s >= _TELL_S:
            self._told_s = now_s
            self.account.see(name, _sums(counts, recorder))
            run = self.account.told(utc_now(), now_s)
            self._bench.keeper.tell(run)
            self._bench.tell(run)

    def _cut(self, path: Path, info: SourceInfo, recorder: BatchRecorder) -> int:
        """Cut the clips of a recording's events; return how many there are."""
        blobs = self._bench.blobs

        def take(clip: Wanted, file: Path, lack: str | None) -> None:
            key = recorder.key("clips", f"{clip.event}.mp4")
            insist(lambda: blobs.put_file(key, file))
            recorder.clip_kept(clip.event, key, lack)

        wanted = [replace(clip, end_s=min(clip.end_s, recorder.last_s)) for clip in recorder.clips]
        if info.kind == "file":
            lost = cut_clips(path, wanted, self._scratch, take)
        else:
            lost = {clip.event: f"{info.name} is no video" for clip in wanted}
        for event, why in lost.items():
            recorder.clip_lost(event, why)
        return len(wanted) - len(lost)

    def _settle(self, name: str, sums: FileSums) -> None:
        """Call a recording done, when nothing that it gave can be lost any more."""
        bench, account = self._bench, self.account
        while not bench.writer.flush(_FLUSH_S):
            if bench.stopped():
                raise Stopped
            structlog.get_logger().info("job.waits_for_store", reason=bench.writer.problem)
        account.done(name, sums)
        data = msgspec.json.encode({name: account.files[name] for name in sorted(account.files)})
        insist(lambda: bench.blobs.put(f"{self._folder}/files.json", data))
        run = account.told(utc_now(), time.monotonic())
        bench.keeper.keep(run)
        bench.tell(run)

    def _known(self) -> dict[str, FileSums]:
        """Return what the attempts before wrote down."""
        try:
            with self._bench.blobs.open(f"{self._folder}/files.json") as file:
                return msgspec.json.decode(file.read(), type=dict[str, FileSums])
        except (BlobNotFound, msgspec.DecodeError):
            return {}


def _sums(counts: FrameCounts, recorder: BatchRecorder) -> FileSums:
    return FileSums(frames=counts.processed + counts.gated, events=recorder.events, alerts=recorder.alerts)
