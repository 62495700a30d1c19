"""The life of processes: started, started again, given up, ended. All of them are real."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest

from argus.core.errors import SpecError, UnknownName
from argus.processes.policy import RestartPolicy
from argus.processes.supervisor import NameTaken, Supervisor, SupervisorClosed
from tests.processes.parts import NEVER, QUICK, Heard, Programs, foreign, holds, kill, lives, spec
from tests.sources.settling import comes_true


def test_a_process_that_dies_runs_again_within_two_seconds_with_the_reason_in_its_status(
    heard: Heard, program: Programs
) -> None:
    heard.supervisor.add(spec(program("line.ready(); line.draining.wait()")))
    assert heard.comes_to("running")
    first = heard.status().pid
    kill(first)
    died = time.monotonic()
    assert comes_true(lambda: heard.state() == "running" and heard.status().pid != first)
    assert time.monotonic() - died < 2.0
    status = heard.status()
    assert (status.reason, status.starts, status.restarts) == ("signal 9 (SIGKILL)", 2, 1)
    assert heard.ends == [("one", "signal 9 (SIGKILL)")]


def test_who_keeps_dying_is_started_at_growing_intervals(heard: Heard) -> None:
    heard.supervisor.add(foreign("false", restart=RestartPolicy(first_s=0.1)))
    assert comes_true(lambda: heard.status().starts >= 5)
    begun: list[float] = []
    for status in tuple(heard.changes):
        if status.state == "backing-off" and (not begun or status.since != begun[-1]):
            begun.append(status.since)
    waits = [later - earlier for earlier, later in pairwise(begun)]
    assert all(wait >= least for wait, least in zip(waits, (0.1, 0.2, 0.4), strict=False))
    assert waits[0] < 1.0


def test_it_is_told_of_an_end_before_the_next_start(heard: Heard) -> None:
    seen: list[str] = []

    def ended(name: str, reason: str) -> None:
        time.sleep(0.3)
        seen.append("end")

    with Supervisor(on_end=ended, on_change=lambda s: seen.append(f"{s.state} {s.starts}")) as supervisor:
        supervisor.add(foreign("false", restart=RestartPolicy(first_s=0.01, most=2)))
        assert supervisor.wait(15)
    # Nor is there a word of the next start before it is made.
    told = ["running 1", "end", "backing-off 1", "running 2", "end", "failed 2"]
    assert [one for one, after in pairwise([*seen, ""]) if one != after] == told


def test_exit_0_is_the_end_of_it(heard: Heard) -> None:
    heard.supervisor.add(foreign("true"))
    assert heard.supervisor.wait(15)
    status = heard.status()
    assert (status.state, status.reason, status.starts, status.pid) == ("finished", "exit 0", 1, None)


def test_unless_it_shall_always_run(heard: Heard) -> None:
    heard.supervisor.add(foreign("true", restart=RestartPolicy(when="always", first_s=0.02, most=3)))
    assert heard.supervisor.wait(15)
    assert (heard.state(), heard.status().starts) == ("failed", 3)


def test_who_shall_never_be_started_again_is_not(heard: Heard) -> None:
    heard.supervisor.add(foreign("sh", "-c", "exit 3", restart=NEVER))
    assert heard.supervisor.wait(15)
    assert (heard.state(), heard.status().reason, heard.status().starts) == ("failed", "exit 3", 1)


def test_after_so_many_failures_it_is_given_up(heard: Heard) -> None:
    heard.supervisor.add(foreign("false", restart=RestartPolicy(first_s=0.01, most=3)))
    assert heard.supervisor.wait(15)
    assert (heard.state(), heard.status().starts) == ("failed", 3)
    assert holds(lambda: heard.status().starts == 3, 0.2)


def test_the_reason_is_what_the_program_said_before_it_ended(heard: Heard, program: Programs) -> None:
    command = program("line.failed('setup failed in nodes/yolo.py:41:\\nno such file'); sys.exit(1)")
    heard.supervisor.add(spec(command, restart=NEVER))
    assert heard.supervisor.wait(15)
    assert heard.status().reason == "exit 1: setup failed in nodes/yolo.py:41: no such file"


def test_else_it_is_the_last_line_that_it_printed(heard: Heard, tmp_path: Path) -> None:
    heard.supervisor.add(
        foreign("sh", "-c", "echo one; echo sorry >&2; exit 7", restart=NEVER, log=str(tmp_path / "x.log"))
    )
    assert heard.supervisor.wait(15)
    assert heard.status().reason == "exit 7: sorry"
    assert (tmp_path / "x.log").read_text() == "one\nsorry\n"


def test_a_crash_names_its_place_and_keeps_the_traceback(heard: Heard, program: Programs) -> None:
    command = program("import ctypes\ndef poke():\n    ctypes.string_at(8)\nline.ready()\npoke()\n")
    heard.supervisor.add(spec(command, restart=NEVER))
    assert heard.supervisor.wait(15)
    assert heard.status().reason == f"signal 11 (SIGSEGV): at {command[1]}:7 in poke"
    assert "Segmentation fault" in heard.status().detail


def test_who_is_not_ready_in_time_is_ended_with_the_place_where_it_was(
    heard: Heard, program: Programs
) -> None:
    command = program("def load():\n    time.sleep(100)\nload()\n")
    heard.supervisor.add(spec(command, restart=NEVER, start_deadline_s=1.0))
    assert heard.state() == "starting"
    assert heard.supervisor.wait(15)
    assert heard.status().reason == f"not ready after 1 s, at {command[1]}:6 in load"


@pytest.mark.parametrize(
    ("details", "reason"),
    [
        ({"command": ("no-such-command", "x")}, "cannot start: there is no command no-such-command"),
        ({"command": ("/",)}, "cannot start: / may not be run"),
        ({"command": ("true",), "cwd": "/no/such/folder"}, "cannot start: there is no folder /no"),
        ({"command": ("true",), "fds": (999,)}, "cannot start: descriptor 999 is not open here"),
        ({"command": ("true",), "log": "/proc/no/x"}, "cannot start: its log /proc/no/x cannot be"),
        ({"command": ("true", "x" * 3_000_000)}, "cannot start true: Argument list too long"),
        ({"command": ("true", "\ud800\ud801")}, "cannot start: 'utf-8' codec"),
    ],
    ids=["command", "permission", "folder", "descriptor", "log", "size", "text"],
)  # fmt: skip
def test_what_cannot_be_started_says_why_and_obeys_the_policy(
    heard: Heard, details: dict[str, object], reason: str
) -> None:
    given: dict[str, object] = {"name": "one", "restart": RestartPolicy(first_s=0.01, most=2), **details}
    heard.supervisor.add(spec(**given, start_deadline_s=None))  # type: ignore[arg-type]
    assert heard.supervisor.wait(15)
    assert heard.status().reason.startswith(reason)
    assert (heard.state(), heard.status().starts, heard.ends) == ("failed", 2, [])


@pytest.mark.parametrize(
    ("details", "message"),
    [
        ({"command": ()}, "process one: command is"),
        ({"command": "sleep 5"}, "process one: command is 'sleep 5'"),
        ({"command": ("a\0b",)}, "NUL"),
        ({"command": ("a",), "name": ""}, "without a name"),
        ({"command": ("a",), "hang_after_s": 0}, "hang_after_s is 0: it must be above 0"),
        ({"command": ("a",), "start_deadline_s": float("nan")}, "start_deadline_s is nan"),
        ({"command": ("a",), "drain_s": -1}, "drain_s is -1"),
        ({"command": ("a",), "log_bytes": 0}, "log_bytes must be at least 1"),
    ],
)
def test_what_can_never_be_is_refused_at_once(details: dict[str, object], message: str) -> None:
    given: dict[str, object] = {"name": "one", **details}
    with pytest.raises(SpecError, match=message):
        spec(**given)  # type: ignore[arg-type]


def test_a_name_is_given_once(heard: Heard) -> None:
    heard.supervisor.add(foreign("sleep", "100"))
    with pytest.raises(NameTaken, match="process one is there already"):
        heard.supervisor.add(foreign("true"))
    heard.supervisor.remove("one")
    heard.supervisor.add(foreign("true"))
    assert heard.comes_to("finished")


def test_an_unknown_name_lists_the_known_ones(heard: Heard) -> None:
    heard.supervisor.add(foreign("sleep", "100", name="camera"))
    for ask in (heard.supervisor.status, heard.supervisor.remove, heard.supervisor.restart):
        with pytest.raises(UnknownName, match="unknown process 'camrea'; did you mean 'camera'"):
            ask("camrea")
    with pytest.raises(UnknownName):
        heard.supervisor.tell("camrea", {})


def test_who_is_asked_to_end_has_time_to_finish(heard: Heard, program: Programs, tmp_path: Path) -> None:
    command = program(
        """
        line.ready()
        line.draining.wait()
        time.sleep(0.3)
        open('finished', 'w').close()
        """
    )
    heard.supervisor.add(spec(command, cwd=str(tmp_path)))
    assert heard.comes_to("running")
    pid = heard.status().pid
    heard.supervisor.remove("one")
    assert (tmp_path / "finished").exists()
    assert not lives(pid)
    assert heard.ends == [("one", "stopped")]
    assert heard.changes[-1].state == "stopped"
    assert heard.supervisor.statuses() == ()


def test_sigterm_alone_drains_too(heard: Heard, program: Programs) -> None:
    heard.supervisor.add(spec(program("line.ready(); line.draining.wait(); sys.exit(5)"), restart=NEVER))
    assert heard.comes_to("running")
    kill(heard.status().pid, signal.SIGTERM)
    assert heard.supervisor.wait(15)
    assert heard.status().reason == "exit 5"


def test_who_does_not_end_is_killed_and_told_where_it_was(heard: Heard, program: Programs) -> None:
    command = program("line.ready()\ndef stay():\n    while True: time.sleep(1)\nstay()\n")
    heard.supervisor.add(spec(command, drain_s=0.5))
    assert heard.comes_to("running")
    begun = time.monotonic()
    heard.supervisor.close()
    assert 0.5 <= time.monotonic() - begun < 3.0
    assert heard.state() == "stopped"
    assert heard.status().reason == (f"did not end within 0.5 s of being asked to, at {command[1]}:7 in stay")


def test_a_foreign_command_that_ignores_sigterm_is_killed_with_its_children(
    heard: Heard, tmp_path: Path
) -> None:
    script = f"trap '' TERM; sleep 300 & echo $! > {tmp_path}/pid; wait; sleep 300"
    heard.supervisor.add(foreign("sh", "-c", script, drain_s=0.3))
    assert comes_true((tmp_path / "pid").exists)
    assert comes_true(lambda: (tmp_path / "pid").read_text().strip().isdigit())
    child = int((tmp_path / "pid").read_text())
    assert lives(child)
    heard.supervisor.close()
    assert comes_true(lambda: not lives(child))


def test_what_a_process_leaves_behind_of_its_group_is_ended_with_it(heard: Heard, tmp_path: Path) -> None:
    heard.supervisor.add(foreign("sh", "-c", f"sleep 300 & echo $! > {tmp_path}/pid; exit 0"))
    assert heard.supervisor.wait(15)
    assert comes_true(lambda: not lives(int((tmp_path / "pid").read_text())))


def test_a_stopped_process_can_be_asked_to_end(heard: Heard, program: Programs) -> None:
    heard.supervisor.add(spec(program("line.ready(); line.draining.wait(); print(flush=True)")))
    assert heard.comes_to("running")
    kill(heard.status().pid, signal.SIGSTOP)
    begun = time.monotonic()
    heard.supervisor.close()
    assert time.monotonic() - begun < 5.0
    assert heard.status().reason == "stopped"


def test_a_process_can_be_removed_while_it_starts(heard: Heard, program: Programs) -> None:
    command = program("time.sleep(100)")
    for number in range(5):
        heard.supervisor.add(spec(command, name=str(number)))
    for number in range(5):
        heard.supervisor.remove(str(number))
    assert heard.supervisor.statuses() == ()
    assert {reason for _, reason in heard.ends} <= {"stopped"}


def test_a_process_can_be_removed_while_it_waits_to_be_started_again(heard: Heard) -> None:
    heard.supervisor.add(foreign("false", restart=RestartPolicy(first_s=20.0)))
    assert heard.comes_to("backing-off")
    heard.supervisor.remove("one")
    assert heard.supervisor.statuses() == ()


def test_closing_does_not_wait_for_who_waits_to_be_started_again(heard: Heard) -> None:
    heard.supervisor.add(foreign("false", restart=RestartPolicy(first_s=20.0)))
    assert heard.comes_to("backing-off")
    begun = time.monotonic()
    heard.supervisor.close()
    assert time.monotonic() - begun < 2.0
    status = heard.status()
    assert (status.state, status.reason) == ("stopped", "exit 1")


def test_all_are_drained_side_by_side(heard: Heard) -> None:
    for number in range(6):
        heard.supervisor.add(foreign("sh", "-c", "trap '' TERM; sleep 300", name=str(number), drain_s=0.5))
    assert all(heard.comes_to("running", str(number)) for number in range(6))
    begun = time.monotonic()
    heard.supervisor.close()
    assert time.monotonic() - begun < 2.5
    assert {status.state for status in heard.supervisor.statuses()} == {"stopped"}


def test_closing_twice_and_from_two_threads_is_no_harm(heard: Heard) -> None:
    heard.supervisor.add(foreign("sleep", "300"))
    threads = [threading.Thread(target=heard.supervisor.close) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(15)
    heard.supervisor.close()
    with pytest.raises(SupervisorClosed):
        heard.supervisor.add(foreign("true", name="two"))
    with pytest.raises(SupervisorClosed):
        heard.supervisor.restart("one")
    assert heard.supervisor.tell("one", {}) is False
    assert heard.state() == "stopped"


def test_a_restart_that_was_asked_for_is_no_failure(heard: Heard, program: Programs) -> None:
    heard.supervisor.add(spec(program("line.ready(); line.draining.wait()")))
    assert heard.comes_to("running")
    first = heard.status().pid
    heard.supervisor.restart("one")
    assert comes_true(lambda: heard.state() == "running" and heard.status().pid != first)
    status = heard.status()
    assert (status.starts, status.restarts, status.reason) == (2, 0, "stopped")


def test_who_has_finished_or_was_given_up_can_be_started_again(heard: Heard) -> None:
    heard.supervisor.add(foreign("true"))
    heard.supervisor.add(foreign("false", name="two", restart=NEVER))
    assert heard.supervisor.wait(15)
    for name in ("one", "two"):
        heard.supervisor.restart(name)
        assert comes_true(lambda name=name: heard.status(name).starts == 2)  # type: ignore[misc]
    assert heard.supervisor.wait(15)
    assert (heard.state(), heard.state("two")) == ("finished", "failed")


def test_descriptors_are_inherited_under_their_numbers_also_after_a_restart(
    heard: Heard, program: Programs
) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(15)
        command = program(f"os.write({theirs.fileno()}, b'here'); line.ready(); line.draining.wait()")
        heard.supervisor.add(spec(command, fds=(theirs.fileno(),), restart=QUICK))
        assert ours.recv(4) == b"here"
        kill(heard.status().pid)
        assert ours.recv(4) == b"here"


def test_variables_are_added_to_ours_and_the_line_is_not_handed_on(
    heard: Heard, program: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OURS", "1")
    command = program(
        """
        import subprocess
        child = "import os; print(os.environ.get('ARGUS_LINE'), len(os.listdir('/proc/self/fd')))"
        seen = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True).stdout.split()
        line.tell({"seen": [os.environ["OURS"], os.environ["THEIRS"], *seen]})
        """
    )
    heard.supervisor.add(spec(command, env={"THEIRS": "2"}))
    assert heard.supervisor.wait(15)
    assert heard.told("seen") == [["1", "2", "None", "4"]]


def test_ctrl_c_reaches_the_parent_alone(heard: Heard) -> None:
    heard.supervisor.add(foreign("sleep", "300"))
    assert heard.comes_to("running")
    pid = heard.status().pid
    assert pid is not None
    assert os.getpgid(pid) == os.getsid(pid) == pid != os.getsid(0)


def test_a_listener_that_raises_disturbs_nobody() -> None:
    def bad(*_: object) -> None:
        raise RuntimeError("a listener's own mistake")

    with Supervisor(on_message=bad, on_end=bad, on_change=bad) as supervisor:
        supervisor.add(foreign("false", restart=RestartPolicy(first_s=0.01, most=2)))
        assert supervisor.wait(15)
        assert supervisor.status("one").starts == 2


def test_listeners_may_call_the_supervisor() -> None:
    done = threading.Event()

    def ended(name: str, reason: str) -> None:
        supervisor.add(foreign("true", name=f"{name}, then"))
        supervisor.remove(name)
        done.set()

    with Supervisor(on_end=lambda n, r: ended(n, r) if n == "one" else None) as supervisor:
        supervisor.add(foreign("false"))
        assert done.wait(15)
        assert comes_true(lambda: [s.name for s in supervisor.statuses()] == ["one, then"])
        assert supervisor.wait(15)


def test_a_supervisor_can_be_closed_by_its_own_listener() -> None:
    def changed(status: object) -> None:
        supervisor.close()

    supervisor = Supervisor(on_end=lambda name, reason: supervisor.close())
    supervisor.add(foreign("false"))
    supervisor.add(foreign("sleep", "300", name="two"))
    assert comes_true(lambda: all(s.state == "stopped" for s in supervisor.statuses()))
    supervisor.close()


def test_output_goes_to_the_log_and_the_log_is_put_aside(heard: Heard, tmp_path: Path) -> None:
    script = "i=0; while [ $i -lt 400 ]; do echo line $i; echo error $i >&2; i=$((i+1)); done"
    log = tmp_path / "logs" / "x.log"
    heard.supervisor.add(foreign("sh", "-c", script, log=str(log), log_bytes=2000, log_keep=50))
    assert heard.supervisor.wait(15)
    older = [
        path.read_text() for path in sorted(log.parent.glob("x.log.*"), key=lambda p: -int(p.suffix[1:]))
    ]
    lines = "".join([*older, log.read_text()]).splitlines()
    assert lines == [f"{word} {i}" for i in range(400) for word in ("line", "error")]


def test_two_processes_may_share_a_log(heard: Heard, tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    for name in ("a", "b"):
        heard.supervisor.add(foreign("echo", name, name=name, log=str(log)))
    assert heard.supervisor.wait(15)
    assert sorted(log.read_text().split()) == ["a", "b"]
