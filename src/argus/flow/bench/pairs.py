"""Measuring contenders that hand pictures to another process, in turn, A B C A B C ….

Each has a process per end. Machines drift; what is compared is therefore the ratio within a round, and its
median over rounds.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from argus.core.errors import ArgusError
from argus.flow.bench.stages import STAGES, Stage

_LONGEST_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Pair:
    """A sender and its takers."""

    contender: str
    """Name in `stages.STAGES`."""
    fps: float
    """0: as many as can be."""
    seconds: float
    takers: int = 1
    python: str | None = None
    """For peers: the Python that has them."""
    warm_up_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run gave, per picture."""

    rate: float
    """Pictures per second that the first taker had."""
    p50_us: float
    """From before the sender wrote the picture, or began to, to when the taker could read it."""
    cpu_us: float
    """Of both ends, the first taker's alone, and of a server in between, per picture sent."""
    sender_us: float
    """Of the sender, per picture sent."""


@dataclass(slots=True)
class Runs:
    """What a pair gave in all rounds."""

    all: list[Ran] = field(default_factory=list)

    def median(self, what: str) -> float:
        """Return the median of one of the fields of `Ran`."""
        return float(statistics.median(getattr(ran, what) for ran in self.all))

    def ratio(self, other: Runs, what: str) -> float:
        """Return the median over rounds of how this stands to another."""
        pairs = zip(self.all, other.all, strict=True)
        return float(statistics.median(getattr(a, what) / getattr(b, what) for a, b in pairs))


def measure_pairs(pairs: Sequence[Pair], rounds: int, say: Callable[[str], None]) -> dict[Pair, Runs]:
    """Return what each gave after so many rounds; `say` hears of each run that ended.

    Raises:
        ArgusError: a process failed; its last words are in the message.
    """
    runs = {pair: Runs() for pair in pairs}
    total = rounds * len(pairs)
    for turn in range(rounds):
        for at, pair in enumerate(pairs, 1):
            runs[pair].all.append(run(pair))
            say(f"{turn * len(pairs) + at}/{total} {pair.contender}, {pair.fps or 'all'} fps")
    return runs


def run(pair: Pair) -> Ran:
    """Run one pair once.

    Raises:
        ArgusError: a process failed; its last words are in the message.
    """
    with STAGES[pair.contender](pair.takers) as stage:
        takers: list[subprocess.Popen[str]] = []
        sender: subprocess.Popen[str] | None = None
        try:
            if pair.contender != "memcpy":
                takers += [_start(pair, "take", stage, at) for at in range(pair.takers)]
            for taker in takers:
                assert taker.stdout is not None
                if not taker.stdout.readline():
                    _said(taker, pair)
            sender = _start(pair, "send", stage, 0)
            sent = _said(sender, pair)
            took = [_said(taker, pair) for taker in takers]
        finally:
            for process in (sender, *takers):
                if process is not None:
                    process.kill()
                    process.communicate()
    frames, wall_s = sent["frames"], sent["wall_s"]
    sender_us = 1e6 * sent["cpu_s"] / frames
    if not took:
        return Ran(frames / wall_s, 1e6 * sent["cpu_s"] / frames, sender_us, sender_us)
    return Ran(
        took[0]["frames"] / took[0]["wall_s"],
        took[0]["p50_us"],
        1e6 * (sent["cpu_s"] + sent["other_s"] + took[0]["cpu_s"]) / frames,
        sender_us,
    )


def _start(pair: Pair, role: str, stage: Stage, at: int) -> subprocess.Popen[str]:
    what = (role, stage.address, str(pair.fps), str(pair.seconds), str(pair.warm_up_s))
    if pair.python is None:
        command = [
            sys.executable,
            "-m",
            "argus.flow.bench.picture_contenders",
            pair.contender,
            *what,
            str(at),
        ]
    else:
        library, kind = pair.contender.split("-")
        script = Path(__file__).parent / "peers" / f"{library}_pictures.py"
        command = [pair.python, str(script), kind, *what]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, pass_fds=stage.fds)


def _said(process: subprocess.Popen[str], pair: Pair) -> dict[str, Any]:
    """Return what a process printed at its end."""
    try:
        out, err = process.communicate(timeout=_LONGEST_S)
    except subprocess.TimeoutExpired:
        raise ArgusError(f"the contender {pair.contender!r} did not end in {_LONGEST_S:.0f} s") from None
    lines = out.strip().splitlines()
    if process.returncode != 0 or not lines:
        tail = "\n".join(err.strip().splitlines()[-8:])
        raise ArgusError(f"the contender {pair.contender!r} failed:\n{tail}")
    said: dict[str, Any] = json.loads(lines[-1])
    return said
