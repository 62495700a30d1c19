from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from argus.control.job_memory import moment
from argus.control.jobs import CANCEL, RUN_AT, JobDecision, decide, job_config, job_workload
from argus.control.runtime.protocol import Workload, WorkloadState, WorkloadStatus
from argus.core.resources.pipeline import PipelineSpec
from argus.core.resources.resource import Metadata, Resource
from argus.storage.records import Run
from argus.stream.config import StorageConfig, parsed

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LIVING = ("pending", "starting", "running", "backing-off")
STORAGE = StorageConfig(results="sqlite:///r.db", blobs="/blobs", spool="/spool")


class House:
    """A control plane in small: does what is decided, and keeps what the world says."""

    def __init__(self, **spec: Any) -> None:
        self.now = NOON
        self.job = Resource(
            kind="BatchJob",
            metadata=Metadata(name="nightly", uid="u-1", generation=1, creation_timestamp=NOON),
            spec={"source": "uploads/*.mp4", "pipeline": "gate"} | spec,
        )
        self.runs: dict[str, Run] = {}
        self.workloads: dict[str, WorkloadStatus] = {}
        self.started: list[str] = []
        self.forgotten: list[str] = []
        self.obstacle: Obstacle | None = None
        self.last = self.decide()

    def decide(self) -> JobDecision:
        return decide(self.job, tuple(self.runs.values()), self.workloads, self.now, obstacle=self.obstacle)

    def turn(self) -> JobDecision:
        """Decide once and do it."""
        self.last = decision = self.decide()
        self.job = msgspec.structs.replace(self.job, status=decision.status)
        for name in decision.remove:
            self.workloads.pop(name, None)
        for run in decision.runs:
            self.runs[run.id] = run
        for id_ in decision.forget:
            self.runs.pop(id_, None)
            self.forgotten.append(id_)
        run_ = decision.run
        if run_ is not None and run_.workload not in self.workloads:
            config = job_config(self.job, run_, PipelineSpec(), STORAGE)
            self.started.append(run_.id)
            self.put(run_.workload, "pending", workload=job_workload(self.job, run_, config))
        return decision

    def settle(self) -> JobDecision:
        """Decide until nothing is left to do."""
        for _ in range(6):
            before = self.job.status
            decision = self.turn()
            new = (decision.remove, decision.acts, decision.runs, decision.forget)
            if self.job.status == before and not any(new):
                return decision
        raise AssertionError("it decides something new for ever")

    def put(self, name: str, state: WorkloadState, **facts: Any) -> None:
        known = self.workloads.get(name)
        workload: Workload | None = facts.pop("workload", None if known is None else known.workload)
        self.workloads[name] = WorkloadStatus(
            name=name, kind="job", state=state, since=self.now, workload=workload, **facts
        )

    def tell(self, number: int, state: Any = "running", **facts: Any) -> None:
        """Let a run's process say how far it is."""
        known = self.runs.get(f"u-1-{number}")
        run = known or Run(id=f"u-1-{number}", job="nightly", started_at=self.now, updated_at=self.now)
        ended = None if state == "running" else self.now
        self.runs[run.id] = msgspec.structs.replace(
            run, state=state, updated_at=self.now, finished_at=ended, **facts
        )

    def finish(self, number: int) -> None:
        self.tell(number, "finished", progress=1.0, frames=100, files=("a",), done=("a",), events=7, alerts=2)
        self.put(f"job-nightly-{number}", "succeeded")

    def spec(self, **changes: Any) -> None:
        metadata = msgspec.structs.replace(self.job.metadata, generation=self.job.metadata.generation + 1)
        self.job = msgspec.structs.replace(self.job, metadata=metadata, spec=self.job.spec | changes)

    def annotate(self, name: str, value: str) -> None:
        annotations = self.job.metadata.annotations | {name: value}
        metadata = msgspec.structs.replace(self.job.metadata, annotations=annotations)
        self.job = msgspec.structs.replace(self.job, metadata=metadata)

    def later(self, **span: float) -> None:
        self.now += timedelta(**span)

    @property
    def phase(self) -> str:
        return str(self.job.status["phase"])

    def condition(self, type_: str) -> tuple[str, str, str]:
        found = self.job.condition(type_)
        assert found is not None
        return found.status, found.reason, found.message


class Obstacle(msgspec.Struct, frozen=True):
    reason: str = "PipelineMissing"
    message: str = "waits for pipeline 'gate', which nobody has declared: apply it"


