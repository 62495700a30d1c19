"""What is measured beside Argus: it must work with the model and the video that are the defaults."""

from __future__ import annotations

from pathlib import Path

import pytest

from argus.vision.bench.contenders import Work, plain_loop
from argus.vision.bench.suite import plaza_video, weights_of


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_the_plain_loop_runs_a_network_whose_input_is_no_square(tmp_path: Path, engine: str) -> None:
    work = Work(weights_of("builtin:plaza"), str(plaza_video(tmp_path / "plaza.mp4", 3)), 1, engine, "f32")
    assert plain_loop(work).frames == 1
