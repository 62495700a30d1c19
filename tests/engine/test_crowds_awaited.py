"""What the tracks of a crowd need is loaded before there is one: its first crowd stops no camera."""

from __future__ import annotations

import subprocess
import sys

WATCH = """
import sys, threading, time
from argus.core.resources.pipeline import PipelineSpec
from argus.vision.engine.engine import Engine
from tests.engine.parts import AsyncFinder

class Told:
    '''Says which thread loads the solver.'''
    threads = []
    def find_spec(self, name, path=None, target=None):
        if name == "scipy.optimize":
            self.threads.append(threading.current_thread().name)

sys.meta_path.insert(0, Told())
spec, live = PipelineSpec.read({spec}, "watch"), {live}
with Engine(open_model=lambda _: AsyncFinder()) as engine:
    scene = "synthetic:plaza?width=160&height=120&fps=20&frames=40&people=1&vehicles=0"
    engine.add_camera("door", scene, live=live)
    engine.add_pipeline("watch", spec, camera="door")
    until = time.monotonic() + 20
    while not (engine.wait(0.1) or Told.threads) and time.monotonic() < until:
        pass
    processed = engine.status().pipelines[0].frames.processed
print(processed > 0, *Told.threads)
"""


def threads_that_load(spec: str, *, live: bool) -> list[str]:
    """Return the names of the threads that load the solver, in an interpreter of its own."""
    script = WATCH.replace("{spec}", spec).replace("{live}", str(live))
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    looked, *threads = done.stdout.split()
    assert looked == "True"
    return threads


def test_a_live_pipeline_has_it_loaded_beside_though_nobody_is_crowded() -> None:
    assert threads_that_load('{"track": {}}', live=True) == ["argus-models"]


def test_who_follows_nothing_does_without() -> None:
    assert threads_that_load('{"track": None}', live=True) == []


def test_a_recording_waits_for_it_when_it_is_needed() -> None:
    assert threads_that_load('{"track": {}}', live=False) == []
