"""Real programs to be supervised, and an ear that remembers what a supervisor tells."""

from __future__ import annotations

import os
import signal
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from argus.processes.policy import RestartPolicy
from argus.processes.spec import ProcessSpec, ProcessStatus
from argus.processes.supervisor import Supervisor
from tests.sources.settling import comes_true

NEVER = RestartPolicy(when="never")
QUICK = RestartPolicy(first_s=0.05)


class Heard:
    """A supervisor with everything it has told."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.messages: list[tuple[str, dict[str, Any]]] = []
        self.ends: list[tuple[str, str]] = []
        self.changes: list[ProcessStatus] = []
        self.supervisor = Supervisor(
            on_message=lambda name, message: self.messages.append((name, message)),
            on_end=lambda name, reason: self.ends.append((name, reason)),
            on_change=self.changes.append,
        )

    def state(self, name: str = "one") -> str:
        return self.supervisor.status(name).state

    def status(self, name: str = "one") -> ProcessStatus:
        return self.supervisor.status(name)

    def comes_to(self, state: str, name: str = "one", within_s: float = 15.0) -> bool:
        return comes_true(lambda: self.state(name) == state, within_s)

    def told(self, key: str, name: str = "one") -> list[Any]:
        return [message[key] for who, message in tuple(self.messages) if who == name and key in message]


class Programs:
    """Writes programs that take their line from the environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, body: str, name: str = "program.py") -> tuple[str, ...]:
        """Return the command of a program with a `line`, that ends where `body` does."""
        path = self.folder / name
        path.write_text(
            "import os, signal, sys, threading, time\n"
            "from argus.processes.line import Line\n"
            "line = Line.from_environment()\n"
            "assert line is not None\n" + textwrap.dedent(body)
        )
        return (sys.executable, str(path))


def spec(command: tuple[str, ...], name: str = "one", **details: Any) -> ProcessSpec:
    return ProcessSpec(name=name, command=command, **{"start_deadline_s": 20.0, **details})


def foreign(*command: str, name: str = "one", **details: Any) -> ProcessSpec:
    """Return a command that knows nothing of us."""
    return ProcessSpec(name=name, command=command, **details)


def lives(pid: int | None) -> bool:
    """Return whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def marked(mark: str) -> set[int]:
    """Return the living processes with a mark in their environment."""
    found = set()
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and mark.encode() in (folder / "environ").read_bytes():
                found.add(int(folder.name))
        except OSError:
            continue
    return {pid for pid in found if lives(pid)}


def descendants(pid: int) -> set[int]:
    """Return the living processes that a process has started, and they in turn."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit():
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(folder.name))
        except OSError:
            continue
    found: set[int] = set()
    ask = [pid]
    while ask:
        more = children.get(ask.pop(), [])
        found.update(more)
        ask += more
    return {one for one in found if lives(one)}


def kill(pid: int | None, number: int = signal.SIGKILL) -> None:
    assert pid is not None
    os.kill(pid, number)


def holds(what: Callable[[], bool], for_s: float = 0.5) -> bool:
    """Return whether it stays true for a while."""
    return not comes_true(lambda: not what(), for_s)
