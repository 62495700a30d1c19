"""What the tests of keepers share."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import textwrap
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from argus.control.runtime.homes import KeeperNote, read_note
from argus.control.runtime.protocol import RuntimeUnavailable, Workload, WorkloadStatus
from tests.control.runtime.worlds import RealWorld, real
from tests.processes.parts import lives

LINE = """
import json, os, signal, sys, threading, time
from argus.processes.line import Line
line = Line.from_environment()
assert line is not None
"""
"""How a program begins that knows of its supervisor."""
HTTP = """
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(answer(self.path))
        self.end_headers()
    def log_message(self, *_):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
threading.Thread(target=server.serve_forever, daemon=True).start()
line.tell({"port": server.server_port})
line.ready()
"""
"""How one goes on that is asked over HTTP, where `answer(path)` gives the status."""


def program(*parts: str) -> tuple[str, ...]:
    """Return the command of a Python program."""
    return (sys.executable, "-c", "\n".join(map(textwrap.dedent, parts)))


def played(folder: Path, play: Callable[[RealWorld], Awaitable[None]]) -> None:
    """Run a test in a world of its own."""

    async def main() -> None:
        async with real(folder) as world:
            await play(world)

    asyncio.run(main())


async def settles(
    world: RealWorld, what: Callable[[dict[str, WorkloadStatus]], Any], within_s: float = 20.0
) -> dict[str, WorkloadStatus]:
    """Wait until all statuses together are as wanted, whatever happens to the keeper meanwhile."""
    seen: dict[str, WorkloadStatus] = {}
    try:
        async with asyncio.timeout(within_s):
            while True:
                with contextlib.suppress(RuntimeUnavailable):
                    seen = dict(await world.runtime.statuses())
                    if what(seen):
                        return seen
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"it did not come to that; it came to {seen}") from None


async def ensure(world: RealWorld, name: str = "one", **details: Any) -> WorkloadStatus:
    """Let a workload run, and return its status when it does."""
    details.setdefault("command", world.command(name))
    await world.runtime.ensure(Workload(name=name, **details))
    seen = await settles(world, lambda all_: all_[name].pid is not None)
    return seen[name]


def keeper_of(world: RealWorld) -> KeeperNote:
    """Return who the keeper is."""
    note = read_note(world.settings.run)
    assert note is not None
    return note


def guards_of(keeper: int) -> list[int]:
    """Return the guards of a keeper."""
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0") if folder.name.isdigit() else []
            if str(keeper).encode() in words and any(word.endswith(b"guard.py") for word in words):
                found.append(int(folder.name))
    return found


def kill(*pids: int, number: int = signal.SIGKILL) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def kill_with_guards(keeper: int) -> None:
    """Kill a keeper and its guards, which do not come to do what they are there for."""
    guards = guards_of(keeper)
    kill(*guards, number=signal.SIGSTOP)
    kill(keeper, *guards)


async def gone(pid: int, within_s: float = 10.0) -> None:
    """Wait until a process is gone."""
    async with asyncio.timeout(within_s):
        while lives(pid):
            await asyncio.sleep(0.01)
