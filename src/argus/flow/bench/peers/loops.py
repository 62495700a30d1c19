"""The two loops that every contender runs: one process sends pictures, another takes them.

A contender gives functions that send and take one picture; when, how many and what is measured is here,
the same for all. Time and phase of a picture travel in its first eight bytes.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable

SHAPE = (1080, 1920, 3)
SIZE = 1080 * 1920 * 3
_WARM_UP, _MEASURED, _END = range(3)

Send = Callable[[int], None]
"""Sends a picture that begins with this number, as 8 bytes in the machine's order."""
Take = Callable[[float], "int | None"]
"""Returns the number that the newest picture begins with, or None if none comes within some seconds."""


def send_all(
    send: Send, fps: float, seconds: float, warm_up_s: float, others_s: Callable[[], float] | None = None
) -> None:
    """Send pictures, first to warm up, and print what it took.

    Args:
        send: The contender's.
        fps: Pictures per second; 0: as many as can be.
        seconds: How long to measure.
        warm_up_s: How long to send before that.
        others_s: Tells the CPU seconds of a server in between.
    """
    begin = time.monotonic()
    _send_for(send, fps, warm_up_s, _WARM_UP)
    cpu, other, begin = _cpu_s(), others_s() if others_s else 0.0, time.monotonic()
    frames = _send_for(send, fps, seconds, _MEASURED)
    wall = time.monotonic() - begin
    cpu, other = _cpu_s() - cpu, (others_s() if others_s else 0.0) - other
    for _ in range(20):  # newest only: one of them will be
        time.sleep(0.02)
        send(_END)
    print(json.dumps({"frames": frames, "wall_s": wall, "cpu_s": cpu, "other_s": other}), flush=True)


def take_all(take: Take) -> None:
    """Take pictures until their sender says it is the end, and print what it took."""
    print("ready", flush=True)
    late: list[int] = []
    cpu = begin = end = 0.0
    until = time.monotonic() + 60
    while time.monotonic() < until:
        number = take(0.5)
        if number is None:
            continue
        now = time.monotonic_ns()
        stamp, phase = divmod(number, 4)
        if phase == _END:
            break
        if phase == _MEASURED:
            if not late:
                cpu, begin = _cpu_s(), time.monotonic()
            late.append(now - stamp)
            end = time.monotonic()
    cpu = _cpu_s() - cpu
    if len(late) < 2:
        sys.exit("no pictures came")
    median = statistics.median(late) / 1000
    print(
        json.dumps({"frames": len(late), "wall_s": end - begin, "cpu_s": cpu, "p50_us": median}), flush=True
    )


def _send_for(send: Send, fps: float, seconds: float, phase: int) -> int:
    """Return how many pictures were sent."""
    begin = time.monotonic()
    sent = 0
    while time.monotonic() - begin < seconds:
        if fps:
            time.sleep(max(0.0, begin + sent / fps - time.monotonic()))
        send(time.monotonic_ns() * 4 + phase)
        sent += 1
    return sent


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
