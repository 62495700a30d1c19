"""One file over HTTP: resumed where it broke off, verified before anybody may use it.

What has arrived lies in a `.part` file with a note of which file it is a part of (`ETag` or
`Last-Modified`), so a try after a broken connection, Ctrl-C or a full disk goes on where the last one ended,
and never glues two files together. Registering is not done here.
"""

from __future__ import annotations

import errno
import hashlib
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from argus.core.errors import DownloadFailed, ModelUnreadable, OutputError
from argus.core.net_access import is_loopback
from argus.core.version import __version__
from argus.vision.models.pull_address import WeightsAddress
from argus.vision.models.pull_answer import TryAgain, check_status, open_answer, reason_of, total_of
from argus.vision.models.pull_part import Part
from argus.vision.models.registry_lock import locked
from argus.vision.models.registry_record import sha256_of

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a download is."""

    done_bytes: int
    """On the disk, what earlier tries brought included."""
    total_bytes: int | None
    """None where the server does not say."""
    note: str = ""
    """What just happened, for people: `resumed at 12 MB`, `connection lost, next try in 2 s`."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a server is borne with."""

    tries: int = 5
    """Tries in a row that bring nothing. Higher rides out longer outages."""
    base_s: float = 0.5
    """Wait before the second try; doubled for each one after."""
    cap_s: float = 20.0
    """Longest wait, also for a server that asks for more."""
    silence_s: float = 30.0
    """Silence after which a connection counts as lost. Shorter retries sooner; longer bears slow servers."""

    def wait_s(self, failures: int, chance: float) -> float:
        """Return the wait after so many failures in a row; `chance` in [0, 1) spreads clients apart."""
        return float(min(self.cap_s, self.base_s * 2.0 ** min(failures - 1, 16)) * (0.75 + 0.5 * chance))


USUAL_PATIENCE = Patience()


def part_of(address: WeightsAddress, folder: Path) -> Path:
    """Return where the file of an address is gathered: the same for the same address, checksum included."""
    key = hashlib.sha256(f"{address.url}#{address.sha256}".encode()).hexdigest()[:12]
    return folder / key / f"{address.file_name}.part"


@contextmanager
def download(
    address: WeightsAddress,
    folder: Path,
    *,
    limit_bytes: int = 4 * GIB,
    patience: Patience = USUAL_PATIENCE,
    report: Callable[[Progress], None] = lambda _: None,
) -> Iterator[Path]:
    """Lend the complete, verified file of an address; the caller discards it when it is done with it.

    Nobody else has the file, nor may fetch or discard it, before the block ends.

    Args:
        address: What is fetched, and its checksum if there is one.
        folder: Where files are gathered.
        limit_bytes: Longer files are refused.
        patience: How long the server is borne with.
        report: Called often with how far it is.

    Raises:
        DownloadFailed: the server refused, was lost for good (what has arrived is kept), or has a file
            longer than `limit_bytes`.
        ModelUnreadable: what arrived is not what was asked for; it is deleted.
        OutputError: the disk is full or cannot be written; what has arrived is kept.
    """
    part_file = part_of(address, folder)
    with locked(part_file.parent / "lock", "pulling this file", patience_s=0.0):
        yield _complete(address, part_file, limit_bytes, patience, report)


def discard(file: Path) -> None:
    """Delete a file that `download` returned, and everything kept beside it."""
    shutil.rmtree(file.parent, ignore_errors=True)


def _complete(
    address: WeightsAddress,
    part_file: Path,
    limit_bytes: int,
    patience: Patience,
    report: Callable[[Progress], None],
) -> Path:
    """Return the complete, verified file, fetched where it is not here."""
    try:
        part = Part(part_file)
        complete = part_file.with_suffix("")
        if address.sha256 and complete.is_file() and sha256_of(complete) == address.sha256:
            return complete
        resumed = part.size_bytes > 0
        _fetch(address, part, limit_bytes, patience, report)
        if not _right(address, part) and resumed:
            # The old part may be at fault rather than the server: once more, from the beginning.
            part.forget()
            report(Progress(0, None, "what lay here did not fit; starting over"))
            _fetch(address, part, limit_bytes, patience, report)
        if not _right(address, part):
            arrived = sha256_of(part.file)
            discard(part.file)
            raise ModelUnreadable(_wrong_file(address, arrived))
        part.note.unlink(missing_ok=True)
        return part.file.rename(complete)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise OutputError(
                part_file, "the disk is full; free some space and pull again, it goes on where it ended"
            ) from error
        if error.errno is not None:
            raise OutputError(error.filename or part_file, error.strerror) from error
        raise


def _right(address: WeightsAddress, part: Part) -> bool:
    return address.sha256 is None or sha256_of(part.file) == address.sha256


def _wrong_file(address: WeightsAddress, arrived: str) -> str:
    return (
        f"{address.shown}: what arrived is not the file that was asked for (sha256 {arrived}, "
        f"expected {address.sha256}); compare the address and the checksum with what the publisher states"
    )


