"""Programs that are alive and do nothing: found, asked where they are, ended, started again."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.processes.parts import NEVER, QUICK, Heard, Programs, holds, kill, spec
from tests.sources.settling import comes_true

WORK = """
def work(what):
    line.enter()
    what()
    line.leave()

line.ready()
"""


def test_a_call_that_does_not_come_back_is_ended_with_the_place_where_it_hung(
    heard: Heard, program: Programs, tmp_path: Path
) -> None:
    command = program(WORK + "def forever():\n    while True: pass\nwork(forever)\n")
    log = tmp_path / "one.log"
    heard.supervisor.add(spec(command, hang_after_s=1.0, restart=NEVER, log=str(log)))
    assert heard.supervisor.wait(20)
    status = heard.status()
    assert status.reason == f"stuck in one call for 1 s, at {command[1]}:13 in forever"
    assert "in work" in status.detail
    assert "in forever" in log.read_text()


@pytest.mark.parametrize(
    "call",
    ["__import__('re').match('(a+)+$', 'a' * 60 + 'b')", "sum(range(10 ** 12))"],
    ids=["re", "sum"],
)
def test_a_call_that_holds_the_gil_is_ended_with_the_place_where_it_hung(
    heard: Heard, program: Programs, call: str
) -> None:
    command = program(WORK + f"work(lambda: {call})\n")
    heard.supervisor.add(spec(command, hang_after_s=1.0, restart=NEVER))
    assert heard.supervisor.wait(20)
    status = heard.status()
    assert status.reason.startswith("no sign of life for 1 s, at ")
    assert "in work" in status.detail
    assert command[1] in status.reason


def test_it_is_started_again(heard: Heard, program: Programs, tmp_path: Path) -> None:
    command = program(
        WORK
        + f"""
if not os.path.exists({str(tmp_path / "once")!r}):
    open({str(tmp_path / "once")!r}, "w").close()
    work(lambda: time.sleep(100))
line.draining.wait()
"""
    )
    heard.supervisor.add(spec(command, hang_after_s=1.0, restart=QUICK))
    assert comes_true(lambda: heard.status().restarts == 1 and heard.state() == "running")
    assert "stuck in one call" in heard.status().reason
    assert holds(lambda: heard.status().restarts == 1, 1.2)


def test_a_process_that_was_stopped_is_found(heard: Heard, program: Programs) -> None:
    heard.supervisor.add(spec(program("line.ready(); line.draining.wait()"), hang_after_s=1.0, restart=QUICK))
    assert heard.comes_to("running")
    kill(heard.status().pid, signal.SIGSTOP)
    assert comes_true(lambda: heard.status().restarts == 1 and heard.state() == "running")
    assert heard.status().reason == "no sign of life for 1 s (it is stopped by a signal or a debugger)"


def test_work_that_comes_back_in_time_is_left_alone(heard: Heard, program: Programs) -> None:
    # Busy all the time; the interpreter is held by Python code, and by C code for a good part of a second.
    command = program(
        WORK
        + """
def spin():
    until = time.monotonic() + 0.5
    while time.monotonic() < until: pass

began = time.perf_counter(); sum(range(2_000_000)); one = time.perf_counter() - began
until = time.monotonic() + 4.5
while time.monotonic() < until:
    work(spin)
    work(lambda: sum(range(int(2_000_000 * 0.5 / one))))
"""
    )
    heard.supervisor.add(spec(command, hang_after_s=4.0, restart=NEVER))
    assert heard.supervisor.wait(30)
    assert (heard.state(), heard.status().reason) == ("finished", "exit 0")


def test_idle_is_not_stuck(heard: Heard, program: Programs) -> None:
    heard.supervisor.add(spec(program(WORK + "work(int); line.draining.wait()"), hang_after_s=1.0))
    assert heard.comes_to("running")
    assert holds(lambda: heard.state() == "running" and heard.status().starts == 1, 1.8)


def test_who_comes_round_in_time_is_spared(heard: Heard, program: Programs) -> None:
    # Stuck for so long that it is asked where it is; back before it would be ended.
    command = program(
        WORK
        + """
import faulthandler
from argus.processes import traces
faulthandler.unregister(traces.DUMP_SIGNAL)
asked = threading.Event()
signal.signal(traces.DUMP_SIGNAL, lambda *_: asked.set())
work(lambda: asked.wait(20))
line.draining.wait()
"""
    )
    heard.supervisor.add(spec(command, hang_after_s=1.0, restart=NEVER))
    assert heard.comes_to("running")
    assert holds(lambda: heard.state() == "running", 2.5)
    assert heard.status().starts == 1


def test_a_program_that_exits_by_itself_while_it_is_asked_is_no_trouble(
    heard: Heard, program: Programs
) -> None:
    command = program(
        WORK
        + """
import faulthandler
from argus.processes import traces
faulthandler.unregister(traces.DUMP_SIGNAL)
work(lambda: time.sleep(100))
"""
    )
    heard.supervisor.add(spec(command, hang_after_s=1.0, restart=NEVER))
    assert heard.supervisor.wait(20)
    assert heard.status().reason == "stuck in one call for 1 s"
