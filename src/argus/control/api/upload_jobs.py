"""What follows from an upload: the batch job that goes through it, made once, whatever is killed in between.

A complete upload is pending until its job is there and it is claimed; whoever starts after a crash goes on
with those that are pending. The job's name is made of the upload's id, so nothing is made twice.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, Final

import structlog

from argus.control.api.drafts import draft_of
from argus.control.api.meter import ApiMeter
from argus.control.plane import Plane
from argus.control.store.protocol import AlreadyThere, ResourceStore
from argus.core.errors import ArgusError
from argus.core.resources.kinds import kind_named
from argus.core.resources.resource import Draft
from argus.storage.uploads import Upload, Uploads

_LOOK_S: Final = 5.0
_EXPIRE_S: Final = 3600.0
PIPELINE: Final = "pipeline"
TTL: Final = "ttl"
_LABEL: Final = "argus.dev/upload"


def uploads_of(plane: Plane) -> Uploads:
    """Return the uploads of a home.

    Raises:
        BlobsUnavailable: their folder cannot be made.
    """
    return Uploads(plane.settings.home / "uploads", plane.blobs)


def job_name(upload: Upload) -> str | None:
    """Return the name of the job that follows from an upload; None: none does."""
    return f"upload-{upload.id}" if upload.metadata.get(PIPELINE) else None


def job_draft(id_: str, key: str, metadata: Mapping[str, str]) -> Draft | None:
    """Return the job that follows from an upload; None: none does.

    Raises:
        ManifestError: the pipeline or the time to live that was asked for is no such thing.
    """
    if not metadata.get(PIPELINE):
        return None
    spec: dict[str, Any] = {"source": f"blob:{key}", "pipeline": metadata[PIPELINE]}
    if metadata.get(TTL):
        spec["ttl_after_finished"] = metadata[TTL]
    told = {"metadata": {"labels": {_LABEL: id_}}, "spec": spec}
    return draft_of(kind_named("BatchJob"), told, name=f"upload-{id_}")


async def follow_up(store: ResourceStore, uploads: Uploads, upload: Upload) -> Upload:
    """See to what follows from a complete upload; return it claimed.

    Raises:
        StoreUnavailable: the store does not answer; it stays pending.
    """
    draft = job_draft(upload.id, upload.key, upload.metadata)
    if draft is not None:
        with contextlib.suppress(AlreadyThere):  # which its user may have changed meanwhile
            await store.apply([draft], create=True)
    return uploads.claim(upload.id)


async def recover(plane: Plane, uploads: Uploads) -> int:
    """Go on with what a crash, or a store that did not answer, has left; return how much."""
    await uploads.recover()
    done = 0
    for upload in uploads.pending():
        try:
            await follow_up(plane.store, uploads, upload)
            done += 1
        except ArgusError as error:
            structlog.get_logger().warning("upload.waits_for_its_job", id=upload.id, reason=str(error))
    if done:
        plane.wake()
    return done


async def keep_up(plane: Plane, uploads: Uploads, meter: ApiMeter) -> None:
    """Recover again and again, forget what was given up, and count what is there; until cancelled.

    Nothing that goes wrong ends it.
    """
    waited_s = _EXPIRE_S
    while True:
        try:
            await recover(plane, uploads)
            known = await asyncio.to_thread(uploads.list)
            meter.uploads_open = sum(one.state != "complete" for one in known)
            if waited_s >= _EXPIRE_S:
                waited_s = 0.0
                gone = await asyncio.to_thread(uploads.expire)
                meter.uploads["expired"] += len(gone)
        except ArgusError as error:
            structlog.get_logger().warning("upload.not_kept_up", reason=str(error))
        except Exception:  # noqa: BLE001 - nobody else would begin the jobs that uploads wait for
            structlog.get_logger().exception("upload.not_kept_up")
        await asyncio.sleep(_LOOK_S)
        waited_s += _LOOK_S
