"""Long runs: memory, threads and descriptors stay flat. Run by `make soak`."""

from __future__ import annotations

import gc
import threading
from pathlib import Path

import numpy as np
import pytest

from argus.core.resources.pipeline import PipelineSpec
from argus.testing.detectors import TruthDetector
from argus.vision.models import load_detector
from argus.vision.runner.job import Job, run_job
from argus.vision.runner.summary import RunSummary
from argus.vision.synthetic import PLAZA_CROWDS, PLAZA_LINES, PLAZA_ZONES

SCENE = "synthetic:plaza?width=320&height=180&fps=10&people=12&vehicles=3&seed=11"


def resident_mb() -> float:
    """Return the memory of this process."""
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * 4096 / 1e6


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.soak
def test_memory_is_flat_over_an_hour_of_the_plaza() -> None:
    """36,000 frames with all the rules: the second half takes no more memory than the first."""
    spec = PipelineSpec.read({"zones": PLAZA_ZONES, "lines": PLAZA_LINES, "crowds": PLAZA_CROWDS}, "soak")
    at: list[float] = []

    def on_frame(summary: RunSummary) -> None:
        if summary.processed % 500 == 0:
            gc.collect()
            at.append(resident_mb())

    url = f"{SCENE}&frames=36000"
    summary = run_job(Job(url, pipeline=spec), detector=TruthDetector(url), on_frame=on_frame)
    settled = np.array(at[len(at) // 4 :])
    slope_mb_per_hour = float(np.polyfit(np.linspace(0, 0.75, len(settled)), settled, 1)[0])
    print(
        f"{summary.processed} frames, {settled[0]:.0f} to {settled[-1]:.0f} MB,"
        f" {slope_mb_per_hour:+.1f} MB an hour"
    )
    assert summary.processed == 36_000
    assert abs(slope_mb_per_hour) < 20


@pytest.mark.soak
def test_runs_one_after_another_leave_nothing_behind() -> None:
    """300 runs with a network: threads, descriptors and memory as after the first few."""
    detector = load_detector("builtin:plaza")
    seen: list[tuple[int, int, float]] = []
    for _ in range(300):
        run_job(Job(f"{SCENE}&frames=5"), detector=detector)
        gc.collect()
        seen.append((threading.active_count(), descriptors(), resident_mb()))
    detector.close()
    print(f"after 20: {seen[20]}, after 300: {seen[-1]}")
    assert seen[-1][:2] == seen[20][:2]
    assert seen[-1][2] < seen[20][2] + 15


@pytest.mark.soak
def test_loading_and_closing_models_leaves_nothing_behind() -> None:
    """60 loads of the built-in network."""
    seen: list[tuple[int, int, float]] = []
    for _ in range(60):
        load_detector("builtin:plaza", precision="f32").close()
        gc.collect()
        seen.append((threading.active_count(), descriptors(), resident_mb()))
    print(f"after 10: {seen[10]}, after 60: {seen[-1]}")
    assert seen[-1][:2] == seen[10][:2]
    assert seen[-1][2] < seen[10][2] + 30
