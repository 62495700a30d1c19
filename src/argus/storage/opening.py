"""Which store a URL means. Engines are loaded when they are asked for."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from argus.core.errors import MissingExtra, SpecError, UnknownName
from argus.core.paths import expanded
from argus.storage.blobs import Blobs
from argus.storage.protocol import ResultStore


async def open_results(url: str) -> ResultStore:
    """Open a store, making or migrating its tables.

    Args:
        url: `sqlite:///PATH`, `postgresql://…` (extra `postgres`), `mongodb://…` (extra `mongo`).

    Raises:
        SpecError: nobody knows such a URL.
        MissingExtra: its extra is not installed.
        ResultsUnavailable: it does not answer.
        ResultsTooNew: a newer Argus has written it.
    """
    scheme = check_results_url(url)
    if scheme == "mongodb":
        from argus.storage.results.mongo import MongoResults

        return await MongoResults.opened(url)
    from argus.storage.results.sql import SqlResults

    if scheme == "postgresql":
        from argus.storage.results.postgres import PostgresDatabase

        return SqlResults(await PostgresDatabase.opened(url))
    from argus.storage.results.sqlite import SqliteDatabase

    return SqlResults(await SqliteDatabase.opened(sqlite_path(url)))


def check_results_url(url: str) -> Literal["sqlite", "postgresql", "mongodb"]:
    """Return which engine a URL means, without asking whether it answers.

    Raises:
        SpecError: nobody knows such a URL.
        MissingExtra: its extra is not installed.
    """
    scheme = url.partition(":")[0].lower()
    if scheme == "sqlite":
        sqlite_path(url)
        return "sqlite"
    if scheme in {"postgresql", "postgres"}:
        from argus.storage.results.postgres import address_of

        address_of(url)
        return "postgresql"
    if scheme in {"mongodb", "mongodb+srv"}:
        if importlib.util.find_spec("pymongo") is None:
            raise MissingExtra("results in MongoDB", "mongo")
        return "mongodb"
    # Not the URL: it may hold a password.
    raise UnknownName("kind of URL for results", scheme, ("sqlite", "postgresql", "mongodb"))


def sqlite_path(url: str) -> Path:
    """Return the file that `sqlite:///PATH` means: three slashes and a path, so four where it is absolute.

    Raises:
        SpecError: it names no file.
    """
    rest = url.partition(":")[2]
    path = unquote(rest.removeprefix("///")) if rest.startswith("///") else ""
    if not path or "?" in path or path == ":memory:" or "\0" in path:
        raise SpecError(f"{url}: names no file; write sqlite:///results.db, or sqlite:////var/lib/results.db")
    return expanded(path)


def open_blobs(url: str) -> Blobs:
    """Open a store of blobs.

    Args:
        url: A folder's path or `file:///…`, `s3://bucket/prefix` (extra `s3`; `?endpoint_url=…` for servers
            of other makers), `gs://…` (extra `gcs`), `memory://NAME` (of this process).

    Raises:
        SpecError: nobody knows such a URL.
        MissingExtra: its extra is not installed.
        BlobsUnavailable: the folder cannot be made. A bucket is asked when it is used.
    """
    from argus.storage.blob_opening import blobs_of

    return blobs_of(url)
