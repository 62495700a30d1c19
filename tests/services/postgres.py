"""A real PostgreSQL for tests: the machine's own binaries, a folder of its own, a free port of loopback.

A conftest offers it with `from tests.services.postgres import postgres_server, postgres_url`. One server
serves a whole run, however many conftests name it; every test has an empty database. It keeps nothing: it
writes without fsync, and its folder is removed.
"""

from __future__ import annotations

import asyncio
import atexit
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import need
from tests.ports import ports_in_a_row

USER = "argus"
PASSWORD = "a-password-of-tests"  # shown by no message: tests look for it
_names = itertools.count(1)


class PostgresServer:
    """A server with a folder; may be stopped and started again at the same address."""

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self._folder = Path(tempfile.mkdtemp(prefix="argus-pg-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._account: str | None = None
        if os.geteuid() == 0:  # it refuses to run as root
            self._account = "postgres"
            owner = pwd.getpwnam(self._account)
            os.chown(self._folder, owner.pw_uid, owner.pw_gid)
        self._groups: list[str] | None = [] if self._account else None
        self.port = 0
        secret = self._folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self._run(
            "initdb", "--pgdata", str(self._data), "--username", USER, "--pwfile", str(secret),
            "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync",
        )  # fmt: skip

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._binaries / program, *arguments],
            cwd=self._folder, user=self._account, group=self._account, extra_groups=self._groups,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{program} ended with {done.returncode}: {done.stderr}")

    def url(self, database: str = "postgres") -> str:
        """The address of a database in it."""
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Run it; returns when it answers."""
        if self._process is not None:
            return
        self.port = self.port or ports_in_a_row(1)
        settings = {
            "port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": self._folder,
            "fsync": "off", "full_page_writes": "off", "shared_buffers": "32MB", "max_connections": 60,
        }  # fmt: skip
        command = [str(self._binaries / "postgres"), "-D", str(self._data)]
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *options],
                cwd=self._folder, user=self._account, group=self._account, extra_groups=self._groups,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + 60
        while True:
            try:
                asyncio.run(_execute(self.url(), "SELECT 1"))
            except (OSError, ConnectionError, RuntimeError) as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    said = (self._folder / "log").read_text()
                    raise RuntimeError(f"PostgreSQL does not start: {said[-2000:]}") from error
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """End it, and all connections with it, as when its machine goes down in order."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def remove(self) -> None:
        """Stop it and forget all that it holds."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def new_database(self) -> str:
        """Make an empty database; return its address."""
        name = f"test_{next(_names)}"
        asyncio.run(_execute(self.url(), f"CREATE DATABASE {name}"))
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Remove a database, whoever is connected to it."""
        asyncio.run(_execute(self.url(), f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} WITH (FORCE)"))


async def _execute(url: str, statement: str) -> None:
    import asyncpg  # type: ignore[import-untyped]

    try:
        connection = await asyncpg.connect(url, timeout=10)
    except asyncpg.PostgresError as error:  # it answers, but is not ready yet
        raise RuntimeError(str(error)) from error
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def binaries() -> Path | None:
    """The folder of the newest PostgreSQL of this machine; None: there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


@cache
def _shared() -> PostgresServer:
    folder = binaries()
    assert folder is not None
    server = PostgresServer(folder)
    atexit.register(server.remove)
    server.start()
    return server


@pytest.fixture(scope="session")
def postgres_server() -> PostgresServer:
    """The server of this run. A test that stops it starts it again, or makes one of its own."""
    need(binaries() is not None, "no PostgreSQL here: apt install postgresql")
    return _shared()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The address of an empty database, which goes with the test."""
    url = postgres_server.new_database()
    yield url
    postgres_server.drop_database(url)
