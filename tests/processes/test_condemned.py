"""What others find out about a process, and what they want to know of its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from argus.core.errors import UnknownName
from tests.processes.parts import NEVER, QUICK, Heard, Programs, foreign, lives, spec
from tests.sources.settling import comes_true


def test_who_is_condemned_is_killed_with_the_reason_and_the_place_where_it_was(
    heard: Heard, program: Programs
) -> None:
    command = program("line.ready()\ndef idle():\n    time.sleep(300)\nidle()\n")
    heard.supervisor.add(spec(command, restart=NEVER))
    assert heard.comes_to("running")
    heard.supervisor.condemn("one", "took too much")
    assert heard.supervisor.wait(10)
    status = heard.status()
    assert status.reason == f"took too much, at {command[1]}:7 in idle"
    assert (status.state, status.code) == ("failed", -9)


def test_the_restart_policy_says_what_follows(heard: Heard) -> None:
    heard.supervisor.add(foreign("sleep", "300", restart=QUICK))
    assert heard.comes_to("running")
    first = heard.status().pid
    heard.supervisor.condemn("one", "took too much")
    assert comes_true(lambda: heard.status().restarts == 1 and heard.state() == "running")
    assert not lives(first)
    assert heard.ends == [("one", "took too much")]
    assert heard.status().reason == "took too much"


def test_a_condemned_process_that_does_not_run_is_left_alone(heard: Heard) -> None:
    heard.supervisor.add(foreign("true"))
    assert heard.supervisor.wait(10)
    heard.supervisor.condemn("one", "took too much")
    heard.supervisor.restart("one")
    assert comes_true(lambda: heard.status().starts == 2 and heard.state() == "finished")
    assert heard.status().reason == "exit 0"
    with pytest.raises(UnknownName):
        heard.supervisor.condemn("two", "took too much")


def test_a_removal_that_is_not_waited_for_tells_when_it_is_done(heard: Heard, program: Programs) -> None:
    heard.supervisor.add(spec(program("line.ready(); line.draining.wait(); time.sleep(0.3)")))
    assert heard.comes_to("running")
    pid = heard.status().pid
    heard.supervisor.remove("one", wait=False)
    assert lives(pid)
    assert heard.status().pid == pid
    assert comes_true(lambda: heard.changes[-1].state == "stopped")
    assert not lives(pid)
    assert heard.supervisor.statuses() == ()
    heard.supervisor.add(foreign("true"))


def test_how_it_ended_and_what_it_last_printed_is_told(heard: Heard, tmp_path: Path) -> None:
    log = str(tmp_path / "one.log")
    heard.supervisor.add(foreign("sh", "-c", "echo first; echo last >&2; exit 3", restart=NEVER, log=log))
    assert heard.supervisor.wait(10)
    assert (heard.status().code, heard.status().output) == (3, "first\nlast\n")


def test_who_did_not_start_has_no_code(heard: Heard) -> None:
    heard.supervisor.add(foreign("/there/is/none", restart=NEVER))
    assert heard.supervisor.wait(10)
    assert (heard.status().code, heard.status().output) == (None, "")
