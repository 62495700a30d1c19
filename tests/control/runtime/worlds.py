"""Worlds for the contract: one that is imagined, and one of real processes under a real keeper."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from argus.control.runtime.local import LocalRuntime
from argus.core.settings import Settings
from argus.testing.runtime import FakeRuntime

_OBEDIENT = r"""
exec 3<>"$0"
while read -r word rest <&3; do
    case $word in
        print) printf '%s\n' "$rest" ;;
        exit) exit "$rest" ;;
    esac
done
"""
"""A program of the shell, there in a millisecond, that does what is written to a named pipe."""


class ImaginedWorld:
    """A fake runtime, whose clock goes on while somebody waits."""

    def __init__(self) -> None:
        self.runtime = FakeRuntime()

    def command(self, name: str) -> tuple[str, ...]:
        return ("imagined", name)

    async def end(self, name: str, code: int, *lines: str) -> None:
        self.runtime.end(name, code, lines=lines)

    async def print(self, name: str, line: str) -> None:
        self.runtime.print(name, f"{line}\n")

    async def pass_time(self) -> None:
        self.runtime.advance(0.1)
        await asyncio.sleep(0)


class RealWorld:
    """A keeper of its own, and programs that obey."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = Settings(folder / "home")
        self.runtime = LocalRuntime(self.settings)

    def command(self, name: str) -> tuple[str, ...]:
        pipe = self.folder / f"{name}.pipe"
        if not pipe.exists():
            os.mkfifo(pipe)
        return ("/bin/sh", "-c", _OBEDIENT, str(pipe))

    async def end(self, name: str, code: int, *lines: str) -> None:
        for line in lines:
            await self.print(name, line)
        await self._order(name, f"exit {code}\n")

    async def print(self, name: str, line: str) -> None:
        await self._order(name, f"print {line}\n")

    async def pass_time(self) -> None:
        await asyncio.sleep(0.01)

    async def _order(self, name: str, order: str) -> None:
        async with asyncio.timeout(10):
            while True:
                try:
                    fd = os.open(self.folder / f"{name}.pipe", os.O_WRONLY | os.O_NONBLOCK)
                    break
                except OSError:  # it does not listen yet
                    await asyncio.sleep(0.002)
        os.write(fd, order.encode())
        os.close(fd)


@asynccontextmanager
async def imagined() -> AsyncIterator[ImaginedWorld]:
    yield ImaginedWorld()


@asynccontextmanager
async def real(folder: Path) -> AsyncIterator[RealWorld]:
    world = RealWorld(folder)
    try:
        yield world
    finally:
        await world.runtime.stop_all()
