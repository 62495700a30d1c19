"""Never two of one name at once, whoever is killed, and when: programs that write down their own overlaps."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from argus.control.runtime.down import shut_down
from argus.control.runtime.homes import read_note
from argus.control.runtime.protocol import RuntimeUnavailable, WorkloadStatus
from argus.core.settings import Settings
from tests.control.runtime.parts import guards_of, kill
from tests.control.runtime.worlds import RealWorld
from tests.processes.parts import lives

LIVES = """
import fcntl, os, sys, time
alive = os.open(sys.argv[1] + ".alive", os.O_RDWR | os.O_CREAT)
note = os.open(sys.argv[1] + ".lives", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
try:
    # The kernel lets it go when this process has ended, and no moment before.
    fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    os.write(note, b"overlap %d\\n" % os.getpid())
    time.sleep(300)
os.write(note, b"%d\\n" % os.getpid())
"""
"""How a program begins that holds a lock for as long as it lives, and says so where it is taken."""
WITH_LINE = (
    LIVES
    + """
from argus.processes.line import Line
line = Line.from_environment()
line.ready()
line.draining.wait()
"""
)
WITHOUT_LINE = LIVES + "time.sleep(300)\n"
PLANE = """
import asyncio, sys
from pathlib import Path
from argus.control.runtime.local import LocalRuntime
from argus.control.runtime.protocol import RuntimeUnavailable, Workload
from argus.core.logging import configure_logging
from argus.core.settings import Settings

async def main():
    home, folder, *programs = sys.argv[1:]
    wanted = [
        Workload(name=f"w{n}", command=(sys.executable, "-c", text, f"{folder}/w{n}"))
        for n, text in enumerate(programs)
    ]
    runtime = LocalRuntime(Settings(Path(home)))
    while True:
        try:
            for one in wanted:
                await runtime.ensure(one)
        except RuntimeUnavailable:
            pass
        await asyncio.sleep(0.02)

configure_logging("error")
asyncio.run(main())
"""
"""A control plane that wants the same all the time."""
WHOM = ("keeper", "keeper and guard", "plane", "all", "worker", "workers and keeper")
PROGRAMS = (WITH_LINE, WITHOUT_LINE, WITHOUT_LINE, WITH_LINE)


class Planes:
    """Control planes, one after the other."""

    def __init__(self, folder: Path, home: Path) -> None:
        self._command = [sys.executable, "-c", PLANE, str(home), str(folder), *PROGRAMS]
        self._log = (folder / "plane.log").open("ab")
        self.process = self._start()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process = self._start()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._log.close()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, stderr=self._log)


def lived(folder: Path) -> list[list[str]]:
    """Return what each program has written down."""
    return [
        path.read_text().splitlines() if (path := folder / f"w{number}.lives").exists() else []
        for number in range(len(PROGRAMS))
    ]


def alive(folder: Path) -> bool:
    """Return whether all programs live at this moment.

    By what they wrote and not by their locks: who tries one holds it for a moment, and a program that begins
    in that moment would take him for another of its name.
    """
    lines = lived(folder)
    assert not any(line.startswith("overlap") for own in lines for line in own), lines
    return all(own and lives(int(own[-1])) for own in lines)


async def come_alive(folder: Path) -> None:
    async with asyncio.timeout(30):
        while not alive(folder):
            await asyncio.sleep(0.01)


async def statuses_of(world: RealWorld) -> Mapping[str, WorkloadStatus]:
    try:
        return await world.runtime.statuses()
    except RuntimeUnavailable:
        return {}


async def kill_at_random(folder: Path, seed: int, rounds: int) -> None:
    """Kill keeper, guard and control plane, alone and together; nobody may ever see another of its name."""
    chance = random.Random(seed)
    settings = Settings(folder / "home")
    planes = Planes(folder, settings.home)
    watcher = RealWorld(folder)
    try:
        await come_alive(folder)
        for _ in range(rounds):
            pids = [s.pid for s in (await statuses_of(watcher)).values() if s.pid is not None]
            note = read_note(settings.run)
            keepers = [] if note is None else [note.pid]
            guards = [pid for keeper in keepers for pid in guards_of(keeper)]
            whom = chance.choice(WHOM)
            if whom == "worker" and pids:
                kill(chance.choice(pids))
            elif whom in {"keeper and guard", "all"}:
                kill(*chance.sample([*keepers, *guards], len(keepers) + len(guards)))
            elif whom == "workers and keeper":
                kill(*pids, *keepers)
            elif whom == "keeper":
                kill(*keepers)
            if whom in {"plane", "all"}:
                planes.kill()
            if chance.random() < 0.7:
                await come_alive(folder)
            else:
                await asyncio.sleep(chance.random() * 0.4)  # so that it hits also who is just starting
        await come_alive(folder)
    finally:
        await watcher.runtime.close()
        planes.close()
        await shut_down(settings)
    assert not any(line.startswith("overlap") for lines in lived(folder) for line in lines)
    assert sum(map(len, lived(folder))) > len(PROGRAMS)
    assert not any(lives(int(pid)) for lines in lived(folder) for pid in lines)


@pytest.mark.parametrize("seed", [1, 2])
def test_nobody_ever_lives_twice(tmp_path: Path, seed: int) -> None:
    asyncio.run(kill_at_random(tmp_path, seed, 6))


@pytest.mark.soak
def test_nobody_ever_lives_twice_in_many_deaths(tmp_path: Path) -> None:
    asyncio.run(kill_at_random(tmp_path, os.getpid(), 150))
