"""What shall run, and how it is doing: values, made by whoever wants a process and by its supervisor."""

from __future__ import annotations

from typing import Literal

import msgspec

from argus.core.errors import SpecError
from argus.processes.policy import RestartPolicy

State = Literal["starting", "running", "backing-off", "finished", "stopped", "failed"]
"""`starting`: has not said yet that it is ready. `backing-off`: will be started again. The last three
are ends: `finished` by itself and well, `stopped` as it was asked to, `failed` and given up."""
ENDS: frozenset[State] = frozenset({"finished", "stopped", "failed"})


class ProcessSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A command that shall run, and what to do on its bad days."""

    name: str
    """What it is called; one at a time has it."""
    command: tuple[str, ...]
    """Program and arguments; no shell reads them."""
    env: dict[str, str] = {}
    """Variables besides ours."""
    fds: tuple[int, ...] = ()
    """Descriptors it inherits under the same numbers; keep them open while it may be started again."""
    cwd: str | None = None
    """The folder it runs in; None: ours."""
    restart: RestartPolicy = RestartPolicy()
    start_deadline_s: float | None = None
    """Seconds until it must have said that it is ready; None: it is ready when it runs, as commands that
    know nothing of us are."""
    hang_after_s: float | None = None
    """A single call longer than this, or no beat for so long, ends it with a traceback; None: it may take
    its time. Only for programs that have a `Line`. Shorter notices sooner; longer spares slow work."""
    drain_s: float = 10.0
    """Seconds from asking it to end (SIGTERM) to ending it (SIGKILL)."""
    log: str | None = None
    """File to which its stdout and stderr are appended; None: they go where ours go."""
    log_bytes: int = 10 * 1024 * 1024
    """A log that has grown to this size is put aside, and a new one begins."""
    log_keep: int = 3
    """Logs put aside that are kept: `log.1` is the newest."""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not self.name:
            raise SpecError("process without a name: give it one")
        command: object = self.command
        if isinstance(command, str) or not self.command or not self.command[0]:
            raise SpecError(
                f"process {self.name}: command is {self.command!r}: list a program and its arguments"
            )
        if any("\0" in text for text in (*self.command, *self.env, *self.env.values(), self.cwd or "")):
            raise SpecError(f"process {self.name}: its command or environment has a NUL in it: remove it")
        for field in ("start_deadline_s", "hang_after_s"):
            value = getattr(self, field)
            if value is not None and not value > 0:
                raise SpecError(f"process {self.name}: {field} is {value}: it must be above 0, or None")
        if not self.drain_s >= 0:
            raise SpecError(f"process {self.name}: drain_s is {self.drain_s}: it must be 0 or more")
        if self.log_bytes < 1 or self.log_keep < 0:
            raise SpecError(f"process {self.name}: log_bytes must be at least 1 and log_keep at least 0")


class ProcessStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One process at one moment."""

    name: str
    state: State
    pid: int | None = None
    starts: int = 0
    """How often it was started, or tried to be."""
    restarts: int = 0
    """Starts because it had ended by itself."""
    reason: str = ""
    """Why it is not running, or why it last ended: one line."""
    detail: str = ""
    """The traceback of all its threads, where it crashed or was stuck."""
    code: int | None = None
    """How it last ended, as `subprocess` says it (below 0: a signal); None: it has not, or did not start."""
    output: str = ""
    """The last that it printed before it last ended, where it has a log: 8 KiB at most."""
    since: float = 0.0
    """When `state` began, in monotonic seconds."""

    @property
    def over(self) -> bool:
        """True when it does not run and will not be started again by itself."""
        return self.state in ENDS
