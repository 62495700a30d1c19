"""The emulator of Google Cloud Storage, with four things that the real one does and it does not.

Chunks of an upload may come by POST, an upload can be given up, lists come in pages, and who asks for the
bytes of one generation of an object gets no others. Run as `python -m tests.services.gcs_emulator PORT`.

Source: Cloud Storage JSON API v1, objects.list and resumable uploads.
"""

from __future__ import annotations

import sys
from functools import partial
from http import HTTPStatus
from http.server import HTTPServer
from typing import Any, Final

from gcp_storage_emulator.handlers import objects  # type: ignore[import-untyped]
from gcp_storage_emulator.server import HANDLERS, RequestHandler  # type: ignore[import-untyped]
from gcp_storage_emulator.storage import Storage  # type: ignore[import-untyped]

PAGE: Final = 100
"""Of a list; Google's own are of 1,000, which take this store too long to make."""
_GIVEN_UP: Final = 499


def insert(request: Any, response: Any, storage: Any) -> None:
    """Begin an upload, or take one of its chunks."""
    if request.data is not None and request.params["bucket_name"] not in storage.buckets:
        response.status = HTTPStatus.NOT_FOUND
        return
    handler = objects.upload_partial if "upload_id" in request.query else objects.insert
    handler(request, response, storage)


def give_up(request: Any, response: Any, storage: Any) -> None:
    """Forget an upload that was begun."""
    storage.delete_resumable_file_obj(request.query["upload_id"][0])
    response.status = _Status()


def listing(request: Any, response: Any, storage: Any) -> None:
    """Return a page of objects and of what stands for folders."""
    one = {name: values[0] for name, values in request.query.items()}
    bucket = request.params["bucket_name"]
    if bucket not in storage.buckets:
        response.status = HTTPStatus.NOT_FOUND
        return
    files, prefixes = storage.get_file_list(bucket, one.get("prefix"), one.get("delimiter"))
    found = sorted([(file["name"], file) for file in files] + [(name, None) for name in prefixes])
    after = one.get("pageToken", "")
    page = [entry for entry in found if entry[0] > after]
    most = min(PAGE, int(one.get("maxResults", PAGE)))
    more = {"nextPageToken": page[most - 1][0]} if len(page) > most else {}
    items = [file for _, file in page[:most] if file is not None]
    folders = [name for name, file in page[:most] if file is None]
    response.json({"kind": "storage#objects", "items": items, "prefixes": folders, **more})


def download(request: Any, response: Any, storage: Any) -> None:
    """Return the bytes of an object, of the generation that is asked for."""
    known = storage.get_file_obj(request.params["bucket_name"], request.params["object_id"])
    wanted = request.query.get("generation", [str(known["generation"])])[0]
    if wanted != str(known["generation"]):
        response.status = HTTPStatus.NOT_FOUND
        return
    objects.download(request, response, storage)


class _Status:
    value = _GIVEN_UP
    phrase = "Client Closed Request"


_OURS: Final[dict[Any, Any]] = {
    objects.insert: insert,
    objects.ls: listing,
    objects.download: download,
}


def main(port: int) -> None:
    """Serve until killed."""
    for _, methods in HANDLERS:
        for method, handler in methods.items():
            methods[method] = _OURS.get(handler, handler)
        if objects.upload_partial in methods.values():
            methods["DELETE"] = give_up
    storage = Storage(use_memory_fs=True)
    HTTPServer(("127.0.0.1", port), partial(RequestHandler, storage)).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]))
