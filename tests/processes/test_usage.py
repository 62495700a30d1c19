"""What processes take, seen from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from argus.processes.usage import usage_of
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
