"""Who is late or stuck, and who is not."""

from __future__ import annotations

from argus.processes.pulse import Pulse


def ready(hang_after_s: float | None = 5.0) -> Pulse:
    pulse = Pulse(100.0, 20.0, hang_after_s)
    pulse.be_ready(100.0)
    return pulse


def test_who_is_not_ready_in_time_is_late() -> None:
    pulse = Pulse(100.0, 20.0, 5.0)
    pulse.beat(119.0, None)
    assert pulse.verdict(119.9) is None
    assert pulse.next_look_s() == 120.0
    assert pulse.verdict(120.0) == "not ready after 20 s"


def test_before_it_is_ready_it_may_be_silent_for_long() -> None:
    pulse = Pulse(100.0, 20.0, 5.0)
    pulse.speak(100.1)
    assert pulse.verdict(110.0) is None


def test_without_a_deadline_it_is_ready_at_once() -> None:
    assert Pulse(100.0, None, None).ready


def test_silence_is_noticed() -> None:
    pulse = ready()
    pulse.beat(110.0, None)
    assert pulse.next_look_s() == 115.0
    assert pulse.verdict(114.9) is None
    assert pulse.verdict(115.0) == "no sign of life for 5 s"


def test_a_call_that_does_not_come_back_is_noticed_though_it_beats() -> None:
    pulse = ready()
    for second in range(1, 8):
        pulse.beat(100.0 + second, float(second))
    assert pulse.verdict(107.0) == "stuck in one call for 5 s"
    pulse.beat(107.5, 0.2)
    assert pulse.verdict(107.5) is None


def test_a_command_that_never_spoke_is_not_judged() -> None:
    pulse = Pulse(100.0, None, 5.0)
    assert pulse.verdict(1000.0) is None
    assert pulse.next_look_s() is None
    assert not pulse.heard


def test_without_a_limit_nobody_is_stuck() -> None:
    pulse = ready(None)
    pulse.beat(101.0, 1000.0)
    assert pulse.verdict(5000.0) is None


def test_nobody_is_blamed_for_what_happened_while_the_supervisor_slept() -> None:
    silent, busy, late = ready(), ready(), Pulse(100.0, 20.0, None)
    for pulse in (silent, busy, late):
        pulse.oversleep(200.0)
    busy.beat(200.1, 99.0)
    assert [pulse.verdict(204.0) for pulse in (silent, busy, late)] == [None] * 3
    assert silent.verdict(205.0) is not None
    assert late.verdict(220.0) is not None
    busy.beat(205.0, 104.0)
    assert busy.verdict(205.0) == "stuck in one call for 5 s"
