"""Measuring several contenders in turn, A B C A B C …, each in a process of its own.

Machines drift; what is compared is therefore the ratio within a round, and its median over rounds.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from argus.core.errors import ArgusError
from argus.vision.bench.contenders import Took, Work


@dataclass(frozen=True, slots=True)
class Entry:
    """One contender with its work."""

    title: str
    contender: str
    """Name in `contenders.CONTENDERS`, or `ultralytics` for the peer."""
    work: Work
    limit: str | None = None
    """Title of the entry that this one is held against."""
    goal: float | None = None
    """The ratio to `limit` that Argus promises."""
    python: str = sys.executable


@dataclass(slots=True)
class Score:
    """What an entry did over all rounds."""

    entry: Entry
    took: list[Took] = field(default_factory=list)

    @property
    def fps(self) -> float:
        """Median frames per second."""
        return statistics.median(t.fps for t in self.took)

    @property
    def cpu_ms(self) -> float:
        """Median CPU milliseconds per frame, all threads together."""
        return statistics.median(1000 * t.cpu_s / t.frames for t in self.took)


def measure(entries: Sequence[Entry], rounds: int, on_done: Callable[[str], None]) -> dict[str, Score]:
    """Return the scores by title after so many rounds; `on_done` hears of each run that ended.

    Raises:
        ArgusError: a contender failed; its last words are in the message.
    """
    scores = {entry.title: Score(entry) for entry in entries}
    for _ in range(rounds):
        for entry in entries:
            scores[entry.title].took.append(_run(entry))
            on_done(entry.title)
    return scores


def ratio(scores: dict[str, Score], title: str, other: str) -> float:
    """Return the median over rounds of how many times as fast one entry was as the other."""
    pairs = zip(scores[title].took, scores[other].took, strict=True)
    return statistics.median(a.fps / b.fps for a, b in pairs)


def _run(entry: Entry) -> Took:
    if entry.contender == "ultralytics":
        script = Path(__file__).parent / "peers" / "ultralytics_predict.py"
        command = [entry.python, str(script), entry.work.model, entry.work.video, str(entry.work.frames)]
    else:
        command = [
            entry.python,
            "-m",
            "argus.vision.bench.contenders",
            entry.contender,
            json.dumps(asdict(entry.work)),
        ]
    # What a contender leaves behind, and be it because it was killed, goes with our folder.
    with tempfile.TemporaryDirectory() as folder:
        around = os.environ | {"TMPDIR": folder}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=around)
    if done.returncode != 0:
        tail = "\n".join(done.stderr.strip().splitlines()[-8:])
        raise ArgusError(f"the contender {entry.title!r} failed:\n{tail}")
    return Took(**json.loads(done.stdout.strip().splitlines()[-1]))
