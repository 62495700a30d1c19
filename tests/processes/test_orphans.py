"""Nothing outlives a supervisor, however it ends: a second Python supervises, and is killed."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.processes.parts import Programs, descendants, holds, kill, lives, marked
from tests.sources.settling import comes_true

PARENT = """
import os, sys, time
from argus.processes.spec import ProcessSpec
from argus.processes.supervisor import Supervisor

supervisor = Supervisor(on_change=lambda s: print(s.name, s.state, s.pid, flush=True))

def add(name, *command, **details):
    supervisor.add(ProcessSpec(name=name, command=command, **details))

print("guard", "is", 0, flush=True)
"""


class Parent:
    """A program that supervises, with a mark by which all that it starts is found."""

    def __init__(self, source: str) -> None:
        self.mark = f"TEST_MARK={uuid.uuid4().hex}"
        name, value = self.mark.split("=")
        self.process = subprocess.Popen(
            [sys.executable, "-c", PARENT + source],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, name: value},
        )

    @property
    def children(self) -> set[int]:
        """Those that live and are not itself."""
        return marked(self.mark) - {self.process.pid}

    @property
    def guard(self) -> int | None:
        """Its guard."""
        for pid in self.children:
            try:
                if b"guard.py" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return pid
            except OSError:
                continue
        return None

    def runs(self, *names: str) -> bool:
        """Wait until these run; return whether they do."""
        assert self.process.stdout is not None
        wanted = set(names)
        for line in self.process.stdout:
            name, state, _ = line.split()
            if state == "running":
                wanted.discard(name)
            if not wanted:
                return True
        return False

    def end(self) -> None:
        """Leave nothing behind, whatever the test found."""
        self.process.kill()
        comes_true(lambda: not self.children, 2.0)
        for pid in self.children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()


def ignores(pid: int, number: int) -> bool:
    """Return whether a process ignores a signal."""
    [mask] = re.findall(r"SigIgn:\t(\w+)", Path(f"/proc/{pid}/status").read_text())
    return bool(int(mask, 16) >> (number - 1) & 1)


@pytest.fixture
def parent() -> Iterator[Callable[[str], Parent]]:
    made: list[Parent] = []

    def make(source: str) -> Parent:
        made.append(Parent(source))
        return made[-1]

    yield make
    for one in made:
        one.end()


def test_a_killed_parent_leaves_nobody_within_two_seconds(
    parent: Callable[[str], Parent], program: Programs
) -> None:
    one = parent(f"""
add("idle", *{program("line.ready(); line.draining.wait()", "idle.py")!r}, start_deadline_s=20)
add("deaf", *{program("line.ready(); signal.signal(15, signal.SIG_IGN); time.sleep(300)", "deaf.py")!r},
    start_deadline_s=20)
add("regex", *{program("line.ready(); import re; re.match('(a+)+$', 'a' * 60 + 'b')", "regex.py")!r},
    start_deadline_s=20)
add("sum", *{program("line.ready(); sum(range(10 ** 12))", "sum.py")!r}, start_deadline_s=20)
add("starting", sys.executable, "-c", "import time; time.sleep(300)", start_deadline_s=60)
add("foreign", "sleep", "300")
add("family", "sh", "-c", "trap '' TERM HUP; sleep 300 & sleep 300 & wait")
add("session", "sh", "-c", "setsid sleep 300 & env -i sleep 300 & wait")
add("stopped", "sh", "-c", "kill -STOP $$")
time.sleep(300)
""")
    assert one.runs("idle", "deaf", "regex", "sum", "foreign", "family", "session", "stopped")
    assert comes_true(lambda: len(one.children) >= 13)
    assert comes_true(lambda: one.guard is not None)
    # What has forgotten its environment has no mark, and what has left its parent is no descendant.
    everybody = one.children | descendants(one.process.pid)
    assert len(everybody) >= 14
    one.process.kill()
    assert comes_true(lambda: not one.children and not any(map(lives, everybody)), 2.0)


def test_also_where_it_is_killed_at_any_moment_of_a_start(
    parent: Callable[[str], Parent], program: Programs
) -> None:
    chance = random.Random(11)
    command = program("line.ready(); line.draining.wait()")
    for _ in range(5):
        one = parent(f"""
for number in range(4):
    add(f"ours{{number}}", *{command!r}, start_deadline_s=20)
    add(f"foreign{{number}}", "sh", "-c", "sleep 300 & wait")
time.sleep(300)
""")
        assert one.process.stdout is not None
        one.process.stdout.readline()
        time.sleep(chance.uniform(0.0, 0.15))
        one.process.kill()
        assert comes_true(lambda one=one: not one.children, 2.0)  # type: ignore[misc]
        one.end()


def test_a_parent_that_forgets_to_close_ends_its_processes_in_good_order(
    parent: Callable[[str], Parent], program: Programs, tmp_path: Path
) -> None:
    done = tmp_path / "done"
    command = program(f"line.ready(); line.draining.wait(); open({str(done)!r}, 'w').close()")
    one = parent(f"""
add("idle", *{command!r}, start_deadline_s=20)
add("foreign", "sleep", "300")
while any(s.state != "running" for s in supervisor.statuses()): time.sleep(0.05)
raise SystemExit(3)
""")
    one.process.communicate(timeout=20)
    assert one.process.returncode == 3
    assert done.exists()
    assert one.children == set()


def test_a_guard_that_was_killed_is_replaced(parent: Callable[[str], Parent]) -> None:
    one = parent('add("family", "sh", "-c", "sleep 300 & wait")\ntime.sleep(300)')
    assert one.runs("family")
    assert comes_true(lambda: one.guard is not None)
    first = one.guard
    kill(first)
    assert comes_true(lambda: one.guard not in {None, first})
    one.process.kill()
    assert comes_true(lambda: not one.children, 2.0)


def test_a_guard_does_nothing_while_its_parent_lives_and_goes_with_it(
    parent: Callable[[str], Parent],
) -> None:
    one = parent("""
add("one", "sleep", "300")
while supervisor.status("one").state != "running": time.sleep(0.05)
gone = supervisor.status("one").pid
supervisor.remove("one")
while os.path.exists(f"/proc/{gone}"): time.sleep(0.02)
add("two", "sleep", "300")
sys.stdin.readline()
""")
    assert one.runs("two")
    assert comes_true(lambda: one.guard is not None)
    guard = one.guard
    assert guard is not None
    assert comes_true(lambda: ignores(guard, signal.SIGHUP))
    assert comes_true(lambda: len(one.children) == 2)  # what was started a moment ago may show no mark yet
    both = one.children
    assert guard in both
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        kill(guard, number)
    # Asked of the two themselves: a search by mark may miss one for a moment, which says nothing.
    assert holds(lambda: all(lives(pid) for pid in both), 0.3)
    one.process.communicate("\n", timeout=10)
    assert comes_true(lambda: not lives(guard))


def test_supervisors_within_supervised_processes_end_with_them(
    parent: Callable[[str], Parent], tmp_path: Path
) -> None:
    inner = tmp_path / "inner.py"
    inner.write_text(PARENT + 'add("leaf", "sh", "-c", "setsid sleep 300 & sleep 300")\ntime.sleep(300)')
    one = parent(f'add("inner", sys.executable, {str(inner)!r})\ntime.sleep(300)')
    assert one.runs("inner")
    assert comes_true(lambda: len(one.children) == 6)  # two guards, inner, a shell and two that sleep
    one.process.kill()
    assert comes_true(lambda: not one.children, 2.0)
