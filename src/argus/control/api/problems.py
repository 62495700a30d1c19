"""What is answered where something is wrong: problem documents that name the field, the fact and the remedy.

One table says which of our errors is which answer; endpoints raise errors and never build answers of them.

Source: RFC 9457, problem details for HTTP APIs; `errors` with `pointer` as in its example.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import msgspec
from starlette.responses import Response

from argus.control.runtime.protocol import RuntimeUnavailable, WorkloadNotFound
from argus.control.store.protocol import Conflict, ResourceNotFound, StoreUnavailable, VersionGone
from argus.core.errors import ArgusError, SpecError
from argus.core.resources.manifest import Fault, ManifestError
from argus.storage.blobs import BadKey, BlobNotFound, BlobsUnavailable
from argus.storage.protocol import BadCursor, ResultNotFound, ResultsUnavailable
from argus.storage.uploads import UploadBusy, UploadConflict, UploadNotFound, UploadTooLong

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 2
"""What a client is told to wait where a part does not answer."""


class Problem(Exception):
    """Raised by an endpoint to be answered as a problem document."""

    def __init__(
        self,
        status: int,
        name: str,
        detail: str,
        *,
        title: str | None = None,
        remedy: str | None = None,
        errors: Iterable[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        """Say what is wrong.

        Args:
            status: Of HTTP.
            name: What kind of problem, in its `type`: `not-found`.
            detail: This one: subject and fact.
            title: The kind, in words; None: HTTP's own.
            remedy: What to do about it.
            errors: Faults of fields, each with `pointer` (a JSON pointer, as a fragment) and `detail`.
            headers: To be sent besides.
            more: Further members.
        """
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.body: dict[str, Any] = {
            "type": f"urn:argus:problem:{name}",
            "title": title or HTTPStatus(status).phrase,
            "status": status,
            "detail": detail,
        }
        if remedy:
            self.body["remedy"] = remedy
        found = [dict(error) for error in errors]
        if found:
            self.body["errors"] = found
        self.body.update(more)
        if status == HTTPStatus.UNAUTHORIZED:
            self.headers.setdefault("WWW-Authenticate", "Bearer")
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            self.headers.setdefault("Retry-After", str(RETRY_AFTER_S))

    def response(self, instance: str | None = None) -> Response:
        """Return it as an answer.

        Args:
            instance: Path of the request that it answers.
        """
        body = self.body if instance is None else {**self.body, "instance": instance}
        return Response(msgspec.json.encode(body), self.status, self.headers, MEDIA_TYPE)


class _Answer(NamedTuple):
    status: int
    name: str
    remedy: str | None = None


_LATER: Final = "try again in a moment; /readyz says what does not answer"
_ANSWERS: Final[tuple[tuple[type[ArgusError], _Answer], ...]] = (
    # The first that fits counts: those that are refined stand before what they refine.
    (ResourceNotFound, _Answer(404, "not-found", "list what there is")),
    (ResultNotFound, _Answer(404, "not-found", "list what there is; what is old expires")),
    (BlobNotFound, _Answer(404, "not-found", "take the key from an event or alert; what is old expires")),
    (WorkloadNotFound, _Answer(404, "not-found", "GET /api/v1/workloads lists them")),
    (UploadNotFound, _Answer(404, "not-found", "begin it again; what nobody goes on with expires")),
    (UploadTooLong, _Answer(413, "too-large", "announce what is sent, and send what was announced")),
    (UploadBusy, _Answer(423, "busy", "wait for its end, then ask for the offset with HEAD")),
    (Conflict, _Answer(409, "conflict", "read it again and decide again")),
    (VersionGone, _Answer(410, "version-gone", "list again, and watch from there")),
    (BadCursor, _Answer(400, "bad-cursor", "begin without a cursor")),
    (BadKey, _Answer(400, "bad-key", "keys are like snapshots/gate/2026/11/21/abc.jpg")),
    (StoreUnavailable, _Answer(503, "store-unavailable", _LATER)),
    (ResultsUnavailable, _Answer(503, "results-unavailable", _LATER)),
    (BlobsUnavailable, _Answer(503, "blobs-unavailable", _LATER)),
    (RuntimeUnavailable, _Answer(503, "runtime-unavailable", _LATER)),
    (SpecError, _Answer(422, "not-valid")),
)


def problem_of(error: Exception) -> Problem | None:
    """Return what one of our errors is answered with; None for what is a defect."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, ManifestError):
        return _manifest(error)
    if isinstance(error, UploadConflict):
        remedy = "ask for its offset with HEAD, and go on there"
        headers = {"Upload-Offset": str(error.offset)}
        return Problem(409, "elsewhere", str(error), remedy=remedy, headers=headers)
    for kind, answer in _ANSWERS:
        if isinstance(error, kind):
            return Problem(answer.status, answer.name, str(error), remedy=answer.remedy)
    return None


def pointer(path: str) -> str:
    """Return a path such as `spec.zones.0` as a JSON pointer in a fragment."""
    return "#" + "".join(f"/{part.replace('~', '~0')}" for part in path.split(".") if part)


def _manifest(error: ManifestError) -> Problem:
    several = len({fault.document for fault in error.faults}) > 1 or any(f.document for f in error.faults)
    count = len(error.faults)
    return Problem(
        422,
        "not-valid",
        str(error),
        title="Not valid",
        remedy="change what is named in `errors`; nothing was changed"
        if count != 1
        else "change the field that is named in `errors`; nothing was changed",
        errors=[_entry(fault, several) for fault in error.faults],
    )


def _entry(fault: Fault, several: bool) -> dict[str, str]:
    entry = {"pointer": pointer(fault.path), "detail": fault.message}
    if several:
        entry["document"] = str(fault.document)
    if fault.kind:
        entry["kind"] = fault.kind
    if fault.name:
        entry["name"] = fault.name
    return entry
