from __future__ import annotations

import threading
from itertools import islice
from pathlib import Path
from typing import Any

import av
import pytest

from argus.core.errors import ModelUnreadable, SourceNotFound, SpecError
from argus.core.resources.pipeline import PipelineSpec
from argus.stream.replay import Replay, replay
from argus.stream.replay_compare import compare
from argus.vision.runner.job import Job, run_job
from tests.stream.batch.scenes import picture, record
from tests.stream.replay.scenes import ZONE, spec


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("video") / "yard.mp4", frames=80)


def both(video: Path, **changes: Any) -> Replay:
    return replay({"live": spec(), "changed": spec(**changes)}, video)


def test_versions_that_look_in_the_same_way_share_every_look(video: Path) -> None:
    found = both(video, zones={"middle": ZONE | {"severity": "low"}})
    assert found.looks == 80
    live, changed = found.versions.values()
    assert (live.frames, changed.frames) == (80, 80)
    assert list(live.events) == list(changed.events)
    assert live.objects == changed.objects != set()


def test_a_version_finds_what_a_run_of_it_alone_finds(video: Path, tmp_path: Path) -> None:
    found = both(video, zones={"left": ZONE | {"polygon": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]}})
    for version in found.versions.values():
        alone = run_job(Job(str(video), pipeline=version.spec, events=tmp_path / "events.jsonl"))
        counted: dict[str, int] = {}
        for event in version.events.values():
            counted[event.type] = counted.get(event.type, 0) + 1
        assert counted == dict(alone.events)
        assert len(version.alerts) == sum(alone.alerts.values())


def test_an_alert_that_a_smaller_zone_does_not_raise_is_named(video: Path) -> None:
    found = both(video, zones={"middle": ZONE | {"polygon": [[0.3, 0], [0.7, 0], [0.7, 0.5], [0.3, 0.5]]}})
    live, changed = found.versions.values()
    difference = compare(live, changed)
    assert not difference.same
    assert len(difference.only_a) == len(live.alerts) - len(changed.alerts) > 0
    assert (len(difference.only_b), len(difference.graver)) == (0, 0)
    line = difference.lines()[0]
    assert line.startswith("only live: 0:0")
    assert "zone middle (high): motion" in line
    assert difference.to_json()["only_b"] == []


def test_another_severity_is_told_of_alerts_that_stay(video: Path) -> None:
    found = both(video, zones={"middle": ZONE | {"severity": "critical"}})
    difference = compare(*found.versions.values())
    assert (difference.only_a, difference.only_b) == ((), ())
    assert {(pair.a.severity, pair.b.severity) for pair in difference.graver} == {("high", "critical")}
    assert difference.lines()[0].startswith("high → critical: ")


def test_the_same_rules_differ_in_nothing(video: Path) -> None:
    difference = compare(*both(video).versions.values())
    assert difference.same
    assert difference.both
    assert difference.lines() == []


def test_versions_with_different_gates_rates_and_crops_go_beside_each_other(video: Path) -> None:
    found = replay(
        {
            "live": spec(),
            "gated": spec(motion_gate=True),
            "slow": spec(fps=5),
            "cut": spec(crop=[0, 0, 1, 0.5], zones={}),
        },
        video,
    )
    frames = {name: (one.frames, one.frames + one.gated) for name, one in found.versions.items()}
    assert frames["live"] == frames["cut"] == (80, 80)
    assert frames["slow"] == (40, 40)
    assert frames["gated"][1] == 80
    assert found.looks == sum(one.frames for one in found.versions.values())  # motion remembers its frames
    rows = found.table()
    assert rows[0] == ["", "live", "gated", "slow", "cut"]
    assert [row[0] for row in rows[1:4]] == ["frames looked at", "frames held back", "objects"]


def test_a_rule_that_does_not_fit_the_picture_ends_its_version_alone(video: Path) -> None:
    far = ZONE | {"polygon": [[900, 900], [990, 900], [990, 990]], "units": "pixels"}
    found = both(video, zones={"middle": far})
    assert found.versions["live"].error is None
    assert found.versions["live"].alerts
    assert "middle" in str(found.versions["changed"].error)


def test_progress_is_told_and_a_replay_can_be_stopped(video: Path) -> None:
    told: list[tuple[int, int | None]] = []
    replay({"live": spec()}, video, on_progress=lambda *now: told.append(now))
    assert told[-1] == (80, 80)
    stop = threading.Event()
    stop.set()
    stopped = replay({"live": spec()}, video, stop=stop)
    assert (stopped.interrupted, stopped.versions["live"].frames) == (True, 0)


def test_what_cannot_be_replayed_is_refused(video: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="at least one version"):
        replay({}, video)
    with pytest.raises(SourceNotFound):
        replay({"live": spec()}, tmp_path / "gone.mp4")
    with pytest.raises(SpecError, match="pictures stand each by itself"):
        replay({"live": spec()}, picture(tmp_path / "one.jpg"))
    (tmp_path / "broken.onnx").write_bytes(b"no network")
    with pytest.raises(ModelUnreadable):
        replay({"live": spec(detect={"model": str(tmp_path / "broken.onnx")})}, video)


@pytest.fixture(scope="module")
def walkers(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first seconds of a real street."""
    path = tmp_path_factory.mktemp("street") / "street.mp4"
    with av.open(str(shared_data / "video" / "vtest.avi")) as film, av.open(str(path), "w") as short:
        stream = short.add_stream("libx264", rate=10, options={"preset": "ultrafast", "crf": "18"})
        stream.width, stream.height, stream.pix_fmt = 768, 576, "yuv420p"
        for frame in islice(film.decode(video=0), 40):
            frame.pts = None
            short.mux(stream.encode(frame))
        short.mux(stream.encode())
    return path


def people(shared_data: Path) -> dict[str, Any]:
    path = str(shared_data / "models" / "yolov8n_int8_320.onnx")
    return {
        "model": {"path": path, "engine": "onnxruntime", "precision": "f32"},
        "classes": ["person"],
    }


def test_versions_of_rules_on_a_real_street(walkers: Path, shared_data: Path) -> None:
    detect = people(shared_data)
    left = {"polygon": [[0, 0], [0.45, 0], [0.45, 1], [0, 1]], "severity": "high"}
    specs = {
        "live": PipelineSpec.read({"detect": detect, "zones": {"square": left}}, "live"),
        "changed": PipelineSpec.read(
            {"detect": detect | {"confidence": 0.4}, "zones": {"square": left | {"severity": "medium"}}},
            "changed",
        ),
        "other": spec(zones={}),
    }
    found = replay(specs, walkers)
    assert found.looks == 80  # another confidence is filtered after the look; another model looks besides
    live, changed, other = found.versions.values()
    assert (live.model, changed.model, other.model) == (live.model, live.model, "builtin:motion")
    assert len(live.objects) >= 3
    difference = compare(live, changed)
    assert difference.graver  # though their objects have other numbers
    assert len(difference.graver) >= len(changed.alerts) - 1