def running(**spec: Any) -> House:
    """A house whose run 1 goes on."""
    house = House(**spec)
    house.settle()
    house.put("job-nightly-1", "running")
    house.tell(1, progress=0.25, frames=25, frames_expected=100, left_s=200.0, files=("a", "b"))
    house.settle()
    return house


def test_a_job_runs_once_from_when_it_is_there_to_its_end() -> None:
    house = House()
    assert house.settle().run is not None
    assert (house.phase, house.started) == ("Pending", ["u-1-1"])
    house.put("job-nightly-1", "running")
    house.tell(1, progress=0.25, frames=25, frames_expected=100, left_s=200.0, files=("a", "b"))
    house.settle()
    assert house.phase == "Running"
    assert (house.job.status["progress"], house.job.status["leftSeconds"]) == (0.25, 200)
    assert house.condition("Complete") == ("False", "Running", "run 1: 25 %, 0 of 2 files, about 3 min left")
    house.later(minutes=3)
    house.finish(1)
    house.settle()
    assert house.phase == "Succeeded"
    assert house.condition("Complete")[:2] == ("True", "Finished")
    assert moment(house.job.status["completionTime"]) == house.now
    house.later(days=9)
    assert house.settle().run is None
    assert house.started == ["u-1-1"]


def test_a_run_whose_process_is_gone_begins_again_where_no_workload_remembers_it() -> None:
    house = running()
    house.workloads.clear()  # the machine was switched off
    house.settle()
    assert house.started == ["u-1-1", "u-1-1"]


def test_a_run_that_said_it_was_finished_is_so_though_its_workload_is_gone() -> None:
    house = running()
    house.tell(1, "finished", progress=1.0)
    house.workloads.clear()
    house.settle()
    assert (house.phase, house.started) == ("Succeeded", ["u-1-1"])


def test_a_run_that_fails_too_often_has_failed_with_the_last_lines_of_its_log() -> None:
    house = running()
    house.put("job-nightly-1", "backing-off", last_exit="killed by SIGKILL")
    house.settle()
    assert (house.phase, house.condition("Complete")[1]) == ("Running", "Retrying")
    house.put("job-nightly-1", "failed", restarts=3, last_lines=("Traceback", "MemoryError"), reason="exit 1")
    house.settle()
    status, reason, message = house.condition("Failed")
    assert (house.phase, status, reason) == ("Failed", "True", "RunFailed")
    assert "after 4 attempts" in message
    assert message.endswith("Traceback\nMemoryError")
    assert house.runs["u-1-1"].state == "failed"  # its process could not say so
    house.later(days=1)
    assert house.settle().run is None


def test_a_run_that_said_why_it_failed_is_believed() -> None:
    house = running()
    house.tell(1, "failed", message="clip.mp4 cannot be read")
    house.put("job-nightly-1", "failed", last_lines=("noise",))
    house.settle()
    assert house.condition("Failed")[2] == "run 1 failed: clip.mp4 cannot be read"


def test_suspending_ends_the_process_and_resuming_goes_on_with_the_same_run() -> None:
    house = running()
    house.spec(suspend=True)
    house.settle()
    assert (house.phase, house.workloads) == ("Suspended", {})
    assert house.condition("Suspended")[0] == "True"
    house.later(days=2)
    assert house.settle().run is None
    house.spec(suspend=False)
    house.settle()
    assert house.started == ["u-1-1", "u-1-1"]
    assert moment(house.job.status["startTime"]) == NOON


def test_a_job_that_is_suspended_from_its_beginning_waits() -> None:
    house = House(suspend=True)
    assert house.settle().run is None
    assert house.phase == "Suspended"
    house.spec(suspend=False)
    house.settle()
    assert house.started == ["u-1-1"]


def test_a_cancelled_run_ends_and_does_not_come_back() -> None:
    house = running()
    house.annotate(CANCEL, "1")
    house.settle()
    assert (house.phase, house.workloads) == ("Cancelled", {})
    assert house.condition("Failed")[:2] == ("True", "Cancelled")
    house.tell(1)  # its process had still something to say
    house.settle()
    assert house.runs["u-1-1"].state == "cancelled"
    assert house.settle().run is None


def test_cancelling_a_run_that_is_over_changes_nothing() -> None:
    house = running()
    house.finish(1)
    house.settle()
    house.annotate(CANCEL, "1")
    house.settle()
    assert house.phase == "Succeeded"


