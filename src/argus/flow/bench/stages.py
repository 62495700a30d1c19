"""What two processes that hand pictures to each other meet at: memory, a socket's path, a server."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from argus.core.errors import ArgusError
from argus.flow.bench.peers.loops import SIZE
from argus.flow.bench.picture_contenders import BARE_SLOTS, bare_stride
from argus.flow.channels.ring import Ring, RingLink


class Stage(NamedTuple):
    """Where a contender's processes meet."""

    address: str
    fds: tuple[int, ...] = ()
    """What they must inherit."""


@contextmanager
def ring(takers: int) -> Iterator[Stage]:
    """Make a ring with a link for each taker."""
    made = Ring.create([RingLink(f"a->{at}") for at in range(takers)], slot_bytes=SIZE + 1024 * 1024)
    try:
        yield Stage(msgspec.json.encode(made.spec).decode(), made.fds)
    finally:
        made.close()


@contextmanager
def bare_ring(takers: int) -> Iterator[Stage]:
    """Make the memory of a bare ring, and a wake-up for each taker."""
    # `SharedMemory(create=True)` would start a tracker that lives as long as we do.
    memory = Path(f"/dev/shm/argus-bench-{os.getpid()}-{time.monotonic_ns()}")  # noqa: S108
    events = [os.eventfd(0) for _ in range(takers)]
    try:
        with memory.open("xb") as file:
            file.truncate(4096 + BARE_SLOTS * bare_stride())
        yield Stage(" ".join([memory.name, *map(str, events)]), tuple(events))
    finally:
        for event in events:
            os.close(event)
        memory.unlink(missing_ok=True)


@contextmanager
def path(_takers: int) -> Iterator[Stage]:
    """Make a folder for a socket."""
    with tempfile.TemporaryDirectory() as folder:
        yield Stage(f"ipc://{folder}/pictures")


@contextmanager
def stream_path(_takers: int) -> Iterator[Stage]:
    """Make a folder for a socket, as zenoh writes it."""
    with tempfile.TemporaryDirectory() as folder:
        yield Stage(f"unixsock-stream/{folder}/pictures")


@contextmanager
def name(_takers: int) -> Iterator[Stage]:
    """Make a name that nobody else has."""
    yield Stage(f"argus-bench-{os.getpid()}-{time.monotonic_ns()}")


@contextmanager
def redis_server(_takers: int) -> Iterator[Stage]:
    """Start a Redis that keeps nothing on disk.

    Raises:
        ArgusError: it does not start.
    """
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "redis.sock"
        command = ["redis-server", "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", folder]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until = time.monotonic() + 10
            while not socket.exists():
                if server.poll() is not None or time.monotonic() > until:
                    raise ArgusError("redis-server does not start: run it by hand to see why")
                time.sleep(0.02)
            yield Stage(str(socket))
        finally:
            server.terminate()
            server.wait()


STAGES: Final[dict[str, Callable[[int], AbstractContextManager[Stage]]]] = {
    "ring": ring,
    "ring-lent": ring,
    "nodes": ring,
    "nodes-lent": ring,
    "bare": bare_ring,
    "bare-lent": bare_ring,
    "bare-copied": bare_ring,
    "zmq": path,
    "redis": redis_server,
    "memcpy": name,
    "iceoryx2-loan": name,
    "iceoryx2-copy": name,
    "zenoh-copy": stream_path,
}
"""By contender."""
