"""A worker's config: the same text for the same values, and no secret in what is said of a bad one."""

from __future__ import annotations

from pathlib import Path

import pytest

from argus.core.errors import SpecError
from argus.core.resources.camera import CameraSpec
from argus.stream.config import JobConfig, StorageConfig, WorkerConfig, parsed, read_config, written
from tests.stream.parts import ZONE, config, plan


def _rich(folder: Path) -> WorkerConfig:
    return config(
        folder,
        {"gate": CameraSpec(url="rtsp://user:pässword@10.0.0.5/1", fps=10), "yard": "synthetic:plaza"},
        one=plan(
            zones={"b": ZONE, "a": ZONE},
            lines={"door": {"from": [0, 0], "to": [1, 1]}},
            store={"detections": "every 1s", "clips": {"before": "1s"}},
            motion_gate=True,
            branches=[{"model": {"path": "colour.onnx", "task": "classify"}}],
        ),
        two=plan("yard"),
    )


def test_a_config_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(written(_rich(tmp_path)))
    assert read_config(file) == _rich(tmp_path)


def test_equal_configs_give_one_text_in_whatever_order_they_were_made(tmp_path: Path) -> None:
    one = _rich(tmp_path)
    other = one.model_copy(
        update={
            "cameras": dict(reversed(one.cameras.items())),
            "pipelines": dict(reversed(one.pipelines.items())),
        }
    )
    assert written(one) == written(other)


def test_a_job_is_told_from_a_worker(tmp_path: Path) -> None:
    job = JobConfig(
        job="nightly",
        run="uid-1",
        source="a.mp4",
        pipeline="p",
        spec=plan().spec,
        storage=StorageConfig(results="sqlite:///x", blobs="b", spool="s"),
    )
    assert parsed(written(job).encode(), "test") == job


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"fps":10.0', '"fps":-1'),
        ('"url":"rtsp', '"adress":"rtsp'),
        ('"transport":"tcp"', '"transport":"rtsp://user:pässword@10.0.0.5"'),
        ('"url":"rtsp://user:pässword@10.0.0.5/1"', '"url":["rtsp://user:pässword@10.0.0.5/1"]'),
        ('"lost_after":5.0', '"lost_after":"pässword"'),
        ('"rtsp://user:pässword', '"rtsp://user:pässword\n'),
    ],
)
def test_no_fault_shows_a_secret(tmp_path: Path, before: str, after: str) -> None:
    text = written(_rich(tmp_path))
    assert before in text
    with pytest.raises(SpecError) as refused:
        parsed(text.replace(before, after).encode(), "config.json")
    assert "pässword" not in str(refused.value)
    assert str(refused.value).startswith("config.json")


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"[]", b"{}", b"[" * 100_000, b'{"worker": 1, "job": 2}'])
def test_what_is_no_config_is_refused_in_one_sentence(data: bytes) -> None:
    with pytest.raises(SpecError, match=r"config\.json"):
        parsed(data, "config.json")


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="No such file"):
        read_config(tmp_path / "none.json")
