"""Workloads, and what runs them: the seam between what shall run and where.

`LocalRuntime` runs processes on this machine; others make Deployments, Jobs and CronJobs of the same values.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Final, Literal, Protocol

import msgspec

from argus.core.errors import ArgusError, SpecError

WorkloadKind = Literal["service", "job", "cron"]
WorkloadState = Literal["pending", "starting", "running", "backing-off", "succeeded", "failed", "stopped"]
"""`pending`: not started yet (of a cron: waits for its time). `backing-off`: it died and will be started
again. The last three are ends."""
ENDS: Final[frozenset[WorkloadState]] = frozenset({"succeeded", "failed", "stopped"})
_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class RuntimeUnavailable(ArgusError, ConnectionError):
    """What runs workloads does not answer; the same call may work later."""

    def __str__(self) -> str:
        """Return the message alone."""
        return str(self.args[0]) if self.args else ""


class WorkloadNotFound(ArgusError, LookupError):
    """There is no such workload."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a workload may take, where the system can hold it to that; None: whatever is there."""

    memory_bytes: int | None = None
    cpus: float | None = None


class Probes(msgspec.Struct, frozen=True, kw_only=True):
    """How its state is asked for, over HTTP at the port that it told; None: it is as long as it runs."""

    readiness: str | None = None
    liveness: str | None = None
    every_s: float = 1.0
    timeout_s: float = 5.0
    """An answer that takes longer is none."""
    start_s: float = 120.0
    """Seconds from its start until it must have told its port; after that it is started again."""
    failures: int = 3
    """Refusals or silences of `liveness` in a row before it is started again. A 503 there is an answer: a
    worker whose camera is dead is unhealthy, and starting it again would help nobody; only silence counts."""


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """A thing to run. Equal values mean that there is nothing to do."""

    name: str
    kind: WorkloadKind = "service"
    command: tuple[str, ...]
    env: dict[str, str] = {}
    """Besides what the runtime's own environment gives; may hold secrets: kept for its owner alone."""
    config: str = ""
    """Text of the file whose path it finds in `ARGUS_WORKER_CONFIG`. A change of it alone replaces the file
    and starts nothing again: the program looks."""
    limits: Limits = Limits()
    probes: Probes = Probes()
    schedule: str | None = None
    """Five fields of cron, for a cron."""
    deadline_s: float | None = None
    """A job that runs longer is ended and has failed."""
    retries: int = 3
    """Of a job: how often it is started again after it failed."""
    hang_after_s: float | None = 60.0
    """See `ProcessSpec.hang_after_s`; for programs that have a line. None: it may take its time."""
    owner: tuple[str, str] | None = None
    """Kind and name of the resource that it is for, where there is one."""

    def __post_init__(self) -> None:
        """Refuse what cannot be; names become files and are read by people."""
        if not is_label(self.name):
            raise SpecError(
                f"workload {self.name[:80]!r}: a name is at most 63 small letters, digits and hyphens, "
                "and begins and ends with a letter or digit"
            )
        command: object = self.command
        if isinstance(command, str) or not self.command or not self.command[0]:
            raise SpecError(f"workload {self.name}: it has no command: list a program and its arguments")
        if any("\0" in text for text in (*self.command, *self.env, *self.env.values())):
            raise SpecError(f"workload {self.name}: its command or environment has a NUL in it: remove it")
        if (self.kind == "cron") != (self.schedule is not None):
            raise SpecError(f"workload {self.name}: a schedule belongs to a cron, and to nothing else")
        for what, number in (
            ("deadline_s", self.deadline_s),
            ("hang_after_s", self.hang_after_s),
            ("limits.cpus", self.limits.cpus),
            ("limits.memory_bytes", self.limits.memory_bytes),
            ("probes.every_s", self.probes.every_s),
            ("probes.timeout_s", self.probes.timeout_s),
            ("probes.failures", self.probes.failures),
        ):
            if number is not None and not number > 0:
                raise SpecError(f"workload {self.name}: {what} is {number}: it must be above 0")
        if self.retries < 0:
            raise SpecError(f"workload {self.name}: retries is {self.retries}: it must be 0 or more")


class WorkloadStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One workload at one moment."""

    name: str
    kind: WorkloadKind
    state: WorkloadState
    pid: int | None = None
    port: int | None = None
    """Where it listens on loopback, once it has told."""
    ready: bool = False
    """It runs and `readiness` says yes."""
    healthy: bool = True
    """`liveness` says yes, or does not exist."""
    starts: int = 0
    restarts: int = 0
    last_exit: str = ""
    """How it ended last, in words: `exit code 1`, `killed by SIGKILL`."""
    last_lines: tuple[str, ...] = ()
    """The last lines that it printed before it ended last."""
    reason: str = ""
    """Why it is not running: one line."""
    since: datetime
    """When `state` began, UTC."""
    next_start: datetime | None = None
    """When it is started again, or a cron's next time."""
    last_start: datetime | None = None
    memory_bytes: int = 0
    cpu_s: float = 0.0
    """CPU seconds of its present process."""
    workload: Workload | None = None
    """As it was last ensured."""


def is_label(name: str) -> bool:
    """Return whether a workload may be called so: a DNS label."""
    return _LABEL.fullmatch(name) is not None


class Runtime(Protocol):
    """Runs workloads. Every method may raise `RuntimeUnavailable`.

    What runs goes on when the program that holds the runtime dies, and is found again by the next one: never
    two of one name at once.
    """

    async def ensure(self, workload: Workload) -> None:
        """See to it that a workload runs as described; nothing happens where it does.

        Another config alone is handed over without a restart; whatever else is different starts it again. A
        job that has ended stays ended, and as it was, unless it is removed first. Of a cron the run that is
        under way goes on as it began. Returns when it is seen to, which may be before it runs.

        Raises:
            SpecError: its schedule cannot be understood.
        """
        ...

    async def remove(self, name: str) -> None:
        """End it in good order and forget it; return when it is gone. Nothing happens where there is none.

        Side by side for several: each may take its ten seconds.
        """
        ...

    async def restart(self, name: str) -> None:
        """End it and start it again, also where it has ended or waits; a cron has a run now.

        Raises:
            WorkloadNotFound: there is none.
        """
        ...

    async def statuses(self) -> Mapping[str, WorkloadStatus]:
        """Return all, by name."""
        ...

    def logs(self, name: str, *, tail: int | None = None, follow: bool = False) -> AsyncIterator[bytes]:
        """Yield what it prints, in portions of whole lines: the last `tail` lines, then what comes.

        Raises:
            WorkloadNotFound: there is none, and none has left a log.
        """
        ...

    async def changed(self) -> None:
        """Return when something about a workload is different from when this was last asked.

        What it takes of the machine does not count. For one caller.
        """
        ...

    async def close(self) -> None:
        """Let go; what runs goes on."""
        ...
