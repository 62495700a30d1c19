"""A runtime without processes: workloads that are imagined, and a clock that is turned by hand.

Decides as the real one does (`argus.control.runtime.lives`) and passes the same contract; what a program
would do is said by the test: `end`, `tell_port`, `set_ready`, `print`.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec

from argus.control.runtime import lives
from argus.control.runtime.crons import due, next_time
from argus.control.runtime.lives import End, Life
from argus.control.runtime.protocol import (
    ENDS,
    RuntimeUnavailable,
    Workload,
    WorkloadNotFound,
    WorkloadStatus,
)

_NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class _Imagined:
    workload: Workload
    life: Life
    due_s: float | None = None
    """When it is started by itself, in seconds of `FakeRuntime.seconds`."""
    started_s: float = 0.0
    port: int | None = None
    ready: bool = False
    healthy: bool = True


@dataclass(slots=True)
class FakeRuntime:
    """See the module, and `argus.control.runtime.protocol.Runtime`. Used from one event loop."""

    now: datetime = _NEW_YEAR
    """What the wall clock says; put it where you like: time does not pass by that."""
    seconds: float = 0.0
    """Time that has passed."""
    unavailable: str = ""
    """Why nothing is answered; empty: all is."""
    _workloads: dict[str, _Imagined] = field(default_factory=dict)
    _printed: dict[str, bytes] = field(default_factory=dict)
    _pids: itertools.count[int] = field(default_factory=lambda: itertools.count(1000))
    _changes: asyncio.Event = field(default_factory=asyncio.Event)

    async def ensure(self, workload: Workload) -> None:
        """See `Runtime.ensure`; it runs at once."""
        self._expect_available()
        if workload.schedule is not None:
            next_time(workload.schedule, self.now)
        one = self._workloads.get(workload.name)
        if one is None:
            one = _Imagined(workload, lives.begun(workload, self.now))
            self._workloads[workload.name] = one
            if workload.schedule is None:
                self._start(one, by_itself=False)
        elif workload != one.workload and not (
            workload.kind == one.workload.kind == "job" and one.life.state in ENDS
        ):
            before, one.workload = one.workload, workload
            if before.kind == workload.kind == "cron":
                one.life = msgspec.structs.replace(one.life, served=self.now)
            elif msgspec.structs.replace(before, config=workload.config) != workload:
                self._again(one)
        self._changes.set()

    async def remove(self, name: str) -> None:
        """See `Runtime.remove`; its program ends at once."""
        self._expect_available()
        if self._workloads.pop(name, None) is not None:
            self._changes.set()

    async def restart(self, name: str) -> None:
        """See `Runtime.restart`; likewise."""
        self._expect_available()
        self._again(self._one(name))

    async def statuses(self) -> Mapping[str, WorkloadStatus]:
        """See `Runtime.statuses`."""
        self._expect_available()
        return {name: self._status(one) for name, one in self._workloads.items()}

    async def logs(self, name: str, *, tail: int | None = None, follow: bool = False) -> AsyncIterator[bytes]:
        """See `Runtime.logs`; with `follow` it ends when the workload is removed."""
        self._expect_available()
        if name not in self._printed:
            self._one(name)
        lines = self._printed.get(name, b"").splitlines(keepends=True)
        told = sum(map(len, lines))
        if kept := b"".join(lines[len(lines) - min(tail, len(lines)) :] if tail is not None else lines):
            yield kept
        while follow and name in self._workloads:
            printed = self._printed.get(name, b"")
            end = printed.rfind(b"\n") + 1
            if end > told:
                yield printed[told:end]
                told = end
            await asyncio.sleep(0)

    async def changed(self) -> None:
        """See `Runtime.changed`."""
        self._expect_available()
        await self._changes.wait()
        self._changes.clear()

    async def close(self) -> None:
        """See `Runtime.close`."""

    def advance(self, seconds: float) -> None:
        """Let time pass, and do what falls due in it, in order."""
        until_s = self.seconds + seconds
        while (step_s := self._next_s()) <= until_s:
            self._pass(max(0.0, step_s - self.seconds))
            self._do_due()
        self._pass(until_s - self.seconds)
        self._do_due()

    def end(self, name: str, code: int = 0, *, lines: tuple[str, ...] = ()) -> None:
        """Let the process of a workload end by itself: with an exit code, or by a signal (below 0)."""
        one = self._running(name)
        self.print(name, "".join(f"{line}\n" for line in lines))
        told = f": {lines[-1]}" if lines and code else ""
        words = lives.exit_words(code)
        self._over(one, End(well=code == 0, exit=words, reason=words + told, lines=lines, code=code))

    def print(self, name: str, text: str) -> None:
        """Let it print something."""
        self._printed[name] = self._printed.get(name, b"") + text.encode()

    def tell_port(self, name: str, port: int) -> None:
        """Let it say where it listens."""
        self._running(name).port = port
        self._changes.set()

    def set_ready(self, name: str, ready: bool = True) -> None:
        """Let it answer at its readiness."""
        one = self._running(name)
        one.ready = ready
        if ready:
            one.life = lives.running(one.life, self.now, one.life.pid or 0, None, ready=True)
        self._changes.set()

    def set_healthy(self, name: str, healthy: bool = True) -> None:
        """Let it answer at its liveness."""
        self._running(name).healthy = healthy
        self._changes.set()

    def _start(self, one: _Imagined, *, by_itself: bool) -> None:
        one.due_s, one.port, one.healthy = None, None, True
        one.ready = one.workload.probes.readiness is None
        one.started_s = self.seconds
        one.life = lives.started(one.life, self.now, by_itself=by_itself)
        one.life = lives.running(one.life, self.now, next(self._pids), None, ready=one.ready)
        self._changes.set()

    def _again(self, one: _Imagined) -> None:
        one.life = lives.afresh(one.life)
        if one.life.pid is not None:
            one.life = msgspec.structs.replace(one.life, last_exit=lives.exit_words(0), last_lines=())
        self._start(one, by_itself=False)

    def _over(self, one: _Imagined, end: End) -> None:
        ran_s = self.seconds - one.started_s
        end = End(end.well, end.exit, end.reason, ran_s, end.lines, end.code, end.final)
        one.life, wait_s = lives.after_end(one.life, one.workload, end, self.now)
        one.due_s = None if wait_s is None else self.seconds + wait_s
        self._changes.set()

    def _next_s(self) -> float:
        """Return when something falls due, at the earliest."""
        found = float("inf")
        for one in self._workloads.values():
            found = min(found, one.due_s if one.due_s is not None else found)
            if one.workload.deadline_s is not None and one.life.pid is not None:
                found = min(found, one.started_s + one.workload.deadline_s)
            if one.workload.schedule is not None:
                _, following = due(one.workload.schedule, one.life.served, self.now)
                found = min(found, self.seconds + (following - self.now).total_seconds())
        return found

    def _pass(self, seconds: float) -> None:
        self.seconds += seconds
        self.now += timedelta(seconds=seconds)

    def _do_due(self) -> None:
        for one in tuple(self._workloads.values()):
            deadline_s = one.workload.deadline_s
            if deadline_s is not None and one.life.pid and self.seconds >= one.started_s + deadline_s:
                reason = f"ran longer than its deadline of {deadline_s:g} s"
                self._over(one, End(well=False, exit=reason, reason=reason, final=True))
            if one.due_s is not None and self.seconds >= one.due_s:
                self._start(one, by_itself=True)
            if one.workload.schedule is not None:
                self._look_at_clock(one, one.workload.schedule)

    def _look_at_clock(self, one: _Imagined, schedule: str) -> None:
        at, following = due(schedule, one.life.served, self.now)
        if at is not None:
            one.life = msgspec.structs.replace(one.life, served=at)
            if one.life.pid is None and one.life.state != "backing-off":
                self._start(one, by_itself=False)
        if one.life.state == "pending":
            one.life = msgspec.structs.replace(one.life, next_start=following)

    def _status(self, one: _Imagined) -> WorkloadStatus:
        life = one.life
        runs = life.pid is not None
        return WorkloadStatus(
            name=one.workload.name,
            kind=one.workload.kind,
            state=life.state,
            pid=life.pid,
            port=one.port if runs else None,
            ready=runs and one.ready,
            healthy=one.healthy,
            starts=life.starts,
            restarts=life.restarts,
            last_exit=life.last_exit,
            last_lines=life.last_lines,
            reason=life.reason,
            since=life.since,
            next_start=life.next_start,
            last_start=life.last_start,
            workload=one.workload,
        )

    def _one(self, name: str) -> _Imagined:
        if name not in self._workloads:
            raise WorkloadNotFound(f"there is no workload {name!r}")
        return self._workloads[name]

    def _running(self, name: str) -> _Imagined:
        one = self._one(name)
        if one.life.pid is None:
            raise ValueError(f"workload {name} does not run: it is {one.life.state}")
        return one

    def _expect_available(self) -> None:
        if self.unavailable:
            raise RuntimeUnavailable(self.unavailable)
