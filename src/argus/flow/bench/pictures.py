"""What flow promises of pictures between the processes of one host, as rows of the performance table."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from argus.flow.bench.pairs import Pair, Runs, measure_pairs
from argus.vision.bench.tables import Row

_FPS: Final = 30.0
_NEAR: Final = 3
"""What is promised to a tenth is measured so many times as often as the rest: runs differ by a tenth."""
_OURS: Final = ("memcpy", "bare-copied", "bare", "ring", "nodes", "nodes-lent", "bare-lent", "ring-lent")
"""What is compared stands side by side, for machines drift."""
_TITLES: Final = {
    "ring": "our ring, one copy",
    "ring-lent": "our ring, filled in place",
    "nodes": "as nodes have it, one copy",
    "nodes-lent": "as nodes have it, filled in place",
    "bare": "bare ring, one copy",
    "bare-copied": "bare ring, copied in and out",
    "bare-lent": "bare ring, filled in place",
    "iceoryx2-loan": "iceoryx2, filled in place",
    "iceoryx2-copy": "iceoryx2, one copy",
    "zenoh-copy": "zenoh, shared memory",
    "zmq": "pyzmq",
    "redis": "Redis, raw",
    "memcpy": "one memcpy",
}


def measure_pictures(
    rounds: int, say: Callable[[str], None], peers: Path | None, seconds: float = 3.0
) -> list[Row]:
    """Return our ring beside others, 1920×1080×3 between two processes.

    Args:
        rounds: Each contender runs so often, in turn; those whose promises are near, three times as often.
        say: Hears of progress.
        peers: A Python that may have `iceoryx2` and `eclipse-zenoh`; None leaves them out.
        seconds: How long each run measures, after a second of warm-up.
    """
    there = {name: str(peers) for name in _at(peers)}
    names = [*_OURS, *there, *_here()]
    paced = {name: Pair(name, _FPS, seconds, 1, there.get(name)) for name in names}
    fastest = {name: Pair(name, 0, seconds, 1, there.get(name)) for name in names}
    once = measure_pairs([*paced.values(), *fastest.values()], rounds, say)
    rows = [_how_fast(name, once[paced[name]], once[fastest[name]]) for name in names]

    eight, bare_eight = Pair("nodes", _FPS, seconds, 8), Pair("bare", _FPS, seconds, 8)
    near = [bare_eight, paced["bare"], paced["ring"], paced["nodes"], eight]
    if "iceoryx2-loan" in there:
        near += [fastest["ring-lent"], fastest["iceoryx2-loan"]]
    often = measure_pairs(near, _NEAR * rounds, say)
    mine, bare = often[paced["ring"]], often[paced["bare"]]
    rows += [
        _held(mine, bare, "p50_us", "ring", "bare", 1.1, "lower"),
        _held(mine, bare, "cpu_us", "ring", "bare", 1.1, "lower"),
    ]
    if "redis" in paced:
        for name, goal in (("nodes", 7.0), ("nodes-lent", 25.0)):
            rows.append(
                _held(once[paced["redis"]], once[paced[name]], "cpu_us", "redis", name, goal, "higher")
            )
    unit = "µs CPU per picture"
    cost, ratio = often[eight].median("sender_us"), often[eight].ratio(often[paced["nodes"]], "sender_us")
    rows.append(Row("1080p, sender to 8 takers", cost, unit, ratio, "to one", 1.1, better="lower"))
    cost, ratio = often[bare_eight].median("sender_us"), often[bare_eight].ratio(bare, "sender_us")
    rows.append(Row("1080p, bare ring, sender to 8 takers", cost, unit, ratio))
    if "iceoryx2-loan" in there:
        lent, other = often[fastest["ring-lent"]], often[fastest["iceoryx2-loan"]]
        rows.append(_held(lent, other, "rate", "ring-lent", "iceoryx2-loan", 1.0, "higher"))
    return rows


def _how_fast(name: str, paced: Runs, fastest: Runs) -> Row:
    """Return what one contender does by itself."""
    late_ms, cost_ms = paced.median("p50_us") / 1000, paced.median("cpu_us") / 1000
    note = f"{late_ms:.3g} ms at {_FPS:g} fps, {cost_ms:.3g} ms CPU"
    return Row(f"1080p, {_TITLES[name]}", fastest.median("rate"), "pictures/s", note=note)


def _held(
    mine: Runs,
    other: Runs,
    what: str,
    name: str,
    against: str,
    goal: float,
    better: Literal["higher", "lower"],
) -> Row:
    """Return how one contender stands to another."""
    words, unit = {
        "p50_us": (f"latency at {_FPS:g} fps", "µs"),
        "cpu_us": (f"CPU per picture at {_FPS:g} fps", "µs"),
        "rate": ("hand-offs", "pictures/s"),
    }[what]
    title = f"1080p, {_TITLES[name]}: {words}"
    return Row(title, mine.median(what), unit, mine.ratio(other, what), _TITLES[against], goal, better)


def _here() -> list[str]:
    """Return the contenders that this installation has besides our own."""
    found = ["zmq"] if importlib.util.find_spec("zmq") else []
    return [*found, "redis"] if shutil.which("redis-server") else found


def _at(peers: Path | None) -> list[str]:
    """Return the contenders that the peers' Python has."""
    found: list[str] = []
    for module, names in (("iceoryx2", ("iceoryx2-loan", "iceoryx2-copy")), ("zenoh", ("zenoh-copy",))):
        ask = [str(peers), "-c", f"import {module}"]
        if peers is not None and not subprocess.run(ask, check=False, capture_output=True).returncode:
            found += names
    return found
