"""Files as a client has them: blobs that it fetches, and uploads that it sends."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from urllib.parse import quote

import httpx

from argus.control.client.calls import Calls, Items, Json, part
from argus.control.client.errors import NotThere, RequestRefused
from argus.control.client.uploading import Progress, send_file
from argus.core.errors import OutputError


class BlobCalls(Calls):
    """See the module."""

    def blob(self, key: str) -> Generator[bytes, None, None]:
        """Yield the bytes under a key, in portions."""
        with self._asker.stream(f"/api/v1/blobs/{quote(key)}", headers={"Accept": "*/*"}) as response:
            try:
                yield from response.iter_bytes()
            except httpx.HTTPError as error:
                raise self._asker.missing(error) from error

    def save_blob(self, key: str, path: Path) -> None:
        """Write the bytes under a key into a file, which is there whole or not at all.

        Raises:
            OutputError: it cannot be written.
        """
        part = path.with_name(f".{path.name}.part")
        try:
            try:
                with part.open("wb") as file:
                    file.writelines(self.blob(key))
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
        except RequestRefused:
            raise
        except OSError as error:
            if error.errno is None:  # one of ours
                raise
            raise OutputError(path, error.strerror) from error

    def delete_blob(self, key: str) -> bool:
        """Remove what is under a key; return whether it was there."""
        try:
            self._asker.ask("DELETE", f"/api/v1/blobs/{quote(key)}")
        except NotThere:
            return False
        return True

    def upload(
        self,
        path: Path,
        *,
        pipeline: str | None = None,
        ttl: str | None = None,
        on_progress: Progress = lambda *_: None,
        resume: str | None = None,
    ) -> Json:
        """Send a file, which goes through a pipeline then; see `argus.control.client.uploading.send_file`."""
        metadata = {key: value for key, value in (("pipeline", pipeline), ("ttl", ttl)) if value}
        return send_file(self._asker, path, metadata, on_progress=on_progress, resume=resume)

    def uploads(self) -> Items:
        """Return uploads that go on or were completed lately, the oldest first."""
        return list(self._asker.json("GET", "/api/v1/uploads")["items"])

    def upload_status(self, id_: str) -> Json:
        """Return one of them."""
        return self._object("GET", f"/api/v1/uploads/{part(id_)}")

    def give_up_upload(self, id_: str) -> None:
        """Forget an upload, and what has come of it; the blob of a complete one stays."""
        self._asker.ask("DELETE", f"/api/v1/uploads/{part(id_)}")
