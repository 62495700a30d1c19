"""What processes take, seen from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from argus.processes.usage import resident_of_sessions, usage_of, usage_of_sessions
from tests.sources.settling import comes_true


def test_work_is_seen_as_processor_seconds() -> None:
    before = usage_of(os.getpid())
    until = time.process_time() + 0.2
    while time.process_time() < until:
        pass
    after = usage_of(os.getpid())
    assert before is not None
    assert after is not None
    assert 0.1 <= after.cpu_s - before.cpu_s < 5.0


def test_memory_that_a_process_fills_is_counted() -> None:
    code = "import sys; data = b'x' * 50_000_000; print(len(data), flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as it:
        assert it.stdout is not None
        assert it.stdin is not None
        it.stdout.readline()
        usage = usage_of(it.pid)
        it.stdin.close()
    assert usage is not None
    assert 50_000_000 <= usage.memory_bytes < 120_000_000


def test_who_is_gone_takes_nothing() -> None:
    it = subprocess.Popen(["true"])
    assert comes_true(lambda: (usage := usage_of(it.pid)) is None or usage.memory_bytes == 0)
    it.wait()
    assert usage_of(it.pid) is None


def test_a_name_with_brackets_and_blanks_is_no_trouble() -> None:
    code = (
        "import ctypes, sys; ctypes.CDLL(None).prctl(15, b') R 1 (x', 0, 0, 0);"
        "print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as it:
        assert it.stdout is not None
        assert it.stdin is not None
        it.stdout.readline()
        usage = usage_of(it.pid)
        it.stdin.close()
    assert usage is not None
    assert usage.cpu_s < 60.0


def test_what_a_session_takes_is_what_all_its_processes_take() -> None:
    code = (
        "import os, sys; data = b'x' * 30_000_000; child = os.fork(); data += b'y';"
        "print(flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-W", "ignore", "-c", code]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as it:
        assert it.stdout is not None
        assert it.stdin is not None
        it.stdout.readline()
        it.stdout.readline()
        alone = usage_of(it.pid)
        together = usage_of_sessions([it.pid])
        resident = resident_of_sessions([it.pid, 2**22])
        it.stdin.close()
    assert alone is not None
    # Parent and child share the first 30 MB and have a copy of their own each.
    assert together[it.pid].memory_bytes > alone.memory_bytes + 25_000_000
    assert together[it.pid].memory_bytes >= 60_000_000
    assert resident.keys() == {it.pid}
    assert resident[it.pid] >= 0.9 * together[it.pid].memory_bytes


def test_sessions_that_are_gone_take_nothing() -> None:
    it = subprocess.Popen(["true"], start_new_session=True)
    it.wait()
    assert not usage_of_sessions([it.pid])
    assert not resident_of_sessions([it.pid])
    assert not usage_of_sessions([])
