"""One workload in a keeper's charge: what happens to its process, what is asked for, and what is done then.

Each run is a process of its own under the supervisor, which starts none again by itself: what follows an end
is decided in `lives`, and remembered in `files`. Used in the keeper's event loop alone.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import structlog

from argus.control.runtime import lives
from argus.control.runtime.crons import due, next_time
from argus.control.runtime.files import Files
from argus.control.runtime.homes import born
from argus.control.runtime.limits import Seats, confine
from argus.control.runtime.lives import End, Life
from argus.control.runtime.probing import ask
from argus.control.runtime.protocol import ENDS, Workload, WorkloadStatus
from argus.core.errors import UnknownName
from argus.processes.endings import exit_text, one_line
from argus.processes.policy import RestartPolicy
from argus.processes.spec import ProcessSpec, ProcessStatus
from argus.processes.supervisor import Supervisor
from argus.processes.usage import Usage

CONFIG_VARIABLE: Final = "ARGUS_WORKER_CONFIG"
_NEVER: Final = RestartPolicy(when="never")
_LINES: Final = 20
_CLOCK_S: Final = 20.0
"""How often a cron looks at the clock at least: it may have been put forward."""
_SOON_S: Final = 0.1
"""How often a workload is asked that is not ready yet."""
_LONGEST_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class House:
    """What all workloads share."""

    supervisor: Supervisor
    files: Files
    logs: Path
    seats: Seats
    changed: Callable[[], None]
    """To be called when a status is another."""


class Kept:
    """See the module."""

    def __init__(self, workload: Workload, life: Life, house: House) -> None:
        """Wait for `begin`."""
        self.workload = workload
        self.life = life
        self.gone = asyncio.Event()
        """Set when it was removed and nothing of it runs."""
        self.process = ""
        """What its process is called in the supervisor; empty: it has none."""
        self._house = house
        self._runs = 0
        self._wish: Literal["run", "again", "stop", "gone"] = "run"
        self._asleep = asyncio.Event()
        self._asleep.set()
        self._last: ProcessStatus | None = None
        self._blame = ""
        self._started_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._clock: asyncio.TimerHandle | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._probing: asyncio.Task[None] | None = None
        self._heard = asyncio.Event()
        self._port: int | None = None
        self._ready = False
        self._healthy = True
        self._log = structlog.get_logger().bind(workload=workload.name)

    @property
    def leaving(self) -> bool:
        """True when it is being removed."""
        return self._wish == "gone"

    def begin(self, wait_s: float | None) -> None:
        """Start it after so many seconds, or let a cron wait for its time."""
        self._house.files.write_life(self.workload.name, self.life)
        if wait_s is not None:
            self._after(wait_s, by_itself=self.life.state == "backing-off")
        self._look_at_clock()

    def ensure(self, workload: Workload) -> None:
        """See `Runtime.ensure`; not for one that is leaving.

        Raises:
            SpecError: its schedule cannot be understood.
            OutputError: its files cannot be written; all stays as it was.
        """
        before = self.workload
        if workload == before or (before.kind == workload.kind == "job" and self.life.state in ENDS):
            return
        if workload.schedule is not None:
            next_time(workload.schedule, _now())
        self._house.files.write(workload)
        self.workload = workload
        if msgspec.structs.replace(before, config=workload.config) == workload:
            self._log.info("keeper.config_replaced")
        elif before.kind == workload.kind == "cron":
            self.life = msgspec.structs.replace(self.life, served=_now())
            self._look_at_clock()
        else:
            if before.kind != workload.kind:
                known = self.life
                self.life = lives.begun(workload, _now())
                self.life = msgspec.structs.replace(self.life, pid=known.pid, born=known.born)
            self._again()
            self._look_at_clock()
        self._house.changed()

    def restart(self) -> None:
        """See `Runtime.restart`."""
        if self._wish == "run":
            self._again()
            self._house.changed()

    def remove(self) -> None:
        """See `Runtime.remove`; `gone` tells."""
        if self._wish == "gone":
            return
        self._wish = "gone"
        self._house.files.release(self.workload.name)
        self._end()

    async def stop(self) -> None:
        """Let it end, and return when it has; a new keeper goes on with it."""
        if self._wish != "gone":
            self._wish = "stop"
        self._end()
        await self._asleep.wait()

    def told(self, message: dict[str, Any]) -> None:
        """Hear what its program told."""
        port = message.get("port")
        if isinstance(port, int) and 0 < port <= _LONGEST_PORT and port != self._port:
            self._port = port
            self._heard.set()
            self._house.changed()

    def hear(self, status: ProcessStatus) -> None:
        """Hear how its process is doing."""
        if status.pid is not None and status.pid != self.life.pid:
            self._born(status.pid)
        if not status.over:
            return
        if self._last is None:
            self._last = status
        try:
            self._house.supervisor.status(self.process)
        except UnknownName:
            self._ended(self._last)
        else:
            self._let_end()

    def condemn(self, reason: str) -> None:
        """Kill its process for a fault that was found from outside."""
        if self.process:
            with contextlib.suppress(UnknownName):  # it has ended, which is being told
                self._house.supervisor.condemn(self.process, reason)

    def status(self, usage: Usage | None) -> WorkloadStatus:
        """Return how it is doing."""
        life = self.life
        pid = life.pid if self.process else None
        return WorkloadStatus(
            name=self.workload.name,
            kind=self.workload.kind,
            state=life.state,
            pid=pid,
            port=self._port if pid is not None else None,
            ready=pid is not None and self._ready and self._wish == "run",
            healthy=self._healthy,
            starts=life.starts,
            restarts=life.restarts,
            last_exit=life.last_exit,
            last_lines=life.last_lines,
            reason="is being ended" if pid is not None and self._wish != "run" else life.reason,
            since=life.since,
            next_start=life.next_start,
            last_start=life.last_start,
            memory_bytes=usage.memory_bytes if usage is not None and pid is not None else 0,
            cpu_s=usage.cpu_s if usage is not None and pid is not None else 0.0,
            workload=self.workload,
        )

    def _again(self) -> None:
        self.life = lives.afresh(self.life)
        if self.process:
            self._wish = "again"
            self._end()
        else:
            self._start(by_itself=False)

    def _end(self) -> None:
        for timer in (self._timer, self._clock, self._deadline):
            if timer is not None:
                timer.cancel()
        if self.process:
            self._let_end()
        elif self._wish == "gone":
            self._house.files.forget(self.workload.name)
            self.gone.set()
        elif self._wish == "stop":
            self._set(lives.paused(self.life, self.workload, _now()))
        self._house.changed()

    def _after(self, wait_s: float, *, by_itself: bool) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(wait_s, lambda: self._start(by_itself=by_itself))

    def _start(self, *, by_itself: bool) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self.process or self._wish != "run":
            return
        workload = self.workload
        self._runs += 1
        self.process = f"{workload.name}.{self._runs}"
        self._last, self._blame, self._port, self._ready, self._healthy = None, "", None, False, True
        self._heard.clear()
        self._asleep.clear()
        self._started_s = asyncio.get_running_loop().time()
        # Before it runs: who is killed now finds a run that was cut short, and does not do it twice.
        self._set(lives.started(self.life, _now(), by_itself=by_itself))
        self._house.supervisor.add(
            ProcessSpec(
                name=self.process,
                command=workload.command,
                env={**workload.env, CONFIG_VARIABLE: str(self._house.files.config_path(workload.name))},
                restart=_NEVER,
                hang_after_s=workload.hang_after_s,
                drain_s=lives.DRAIN_S,
                log=str(self._house.logs / f"{workload.name}.log"),
            )
        )
        if workload.deadline_s is not None:
            self._deadline = asyncio.get_running_loop().call_later(workload.deadline_s, self._too_long)

    def _born(self, pid: int) -> None:
        workload = self.workload
        if workload.limits.cpus is not None:
            confine(pid, self._house.seats.take(workload.name, workload.limits.cpus))
        self._ready = workload.probes.readiness is None
        self._set(lives.running(self.life, _now(), pid, born(pid), ready=self._ready))
        if workload.probes.readiness is not None or workload.probes.liveness is not None:
            self._probing = asyncio.create_task(self._probe(self.process))

    def _ended(self, status: ProcessStatus) -> None:
        self.process = ""
        self._asleep.set()
        self._house.seats.leave(self.workload.name)
        if self._probing is not None:
            self._probing.cancel()
        if self._deadline is not None:
            self._deadline.cancel()
        end = self._end_of(status)
        if self._wish == "run":
            life, wait_s = lives.after_end(self.life, self.workload, end, _now())
            self._log.info("keeper.workload_ended", reason=end.reason, state=life.state, wait_s=wait_s)
            self._set(life)
            if wait_s is not None:
                self._after(wait_s, by_itself=True)
            self._look_at_clock()
            return
        self.life = msgspec.structs.replace(
            self.life, pid=None, born=None, last_exit=end.exit, last_lines=end.lines
        )
        if self._wish == "again":
            self._wish = "run"
            self._start(by_itself=False)
            self._look_at_clock()
        else:
            self._end()  # there is nothing left to be ended

    def _end_of(self, status: ProcessStatus) -> End:
        code, reason = status.code, status.reason
        words = reason
        if code is not None:
            plain, words = exit_text(code), lives.exit_words(code)
            if reason.startswith(plain):
                reason = words + reason.removeprefix(plain)
            elif reason != "stopped":
                words = reason  # it was ended for a fault, which says more than the signal that did it
        if self._blame:
            words = reason = self._blame
        lines = [shown for line in status.output.splitlines() if (shown := one_line(line))]
        return End(
            well=status.state == "finished" and not self._blame,
            exit=words,
            reason=reason,
            ran_s=asyncio.get_running_loop().time() - self._started_s,
            lines=tuple(lines[-_LINES:]),
            code=code,
            final=bool(self._blame),
        )

    def _too_long(self) -> None:
        if self.process and self._wish == "run":
            self._blame = f"ran longer than its deadline of {self.workload.deadline_s:g} s"
            self._let_end()

    def _let_end(self) -> None:
        with contextlib.suppress(UnknownName):  # it has ended, which is being told
            self._house.supervisor.remove(self.process, wait=False)

    def _look_at_clock(self) -> None:
        """Start a cron whose time has come, and look again in time."""
        if self._clock is not None:
            self._clock.cancel()
        schedule = self.workload.schedule
        if schedule is None or self._wish in {"stop", "gone"}:
            return
        now = _now()
        at, following = due(schedule, self.life.served, now)
        if at is not None:
            self.life = msgspec.structs.replace(self.life, served=at)
            if self.process or self.life.state == "backing-off":
                self._log.warning("keeper.cron_skipped", at=at.isoformat(), reason="its last run goes on")
            else:
                self._start(by_itself=False)
        if not self.process and self.life.state == "pending" and self.life.next_start != following:
            self._set(msgspec.structs.replace(self.life, next_start=following))
        wait_s = min(max((following - _now()).total_seconds(), 0.01), _CLOCK_S)
        self._clock = asyncio.get_running_loop().call_later(wait_s, self._look_at_clock)

    async def _probe(self, process: str) -> None:
        probes = self.workload.probes
        silent = 0
        while self.process == process:
            if self._port is None:
                left_s = self._started_s + probes.start_s - asyncio.get_running_loop().time()
                try:
                    async with asyncio.timeout(left_s):
                        await self._heard.wait()
                except TimeoutError:
                    self.condemn(f"did not tell its port within {probes.start_s:g} s of its start")
                    return
            port = self._port
            assert port is not None
            ready, healthy = True, True
            if probes.liveness is not None:
                answer = await ask(port, probes.liveness, probes.timeout_s)
                silent = silent + 1 if answer is None else 0
                healthy = _well(answer)
                if silent >= probes.failures:
                    self.condemn(f"did not answer at {probes.liveness} {silent} times in a row")
                    return
            if probes.readiness is not None:
                ready = _well(await ask(port, probes.readiness, probes.timeout_s))
            self._probed(ready, healthy)
            await asyncio.sleep(probes.every_s if ready else min(probes.every_s, _SOON_S))

    def _probed(self, ready: bool, healthy: bool) -> None:
        if (ready, healthy) == (self._ready, self._healthy):
            return
        self._ready, self._healthy = ready, healthy
        if ready and self.life.state == "starting" and self.life.pid is not None:
            self._set(lives.running(self.life, _now(), self.life.pid, self.life.born, ready=True))
        self._house.changed()

    def _set(self, life: Life) -> None:
        self.life = life
        if not self.leaving:
            self._house.files.write_life(self.workload.name, life)
        self._house.changed()


def _well(answer: int | None) -> bool:
    return answer is not None and 200 <= answer < 400


def _now() -> datetime:
    return datetime.now(UTC)
