"""A control plane as a process of its own in a home of its own, and a sure end for all that it starts."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from argus.control.client import Client
from argus.control.lock import ControlNote, read_note
from argus.control.runtime.homes import read_note as read_keeper_note
from argus.core.errors import ArgusError
from argus.core.settings import Settings

T = TypeVar("T")
Json = dict[str, Any]


def until(what: Callable[[], T | None], within_s: float = 30.0, *, told: Callable[[], object] = str) -> T:
    """Return what is true of `what` as soon as anything is; what goes wrong meanwhile counts as not yet.

    Args:
        what: Is asked again and again.
        within_s: Patience, in seconds.
        told: What a failure is to say besides.
    """
    end = time.monotonic() + within_s
    last: object = None
    while time.monotonic() < end:
        try:
            found = what()
        except (ArgusError, LookupError, OSError) as error:
            last = error
        else:
            if found:
                return found
            last = found
        time.sleep(0.02)
    raise AssertionError(f"it did not come to that in {within_s:g} s; last: {last!r}; {told()}")


class Machine:
    """One home and the control plane on it, which may be killed and started again.

    As a context it ends everything, whatever has happened.
    """

    def __init__(self, home: Path, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        """Know the home; nothing runs yet.

        Args:
            home: A folder with a short path: sockets lie in it.
            arguments: Of `argus up`, besides.
            env: Variables, besides.
        """
        self.home = home
        self.settings = Settings(home)
        self.arguments = arguments
        self.env = {**os.environ, **(env or {}), "ARGUS_HOME": str(home)}
        for name in ("ARGUS_SERVER", "ARGUS_API_KEY", "ARGUS_STORE", "ARGUS_RESULTS", "ARGUS_BLOBS"):
            if name not in (env or {}):
                self.env.pop(name, None)
        self.started_s = 0.0
        """How long the last start took, until it answered."""
        self._process: subprocess.Popen[bytes] | None = None
        self._client: Client | None = None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all of it."""
        if kind is not None:
            print(self.said())
        self.remove()

    @property
    def client(self) -> Client:
        """Asks the control plane that runs now."""
        assert self._client is not None, "start it first"
        return self._client

    @property
    def pid(self) -> int:
        """Of the control plane."""
        assert self._process is not None
        return self._process.pid

    @property
    def keeper(self) -> int:
        """Process id of the keeper."""
        note = read_keeper_note(self.settings.run)
        assert note is not None, "no keeper runs"
        return note.pid

    @property
    def log(self) -> Path:
        """What the control plane says."""
        return self.home / "logs" / "e2e-control.log"

    def start(self, *more: str, within_s: float = 60.0) -> Self:
        """Start a control plane as `argus up -d` does; return when it answers."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        began_s = time.monotonic()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable, "-m", "argus", "up", "--leave-running", "--port", "0",
                    *self.arguments, *more,
                ],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env=self.env, cwd=self.home,
            )  # fmt: skip
        note = until(self._told, within_s, told=self.said)
        self.started_s = time.monotonic() - began_s
        self._use(note)
        return self

    def _told(self) -> ControlNote | None:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"it ended with {self._process.returncode}: {self.said()}")
        note = read_note(self.settings)
        return note if note is not None and note.pid == self._process.pid else None

    def _use(self, note: ControlNote) -> None:
        if self._client is not None:
            self._client.close()
        self._client = Client(note.url)

    def adopt(self) -> None:
        """Use the one that a command has started."""
        note = read_note(self.settings)
        assert note is not None, "none runs"
        self._use(note)

    def kill(self) -> None:
        """Kill the control plane, and nothing else."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    def stop(self) -> int:
        """End the control plane in good order; its workers go on."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(30)

    def command(
        self, *words: str, check: bool = True, within_s: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        """Run an `argus` command as a user does."""
        done = subprocess.run(
            [sys.executable, "-m", "argus", *words],
            env=self.env, cwd=self.home, capture_output=True, text=True, timeout=within_s, check=False,
        )  # fmt: skip
        if check and done.returncode:
            raise AssertionError(f"argus {' '.join(words)} ended with {done.returncode}: {done.stderr}")
        return done

    def json(self, *words: str) -> Any:
        """Return what a command with `-o json` prints."""
        return json.loads(self.command(*words, "-o", "json").stdout)

    def workload(self, name: str | None = None) -> Json:
        """Return the status of a workload; None: of the only one."""
        found = self.client.workloads()
        if name is None:
            if len(found) != 1:
                raise LookupError(f"{len(found)} workloads")
            return found[0]
        named = [item for item in found if item["metadata"]["name"] == name]
        if not named:
            raise LookupError(f"no workload {name}")
        return named[0]

    def worker(
        self, *, other_than: int | None = None, name: str | None = None, within_s: float = 60.0
    ) -> Json:
        """Wait for a worker that is ready; return its status.

        Args:
            other_than: A process id that it must not have.
            name: Of the workload; None: the only one.
            within_s: Patience.
        """

        def ready() -> Json | None:
            status: Json = self.workload(name)["status"]
            return status if status["ready"] and status["pid"] not in (None, other_than) else None

        return until(ready, within_s, told=self.said)

    def condition(self, kind: str, name: str, type_: str) -> Json:
        """Return one condition of a resource; empty where nobody has said it."""
        conditions = self.client.get(kind, name).get("status", {}).get("conditions", [])
        return next((one for one in conditions if one["type"] == type_), {})

    def comes_to(
        self,
        kind: str,
        name: str,
        type_: str,
        reason: str,
        *,
        status: str | None = None,
        within_s: float = 60.0,
    ) -> Json:
        """Wait for a condition with a reason; return it."""

        def said() -> Json | None:
            one = self.condition(kind, name, type_)
            return one if one.get("reason") == reason and status in (None, one["status"]) else None

        return until(said, within_s, told=lambda: (self.client.get(kind, name).get("status"), self.said()))

    def runs(self, pipeline: str, *, within_s: float = 60.0) -> Json:
        """Wait until a pipeline runs as it is declared now; return it."""

        def running() -> Json | None:
            resource = self.client.get("pipeline", pipeline)
            ready = self.condition("pipeline", pipeline, "Ready")
            current = ready.get("observedGeneration") == resource["metadata"]["generation"]
            return resource if current and ready.get("reason") in {"Running", "ServiceReduced"} else None

        return until(running, within_s, told=lambda: (self.client.get("pipeline", pipeline), self.said()))

    def processes(self) -> list[int]:
        """Return all processes of this home but the control plane that is ours."""
        mark = f"ARGUS_HOME={self.home}".encode()
        found = []
        for folder in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if folder.name.isdigit() and mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
        ours = self._process.pid if self._process is not None else -1
        return [pid for pid in found if pid not in {ours, os.getpid()}]

    def said(self) -> str:
        """Return the ends of all logs."""
        parts = []
        for path in sorted((self.home / "logs").glob("*.log")) + sorted((self.home / "run").glob("*.log")):
            with contextlib.suppress(OSError):
                parts.append(
                    f"--- {path.name}\n" + "\n".join(path.read_text("utf-8", "replace").splitlines()[-30:])
                )
        return "\n".join(parts)

    def kill_all(self) -> None:
        """Kill everything of this home at once: control plane, keeper, guard, workers."""
        pids = self.processes()
        if self._process is not None:
            pids.append(self._process.pid)
        kill(*pids)
        if self._process is not None:
            self._process.wait(10)
        # One that was begun in that very moment was not among them.
        until(self._killed, 10.0, told=self.said)

    def _killed(self) -> bool:
        left = self._alive()
        kill(*left)
        return not left

    def _alive(self) -> list[int]:
        return [pid for pid in self.processes() if lives(pid)]

    def remove(self) -> None:
        """End everything of this home, however it is; idempotent."""
        if self._client is not None:
            self._client.close()
        # In this order: who is killed later could start anew who was killed before.
        for _ in range(50):
            if self._process is not None and self._process.poll() is None:
                self._process.kill()
                self._process.wait(10)
            left = self._alive()
            if not left:
                return
            kill(*left)
            time.sleep(0.05)
        raise AssertionError(f"processes of {self.home} do not end: {left}")


def kill(*pids: int) -> None:
    """Kill processes."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def lives(pid: int) -> bool:
    """Return whether a process is there and is more than a number that its parent has not taken back."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] not in {"Z", "X"}


@contextlib.contextmanager
def new_home() -> Iterator[Path]:
    """Make a folder whose path is short enough for sockets; it goes afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="ae-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
