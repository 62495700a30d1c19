"""Where all threads of a process are, told also where Python itself does not get a word in.

`faulthandler` writes from C, in a signal handler, and needs no GIL: for crashes by itself, and when asked
for by a signal.
"""

from __future__ import annotations

import faulthandler
import signal
from typing import Final

DUMP_SIGNAL: Final = signal.SIGRTMAX - 3
"""Asks for tracebacks. Not SIGUSR1: that belongs to whoever writes the program."""


def install(fd: int) -> None:
    """Let crashes and `DUMP_SIGNAL` write the tracebacks of all threads to a descriptor that stays open."""
    faulthandler.enable(file=fd, all_threads=True)
    faulthandler.register(DUMP_SIGNAL, file=fd, all_threads=True, chain=False)
