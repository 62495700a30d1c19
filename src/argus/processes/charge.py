"""One process in the supervisor's charge, from `add` to `remove`: what happens to it, and what follows.

Lives in the supervisor's thread. Decisions are `restarts` and `pulse`, calls to the system are `child`;
here they come together.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec
import structlog

from argus.processes.child import Child, NotStarted
from argus.processes.house import House
from argus.processes.restarts import History
from argus.processes.rounds import Timer
from argus.processes.run import Run
from argus.processes.spec import ProcessSpec, ProcessStatus, State
from argus.processes.words import Beat, Drain, Failed, FromChild, Hello, Ready, Tell, encoded

Wish = Literal["stop", "start again", "be gone"]
"""What was asked for by somebody, other than by the policy."""
_DRAIN: Final = encoded(Drain())
_LET_GO_S: Final = 10.0
_DUMP_S: Final = 1.0
_DUMP_PAUSE_S: Final = 0.1


class Charge:
    """See the module. All but the making of it is for the supervisor's thread."""

    def __init__(self, spec: ProcessSpec, house: House, changed: Callable[[Charge], None]) -> None:
        """Wait for `begin`; `changed` is called when `status` is another, or when it is `gone`."""
        self.spec = spec
        self.status = ProcessStatus(name=spec.name, state="starting", since=time.monotonic())
        self.gone = False
        self._house = house
        self._changed = changed
        self._history = History()
        self._child: Child | None = None
        self._run = Run.begun(0.0, spec)
        self._wish: Wish | None = None
        self._timer: Timer | None = None
        self._start_at: float | None = None
        self._log = structlog.get_logger().bind(process=spec.name)

    def begin(self) -> None:
        """Start it for the first time, unless something else was wished meanwhile."""
        if self._wish is None:
            self._start(by_itself=False)

    def wish(self, wish: Wish) -> None:
        """Let it end, as somebody asks for: for now, for good, or to be started again."""
        if self._wish == "be gone":
            return
        self._wish = wish
        if self._child is None:
            self._follow_wish(self.status.reason, self.status.detail)
        elif self._run.kill_at is None:
            self._child.send(_DRAIN)
            self._watch_line()
            # A program that knows of us ends what it has started itself, in good order.
            self._child.terminate(group=not self._run.pulse.heard)
            self._run.kill_at = time.monotonic() + self.spec.drain_s
            self._arm()

    def tell(self, data: bytes) -> None:
        """Send it a message, encoded; lost where it does not run or has long not listened."""
        if self._child is None or not self._child.send(data):
            self._log.warning("process.not_told", bytes=len(data))
        else:
            self._watch_line()

    def condemn(self, reason: str) -> None:
        """Kill it for a reason that somebody else has found; the policy says what follows."""
        if self._child is None or self._run.killed or self._run.kill_at is not None:
            return
        self._run.condemned = True
        if self._run.dump_until is None:
            self._end_it(reason)
            self._arm()

    def oversleep(self, now_s: float) -> None:
        """Hear that the supervisor was not awake for a while."""
        self._run.pulse.oversleep(now_s)

    def _start(self, *, by_itself: bool) -> None:
        self._run, self._start_at = Run.begun(time.monotonic(), self.spec), None
        # Told with the state that follows: one that still waits to be started has not been started once more.
        counts = {"starts": self.status.starts + 1, "restarts": self.status.restarts + by_itself}
        try:
            self._house.open_log(self.spec)
            child = Child(self.spec, self._house.environment(self.spec))
        except NotStarted as error:
            self.status = msgspec.structs.replace(self.status, **counts)
            self._over(str(error), "", None, well=False)
            return
        self._child = child
        self._house.standby.born(child.pid)
        rounds = self._house.rounds
        rounds.watch(child.pidfd, self._on_end)
        rounds.watch(child.line.fileno(), self._on_line)
        rounds.watch(child.dump, self._on_dump)
        if child.output >= 0:
            rounds.watch(child.output, self._on_output)
        self._set("running" if self._run.pulse.ready else "starting", pid=child.pid, **counts)
        self._arm()

    def _on_line(self) -> None:
        if self._child is None:
            return
        self._child.flush()
        before = self._child.heard_bytes
        words = self._child.hear()
        if words is None:
            self._house.rounds.unwatch(self._child.line.fileno())
            return
        self._watch_line()
        if self._run.pulse.heard and self._child.heard_bytes > before:
            # Also half of a message is a sign of life: the next beat stands behind it.
            self._run.pulse.speak(time.monotonic())
        self._understand(words)
        self._look()

    def _watch_line(self) -> None:
        assert self._child is not None
        self._house.rounds.watch(self._child.line.fileno(), self._on_line, write=self._child.unsent)

    def _understand(self, words: list[FromChild]) -> None:
        now_s = time.monotonic()
        for word in words:
            match word:
                case Hello(thread):
                    self._run.said.thread = thread
                    self._run.pulse.speak(now_s)
                case Beat(busy_s):
                    self._run.pulse.beat(now_s, busy_s)
                case Ready():
                    self._run.pulse.be_ready(now_s)
                    if self.status.state == "starting":
                        self._set("running")
                case Failed(reason):
                    self._run.said.hear_failure(reason)
                case Tell(message):
                    self._house.said(self.spec.name, message)

    def _on_output(self) -> None:
        if self._child is None:
            return
        data = self._child.read_output()
        if data is None:
            self._house.rounds.unwatch(self._child.output)
        else:
            self._keep_output(data)

    def _keep_output(self, data: bytes) -> None:
        self._run.said.keep_printed(data)
        self._house.print(self.spec, data)

    def _on_dump(self) -> None:
        if self._child is None:
            return
        data = self._child.read_dump()
        if data is None:
            self._house.rounds.unwatch(self._child.dump)
            return
        self._run.said.keep_dump(data)
        if self._run.dump_until is not None:
            self._run.dump_until = min(self._run.dump_until, time.monotonic() + _DUMP_PAUSE_S)
            self._arm()

    def _on_time(self) -> None:
        self._timer = None
        self._look()

    def _look(self) -> None:
        """Do what is due."""
        now_s = time.monotonic()
        if self._child is None:
            if self._start_at is not None and now_s >= self._start_at:
                self._start(by_itself=True)
        elif self._run.killed:
            if now_s >= self._run.let_go_at:
                # It waits in the kernel, for a disk or a device that does not answer, and will run no line of
                # its program any more: its work may go on elsewhere.
                self._run.blame += ", and the kernel has not let go of it yet"
                self._bury(self._child)
        elif self._run.dump_until is not None:
            spared = self._run.kill_at is None and not self._run.condemned
            if spared and self._run.pulse.verdict(now_s) is None:
                self._log.warning("process.came_round", was=self._run.blame)
                self._run.blame, self._run.dump_until = "", None
            elif now_s >= self._run.dump_until:
                self._kill()
        elif self._run.kill_at is not None:
            if now_s >= self._run.kill_at:
                self._end_it(f"did not end within {self.spec.drain_s:g} s of being asked to")
        elif (verdict := self._run.pulse.verdict(now_s)) is not None:
            self._end_it(verdict)
        self._arm()

    def _end_it(self, blame: str) -> None:
        """Kill it, once it has said where it is, if it can."""
        assert self._child is not None
        self._run.blame = blame
        if self._child.halted:
            self._run.blame += " (it is stopped by a signal or a debugger)"
            self._kill()
        elif self._run.pulse.heard:
            self._run.said.forget_dump()
            self._child.ask_for_traceback()
            self._run.dump_until = time.monotonic() + _DUMP_S
        else:
            self._kill()

    def _kill(self) -> None:
        assert self._child is not None
        self._run.killed = True
        self._run.dump_until = None
        self._run.let_go_at = time.monotonic() + _LET_GO_S
        self._child.kill()

    def _arm(self) -> None:
        """Be called when the next thing is due."""
        due = self._start_at if self._child is None else self._run.due_s
        if self._timer is not None:
            if due is not None and self._timer.at_s <= due:
                return  # comes early and looks again; else every beat would make a timer
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer = self._house.rounds.at(due, self._on_time)

    def _on_end(self) -> None:
        if self._child is not None:
            self._child.kill()  # what it has left of its group
            self._bury(self._child)

    def _bury(self, child: Child) -> None:
        code = child.reap()
        words, output, dump = child.last_words()
        self._understand(words)
        if output:
            self._keep_output(output)
        self._run.said.keep_dump(dump)
        rounds = self._house.rounds
        for fd in (child.pidfd, child.line.fileno(), child.dump, child.output):
            rounds.unwatch(fd)
        child.close()
        self._child = None
        self._house.standby.buried(child.pid)
        if child.garbled:
            self._log.warning("process.garbled", lines=child.garbled)
        reason = self._run.said.reason(code, blame=self._run.blame, asked=self._wish is not None)
        self._over(reason, self._run.said.traceback, code, well=code == 0 and not self._run.said.failed)

    def _over(self, reason: str, detail: str, code: int | None, *, well: bool) -> None:
        now_s = time.monotonic()
        # Told with the state that follows.
        self.status = msgspec.structs.replace(self.status, code=code, output=self._run.said.printed)
        self._history = self._history.after_run(now_s - self._run.began_s, self.spec.restart)
        if detail and self.spec.log is not None:
            self._house.print(self.spec, f"\n{self.spec.name}: {reason}\n{detail}\n".encode())
        if self.status.pid is not None:
            self._house.ended(self.spec.name, reason)
        if self._wish is not None:
            self._follow_wish(reason, detail)
            return
        verdict = self._history.verdict(well=well, policy=self.spec.restart)
        if verdict.state == "backing-off":
            self._start_at = now_s + verdict.wait_s
        self._set(verdict.state, pid=None, reason=reason, detail=detail)
        # After it is so: who reads it may ask at once.
        if not well:
            self._log.warning("process.ended", reason=reason, state=verdict.state, wait_s=verdict.wait_s)
        self._arm()

    def _follow_wish(self, reason: str, detail: str) -> None:
        """Do what was asked for; the process does not run."""
        wish, self._start_at = self._wish, None
        if wish == "start again":
            self._wish = None
            self._history = History()
            self._set("starting", pid=None, reason=reason, detail=detail)
            self._start(by_itself=False)
            return
        self.gone = wish == "be gone"
        over = self.status.over and self.status.pid is None
        self._set(None if over else "stopped", pid=None, reason=reason, detail=detail)
        self._arm()

    def _set(self, state: State | None = None, **changes: Any) -> None:
        if state is not None and state != self.status.state:
            changes.update(state=state, since=time.monotonic())
        self.status = msgspec.structs.replace(self.status, **changes)
        self._changed(self)
