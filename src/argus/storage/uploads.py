"""Files that are sent to us: any size, in constant memory, resumed where they broke off.

Shaped after tus 1.0 (create, ask for the offset, append there) and free of HTTP. What is acknowledged is on
the disk, so neither kill -9 nor a lost connection costs it. A whole upload is moved into the blobs once. It
is told as pending until somebody has claimed it: what shall follow from it (a job) follows after a crash too.
Records are `argus.storage.upload_records`, bytes `upload_part`, who has it now `upload_turns`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from msgspec.structs import replace

from argus.core.calm_clock import CalmClock
from argus.core.errors import ArgusError
from argus.storage.blobs import BlobNotFound, Blobs
from argus.storage.upload_errors import (
    UploadBusy,
    UploadConflict,
    UploadNotFound,
    UploadTooLong,
    disk_errors,
)
from argus.storage.upload_part import PORTION, Part
from argus.storage.upload_records import Upload, UploadFiles, new_upload
from argus.storage.upload_room import expect_room
from argus.storage.upload_turns import Turns

__all__ = ["Upload", "UploadBusy", "UploadConflict", "UploadNotFound", "UploadTooLong", "Uploads"]


class Uploads:
    """See the module. For one process and one event loop; what is not `async` takes milliseconds."""

    def __init__(self, folder: Path, blobs: Blobs, *, most_bytes: int | None = None) -> None:
        """Begin with what lies there; `recover` is to follow.

        Args:
            folder: Where uploads are gathered. On the disk of the blobs' folder nothing is copied in the end.
            blobs: Where whole ones go, as `uploads/ID/NAME`.
            most_bytes: Longer ones are refused; None: as long as the disk has room.

        Raises:
            BlobsUnavailable: the folder cannot be made.
        """
        self._folder = folder
        self._blobs = blobs
        self._most_bytes = most_bytes
        self._turns = Turns()
        self._clock = CalmClock()
        with disk_errors(self._folder):
            self._files = UploadFiles(folder)

    def create(self, filename: str, length: int | None, metadata: Mapping[str, str] | None = None) -> Upload:
        """Begin an upload.

        Args:
            filename: What its sender calls it; its extension is kept in the key.
            length: Bytes that will come; None: will be said later, or by `complete`.
            metadata: Kept with it, such as `{"pipeline": "gate"}`.

        Raises:
            SpecError: the length is below zero, or the metadata too long.
            UploadTooLong: longer than uploads may be.
            BlobsUnavailable: the disk has no room for so much.
        """
        upload = new_upload(filename, length, metadata or {})
        expect_room(self._folder, length, self._most_bytes)
        with disk_errors(self._folder):
            self._files.make_part(upload.id)
            self._files.write(upload)
        return self._now(upload)

    def declare(self, id_: str, length: int) -> Upload:
        """Say how long an upload will be whose length was not said before.

        Raises:
            UploadNotFound: there is none.
            UploadBusy: somebody is appending.
            UploadConflict: another length was said, or more has come.
            UploadTooLong: see `create`.
        """
        expect_room(self._folder, length, self._most_bytes)
        with self._turns.gate, disk_errors(self._folder):
            upload = self._idle(id_)
            if upload.length == length:
                return upload
            if upload.length is not None or upload.offset > length:
                said = "more has come" if upload.length is None else f"{upload.length} were announced"
                raise UploadConflict(f"upload {id_}: it cannot be {length} bytes long: {said}", upload.offset)
            self._files.write(upload := replace(upload, length=length))
            return upload

    async def append(self, id_: str, offset: int, stream: AsyncIterable[bytes]) -> Upload:
        """Take in bytes until the stream ends; what has come stays, however it ends.

        Errors of the stream are raised as they are, after what came before them was written.

        Args:
            id_: The upload.
            offset: Where these bytes begin; must be where the upload is.
            stream: Chunks of any size.

        Raises:
            UploadNotFound: there is none.
            UploadBusy: somebody else is appending.
            UploadConflict: it is elsewhere, or complete already.
            UploadTooLong: more came than was announced or may be; the chunk that was too much is left out.
            BlobsUnavailable: the disk is full; what was written before stays.
        """
        upload, part = self._opened(id_)
        try:
            if part.synced != offset:
                raise UploadConflict(
                    f"upload {id_}: it is at {part.synced} bytes, not at {offset}; go on there", part.synced
                )
            limit = min((one for one in (upload.length, self._most_bytes) if one is not None), default=None)
            async for chunk in stream:
                if limit is not None and part.taken + len(chunk) > limit:
                    raise UploadTooLong(f"upload {id_}: more bytes come than the {limit} that it may have")
                part.take(chunk)
                if part.waiting >= PORTION:
                    with disk_errors(self._folder):
                        await asyncio.to_thread(part.write)
        finally:
            with disk_errors(self._folder):
                # The thread ends its work also when whoever waits for it is cancelled once more.
                await asyncio.shield(
                    asyncio.get_running_loop().run_in_executor(None, self._turns.close, id_, part)
                )
        return self.status(id_)

    async def complete(self, id_: str) -> Upload:
        """Move a whole upload into the blobs; done again, it returns what was done.

        Where no length was announced, what has come is all.

        Raises:
            UploadNotFound: there is none.
            UploadBusy: somebody is appending.
            UploadConflict: bytes are missing.
            BlobsUnavailable: the blobs do not answer; `recover`, or the same call, does it later.
        """
        return await asyncio.to_thread(self._complete, id_)

    async def recover(self) -> tuple[Upload, ...]:
        """Complete what was whole when the process before this one ended; return those that became complete.

        May be called at any time. What cannot be moved now is left for the next time.
        """
        return await asyncio.to_thread(self._recover)

    def status(self, id_: str) -> Upload:
        """Return an upload as it is, its offset being what is on the disk.

        Raises:
            UploadNotFound: there is none.
        """
        return self._now(self._files.read(id_))

    def list(self) -> tuple[Upload, ...]:
        """Return all, the oldest first."""
        return tuple(self._now(upload) for upload in self._files.all())

    def pending(self) -> tuple[Upload, ...]:
        """Return what is complete and nobody has claimed, the oldest first."""
        return tuple(one for one in self._files.all() if one.state == "complete" and not one.claimed)

    def claim(self, id_: str) -> Upload:
        """Note that what was to follow from a complete upload has been seen to; idempotent.

        Raises:
            UploadNotFound: there is none.
            UploadConflict: it is not complete.
        """
        upload = self.status(id_)
        if upload.state != "complete":
            raise UploadConflict(f"upload {id_}: it is not complete yet", upload.offset)
        if not upload.claimed:
            upload = replace(upload, claimed=True)
            with disk_errors(self._folder):
                self._files.write(upload)
        return upload

    def delete(self, id_: str) -> None:
        """Forget an upload and what came of it; a blob that it became stays.

        Raises:
            UploadNotFound: there is none.
            UploadBusy: somebody is sending to it, or it is being moved.
        """
        self._files.read(id_)
        with self._turns.moving(id_, wait=False), self._turns.gate, disk_errors(self._folder):
            self._idle(id_)
            self._files.remove(id_)
        self._turns.forget(id_)

    def expire(self, *, after: timedelta = timedelta(days=1)) -> tuple[str, ...]:
        """Forget uploads to which nothing came for so long, and complete ones that were claimed so long ago.

        A clock that was only just put forward is not believed: see `argus.core.calm_clock`.

        Returns:
            Ids of those that were forgotten. Blobs stay.
        """
        limit = self._clock.now() - after
        gone = []
        for upload in self.list():
            over = (upload.state == "open" and not upload.whole) or upload.claimed
            if over and upload.updated_at < limit:
                with contextlib.suppress(UploadBusy, UploadNotFound):
                    self.delete(upload.id)
                    gone.append(upload.id)
        with disk_errors(self._folder):
            for path in self._files.orphans(limit.timestamp()):
                path.unlink(missing_ok=True)
        return tuple(gone)

    def _opened(self, id_: str) -> tuple[Upload, Part]:
        with self._turns.gate, disk_errors(self._folder):
            upload = self._idle(id_)
            if upload.state != "open":
                raise UploadConflict(f"upload {id_}: it is complete; nothing more is taken", upload.offset)
            return upload, self._turns.open(id_, self._files.part(id_))

    def _idle(self, id_: str) -> Upload:
        """Return an upload that nobody is sending to."""
        self._turns.expect_idle(id_)
        return self.status(id_)

    def _now(self, upload: Upload) -> Upload:
        if upload.state != "open":
            return upload
        part = self._turns.part(upload.id)
        try:
            known = self._files.part(upload.id).stat()
        except FileNotFoundError:
            return upload
        # Nobody is appending: all of the file was synced when it was closed, or by `recover`. File systems
        # make a file longer only after the bytes are there, so its length promises nothing that is not.
        offset = known.st_size if part is None else part.synced
        return replace(upload, offset=offset, updated_at=datetime.fromtimestamp(known.st_mtime, UTC))

    def _complete(self, id_: str) -> Upload:
        self._files.read(id_)
        with self._turns.moving(id_), disk_errors(self._folder):
            upload = self._to_move(id_)
            if upload.state == "complete":
                return upload
            part = self._files.part(id_)
            if self._is_kept(upload):  # whoever moved it was killed before saying so
                part.unlink(missing_ok=True)
            elif part.exists():
                self._blobs.put_file(upload.key, part, move=True)
            else:
                raise UploadNotFound(id_)
            upload = replace(upload, state="complete", updated_at=datetime.now(UTC))
            self._files.write(upload)
            return upload

    def _to_move(self, id_: str) -> Upload:
        """Return a whole upload to which nothing can be appended from now on."""
        with self._turns.gate:
            upload = self._idle(id_)
            if upload.state != "open":
                return upload
            if upload.length is not None and upload.offset != upload.length:
                raise UploadConflict(
                    f"upload {id_}: {upload.length - upload.offset} of {upload.length} bytes are missing",
                    upload.offset,
                )
            upload = replace(upload, state="moving", length=upload.offset)
            self._files.write(upload)
            return upload

    def _is_kept(self, upload: Upload) -> bool:
        try:
            return self._blobs.info(upload.key).size == upload.offset
        except BlobNotFound:
            return False

    def _recover(self) -> tuple[Upload, ...]:
        done = []
        for upload in self.list():
            if upload.state == "complete" or self._turns.part(upload.id) is not None:
                continue
            try:
                if upload.state == "open":
                    with disk_errors(self._folder):
                        self._files.sync_part(
                            upload.id
                        )  # what a killed process wrote is not on the disk for that
                if upload.whole:
                    done.append(self._complete(upload.id))
            except ArgusError as error:
                structlog.get_logger().warning("upload.not_recovered", id=upload.id, error=str(error))
        return tuple(done)