def test_a_run_can_be_cancelled_before_it_has_begun() -> None:
    house = House()
    house.annotate(CANCEL, "1")
    house.settle()
    assert (house.phase, house.started) == ("Cancelled", [])


def test_somebody_may_ask_for_another_run_which_waits_for_the_one_that_goes_on() -> None:
    house = running()
    house.annotate(RUN_AT, "2026-11-21T12:00:00Z")
    house.settle()
    assert house.started == ["u-1-1"]
    house.finish(1)
    house.settle()
    assert house.started == ["u-1-1", "u-1-2"]
    assert [h["run"] for h in house.job.status["history"]] == [1]
    house.finish(2)
    house.settle()
    assert house.settle().run is None


def test_another_source_ends_the_run_and_begins_the_next_when_that_is_gone() -> None:
    house = running()
    house.spec(source="others/*.mp4")
    first = house.decide()
    assert (first.run, first.remove) == (None, ("job-nightly-1",))
    house.settle()
    assert house.started == ["u-1-1", "u-1-2"]
    assert house.runs["u-1-1"].state == "cancelled"
    assert house.job.status["history"][0]["reason"] == "SpecChanged"


def test_what_says_nothing_of_the_input_begins_no_run() -> None:
    house = running()
    house.spec(retries=7, ttl_after_finished=1e9, history=9)
    house.finish(1)
    house.settle()
    assert house.started == ["u-1-1"]


def test_a_run_beyond_its_deadline_has_failed() -> None:
    house = running(deadline=60)
    house.later(seconds=61)
    house.settle()
    assert (house.phase, house.condition("Failed")[1], house.workloads) == ("Failed", "DeadlineExceeded", {})
    assert house.runs["u-1-1"].state == "failed"


def test_time_while_suspended_does_not_count_towards_the_deadline() -> None:
    house = running(deadline=60)
    house.spec(suspend=True)
    house.settle()
    house.later(hours=3)
    house.spec(suspend=False)
    house.settle()
    assert house.phase == "Pending"


def test_a_finished_job_is_deleted_when_its_time_is_over() -> None:
    house = running(ttl_after_finished="10m")
    house.finish(1)
    assert house.settle().look_again_at == house.now + timedelta(minutes=10)
    house.later(minutes=9)
    assert not house.settle().delete
    house.later(minutes=1)
    assert house.decide().delete


def test_a_job_that_is_being_deleted_runs_nothing() -> None:
    house = running()
    metadata = msgspec.structs.replace(house.job.metadata, deletion_timestamp=house.now)
    house.job = msgspec.structs.replace(house.job, metadata=metadata)
    house.settle()
    assert (house.phase, house.workloads) == ("Terminating", {})


def test_an_obstacle_is_told_and_the_run_begins_when_it_is_gone() -> None:
    house = House()
    house.obstacle = Obstacle()
    house.settle()
    assert (house.phase, house.started) == ("Pending", [])
    assert house.condition("Accepted") == ("False", "PipelineMissing", Obstacle().message)
    assert house.condition("Complete")[1] == "PipelineMissing"
    house.obstacle = None
    house.settle()
    assert house.started == ["u-1-1"]


def test_a_run_that_goes_on_is_not_ended_by_an_obstacle() -> None:
    house = running()
    house.obstacle = Obstacle()
    assert house.settle().run is not None
    assert house.phase == "Running"


def scheduled(**spec: Any) -> House:
    house = House(schedule="0 2 * * *", **spec)
    house.settle()
    return house


def test_a_schedule_waits_for_its_time_and_says_when_that_is() -> None:
    house = scheduled()
    assert (house.phase, house.started) == ("Scheduled", [])
    assert house.job.status["nextScheduleTime"] == "2026-11-22T02:00:00Z"
    assert house.condition("Scheduled") == ("True", "Waiting", "At 02:00 every day")
    assert house.settle().look_again_at == datetime(2026, 11, 22, 2, tzinfo=UTC)
    house.later(hours=14)
    house.settle()
    assert house.started == ["u-1-1"]
    assert house.job.status["lastScheduleTime"] == "2026-11-22T02:00:00Z"


def test_a_schedule_has_a_run_each_time_and_never_two_at_once() -> None:
    house = scheduled()
    house.later(hours=14)
    house.settle()
    house.later(days=1)
    house.settle()  # the first still goes on
    assert house.started == ["u-1-1"]
    house.finish(1)
    house.settle()
    assert house.started == ["u-1-1", "u-1-2"]


