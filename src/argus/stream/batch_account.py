"""How far a run has come: what is done, what it gave, how long the rest will take. Values and sums only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from argus.storage.records import Run
from argus.stream.batch_files import Recording

_LONGEST: Final = 2000
_TELLING_S: Final = 2.0
"""So long must have been worked before it is said how long the rest will take."""


class FileSums(msgspec.Struct, frozen=True, kw_only=True):
    """What one recording gave; kept among the blobs, so that another attempt knows it."""

    frames: int = 0
    """Looked at, those that the motion gate held back included."""
    events: int = 0
    alerts: int = 0
    clips: int = 0
    media_s: float = 0.0
    """Time of its last frame."""
    problems: tuple[str, ...] = ()
    """What was wrong with it, though it could be read."""


def ended(run: Run, state: Literal["running", "finished", "failed"], at: datetime, message: str = "") -> Run:
    """Return a run as an attempt leaves it; `running` where another one shall go on with it."""
    return msgspec.structs.replace(
        run,
        state=state,
        updated_at=at,
        finished_at=None if state == "running" else at,
        progress=1.0 if state == "finished" else run.progress,
        left_s=None,
        message=message[:_LONGEST],
    )


class Account:
    """The sums of one run; used by one thread."""

    def __init__(
        self,
        run: Run,
        recordings: Sequence[Recording],
        before: Mapping[str, FileSums],
        clock_s: float,
    ) -> None:
        """Begin an attempt.

        Args:
            run: As the attempt begins.
            recordings: All of the run, in order.
            before: What those gave that are done.
            clock_s: Monotonic seconds, now.
        """
        self.files = dict(before)
        self.failed: dict[str, Exception] = {}
        """Recordings that could not be looked at, and why."""
        self._run = run
        self._frames = {recording.name: recording.frames for recording in recordings}
        counted = all(recording.frames is not None for recording in recordings)
        self._weights = {
            recording.name: float(max(1, (recording.frames or 0) if counted else recording.size))
            for recording in recordings
        }
        self._began_s = clock_s
        self._now: tuple[str, FileSums] | None = None
        self._progress_before = self._progress()

    @property
    def run(self) -> Run:
        """The run as it was told last."""
        return self._run

    def expect(self, name: str, frames: int | None) -> None:
        """Learn how many frames a recording has, now that it is open."""
        if frames is not None:
            self._frames[name] = frames

    def see(self, name: str, sums: FileSums) -> None:
        """Note how far a recording has come."""
        self._now = name, sums

    def done(self, name: str, sums: FileSums) -> None:
        """Note that all of a recording is looked at and kept."""
        self.files[name], self._now = sums, None

    def fail(self, name: str, why: Exception) -> None:
        """Note that a recording cannot be looked at."""
        self.failed[name], self._now = why, None

    def told(self, at: datetime, clock_s: float) -> Run:
        """Return how far the run is."""
        progress, worked_s = self._progress(), clock_s - self._began_s
        left_s = None
        gained = progress - self._progress_before
        if gained > 0 and worked_s >= _TELLING_S:
            left_s = round(worked_s * (1.0 - progress) / gained, 1)
        self._run = msgspec.structs.replace(
            self._run, **self._sums(), updated_at=at, progress=progress, left_s=left_s
        )
        return self._run

    def over(self, state: Literal["running", "finished", "failed"], at: datetime, message: str = "") -> Run:
        """Return the run as it ends; see `ended`."""
        self._now = None
        self._run = ended(
            msgspec.structs.replace(self._run, **self._sums(), progress=self._progress()), state, at, message
        )
        return self._run

    def unreadable(self) -> str:
        """Return what could not be looked at, in words; empty where all could."""
        if not self.failed:
            return ""
        some = f"{len(self.failed)} of {len(self._weights)} files could not be looked at"
        return f"{some}: {'; '.join(map(str, self.failed.values()))}"[:_LONGEST]

    def noted(self) -> str:
        """Return what was wrong with recordings that could be looked at all the same."""
        bad = [f"{name}: {'; '.join(one.problems)}" for name, one in self.files.items() if one.problems]
        return "; ".join(bad)[:_LONGEST]

    def _sums(self) -> dict[str, Any]:
        sums = [*self.files.values(), *([self._now[1]] if self._now else [])]
        expected = None
        if all(frames is not None for frames in self._frames.values()):
            # Of what is done it is known, and no longer a guess.
            expected = sum(
                self.files[name].frames if name in self.files else frames or 0
                for name, frames in self._frames.items()
            )
        return {
            "done": tuple(name for name in self._run.files if name in self.files),
            "frames": sum(one.frames for one in sums),
            "frames_expected": expected,
            "events": sum(one.events for one in sums),
            "alerts": sum(one.alerts for one in sums),
        }

    def _progress(self) -> float:
        whole = sum(self._weights.values())
        done = sum(w for name, w in self._weights.items() if name in self.files or name in self.failed)
        if self._now is not None:
            name, sums = self._now
            expected = self._frames.get(name)
            if expected:
                done += self._weights[name] * min(1.0, sums.frames / expected)
        return round(min(1.0, done / whole), 6) if whole else 0.0
