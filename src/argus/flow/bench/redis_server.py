"""A Redis of one's own, for measuring and for tests: on a free port, with files in a folder, killed at will.

It is the server of the system, not a fake; where none is installed `RedisServer.there` says so.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_PORTS: Final = range(12_000, 30_000)
"""Below those that the kernel gives to whoever wants any: what is killed finds its own free again."""


class RedisServer:
    """Runs while it is entered."""

    def __init__(self, folder: Path, *settings: str) -> None:
        """Choose a port; nothing is started yet.

        Args:
            folder: For its files; an append-only file is written every second, as is usual.
            settings: More of its command line: `--maxmemory`, `10mb`.
        """
        self.folder, self._settings = folder, settings
        self.port = _free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def there() -> bool:
        """Return whether a server is installed."""
        return shutil.which("redis-server") is not None

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, with what its files hold; returns when it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    "redis-server",
                    *("--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)),
                    *("--save", "", "--appendonly", "yes", "--appendfsync", "everysec"),
                    *self._settings,
                ],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        until_s = time.monotonic() + 30.0
        while not self._answers():
            if time.monotonic() > until_s or self._process.poll() is not None:
                raise RuntimeError(
                    f"redis-server does not start:\n{(self.folder / 'redis.log').read_text()[-2000:]}"
                )
            time.sleep(0.02)

    def kill(self) -> None:
        """Kill it, as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Let it write its files and end; idempotent."""
        self._end(signal.SIGTERM)

    def ask(self, *command: str) -> str:
        """Return what it answers to a command, on a connection of its own, as it lies on the wire."""
        with socket.create_connection(("127.0.0.1", self.port), 5.0) as sock:
            sock.sendall(
                "".join([f"*{len(command)}\r\n", *(f"${len(c)}\r\n{c}\r\n" for c in command)]).encode()
            )
            return sock.recv(1 << 20).decode(errors="replace")

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def _answers(self) -> bool:
        try:
            return self.ask("PING") == "+PONG\r\n"
        except OSError:
            return False

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(how)
            process.wait(30.0)


def _free_port() -> int:
    for _ in range(100):
        port = random.choice(_PORTS)  # noqa: S311 - no secret
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise RuntimeError(f"no free port for redis-server between {_PORTS[0]} and {_PORTS[-1]}")
