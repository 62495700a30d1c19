"""One batch job while it is being decided on: what is there, what became of its run, what is due. Pure.

The status is the memory: what was decided once is read from there, and whatever it has lost is made out from
the runs and workloads that are there. What the status says in words is `job_words`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any, Final, Literal

import msgspec

from argus.control.job_decision import CANCEL, RUN_AT, RUN_VARIABLE, Act, JobDecision, JobRun, Obstacle
from argus.control.job_memory import forget_run, history_entry, history_of, moment, remembered, written_moment
from argus.control.job_schedule import due_run, expiry, note_missed
from argus.control.job_words import cancelled_for, failed_after, job_status, succeeded_with
from argus.control.runtime.protocol import WorkloadStatus
from argus.core.errors import SpecError
from argus.core.resources.job import JobSpec
from argus.core.resources.resource import Resource
from argus.core.schedule import Due
from argus.storage.records import Run

State = Literal["", "active", "suspended", "succeeded", "failed", "cancelled"]
"""Of the present run; empty: there was none yet."""
_ENDED: Final = ("succeeded", "failed", "stopped")


@dataclass(slots=True)
class JobCase:
    """One job at one moment, while it is being decided on."""

    job: Resource
    now: datetime
    tz: tzinfo
    starting_deadline_s: float
    obstacle: Obstacle | None
    active_s: float | None = None
    believed: datetime | None = None
    """Both: see `argus.control.jobs.decide`."""
    spec: JobSpec | None = None
    refused: str = ""
    memory: dict[str, Any] = field(default_factory=dict)
    """The status that is being made."""
    runs: dict[int, Run] = field(default_factory=dict)
    workloads: dict[int, WorkloadStatus] = field(default_factory=dict)
    strange_lives: bool = False
    """True where a workload of an earlier job of this name lives."""
    remove: set[str] = field(default_factory=set)
    puts: list[Run] = field(default_factory=list)
    forget: list[str] = field(default_factory=list)
    acts: list[Act] = field(default_factory=list)
    due: Due | None = None

    @property
    def _number(self) -> int:
        return int(self.memory["run"])

    @property
    def _state(self) -> State:
        state: State = self.memory["runState"]
        return state

    @property
    def _wants(self) -> dict[str, str]:
        assert self.spec is not None
        return {"source": self.spec.source, "pipeline": self.spec.pipeline}

    def look(self, runs: Sequence[Run], workloads: Mapping[str, WorkloadStatus]) -> None:
        """Take in what is there, and what of it belongs to this job."""
        metadata, status = self.job.metadata, self.job.status
        try:
            self.spec = JobSpec.read(self.job.spec, f"BatchJob {metadata.name}")
        except SpecError as error:
            self.refused = str(error)
        for run in runs:
            uid, _, number = run.id.rpartition("-")
            if uid == metadata.uid and number.isdecimal() and int(number) > 0:
                self.runs[int(number)] = run
            else:
                self.forget.append(run.id)
        pattern = re.compile(rf"job-{re.escape(metadata.name)}-([1-9][0-9]{{0,8}})")
        for name, workload in workloads.items():
            found = pattern.fullmatch(name)
            if found is None:
                continue
            told = None if workload.workload is None else workload.workload.env.get(RUN_VARIABLE)
            if told is not None and told != f"{metadata.uid}-{found[1]}":
                self.remove.add(name)
                self.strange_lives |= workload.state not in _ENDED
            else:
                self.workloads[int(found[1])] = workload
        self.memory = remembered(status)
        latest = max((self._number, *self.runs, *self.workloads))
        if latest > self._number:  # begun by somebody who could not write it down
            self._begin(latest, "")

    def _begin(self, number: int, reason: str) -> None:
        """Let a run be the present one."""
        self._keep_history()
        memory = self.memory
        forget_run(memory)
        memory |= {"run": number, "runState": "active"}
        run = self.runs.get(number)
        memory["startTime"] = written_moment(self.now if run is None else run.started_at)
        memory["activeSince"] = written_moment(self.now)
        if self.spec is not None:
            memory["input"] = self._wants
        memory["runAt"] = self.job.metadata.annotations.get(RUN_AT)
        if reason:
            self.acts.append(Act(action="run", subject=self._subject(number), reason=reason))

    def _keep_history(self) -> None:
        if self._number and self._state not in ("", "active", "suspended"):
            kept = [h for h in self.memory["history"] if h.get("run") != self._number]
            self.memory["history"] = [history_entry(self.memory), *kept]

    def settle(self) -> None:
        """See what has become of the present run."""
        if self._state not in ("active", "suspended"):
            return
        assert self.spec is not None
        number = self._number
        run, workload = self.runs.get(number), self.workloads.get(number)
        lives = workload is not None and workload.state not in _ENDED
        cancel = self.job.metadata.annotations.get(CANCEL, "").strip()
        active_s, deadline_s = self._active_s(), self.spec.deadline
        finished = run is not None and run.state == "finished" and not lives
        dropped = run is not None and run.state == "cancelled" and not lives
        if finished or (workload is not None and workload.state == "succeeded"):
            self._end("succeeded", *succeeded_with(number, run))
        elif workload is not None and workload.state == "failed":
            self._end("failed", *failed_after(number, workload, run))
        elif dropped or cancel in (str(number), self._id_of(number)):
            self._end("cancelled", *cancelled_for("Cancelled", number))
        elif self.memory.get("input") != self._wants:
            self._end("cancelled", *cancelled_for("SpecChanged", number))
        elif self.spec.suspend:
            if self._state == "active":
                self.memory["runState"] = "suspended"
                self.acts.append(Act(action="stop", subject=self._subject(number), reason="it is suspended"))
        elif self._state == "suspended":
            self.memory |= {"runState": "active", "activeSince": written_moment(self.now)}
            self.acts.append(Act(action="run", subject=self._subject(number), reason="it is resumed"))
        elif deadline_s is not None and active_s is not None and active_s > deadline_s:
            said = (
                f"run {number} took longer than its deadline of {deadline_s:g} s: raise it, or give it less"
            )
            self._end("failed", "DeadlineExceeded", said)

    def _active_s(self) -> float | None:
        """Return how long the present run has been active; None: that was lost."""
        since = self.memory.get("activeSince")
        if self.active_s is not None and since == self.job.status.get("activeSince"):
            return self.active_s  # else it begins, or is resumed, in this very moment
        began = moment(since)
        return None if began is None else (self.now - began).total_seconds()

    def _end(self, state: Literal["succeeded", "failed", "cancelled"], reason: str, message: str) -> None:
        """Write down how the present run has ended."""
        run = self.runs.get(self._number)
        finished = None if run is None else run.finished_at
        self.memory |= {"runState": state, "reason": reason, "message": message}
        self.memory["completionTime"] = written_moment(finished or self.now)
        action = "stop" if state == "cancelled" or reason == "DeadlineExceeded" else "run"
        self.acts.append(
            Act(action=action, subject=self._subject(self._number), reason=f"{state}: {message}")
        )

    def plan(self, spec: JobSpec) -> None:
        """Begin another run where one is due, and none goes on."""
        memory = self.memory
        annotation = self.job.metadata.annotations.get(RUN_AT)
        asked = annotation is not None and annotation != memory.get("runAt")
        try:
            self.due = due_run(
                memory, spec, self.job, self.runs.values(), self.now, self.tz,
                deadline_s=self.starting_deadline_s,
            )  # fmt: skip
        except SpecError as error:
            self.refused = str(error)
        busy = self._state in ("active", "suspended")
        if spec.suspend or busy or self.obstacle is not None or self._lives():
            return
        reason = ""
        if asked:
            reason = "somebody asked for it"
        elif self.due is not None and self.due.at is not None:
            reason = f"it is {self.due.at.astimezone(self.tz):%H:%M}, as its schedule says"
        elif spec.schedule is None and not self._number:
            reason = "it has not run yet"
        elif memory.get("input") != self._wants and (
            spec.schedule is None or memory.get("reason") == "SpecChanged"
        ):
            reason = "its source or its pipeline is another one now"
        if not reason:
            return
        if self.due is not None and self.due.at is not None:
            at = written_moment(self.due.at)
            memory |= {"lastScheduleTime": at, "scheduledThrough": at}
            note_missed(memory, self.due.missed, self.now)
        self._begin(self._number + 1, reason)

    def stop_all(self) -> None:
        """Let nothing of it run."""
        self.remove.update(w.name for w in self.workloads.values())

    def _lives(self) -> bool:
        """Return whether a workload lives that is not the present run's."""
        others = (w for n, w in self.workloads.items() if n != self._number or self._state != "active")
        return self.strange_lives or any(w.state not in _ENDED for w in others)

    def decision(self) -> JobDecision:
        """Return what all that comes to."""
        job, number, state = self.job, self._number, self._state
        going = state == "active" and job.metadata.deletion_timestamp is None
        workload = self.workloads.get(number)
        run = None
        if going and workload is not None and workload.state == "stopped":
            self.remove.add(workload.name)  # it would stay ended
        elif (
            going
            and self.spec is not None
            and not self._lives()
            and (workload is not None or self.obstacle is None)
        ):
            run = JobRun(number=number, id=self._id_of(number), workload=self._subject(number))
        for other, found in self.workloads.items() if self.spec is not None else ():
            # The latest keeps its workload when it is over, for people want to read its log.
            if other != number or (not going and found.state not in _ENDED) or state == "suspended":
                self.remove.add(found.name)
        self._write_runs()
        self._forget_runs()
        delete, again = False, None
        if self.spec is not None and job.metadata.deletion_timestamp is None:
            delete, again = expiry(self.memory, self.spec, self.due, self.believed or self.now)
        if delete:
            self.acts.append(Act(action="expire", subject=f"BatchJob/{job.name}", reason="its time is over"))
        status = job_status(
            job,
            self.memory,
            self.runs.get(number),
            workload if going else None,
            now=self.now,
            spec=self.spec,
            obstacle=None if self.obstacle is None else (self.obstacle.reason, self.obstacle.message),
            refused=self.refused,
        )
        return JobDecision(
            run=run,
            remove=tuple(sorted(self.remove)),
            status=status,
            runs=tuple(self.puts),
            forget=tuple(sorted(self.forget)),
            delete=delete,
            look_again_at=again,
            acts=tuple(self.acts),
        )

    def _write_runs(self) -> None:
        """Say of the present run how it ended, where its process did not."""
        state, number = self._state, self._number
        if state not in ("failed", "cancelled"):
            return
        run = self.runs.get(number)
        if run is not None and run.state != "running" and (state, run.state) != ("cancelled", "failed"):
            return
        ended = moment(self.memory.get("completionTime")) or self.now
        began = moment(self.memory.get("startTime")) or ended
        if run is None:
            run = Run(id=self._id_of(number), job=self.job.name, started_at=began, updated_at=ended)
        final: Literal["failed", "cancelled"] = "failed" if state == "failed" else "cancelled"
        self.puts.append(
            msgspec.structs.replace(
                run,
                state=final,
                finished_at=ended,
                updated_at=ended,
                left_s=None,
                message=str(self.memory.get("message", "")),
            )
        )

    def _forget_runs(self) -> None:
        """Let go of the results of runs that are beyond the job's history."""
        if self.spec is None:
            return
        past = {h["run"]: h for h in self.memory["history"]}
        past = {n: history_of(n, run) for n, run in self.runs.items()} | past
        past.pop(self._number, None)
        present = 0 if self._state in ("", "active", "suspended") else 1
        kept = sorted(past, reverse=True)[: max(0, self.spec.history - present)]
        self.memory["history"] = [past[number] for number in kept]
        self.forget += [run.id for n, run in self.runs.items() if n not in kept and n != self._number]

    def _id_of(self, number: int) -> str:
        return f"{self.job.metadata.uid}-{number}"

    def _subject(self, number: int) -> str:
        return f"job-{self.job.name}-{number}"
