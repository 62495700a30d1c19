"""What a whole system costs: a hop in debug mode, and the time until its last node has the first frame."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from argus.flow.debug import DebugSystem
from argus.flow.node import ConsumerNode, ProducerNode, SinkNode
from argus.flow.system import System
from argus.vision.bench.tables import Row

_MESSAGES: Final = 20_000
_HOPS: Final = 5

_NODES: Final = {
    "source": """
import numpy as np
from argus import ProducerNode


class Source(ProducerNode):
    def setup(self):
        self.left = 100

    def loop(self):
        self.left -= 1
        if self.left < 0:
            self.finish()
        self.pause(0.01)
        return np.zeros((1080, 1920, 3), np.uint8)
""",
    "hand_on": """
from argus import ConsumerNode


class HandOn(ConsumerNode):
    def loop(self, data):
        return data
""",
    "last": """
import pathlib
import time

from argus import SinkNode


class Last(SinkNode):
    def setup(self):
        self.first = True

    def loop(self, data):
        if self.first:
            self.first = False
            pathlib.Path("first").write_text(str(time.monotonic()))
""",
}
_MAIN: Final = """
import pathlib
import time

pathlib.Path("begin").write_text(str(time.monotonic()))

from argus import System

system = System("bench-five")
chain = system.link(system.node("source.py"))
for at in range(3):
    chain = chain.to(system.node("hand_on.py", name=f"hand-on-{at}"))
chain.to(system.node("last.py"))
system.run()
"""


class _Count(ProducerNode):
    """Counts."""

    def setup(self) -> None:
        self.at = 0

    def loop(self) -> int:
        if self.at == _MESSAGES:
            self.finish()
        self.at += 1
        return self.at


class _HandOn(ConsumerNode):
    """Returns what it gets."""

    def loop(self, data: Any) -> Any:
        return data


class _Last(SinkNode):
    """Takes it."""

    def loop(self, data: Any) -> None:
        """Nothing is done with it."""


def system_rows(rounds: int, say: Callable[[str], None]) -> list[Row]:
    """Return what a hop costs in debug mode, and how soon a system of five processes is at work."""
    say("a hop in debug mode")
    hops = [(_chain_s(_HOPS + 1) - _chain_s(1)) / _HOPS / _MESSAGES for _ in range(rounds)]
    firsts = []
    for at in range(rounds):
        say(f"five nodes until the first frame, {at + 1}/{rounds}")
        firsts.append(_first_frame_s())
    return [
        Row("debug mode, one hop", 1e6 * statistics.median(hops), "µs CPU", goal=20, better="lower"),
        Row(
            "five nodes, from the start of the program to the first 1080p frame at the last",
            statistics.median(firsts),
            "s",
            goal=1.5,
            better="lower",
            note=f"{min(firsts):.2f} to {max(firsts):.2f}",
        ),
    ]


def _chain_s(hops: int) -> float:
    """Return the CPU seconds that messages take through a chain of so many links."""
    system = System("bench-debug")
    chain = system.link(system.node(_Count, name="count"))
    for at in range(hops - 1):
        chain = chain.to(system.node(_HandOn, name=f"hand-on-{at}"))
    chain.to(system.node(_Last, name="last"))
    debug = DebugSystem(system.graph(), system.objects)
    began = time.process_time()
    debug.run()
    return time.process_time() - began


def _first_frame_s() -> float:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for node, text in _NODES.items():
            (folder / f"{node}.py").write_text(text)
        (folder / "main.py").write_text(_MAIN)
        subprocess.run([sys.executable, "main.py"], cwd=folder, check=True, capture_output=True, timeout=120)
        return float((folder / "first").read_text()) - float((folder / "begin").read_text())