def test_of_times_that_were_missed_the_latest_is_made_up_for_and_the_rest_is_told() -> None:
    house = scheduled()
    house.later(days=5)
    house.settle()
    assert house.started == ["u-1-1"]
    assert house.job.status["lastScheduleTime"] == "2026-11-26T02:00:00Z"
    assert house.condition("Scheduled")[1] == "MissedRuns"
    house.finish(1)
    house.later(hours=14)
    house.settle()
    assert house.condition("Scheduled")[1] == "Waiting"


def test_a_time_that_is_missed_by_days_is_not_made_up_for() -> None:
    house = House(schedule="0 2 * * MON")
    house.settle()
    house.later(days=4)  # from Saturday to Wednesday
    house.settle()
    assert house.started == []
    assert "1 run was missed" in house.condition("Scheduled")[2]
    assert house.job.status["nextScheduleTime"] == "2026-11-30T02:00:00Z"


def test_a_new_schedule_does_not_run_for_times_that_passed_before_it_was_there() -> None:
    house = scheduled()
    house.spec(schedule="0 11 * * *")
    house.later(minutes=5)
    house.settle()
    assert house.started == []


def test_times_while_suspended_are_not_missed() -> None:
    house = scheduled()
    house.spec(suspend=True)
    house.settle()
    assert house.phase == "Suspended"
    house.later(days=3)
    house.settle()
    house.spec(suspend=False)
    house.settle()
    assert (house.phase, house.started) == ("Scheduled", [])


def test_a_schedule_keeps_the_results_of_so_many_runs() -> None:
    house = scheduled(history=2)
    for number in range(1, 5):
        house.later(days=1)
        house.settle()
        house.finish(number)
        house.settle()
    assert house.forgotten == ["u-1-1", "u-1-2"]
    assert sorted(house.runs) == ["u-1-3", "u-1-4"]
    assert [h["run"] for h in house.job.status["history"]] == [3]


def test_runs_and_workloads_of_an_earlier_job_of_the_name_are_cleared_away_first() -> None:
    old = House()
    old.settle()
    house = House()
    house.job = msgspec.structs.replace(
        house.job, metadata=msgspec.structs.replace(house.job.metadata, uid="u-2")
    )
    house.workloads = dict(old.workloads)
    house.runs["u-1-1"] = Run(id="u-1-1", job="nightly", started_at=NOON, updated_at=NOON)
    first = house.turn()
    assert (first.run, first.remove, first.forget) == (None, ("job-nightly-1",), ("u-1-1",))
    house.settle()
    assert house.started == ["u-2-1"]


def test_the_workload_of_another_job_with_a_longer_name_is_not_ours() -> None:
    house = House()
    house.put("job-nightly-2-1", "running")
    house.put("job-nightly-x", "running")
    assert house.settle().remove == ()


def test_a_status_that_was_lost_is_made_out_from_what_is_there() -> None:
    house = scheduled()
    house.later(hours=14)
    house.settle()
    house.put("job-nightly-1", "running")
    house.tell(1)
    house.job = msgspec.structs.replace(house.job, status={})
    house.settle()
    assert (house.phase, house.job.status["run"], house.started) == ("Running", 1, ["u-1-1"])
    house.finish(1)
    house.settle()
    assert house.started == ["u-1-1"]  # nor is two o'clock's run done again


@pytest.mark.parametrize(
    "status",
    [
        {"run": "three", "runState": 7, "history": "none", "conditions": []},
        {"run": -1, "history": [3, {"run": "x"}], "scheduledThrough": "yesterday", "missed": 3},
        {"run": 4, "runState": "active", "activeSince": "never", "startTime": 5, "input": [1]},
    ],
)
def test_no_status_makes_it_raise(status: dict[str, Any]) -> None:
    house = House(schedule="0 2 * * *", deadline=5, ttl_after_finished=1e300)
    house.job = msgspec.structs.replace(house.job, status=status)
    house.settle()
    assert house.phase in ("Scheduled", "Cancelled", "Pending")


def test_a_spec_that_cannot_be_read_is_told_and_stops_nothing() -> None:
    house = running()
    house.spec(schedule="nonsense")
    decision = house.turn()
    assert (decision.run, decision.remove) == (None, ())
    assert house.condition("Accepted")[:2] == ("False", "SpecImpossible")
    assert house.workloads


