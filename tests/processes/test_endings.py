"""One line that says why."""

from __future__ import annotations

import pytest

from argus.processes.endings import exit_text, last_line, one_line, place_in

DUMP = """Fatal Python error: Segmentation fault

Thread 0x00007f01 (most recent call first):
  File "/app/other.py", line 7 in wait

Current thread 0x00007f02 (most recent call first):
  File "/usr/lib/python3.11/re/__init__.py", line 166 in match
  File "/app/nodes/yolo.py", line 41 in loop
  File "/app/main.py", line 3 in <module>

Extension modules: x (total: 1)
"""


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (0, "exit 0"),
        (3, "exit 3"),
        (-9, "signal 9 (SIGKILL)"),
        (-11, "signal 11 (SIGSEGV)"),
        (-99, "signal 99"),
    ],
)
def test_an_exit_code_is_told_as_people_know_it(code: int, text: str) -> None:
    assert exit_text(code) == text


def test_the_place_is_the_innermost_frame_that_somebody_can_change() -> None:
    assert place_in(DUMP, None) == "/app/nodes/yolo.py:41 in loop"
    assert place_in(DUMP, 0x7F01) == "/app/other.py:7 in wait"


def test_without_such_a_frame_it_is_the_innermost() -> None:
    dump = 'Current thread 0x1 (most recent call first):\n  File "/usr/lib/python3.11/re.py", line 1 in f\n'
    assert place_in(dump, 1) == "/usr/lib/python3.11/re.py:1 in f"


@pytest.mark.parametrize(
    "dump", ["", "nonsense", "Thread 0x1 (most recent call first):\n  <no Python frame>\n"]
)
def test_where_nothing_is_known_nothing_is_said(dump: str) -> None:
    assert place_in(dump, 1) == ""


def test_the_last_line_that_says_something_is_found() -> None:
    assert last_line(b"a\n\x1b[31mValueError: no\x1b[0m\n\n  \n") == "ValueError: no"
    assert last_line(b"\xff\xfe half a picture") == "\ufffd\ufffd half a picture"
    assert last_line(b"") == ""


def test_one_line_is_one_line_of_a_table() -> None:
    assert one_line("a\n\tb\x07c") == "a b?c"
    assert len(one_line("x" * 5000)) == 300
