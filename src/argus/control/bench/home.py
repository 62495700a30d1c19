"""A control plane to be measured: a real one, in a home of its own that is gone afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from argus.control.client import Client
from argus.control.lock import read_note
from argus.core.errors import ArgusError
from argus.core.settings import Settings

_START_S: Final = 60.0


class MeasuredHome:
    """A home in a temporary folder, and the control plane on it."""

    def __init__(self) -> None:
        """Make the folder."""
        self.settings = Settings(Path(tempfile.mkdtemp(prefix="argus-bench-")))
        self._env = {**os.environ, "ARGUS_HOME": str(self.settings.home)}
        for name in ("ARGUS_STORE", "ARGUS_RESULTS", "ARGUS_BLOBS", "ARGUS_SERVER", "ARGUS_API_KEY"):
            self._env.pop(name, None)

    def __enter__(self) -> Self:
        """Return itself; nothing runs yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all that runs and remove the folder."""
        self.down()
        shutil.rmtree(self.settings.home, ignore_errors=True)

    def up(self) -> float:
        """Start the control plane; return the seconds until it answered.

        Raises:
            ArgusError: it does not come up.
        """
        began = time.monotonic()
        log = self.settings.home / "measured.log"
        with log.open("wb") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "argus", "up", "--leave-running", "--port", "0"],
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        while read_note(self.settings) is None:
            if process.poll() is not None or time.monotonic() - began > _START_S:
                raise ArgusError(
                    f"the control plane to be measured does not come up: exit {process.returncode}"
                )
            time.sleep(0.005)
        return time.monotonic() - began

    def client(self) -> Client:
        """Return a client of it."""
        note = read_note(self.settings)
        assert note is not None
        return Client(note.url, timeout_s=120)

    def kill(self) -> None:
        """End the control plane as a power cut would; what it runs goes on."""
        note = read_note(self.settings)
        assert note is not None
        os.kill(note.pid, signal.SIGKILL)
        while read_note(self.settings) is not None:
            time.sleep(0.005)

    def down(self) -> None:
        """End all of it."""
        subprocess.run(
            [sys.executable, "-m", "argus", "down"], env=self._env, capture_output=True, check=False
        )
