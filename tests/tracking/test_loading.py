"""Which tracker a spec means, and what a spec may say."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from argus.core.errors import UnknownName
from argus.vision.tracking import TrackSpec, load_tracker
from argus.vision.tracking.bytetrack import ByteTracker
from tests.tracking.scenes import ids, person, seen


def test_the_default_tracker_is_our_own() -> None:
    assert isinstance(load_tracker(), ByteTracker)


def test_an_unknown_tracker_is_refused_with_the_known_names() -> None:
    with pytest.raises(
        UnknownName, match=r"unknown tracker 'bytetrak'; did you mean 'bytetrack'\?; known: .*bytetrack"
    ):
        load_tracker(TrackSpec(algorithm="bytetrak"))


def test_an_installed_package_plugs_in_its_tracker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one_for_all.py").write_text(
        "import numpy as np\n"
        "class OneForAll:\n"
        "    def __init__(self, spec): self.spec = spec\n"
        "    def update(self, detections, time_s, frame=None):\n"
        "        return detections.with_track_id(np.ones(len(detections), np.int64))\n"
    )
    metadata = tmp_path / "one_for_all-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: one-for-all\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[argus.trackers]\none-for-all = one_for_all:OneForAll\n")
    monkeypatch.syspath_prepend(tmp_path)
    tracker = load_tracker(TrackSpec(algorithm="one-for-all"))
    assert ids(tracker.update(seen(person(0), person(300)), 0.0)) == [1, 1]


def test_lost_after_may_be_written_as_people_write_durations() -> None:
    assert TrackSpec.model_validate({"lost_after": "500ms"}).lost_after == 0.5


@pytest.mark.parametrize(
    ("setting", "value"),
    [("lost_after", 0), ("match_iou", 1.5), ("confirm_hits", 0), ("high_confidence", -0.1), ("speed", 1)],
)
def test_an_impossible_setting_is_refused(setting: str, value: float) -> None:
    with pytest.raises(ValidationError, match=setting):
        TrackSpec.model_validate({setting: value})


def test_a_low_threshold_above_the_high_one_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"low_confidence 0\.6 is above high_confidence 0\.4"):
        TrackSpec(low_confidence=0.6)
