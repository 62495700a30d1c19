"""One workload in a keeper's charge: what happens to its process, what is asked for, and what is done then.

Each run is a process of its own under the supervisor, which starts none again by itself: what follows an end
is decided in `lives`, and remembered in `files`. Used in the keeper's event loop alone.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec
import structlog

from argus.control.runtime import lives
from argus.control.runtime.crons import due, next_time
from argus.control.runtime.homes import born
from argus.control.runtime.house import House
from argus.control.runtime.limits import confine
from argus.control.runtime.lives import Life
from argus.control.runtime.probing import Probing
from argus.control.runtime.protocol import ENDS, Workload, WorkloadStatus
from argus.core.errors import UnknownName
from argus.processes.spec import ProcessStatus
from argus.processes.usage import Usage

_CLOCK_S: Final = 20.0
"""How often a cron looks at the clock at least: it may have been put forward."""
_LONGEST_PORT: Final = 65535


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
        self._probing = self._probing_anew()
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
        if isinstance(port, int) and 0 < port <= _LONGEST_PORT and port != self._probing.port:
            self._probing.hear(port)
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
            port=self._probing.port if pid is not None else None,
            ready=pid is not None and self._probing.ready and self._wish == "run",
            healthy=self._probing.healthy,
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
        self._last, self._blame, self._probing = None, "", self._probing_anew()
        self._asleep.clear()
        self._started_s = asyncio.get_running_loop().time()
        # Before it runs: who is killed now finds a run that was cut short, and does not do it twice.
        self._set(lives.started(self.life, _now(), by_itself=by_itself))
        self._house.start(self.process, workload)
        if workload.deadline_s is not None:
            self._deadline = asyncio.get_running_loop().call_later(workload.deadline_s, self._too_long)

    def _born(self, pid: int) -> None:
        workload = self.workload
        if workload.limits.cpus is not None:
            confine(pid, self._house.seats.take(workload.name, workload.limits.cpus))
        self._set(lives.running(self.life, _now(), pid, born(pid), ready=self._probing.ready))
        self._probing.begin(workload.probes.start_s)

    def _ended(self, status: ProcessStatus) -> None:
        self.process = ""
        self._asleep.set()
        self._house.seats.leave(self.workload.name)
        self._probing.close()
        if self._deadline is not None:
            self._deadline.cancel()
        ran_s = asyncio.get_running_loop().time() - self._started_s
        end = lives.end_of(status, ran_s, self._blame)
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

    def _probing_anew(self) -> Probing:
        return Probing(self.workload.probes, self._probed, self.condemn)

    def _probed(self) -> None:
        if self._probing.ready and self.life.state == "starting" and self.life.pid is not None:
            self._set(lives.running(self.life, _now(), self.life.pid, self.life.born, ready=True))
        self._house.changed()

    def _set(self, life: Life) -> None:
        self.life = life
        if not self.leaving:
            self._house.files.write_life(self.workload.name, life)
        self._house.changed()


def _now() -> datetime:
    return datetime.now(UTC)