def test_the_workload_of_a_run_says_all_that_its_process_needs() -> None:
    house = House(retries=7, deadline="1h")
    run = house.settle().run
    assert run is not None
    config = job_config(house.job, run, PipelineSpec(), STORAGE, source="/videos/a.mp4")
    workload = job_workload(house.job, run, config)
    assert parsed(workload.config.encode(), "config") == config
    assert (config.job, config.run, config.source) == ("nightly", "u-1-1", "/videos/a.mp4")
    assert (workload.name, workload.kind, workload.retries) == ("job-nightly-1", "job", 7)
    assert (workload.deadline_s, workload.hang_after_s) == (3600.0, None)
    assert workload.owner == ("BatchJob", "nightly")
    assert workload.command[1:] == ("-m", "argus.stream.batch")


class Jobs(RuleBasedStateMachine):
    """Whatever happens, in whatever order, what was promised holds."""

    def __init__(self) -> None:
        super().__init__()
        self.house = House()
        self.over: set[str] = set()
        self.highest = 0

    @rule(schedule=st.sampled_from([None, "*/10 * * * *", "0 2 * * *"]))
    def reschedule(self, schedule: str | None) -> None:
        self.house.spec(schedule=schedule)

    @rule(suspend=st.booleans())
    def suspend(self, suspend: bool) -> None:
        self.house.spec(suspend=suspend)

    @rule(source=st.sampled_from(["a.mp4", "b.mp4"]))
    def take(self, source: str) -> None:
        self.house.spec(source=source)

    @rule(deadline=st.sampled_from([None, 600]), history=st.integers(1, 3))
    def limit(self, deadline: float | None, history: int) -> None:
        self.house.spec(deadline=deadline, history=history)

    @rule(ahead=st.integers(0, 1))
    def cancel(self, ahead: int) -> None:
        self.house.annotate(CANCEL, str(self.house.job.status.get("run", 0) + ahead))

    @rule(text=st.sampled_from("abc"))
    def ask(self, text: str) -> None:
        self.house.annotate(RUN_AT, text)

    @rule(minutes=st.sampled_from([-60, -5, 0, 3, 15, 60, 60 * 24 * 3]))
    def pass_time(self, minutes: int) -> None:
        self.house.later(minutes=minutes)

    @rule(there=st.booleans())
    def block(self, there: bool) -> None:
        self.house.obstacle = Obstacle() if there else None

    @precondition(lambda self: self.house.workloads)
    @rule(
        state=st.sampled_from(["running", "backing-off", "succeeded", "failed", "stopped"]),
        said=st.sampled_from(["", "running", "finished", "failed"]),
        data=st.data(),
    )
    def happen(self, state: WorkloadState, said: str, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.house.workloads)))
        if self.house.workloads[name].state not in LIVING:
            return
        self.house.put(name, state)
        if said:
            self.house.tell(int(name.rpartition("-")[2]), said)

    @rule()
    def lose_workloads(self) -> None:
        self.house.workloads.clear()

    @rule(keep=st.sampled_from(["status", "removed", "nothing"]))
    def be_killed_halfway(self, keep: str) -> None:
        decision = self.house.decide()
        if keep != "nothing":
            self.house.job = msgspec.structs.replace(self.house.job, status=decision.status)
        if keep == "removed":
            for name in decision.remove:
                self.house.workloads.pop(name, None)

    @rule()
    def turn(self) -> None:
        self.act(self.house.turn)

    @rule()
    def settle(self) -> None:
        self.act(self.house.settle)
        again = self.house.decide()
        assert (again.status, again.remove, again.runs, again.forget, again.acts) == (
            self.house.job.status,
            (),
            (),
            (),
            (),
        )
        assert again.run is None or again.run.workload in self.house.workloads

    def act(self, do: Callable[[], JobDecision]) -> None:
        begun = len(self.house.started)
        do()
        assert not self.over & set(self.house.started[begun:]), "a run that was over began again"
        status = self.house.job.status
        assert status["run"] >= self.highest, "numbers went back"
        self.highest = status["run"]
        if status["runState"] not in ("", "active", "suspended"):
            self.over.add(f"u-1-{status['run']}")

    @invariant()
    def never_two_at_once(self) -> None:
        assert sum(w.state in LIVING for w in self.house.workloads.values()) <= 1


TestJobs = Jobs.TestCase
TestJobs.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
