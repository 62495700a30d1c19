"""How a keeper is started: detached, so that it lives on when its starter and its terminal have gone."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Final

from argus.control.runtime.homes import MARK, mark_of, open_folder
from argus.core.errors import OutputError
from argus.core.settings import Settings
from argus.processes import guard, words

_NOT_FOR_IT: Final = frozenset({guard.MARK, words.VARIABLE, "ARGUS_WORKER_CONFIG", "ARGUS_API_KEY"})
"""What would tie it to those above us, and the key of the API, which no workload needs."""


def start_keeper(settings: Settings) -> int:
    """Start one, and return its process id; it ends at once where there is one already.

    Its owner must reap it (`reaped`).

    Raises:
        OutputError: the home cannot be written, or no process can be started.
    """
    open_folder(settings.run)
    log = settings.run / "keeper.log"
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    try:
        return os.posix_spawn(
            sys.executable,
            # Not the folder that it is started in: what lies there is nobody's module.
            [sys.executable, "-P", "-m", "argus.control.runtime.keeper", str(settings.home)],
            environment(os.environ, settings),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
            setsigmask=[],
        )
    except OSError as error:
        raise OutputError(f"{settings.run}: no keeper can be started", error.strerror) from error


def environment(ours: Mapping[str, str], settings: Settings) -> dict[str, str]:
    """Return the variables of a keeper, and so of all that it starts."""
    kept = {name: value for name, value in ours.items() if name not in _NOT_FOR_IT}
    return {**kept, "ARGUS_HOME": str(settings.home), MARK: mark_of(settings.home)}


def reaped(pid: int) -> bool:
    """Return whether a process that we started has ended, and let the kernel forget it."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True
