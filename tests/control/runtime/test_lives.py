"""What follows what happens: decisions over times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec

from argus.control.runtime import lives
from argus.control.runtime.lives import End, Life
from argus.control.runtime.protocol import Workload

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def workload(**details: Any) -> Workload:
    return Workload(name="one", command=("true",), **details)


def running(one: Workload, now: datetime = NOW) -> Life:
    begun = lives.started(lives.begun(one, now), now, by_itself=False)
    return lives.running(begun, now, 17, 4711, ready=True)


def failed(ran_s: float = 1.0, **details: Any) -> End:
    return End(well=False, exit="exit code 1", reason="exit code 1: oh", ran_s=ran_s, code=1, **details)


def waits_of(one: Workload, ran_s: float, times: int) -> list[float | None]:
    life, waits = running(one), []
    for _ in range(times):
        life, wait_s = lives.after_end(life, one, failed(ran_s), NOW)
        waits.append(wait_s)
        life = lives.started(life, NOW, by_itself=True)
    return waits


def test_a_service_is_never_given_up_and_waits_five_minutes_at_most() -> None:
    waits = [wait for wait in waits_of(workload(), 0.1, 100) if wait is not None]
    assert len(waits) == 100
    assert waits[:2] == [0.0, 0.2]
    assert all(later == min(300.0, 2 * earlier) for earlier, later in pairwise(waits[1:]))


def test_a_service_that_ran_well_for_long_is_forgiven_and_started_at_once() -> None:
    assert waits_of(workload(), 61.0, 3) == [0.0, 0.0, 0.0]


def test_a_job_waits_longer_and_is_given_up() -> None:
    assert waits_of(workload(kind="job", retries=3), 500.0, 4) == [1.0, 2.0, 4.0, None]


def test_a_cron_that_is_given_up_waits_for_its_next_time_and_begins_anew() -> None:
    one = workload(kind="cron", schedule="0 2 * * *", retries=0)
    life, wait_s = lives.after_end(running(one), one, failed(), NOW)
    assert (life.state, wait_s, life.reason) == ("pending", None, "exit code 1: oh")
    assert life.next_start is not None
    assert NOW < life.next_start <= NOW + 25 * HOUR
    assert life.failures == 0


def test_what_ran_under_a_killed_keeper_goes_on_at_once() -> None:
    life, wait_s = lives.found(running(workload()), workload(), NOW)
    assert (life.state, life.pid, life.last_exit, wait_s) == ("backing-off", None, "cut short", 0.0)


def test_a_job_that_was_cut_short_has_failed_once() -> None:
    one = workload(kind="job", retries=1)
    life, wait_s = lives.found(running(one), one, NOW)
    assert (life.state, life.failures, wait_s) == ("backing-off", 1, 1.0)
    life, wait_s = lives.found(lives.started(life, NOW, by_itself=True), one, NOW)
    assert (life.state, wait_s) == ("failed", None)
    assert life.reason == "cut short: its keeper was ended (tried 2 times)"


def test_a_job_that_has_ended_stays_ended_under_a_new_keeper() -> None:
    one = workload(kind="job")
    life, _ = lives.after_end(running(one), one, End(well=True, exit="exit code 0", reason=""), NOW)
    assert lives.found(life, one, NOW) == (life, None)


def test_a_wait_goes_on_where_it_was_and_a_clock_that_jumps_makes_it_no_longer() -> None:
    one = workload()
    life, _ = lives.after_end(running(one), one, failed(), NOW)
    life, _ = lives.after_end(lives.started(life, NOW, by_itself=True), one, failed(), NOW)
    waits = {
        away: lives.found(life, one, NOW + away)[1]
        for away in (timedelta(seconds=0.05), -HOUR, HOUR, -1000 * HOUR)
    }
    assert waits == {
        timedelta(seconds=0.05): 0.15,
        -HOUR: 0.2,
        HOUR: 0.0,
        -1000 * HOUR: 0.2,
    }


def test_what_was_stopped_in_good_order_has_not_failed() -> None:
    one = workload(kind="job", retries=0)
    life = lives.paused(running(one), one, NOW)
    assert lives.found(life, one, NOW) == (life, 0.0)
    assert (life.state, life.failures, life.pid) == ("pending", 0, None)


def test_who_is_started_by_request_is_forgiven() -> None:
    life, _ = lives.after_end(running(workload()), workload(), failed(), NOW)
    life = lives.started(lives.afresh(life), NOW, by_itself=False)
    assert (life.restarts, life.starts) == (0, 2)
    assert lives.after_end(life, workload(), failed(), NOW)[1] == 0.0


def test_a_life_can_be_written_down() -> None:
    life, _ = lives.after_end(running(workload()), workload(), failed(lines=("a", "b")), NOW)
    assert msgspec.json.decode(msgspec.json.encode(life), type=Life) == life


def test_an_end_by_a_signal_has_a_name() -> None:
    words = [lives.exit_words(code) for code in (0, 3, -9, -11, -100)]
    assert words == [
        "exit code 0",
        "exit code 3",
        "killed by SIGKILL",
        "killed by SIGSEGV",
        "killed by signal 100",
    ]
