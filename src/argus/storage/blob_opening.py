"""Which store of blobs a URL means; its libraries are loaded when they are asked for.

The door is `argus.storage.opening`.
"""

from __future__ import annotations

import logging
import os
from importlib import import_module
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from argus.core.errors import MissingExtra, SpecError, UnknownName
from argus.core.paths import expanded
from argus.core.urls import mask_url, scheme_of
from argus.storage.blob_bucket import BucketBlobs
from argus.storage.blob_folder import FolderBlobs
from argus.storage.blob_keys import checked_key
from argus.storage.blobs import BadKey, Blobs

_SCHEMES: Final = ("file", "gs", "memory", "s3")

_CONNECT_S: Final = 5.0
_SILENCE_S: Final = 15.0
"""After so long without a byte an attempt counts as failed: a server that hangs is said after two minutes."""


def blobs_of(url: str) -> Blobs:
    """Open a store; see `argus.storage.opening.open_blobs`."""
    scheme = scheme_of(url)
    if not url.strip() or "\0" in url:
        raise SpecError("blobs: an empty address; give a folder, or s3://BUCKET/PREFIX")
    if scheme is None:
        return FolderBlobs(expanded(url).absolute())
    if scheme not in _SCHEMES:
        raise UnknownName("kind of address for blobs", f"{scheme}://", (f"{one}://" for one in _SCHEMES))
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise SpecError(f"blobs {mask_url(url)}: this is no address ({error})") from error
    if scheme == "file":
        return _folder(parts, url)
    options = _options(parts, url, known=("endpoint_url",) if scheme == "s3" else ())
    if scheme == "memory":
        return _memory(parts, url)
    if not parts.hostname:
        raise SpecError(f"blobs {mask_url(url)}: the bucket is missing; write {scheme}://BUCKET/PREFIX")
    root = f"{parts.netloc}{_prefix(parts, url)}"
    return _s3(root, options.get("endpoint_url")) if scheme == "s3" else _gcs(root)


def _folder(parts: SplitResult, url: str) -> Blobs:
    if parts.netloc not in {"", "localhost"} or parts.query or parts.fragment or len(parts.path) < 2:
        raise SpecError(f"blobs {mask_url(url)}: a folder of this machine is written file:///PATH")
    return FolderBlobs(Path(unquote(parts.path)))


def _memory(parts: SplitResult, url: str) -> Blobs:
    files = import_module("fsspec").filesystem("memory")
    root = f"/argus-blobs/{parts.netloc}{_prefix(parts, url)}".rstrip("/")
    return BucketBlobs(files, root, url, in_memory=True)


def _s3(root: str, endpoint_url: str | None) -> Blobs:
    s3fs, boto = _loaded("s3://", "s3", "s3fs", "botocore.exceptions")
    files = s3fs.S3FileSystem(
        endpoint_url=endpoint_url,
        use_listings_cache=False,
        skip_instance_cache=True,
        config_kwargs={
            "connect_timeout": _CONNECT_S,
            "read_timeout": _SILENCE_S,
            "retries": {"total_max_attempts": 3},
        },
    )
    files.retries = 2  # of its own, around those
    errors = (OSError, boto.BotoCoreError, boto.ClientError)
    return BucketBlobs(files, root, f"s3://{root}", errors=errors)


def _gcs(root: str) -> Blobs:
    core, retry, auth, aiohttp, requests = _loaded(
        "gs://", "gcs", "gcsfs.core", "gcsfs.retry", "google.auth.exceptions", "aiohttp", "requests"
    )
    # It logs the traceback of every attempt; what comes of them is said once, in our words.
    logging.getLogger("gcsfs").setLevel(logging.CRITICAL)
    # Its plain file system, not the one that asks about every bucket through another service.
    files = core.GCSFileSystem(
        # Google's own libraries show no credentials to an emulator either.
        token="anon" if os.environ.get("STORAGE_EMULATOR_HOST") else None,
        use_listings_cache=False,
        skip_instance_cache=True,
        version_aware=True,
        requests_timeout=aiohttp.ClientTimeout(sock_connect=_CONNECT_S, sock_read=_SILENCE_S),
    )
    refused = (retry.HttpError, retry.ChecksumError, retry.NonRetryableError, ValueError)
    broken = (OSError, auth.GoogleAuthError, aiohttp.ClientError, requests.RequestException)
    return BucketBlobs(files, root, f"gs://{root}", errors=(*broken, *refused), framed=True)


def _loaded(scheme: str, extra: str, *modules: str) -> list[Any]:
    try:
        return [import_module(name) for name in modules]
    except ImportError as error:
        raise MissingExtra(f"blobs in {scheme}", extra) from error


def _prefix(parts: SplitResult, url: str) -> str:
    """Return what stands before every key, with `/` before it; empty where nothing does."""
    prefix = unquote(parts.path).strip("/")
    try:
        return f"/{checked_key(prefix)}" if prefix else ""
    except BadKey as error:
        raise SpecError(f"blobs {mask_url(url)}: {error}") from error


def _options(parts: SplitResult, url: str, known: tuple[str, ...]) -> dict[str, str]:
    if "@" in parts.netloc or parts.fragment:
        raise SpecError(
            f"blobs {mask_url(url)}: credentials do not belong here; put them into the environment "
            "(AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or GOOGLE_APPLICATION_CREDENTIALS)"
        )
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name in options:
        if name not in known:
            raise UnknownName("option in an address for blobs", name, known)
    return options
