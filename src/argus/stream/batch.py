"""A batch job as a program, `python -m argus.stream.batch`: recordings in, records out, and then an end.

Reads its config once. What it does is `batch_work`; here are its beginning, its signals and how it ends: with
0 when all is looked at, 1 when something failed that may be tried again, 2 when trying again is of no use,
143 when it was stopped, to go on another time.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from argus.core.errors import (
    ArgusError,
    DownloadFailed,
    MissingExtra,
    ModelError,
    ModelUnavailable,
    SourceError,
    SpecError,
)
from argus.core.logging import configure_logging
from argus.core.resources.resource import utc_now
from argus.processes.line import Line
from argus.storage.blobs import BadKey, BlobNotFound
from argus.storage.opening import open_blobs
from argus.storage.protocol import ResultsUnavailable
from argus.storage.records import Run
from argus.storage.writer import ResultWriter
from argus.stream.batch_account import Account, ended
from argus.stream.batch_looking import Looker
from argus.stream.batch_runs import RunKeeper
from argus.stream.batch_work import Bench, Stopped, Work, begun, found
from argus.stream.config import CONFIG_VARIABLE, JobConfig, read_config
from argus.vision.runner.job import leave_cores_to_the_engine

DONE: Final = 0
FAILED: Final = 1
IMPOSSIBLE: Final = 2
STOPPED: Final = 128 + signal.SIGTERM

_WORTH_TRYING: Final = (ModelUnavailable, DownloadFailed)
_OF_NO_USE: Final = (SpecError, MissingExtra, ModelError, SourceError, BlobNotFound, BadKey)


def main() -> int:
    """Do the job that `$ARGUS_WORKER_CONFIG` describes; return the exit code."""
    line = Line.from_environment()
    configure_logging("info")
    leave_cores_to_the_engine()
    try:
        config = _config()
    except ArgusError as error:
        return _end(line, IMPOSSIBLE, str(error))
    if line is not None:
        line.ready()  # to begin: opening a model may take as long as it takes
    code, said = run_batch(config, line, stop=_stop(line))
    return _end(line, code, said)


def run_batch(
    config: JobConfig,
    line: Line | None = None,
    *,
    stop: threading.Event,
) -> tuple[int, str]:
    """Do a job; return the exit code, and why it is not 0.

    Args:
        config: The job.
        line: To the supervisor that started this program; None: nobody did.
        stop: Ends the job before its time when set, between two frames.
    """
    log = structlog.get_logger().bind(job=config.job, run=config.run)
    with RunKeeper(config.storage.results, stopped=stop.is_set) as keeper:
        run: Run | None = None
        account: Account | None = None
        try:
            run = begun(config, keeper.read(config.run))
            with contextlib.ExitStack() as held:
                blobs = open_blobs(config.storage.blobs)
                held.callback(blobs.close)
                recordings = found(config, run, blobs)
                looker = held.enter_context(Looker(config.spec))
                writer = held.enter_context(ResultWriter(config.storage.results, Path(config.storage.spool)))
                bench = Bench(config, looker, writer, blobs, keeper, stop.is_set, _teller(line))
                work = Work(bench, run, recordings)
                account = work.account
                work.do()
        except Stopped:
            log.info("job.stopped", consequence="it goes on from its last finished file")
            if account is not None:
                _keep(keeper, account.over("running", utc_now(), "stopped; goes on from its last file"))
            return STOPPED, ""
        except Exception as error:
            if stop.is_set() and isinstance(error, ResultsUnavailable):
                return STOPPED, ""
            ours = isinstance(error, ArgusError)
            log.warning("job.failed", error=str(error), exc_info=None if ours else error)
            said = str(error) if ours else f"a defect of Argus: {error!r}"
            if account is not None:
                _keep(keeper, account.over("failed", utc_now(), said))
            elif run is not None:  # what attempts before have done stays done
                _keep(keeper, ended(run, "failed", utc_now(), said))
            return _code_of(error), said
        said = account.unreadable()
        over = account.over("failed" if said else "finished", utc_now(), said or account.noted())
        try:
            keeper.keep(over)
        except ResultsUnavailable as error:  # the next attempt finds all files done, and says so
            return (STOPPED, "") if stop.is_set() else (FAILED, str(error))
        log.info("job.over", state=over.state, frames=over.frames, events=over.events, alerts=over.alerts)
        return (_code_of_all(account) if said else DONE), said


def _config() -> JobConfig:
    path = os.environ.get(CONFIG_VARIABLE)
    if not path:
        raise SpecError(f"${CONFIG_VARIABLE} names no file: it says where the job is described")
    config = read_config(Path(path))
    if not isinstance(config, JobConfig):
        raise SpecError(f"{path} describes a worker, not a job: start argus.stream.worker with it")
    return config


def _stop(line: Line | None) -> threading.Event:
    """Return what is set when the job shall end before its time."""
    if line is not None:
        return line.draining
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _teller(line: Line | None) -> Callable[[Run], None]:
    def tell(run: Run) -> None:
        if line is not None:
            line.tell({"run": run.id, "progress": run.progress, "left_s": run.left_s})

    return tell


def _keep(keeper: RunKeeper, run: Run) -> None:
    """Keep how a run was left, where that is possible."""
    with contextlib.suppress(ResultsUnavailable, SpecError, MissingExtra):
        keeper.keep(run)


def _code_of(error: Exception) -> int:
    hopeless = isinstance(error, _OF_NO_USE) and not isinstance(error, _WORTH_TRYING)
    return IMPOSSIBLE if hopeless else FAILED


def _code_of_all(account: Account) -> int:
    """Return 2 where no recording will ever fit the pipeline."""
    never = not account.files and all(isinstance(error, SpecError) for error in account.failed.values())
    return IMPOSSIBLE if never else FAILED


def _end(line: Line | None, code: int, said: str) -> int:
    if said:
        print(f"argus.stream.batch: {said}", file=sys.stderr, flush=True)
        if line is not None:
            line.failed(said)
    return code


if __name__ == "__main__":
    sys.exit(main())
