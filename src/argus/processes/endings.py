"""Why a process ended, in one line: from exit codes, last words and tracebacks.

Text only; who ends processes, and keeps their last words, is elsewhere.
"""

from __future__ import annotations

import re
import signal

_LONGEST = 300
_THREAD = re.compile(r"^(Current thread|Thread) 0x([0-9a-f]+)[^\n]*\n", re.MULTILINE)
_FRAME = re.compile(r'^  File "([^"\n]*)", line (\d+|\?\?\?) in (.*)$', re.MULTILINE)
_INSTALLED = re.compile(r"/lib(64)?/python3[^/]*/|^<frozen ")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def exit_text(code: int) -> str:
    """Return `exit 1` or `signal 9 (SIGKILL)` for a return code as `subprocess` gives it."""
    if code >= 0:
        return f"exit {code}"
    try:
        return f"signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"signal {-code}"


def one_line(text: str) -> str:
    """Return a text without line breaks, escape sequences and what else has no place in a table."""
    plain = " ".join(_ESCAPES.sub("", text).split())
    shown = "".join(c if c.isprintable() else "?" for c in plain)
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"


def last_line(output: bytes) -> str:
    """Return the last line of an output that says something."""
    for line in reversed(output.decode(errors="replace").splitlines()):
        shown = one_line(line)
        if shown:
            return shown
    return ""


def place_in(dump: str, thread: int | None) -> str:
    """Return where a thread was in a dump of `faulthandler`, as `file:line in function`; empty if unknown.

    Of its frames that is the innermost that belongs to no installed package, if there is one: there
    somebody can change something.

    Args:
        dump: What it wrote.
        thread: Identity of the thread; None is the one that crashed.
    """
    sections = _THREAD.split(dump)[1:]
    for kind, identity, frames in zip(sections[::3], sections[1::3], sections[2::3], strict=True):
        wanted = kind == "Current thread" if thread is None else int(identity, 16) == thread
        found = _FRAME.findall(frames) if wanted else []
        if found:
            file, line, function = next((f for f in found if not _INSTALLED.search(f[0])), found[0])
            return one_line(f"{file}:{line} in {function}")
    return ""
