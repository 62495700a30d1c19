"""What a recording's pipeline leaves unseen: still frames behind the motion gate, all outside of the crop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from argus.core.resources.pipeline import PipelineSpec
from argus.vision.pipeline import Pipeline
from argus.vision.results import Event, FrameResult
from argus.vision.runner.loop import run_pipeline
from argus.vision.runner.summary import RunSummary
from argus.vision.sources import open_source
from tests.engine.parts import Finder

SCENE = "synthetic:plaza?width=160&height=120&fps=10&vehicles=0&seed=6&frames=40"


class Recorder:
    def __init__(self) -> None:
        self.results: list[FrameResult] = []

    def write(self, result: FrameResult) -> None:
        self.results.append(result)

    def finish(self, still_open: Sequence[Event]) -> None:
        """Events are of no interest here."""

    def close(self) -> None:
        """Nothing is open."""


def look(people: int, **spec: Any) -> tuple[RunSummary, list[FrameResult]]:
    sink = Recorder()
    pipeline = Pipeline(PipelineSpec.read(spec, "pipeline"), "plaza")
    source = open_source(f"{SCENE}&people={people}")
    return run_pipeline(source, Finder(), pipeline, [sink]), sink.results


def test_a_still_scene_costs_few_inferences_and_every_frame_is_accounted_for() -> None:
    summary, results = look(0, motion_gate={"look_every": 60})
    assert summary.gated >= 20
    assert summary.processed == len(results) < 20
    assert summary.processed + summary.gated == summary.decoded == 40


def test_a_scene_that_moves_is_looked_at() -> None:
    still, _ = look(0, motion_gate={"look_every": 60})
    moving, _ = look(6, motion_gate={"look_every": 60})
    assert moving.processed > 2 * still.processed


def test_without_a_gate_every_frame_is_looked_at() -> None:
    summary, results = look(0)
    assert summary.gated == 0
    assert [result.frame.index for result in results] == list(range(40))


def test_a_crop_is_all_that_the_model_and_the_files_see() -> None:
    _, whole = look(3)
    _, results = look(3, crop=[0.5, 0.25, 1, 1])
    assert {(r.frame.width, r.frame.height) for r in results} == {(80, 90)}
    assert (results[7].frame.bgr == whole[7].frame.bgr[30:, 80:]).all()
