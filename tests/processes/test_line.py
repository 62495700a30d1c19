"""What supervisor and program tell each other, and what happens to nonsense."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import timeit

import pytest

from argus.processes.line import Line
from tests.processes.parts import NEVER, Heard, Programs, foreign, holds, kill, spec
from tests.sources.settling import comes_true


def test_without_a_supervisor_there_is_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert Line.from_environment() is None
    for nonsense in ("", "x", "1", "1,2,3", "9999,9998", "-1,-1"):
        monkeypatch.setenv("ARGUS_LINE", nonsense)
        assert Line.from_environment() is None
        assert "ARGUS_LINE" not in os.environ
    assert signal.getsignal(signal.SIGTERM) is before


def test_messages_go_both_ways_and_in_order(heard: Heard, program: Programs) -> None:
    command = program(
        "line.on_message = lambda m: line.tell({'back': m}); line.ready(); line.draining.wait()"
    )
    heard.supervisor.add(spec(command))
    assert heard.comes_to("running")
    sent = [{"number": number, "text": "ä\n\0", "nested": [1.5, None, {"a": True}]} for number in range(200)]
    assert all(heard.supervisor.tell("one", message) for message in sent)
    assert comes_true(lambda: len(heard.told("back")) == 200)
    assert heard.told("back") == sent


def test_a_message_of_many_megabytes_arrives(heard: Heard, program: Programs) -> None:
    command = program(
        "line.on_message = lambda m: line.tell({'back': m['big']}); line.ready(); line.draining.wait()"
    )
    heard.supervisor.add(spec(command, hang_after_s=10))
    assert heard.comes_to("running")
    big = "0123456789" * 1_000_000
    assert heard.supervisor.tell("one", {"big": big})
    assert comes_true(lambda: bool(heard.told("back")))
    assert heard.told("back") == [big]


def test_what_json_cannot_say_is_the_callers_error(heard: Heard) -> None:
    heard.supervisor.add(foreign("sleep", "300"))
    assert heard.comes_to("running")
    with pytest.raises(TypeError):
        heard.supervisor.tell("one", {"what": object()})


def test_nobody_is_told_who_does_not_run(heard: Heard) -> None:
    heard.supervisor.add(foreign("true"))
    assert heard.supervisor.wait(15)
    assert heard.supervisor.tell("one", {"x": 1}) is False


def test_what_comes_before_somebody_listens_waits(heard: Heard, program: Programs) -> None:
    command = program(
        """
        line.ready()
        time.sleep(0.5)
        line.on_message = lambda m: line.tell({"back": m})
        line.draining.wait()
        """
    )
    heard.supervisor.add(spec(command))
    assert heard.comes_to("running")
    heard.supervisor.tell("one", {"early": 1})
    assert comes_true(lambda: heard.told("back") == [{"early": 1}])


def test_the_last_words_of_a_program_arrive_however_long(heard: Heard, program: Programs) -> None:
    command = program("line.ready(); line.tell({'last': 'x' * 3_000_000}); line.tell({'end': 1})")
    heard.supervisor.add(spec(command))
    assert heard.supervisor.wait(15)
    assert [len(text) for text in heard.told("last")] == [3_000_000]
    assert heard.told("end") == [1]


def test_beats_carry_what_the_program_adds(heard: Heard, program: Programs) -> None:
    command = program(
        """
        line.on_beat = lambda: {"count": os.getpid()}
        line.ready()
        line.draining.wait()
        """
    )
    heard.supervisor.add(spec(command))
    assert comes_true(lambda: len(heard.told("count")) >= 3)
    assert set(heard.told("count")) == {heard.status().pid}


def test_callbacks_of_the_program_that_raise_do_not_end_its_line(heard: Heard, program: Programs) -> None:
    command = program(
        """
        def bad(*_): raise RuntimeError("mine")
        sys.stderr = open(os.devnull, "w")
        line.on_message = bad
        line.on_drain = bad
        line.on_beat = lambda: {"what": object()}
        line.ready()
        line.draining.wait()
        sys.exit(4)
        """
    )
    heard.supervisor.add(spec(command, hang_after_s=1.2, drain_s=10))
    assert heard.comes_to("running")
    heard.supervisor.tell("one", {"x": 1})
    assert holds(lambda: heard.state() == "running", 1.5)
    heard.supervisor.close()
    assert heard.status().reason == "stopped"


def test_the_program_hears_once_that_it_shall_end(heard: Heard, program: Programs) -> None:
    command = program(
        """
        line.on_message = lambda m: line.tell({"heard": m})
        line.on_drain = lambda: line.tell({"drained": 1})
        line.ready()
        line.draining.wait()
        line.on_drain = lambda: line.tell({"late": 1})
        time.sleep(0.3)
        """
    )
    heard.supervisor.add(spec(command))
    assert heard.comes_to("running")
    heard.supervisor.close()
    assert heard.told("heard") == [{"drain": True}]
    assert heard.told("drained") == [1]
    assert heard.told("late") == [1]


def test_garbage_from_a_child_harms_nobody(heard: Heard, program: Programs) -> None:
    other = program("line.ready(); line.on_beat = lambda: {'alive': 1}; line.draining.wait()", "other.py")
    bad = program(
        """
        import random
        line.ready()
        end = line._end.fileno()
        random.seed(7)
        os.set_blocking(end, True)
        for _ in range(300):
            os.write(end, random.randbytes(5000))
        os.write(end, b'\\n{"type":"tell","message":{"at last":1}}\\n')
        os.set_blocking(end, False)
        line.draining.wait()
        """
    )
    heard.supervisor.add(spec(other, name="other", hang_after_s=5))
    heard.supervisor.add(spec(bad, hang_after_s=5))
    assert comes_true(lambda: heard.told("at last") == [1])
    before = len(heard.told("alive", "other"))
    assert comes_true(lambda: len(heard.told("alive", "other")) > before + 1)
    assert (heard.state(), heard.state("other")) == ("running", "running")


def test_who_floods_the_line_does_not_keep_others_from_being_heard(heard: Heard, program: Programs) -> None:
    heard.supervisor.add(
        spec(program("line.ready()\nwhile not line.draining.is_set(): line.tell({'flood': 'x' * 1000})"))
    )
    other = program("line.ready(); line.on_beat = lambda: {'alive': 1}; line.draining.wait()", "other.py")
    heard.supervisor.add(spec(other, name="other", hang_after_s=5))
    assert comes_true(lambda: len(heard.told("alive", "other")) >= 4)
    heard.messages.clear()
    assert heard.state("other") == "running"


def test_who_closes_its_line_is_not_heard_any_more_and_still_supervised(
    heard: Heard, program: Programs
) -> None:
    command = program("line.ready(); os.close(line._end.detach()); time.sleep(300)")
    heard.supervisor.add(spec(command, hang_after_s=1.5, restart=NEVER))
    assert heard.supervisor.wait(15)
    assert heard.status().reason.startswith("no sign of life for 1.5 s")


def test_a_program_that_never_listens_costs_no_more_than_a_bound(heard: Heard) -> None:
    heard.supervisor.add(foreign("sleep", "300"))
    assert heard.comes_to("running")
    for _ in range(8):
        heard.supervisor.tell("one", {"big": "x" * 10_000_000})
    heard.supervisor.close()
    assert heard.status().reason == "stopped"


def test_a_supervisor_that_is_stopped_does_not_stop_its_programs(heard: Heard, program: Programs) -> None:
    # The supervising process is the one that is stopped: a second Python, with a child that tells a lot.
    child = program(
        """
        line.ready()
        number = 0
        while not line.draining.is_set():
            number += 1
            line.tell({"number": number, "text": "x" * 1000})
            if number % 100 == 0:
                open(sys.argv[0] + ".count", "w").write(f"{number}")
            time.sleep(0.0001)
        """
    )
    parent = f"""
