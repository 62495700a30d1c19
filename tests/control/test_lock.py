"""One control plane per home."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from pathlib import Path

import pytest

from argus.control.lock import AlreadyRuns, ControlLock, ControlNote, read_note
from argus.core.errors import OutputError
from argus.core.settings import Settings

NOTE = ControlNote("http://127.0.0.1:1", 42, "0.1.0")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path)


def test_a_second_control_plane_is_refused_and_told_of_the_first(settings: Settings) -> None:
    with ControlLock(settings) as lock:
        lock.tell(NOTE)
        assert read_note(settings) == NOTE
        with pytest.raises(AlreadyRuns, match=r"pid 42, http://127\.0\.0\.1:1"), ControlLock(settings):
            pass
        assert read_note(settings) == NOTE
    assert read_note(settings) is None
    with ControlLock(settings):
        pass


def test_a_note_of_one_that_was_killed_is_not_believed(settings: Settings) -> None:
    with ControlLock(settings) as lock:
        lock.tell(NOTE)
        left = (settings.run / "control.json").read_bytes()
    (settings.run / "control.json").write_bytes(left)
    assert read_note(settings) is None


def test_a_file_system_without_locks_is_not_taken_for_another_control_plane(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(fd: int, how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refused)
    with pytest.raises(OutputError, match="cannot be locked: No locks available"), ControlLock(settings):
        pass


def test_who_only_looks_whether_one_runs_keeps_none_from_starting(settings: Settings) -> None:
    """As `argus up -d` does, again and again, while what it has started takes the lock."""
    with ControlLock(settings):
        pass
    with (settings.run / "control.lock").open("rb") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        timer = threading.Timer(0.2, lambda: fcntl.flock(looking, fcntl.LOCK_UN))
        timer.start()
        with ControlLock(settings) as lock:
            lock.tell(NOTE)
            assert read_note(settings) == NOTE
        timer.join()