def _fetch(
    address: WeightsAddress,
    part: Part,
    limit_bytes: int,
    patience: Patience,
    report: Callable[[Progress], None],
) -> None:
    """Gather the file until it is complete."""
    # A proxy of the environment cannot reach this machine's own loopback.
    local = is_loopback(urlsplit(address.url).hostname or "")
    direct = dict.fromkeys(("http://", "https://", "all://")) if local else None
    timeout = httpx.Timeout(patience.silence_s, connect=min(15.0, patience.silence_s))
    headers = {"User-Agent": f"argus/{__version__}", "Accept-Encoding": "identity"}
    failures = 0
    with httpx.Client(timeout=timeout, headers=headers, mounts=direct) as client:
        while True:
            before = part.size_bytes
            try:
                _one_try(client, address, part, limit_bytes, report)
            except (TryAgain, httpx.TransportError) as error:
                if "CERTIFICATE_VERIFY_FAILED" in str(error):
                    raise DownloadFailed(
                        f"{address.shown}: the server's certificate is not trusted; "
                        "where a proxy of yours signs it, set SSL_CERT_FILE to its certificate"
                    ) from error
                failures = 1 if part.size_bytes > before else failures + 1
                reason = reason_of(error)
                if failures >= patience.tries:
                    raise DownloadFailed(
                        f"{address.shown}: {reason}, {failures} times in a row; {_kept(part)} try again later"
                    ) from error
                wait_s = patience.wait_s(failures, random.random())  # noqa: S311 - no secret hangs on it
                if isinstance(error, TryAgain) and error.wait_s is not None:
                    wait_s = min(max(wait_s, error.wait_s), patience.cap_s)
                report(Progress(part.size_bytes, part.total_bytes, f"{reason}; next try in {wait_s:.0f} s"))
                time.sleep(wait_s)
            else:
                return


def _one_try(
    client: httpx.Client,
    address: WeightsAddress,
    part: Part,
    limit_bytes: int,
    report: Callable[[Progress], None],
) -> None:
    """Ask once for what is missing and take what comes."""
    have = part.size_bytes
    asked: dict[str, str] = {}
    if have and part.validator:
        asked = {"Range": f"bytes={have}-", "If-Range": part.validator}
    elif have and address.sha256:
        # No validator, but the checksum will tell whether the halves belong together.
        asked = {"Range": f"bytes={have}-"}
    response = open_answer(client, address, asked)
    try:
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and asked:
            if total_of(response) == have:
                return
            part.forget()
            raise TryAgain("the file has changed on the server", wait_s=0.0)
        check_status(response, address)
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise DownloadFailed(
                f"{address.shown}: the server compresses the file on its way, which was not asked for"
            )
        start = _start_of(response, part) if response.status_code == httpx.codes.PARTIAL_CONTENT else 0
        total = total_of(response)
        if start == 0:
            part.forget()
            part.remember(*_marks(response))
        _check_room(address, part, total, start, limit_bytes)
        report(Progress(start, total, f"resumed at {start / 1e6:.1f} MB" if start else ""))
        _receive(response, address, part, start=start, total=total, limit_bytes=limit_bytes, report=report)
    finally:
        response.close()


def _receive(
    response: httpx.Response,
    address: WeightsAddress,
    part: Part,
    *,
    start: int,
    total: int | None,
    limit_bytes: int,
    report: Callable[[Progress], None],
) -> None:
    done = start
    # Unbuffered: a kill must not lose what has been counted.
    with part.file.open("ab" if start else "wb", buffering=0) as file:
        for block in response.iter_raw():
            done += len(block)
            if done > limit_bytes:
                part.forget()
                raise DownloadFailed(_too_long(address, done, limit_bytes))
            view = memoryview(block)
            while view:
                view = view[file.write(view) :]
            report(Progress(done, total))
        os.fsync(file.fileno())
    if total is not None and done < total:
        raise TryAgain("the connection broke off")


def _check_room(address: WeightsAddress, part: Part, total: int | None, start: int, limit_bytes: int) -> None:
    if total is None:
        return
    if total > limit_bytes:
        part.forget()
        raise DownloadFailed(_too_long(address, total, limit_bytes))
    free = shutil.disk_usage(part.file.parent).free
    if total - start > free:
        raise OutputError(
            part.file.parent,
            f"the file needs {(total - start) / 1e6:.0f} MB more and the disk has {free / 1e6:.0f} MB left; "
            "free some space, or set ARGUS_HOME to a folder on another disk",
        )


def _too_long(address: WeightsAddress, size: int, limit_bytes: int) -> str:
    return (
        f"{address.shown}: the file is longer than the limit of {limit_bytes / GIB:.2f} GiB (at least "
        f"{size / GIB:.2f} GiB); raise it with --max-size if that is what you want"
    )


def _start_of(response: httpx.Response, part: Part) -> int:
    """Return where a partial answer begins; it must be where the part ends."""
    have = part.size_bytes
    unit, _, rest = response.headers.get("Content-Range", "").partition(" ")
    if unit != "bytes" or rest.partition("-")[0] != str(have):
        part.forget()
        raise TryAgain("the server sent another part than was asked for", wait_s=0.0)
    # Some servers know `Range` and not `If-Range`, and send the rest of whatever lies there now.
    if have and not part.belongs_to(*_marks(response)):
        part.forget()
        raise TryAgain("the file has changed on the server", wait_s=0.0)
    return have


def _marks(response: httpx.Response) -> tuple[str | None, str | None, int | None]:
    """Return what tells one file on the server from another."""
    return response.headers.get("ETag"), response.headers.get("Last-Modified"), total_of(response)


def _kept(part: Part) -> str:
    return (
        f"{part.size_bytes / 1e6:.1f} MB have arrived and are kept:"
        if part.size_bytes
        else "check the address and"
    )