import sys
from argus.processes.spec import ProcessSpec
from argus.processes.supervisor import Supervisor
with Supervisor(on_change=lambda s: print(s.state, s.reason, flush=True)) as supervisor:
    supervisor.add(ProcessSpec(name="one", command={child!r}, start_deadline_s=20, hang_after_s=1.5))
    sys.stdin.readline()
"""
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as it:
        assert it.stdout is not None
        assert it.stdin is not None
        while not it.stdout.readline().startswith("running"):
            pass
        count = program.folder / "program.py.count"
        assert comes_true(count.exists)
        kill(it.pid, signal.SIGSTOP)
        before = int(count.read_text() or 0)
        assert comes_true(lambda: int(count.read_text() or 0) > before + 500, 20)
        stopped = time.monotonic()
        assert comes_true(lambda: time.monotonic() > stopped + 2.0)
        kill(it.pid, signal.SIGCONT)
        before = int(count.read_text() or 0)
        assert comes_true(lambda: int(count.read_text() or 0) > before + 500, 20)
        it.stdin.write("\n")
        it.stdin.flush()
        changes = it.stdout.read().splitlines()
    assert [line for line in changes if line.startswith(("backing-off", "starting"))] == []


def test_the_hot_path_costs_a_few_hundred_nanoseconds_at_most() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        line = Line(theirs)

        def one_call() -> None:
            line.enter()
            line.leave()

        per_call_s = min(timeit.repeat(one_call, number=20_000, repeat=5)) / 20_000
        os.close(line._wake)
    assert per_call_s < 2e-6


def test_copies_that_the_program_makes_of_itself_can_be_ended(heard: Heard, program: Programs) -> None:
    command = program(
        """
        import multiprocessing
        line.ready()
        context = multiprocessing.get_context("fork")
        runs = context.Event()
        copy = context.Process(target=lambda: (runs.set(), time.sleep(300)))
        copy.start()
        runs.wait(10)
        copy.terminate()
        copy.join(10)
        line.tell({"code": copy.exitcode})
        copy.kill()
        """
    )
    heard.supervisor.add(spec(command))
    assert heard.supervisor.wait(20)
    assert heard.told("code") == [-15]


def test_a_program_that_is_not_ready_ends_at_once_and_still_cleans_up(
    heard: Heard, program: Programs
) -> None:
    command = program(
        """
        try:
            line.tell({"loading": 1})
            time.sleep(300)
        except Exception:
            time.sleep(300)
        finally:
            line.tell({"cleaned": 1})
        """
    )
    heard.supervisor.add(spec(command))
    assert comes_true(lambda: bool(heard.told("loading")))
    begun = time.monotonic()
    heard.supervisor.remove("one")
    assert time.monotonic() - begun < 5.0
    assert heard.told("cleaned") == [1]
    assert heard.ends == [("one", "stopped")]
