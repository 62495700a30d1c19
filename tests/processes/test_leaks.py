"""Starting and ending for a long time leaves nothing behind here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from argus.processes.policy import RestartPolicy
from argus.processes.supervisor import Supervisor
from tests.processes.parts import Heard, Programs, foreign, spec
from tests.sources.settling import comes_true, descriptors_and_threads


def zombies() -> int:
    """Return how many dead children of ours nobody has reaped."""
    count = 0
    for folder in Path("/proc").iterdir():
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        count += fields[0] == "Z" and fields[1] == str(os.getpid())
    return count


def test_two_hundred_starts_and_ends_leave_descriptors_threads_and_zombies_as_they_were(
    heard: Heard, tmp_path: Path
) -> None:
    dead = zombies()  # of others in this process
    log = str(tmp_path / "x.log")
    heard.supervisor.add(foreign("true", log=log))
    assert heard.supervisor.wait(15)
    heard.supervisor.remove("one")
    before = descriptors_and_threads()
    for number in range(50):
        for kind in ("true", "false", "no-such-command", "sleep"):
            command = (kind, "300") if kind == "sleep" else (kind,)
            heard.supervisor.add(foreign(*command, name=f"{kind} {number}", log=log))
        for status in heard.supervisor.statuses():
            heard.supervisor.remove(status.name)
    assert comes_true(lambda: descriptors_and_threads() <= before)
    assert zombies() <= dead


def test_who_keeps_dying_leaves_nothing_either(heard: Heard, program: Programs) -> None:
    dead = zombies()  # of others in this process
    before = descriptors_and_threads()
    policy = RestartPolicy(first_s=0.001, longest_s=0.001)
    heard.supervisor.add(spec(program("line.ready(); os._exit(1)"), restart=policy))
    heard.supervisor.add(foreign("false", name="two", restart=policy))
    assert comes_true(lambda: heard.status().starts > 10 and heard.status("two").starts > 100)
    for name in ("one", "two"):
        heard.supervisor.remove(name)
    assert comes_true(lambda: descriptors_and_threads() <= before + 2)  # its guard: a pipe and a pidfd
    assert zombies() <= dead


def test_a_closed_supervisor_leaves_nothing(program: Programs) -> None:
    dead = zombies()  # of others in this process
    before = descriptors_and_threads()
    command = program("line.ready(); line.draining.wait()")
    for _ in range(5):
        with Supervisor() as supervisor:
            supervisor.add(spec(command))
            supervisor.add(foreign("sleep", "300", name="two"))
    assert comes_true(lambda: descriptors_and_threads() <= before)
    assert zombies() <= dead


@pytest.mark.soak
def test_thousands_of_starts_and_ends_leave_nothing(heard: Heard, program: Programs) -> None:
    dead = zombies()  # of others in this process
    command = program("line.ready(); line.draining.wait()")
    heard.supervisor.add(spec(command, name="first"))
    assert heard.comes_to("running", "first")
    before = descriptors_and_threads()
    for number in range(2000):
        heard.supervisor.add(
            spec(command, name=str(number)) if number % 10 == 0 else foreign("true", name=str(number))
        )
        if number % 20 == 0:
            assert heard.comes_to("running", str(number))
        heard.supervisor.remove(str(number))
    assert comes_true(lambda: descriptors_and_threads() <= before)
    assert zombies() <= dead
