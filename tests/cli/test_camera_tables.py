"""How several cameras look while they are watched."""

from __future__ import annotations

from rich.console import Console

from argus.cli.camera_tables import CamerasNow
from argus.core.resources.camera import CameraSpec
from argus.core.resources.pipeline import PipelineSpec
from argus.vision.engine.engine import Engine
from argus.vision.lab import SyntheticCamera
from tests.engine.parts import Models
from tests.sources.settling import comes_true


def test_a_camera_that_was_given_up_is_not_shown_as_lost() -> None:
    with (
        SyntheticCamera("shown", width=160, height=120, fps=20) as gate,
        Engine(open_model=Models().open) as engine,
    ):
        reconnect = {"max_retries": 0}
        engine.add_camera("gate", CameraSpec.read({"url": gate.url, "reconnect": reconnect}, "camera"))
        engine.add_pipeline("gate", PipelineSpec.read({"detect": "first"}, "pipeline"), camera="gate")
        assert comes_true(lambda: engine.members["gate"].counts.processed > 0)
        gate.begin("drop")
        assert comes_true(engine.cameras["gate"].over.is_set)
        console = Console(width=100)
        with console.capture() as shown:
            console.print(CamerasNow(engine).draw())
    assert "given up" in shown.get()
