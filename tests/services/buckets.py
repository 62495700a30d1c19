"""Real servers that keep blobs for tests: one that speaks S3 and one that speaks Google Cloud Storage.

Both are emulators: `moto`, and `gcp-storage-emulator` as `tests.services.gcs_emulator` completes it. Each is
a process of its own on a free port of loopback, started when the first test asks for it and ended with the
run. Tests have them by `from tests.services.buckets import gcs_server, gcs_url, s3_server, s3_url`.
"""

from __future__ import annotations

import atexit
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote

import httpx
import pytest

from tests.ports import ports_in_a_row
from tests.services.gcs_emulator import PAGE

_COMMANDS: Final[dict[str, list[str]]] = {
    "s3": ["-m", "moto.server", "-H", "127.0.0.1", "-p"],
    "gcs": ["-m", "tests.services.gcs_emulator"],
}
_SCHEMES: Final = {"s3": "s3", "gcs": "gs"}
_names = itertools.count(1)
SECRET: Final = "a-secret-of-tests"  # shown by no message: tests look for it


class BucketServer:
    """One server; what it keeps is lost when it ends, and stays while it is held."""

    def __init__(self, kind: Literal["s3", "gcs"]) -> None:
        """Run it; returns when it answers."""
        self.kind = kind
        self.page = {"s3": 1000, "gcs": PAGE}[kind]
        """So many keys it tells at a time."""
        self.port = ports_in_a_row(1)
        self._process = subprocess.Popen(
            [sys.executable, *_COMMANDS[kind], str(self.port)],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"{self.endpoint()}/", timeout=5, trust_env=False)
            except httpx.TransportError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.end()
                    raise RuntimeError(f"the server of {kind} does not start") from error
                time.sleep(0.05)
            else:
                return

    def endpoint(self, port: int | None = None) -> str:
        """Where it answers; given a port, where a proxy before it does."""
        return f"http://127.0.0.1:{port or self.port}"

    def environment(self, port: int | None = None) -> Mapping[str, str]:
        """Variables that a process needs which uses it."""
        if self.kind == "gcs":
            return {"STORAGE_EMULATOR_HOST": self.endpoint(port)}
        return {
            "AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.endpoint(port), "AWS_EC2_METADATA_DISABLED": "true",
        }  # fmt: skip

    def new_bucket(self) -> str:
        """Make an empty bucket; return its address, to be used in `environment`."""
        name = f"test-{os.getpid()}-{next(_names)}"
        if self.kind == "s3":
            made = httpx.put(f"{self.endpoint()}/{name}", trust_env=False)
        else:
            made = httpx.post(f"{self.endpoint()}/storage/v1/b", json={"name": name}, trust_env=False)
        made.raise_for_status()
        return f"{_SCHEMES[self.kind]}://{name}"

    def put_many(self, bucket_url: str, keys: Iterable[str]) -> None:
        """Put an object under each of many keys, past whoever is tested."""
        bucket = bucket_url.partition("://")[2]
        upload = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name="
        with httpx.Client(base_url=self.endpoint(), trust_env=False) as client:
            for key in keys:
                made = (
                    client.put(f"/{bucket}/{key}", content=b"x")
                    if self.kind == "s3"
                    else client.post(f"{upload}{quote(key, safe='')}", content=b"x")
                )
                made.raise_for_status()

    def end(self) -> None:
        """End it; idempotent."""
        self._process.kill()
        self._process.wait()


@cache
def _shared(kind: Literal["s3", "gcs"]) -> BucketServer:
    server = BucketServer(kind)
    atexit.register(server.end)
    return server


@pytest.fixture(scope="session")
def s3_server() -> BucketServer:
    """The server of this run that speaks S3."""
    return _shared("s3")


@pytest.fixture(scope="session")
def gcs_server() -> BucketServer:
    """The server of this run that speaks Google Cloud Storage."""
    return _shared("gcs")


@pytest.fixture
def s3_url(s3_server: BucketServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty bucket of S3; the environment opens it."""
    return _opened(s3_server, monkeypatch)


@pytest.fixture
def gcs_url(gcs_server: BucketServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty bucket of Google Cloud Storage; the environment opens it."""
    return _opened(gcs_server, monkeypatch)


def _opened(server: BucketServer, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    return server.new_bucket()
