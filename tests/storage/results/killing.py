"""Processes that write into a store until a test kills them; the program they run is `store_child`."""

from __future__ import annotations

import itertools
import subprocess
import sys

from argus.storage.protocol import ResultStore
from argus.storage.records import EventRecord


class Writer:
    """A process of its own that writes batches for ever: each an alert, its event and another event."""

    def __init__(self, url: str, name: str) -> None:
        self.name = name
        command = [sys.executable, "-m", "tests.storage.results.store_child", url, name]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self._lines = self._process.stdout
        self._told: list[int] = []

    def write(self, batches: int) -> None:
        """Wait until it has told of so many more."""
        self._told += [int(line) for line in itertools.islice(self._lines, batches)]

    def kill(self) -> list[str]:
        """Kill it, in whatever it does; return the ids of all alerts that it has told of, in order."""
        self._process.kill()
        self._told += [int(line) for line in self._lines if line.endswith(b"\n")]
        self._process.wait()
        self._lines.close()
        return [f"{self.name}-{number}" for number in self._told]


async def written(store: ResultStore) -> list[str]:
    """Return the ids of all alerts, in the order of their changes; all have both events, and none twice."""
    events: list[str] = []
    alerts: list[str] = []
    seq = 0
    while found := await store.changes(seq, limit=1000):
        for one in found:
            (events if isinstance(one, EventRecord) else alerts).append(one.id)
        seq = found[-1].seq
    assert sorted(events) == sorted([*alerts, *(f"{id_}-b" for id_ in alerts)])
    assert len(set(events)) == len(events)
    return alerts
