"""Looks at all processes again and again, to find out whether two of one workload ever live at once."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType
from typing import Self


class LivesSeen:
    """Watches the workers and jobs of a home from a thread while it is entered."""

    def __init__(self, home: Path) -> None:
        self._mark = f"ARGUS_HOME={home}".encode()
        self._over = threading.Event()
        self._known: dict[tuple[int, str], str | None] = {}
        self._thread = threading.Thread(target=self._run, name="lives-seen", daemon=True)
        self.processes: dict[str, list[int]] = {}
        """Process ids of each workload, in the order in which they were seen."""
        self.doubled: list[str] = []
        """What must stay empty."""
        self.looks = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._over.wait(0.01):
            living: dict[str, int] = {}
            for pid in [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()]:
                name = self._workload(pid)
                if name is None:
                    continue
                before = living.get(name)
                # One may have gone between two looks of one round: what counts is that both are there now.
                if before is not None and self._workload(before) == name and self._workload(pid) == name:
                    self.doubled.append(f"{name}: {before} and {pid}")
                living[name] = pid
                seen = self.processes.setdefault(name, [])
                if pid not in seen:
                    seen.append(pid)
            self.looks += 1

    def _workload(self, pid: int) -> str | None:
        """Return the workload that a process runs, where it is one of this home's and lives."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        if stat[0] in "ZX":
            return None
        key = (pid, stat[19])
        if key not in self._known:
            try:
                variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                return None
            module = next((word for word in command if word.startswith(b"argus.stream.")), None)
            if not any(variables):
                return None  # between two programs: look again
            if self._mark not in variables:
                self._known[key] = None
            elif module is None:
                return None  # may become a worker in a moment
            else:
                told = next((v for v in variables if v.startswith(b"ARGUS_WORKER_CONFIG=")), b"")
                self._known[key] = told.decode().rpartition("workloads/")[2].partition("/")[0]
        return self._known[key]
