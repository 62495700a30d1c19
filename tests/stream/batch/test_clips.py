from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import av
import pytest

from argus.stream.batch_clips import Wanted, cut_clips, wanted_clip
from argus.stream.keeping import LONGEST_CLIP_S
from tests.sources.videos import flip_bits
from tests.stream.batch.scenes import record


def cut_all(path: Path, wanted: list[Wanted], scratch: Path) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Return the times of the pictures of each clip, by event, and why others could not be cut."""
    found: dict[str, list[float]] = {}

    def take(clip: Wanted, file: Path, lack: str | None) -> None:
        with av.open(str(file)) as video:
            found[clip.event] = [float(frame.time or 0.0) for frame in video.decode(video=0)]

    lost = cut_clips(path, wanted, scratch, take)
    assert not scratch.exists() or not list(scratch.iterdir())
    return found, lost


def test_clips_that_overlap_are_cut_in_one_reading(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", frames=300)  # a key frame each second
    wanted = [Wanted("late", 20.0, 22.0), Wanted("early", 1.2, 3.0), Wanted("middle", 2.0, 25.0)]
    found, lost = cut_all(path, wanted, tmp_path / "scratch")
    assert (sorted(found), lost) == (["early", "late", "middle"], {})
    lengths = {event: times[-1] - times[0] for event, times in found.items()}
    assert lengths == {
        "early": pytest.approx(2.0, abs=0.15),  # from the key frame at 1.0
        "late": pytest.approx(2.0, abs=0.15),
        "middle": pytest.approx(23.0, abs=0.15),
    }
    for times in found.values():
        assert all(b > a for a, b in pairwise(times))


def test_a_clip_beyond_the_end_has_what_is_there(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", frames=50)
    found, lost = cut_all(path, [Wanted("last", 3.0, 60.0)], tmp_path / "scratch")
    assert (len(found["last"]), lost) == (20, {})


def test_a_clip_that_is_not_there_costs_no_other(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", frames=50)
    wanted = [Wanted("never", 400.0, 410.0), Wanted("first", 0.0, 1.0)]
    found, lost = cut_all(path, wanted, tmp_path / "scratch")
    assert (list(found), list(lost)) == (["first"], ["never"])
    assert "400.00 s to 410.00 s" in lost["never"]


def test_a_damaged_recording_still_gives_clips(tmp_path: Path) -> None:
    path = flip_bits(record(tmp_path / "a.mp4", frames=200), start=0.4, end=0.6)
    found, lost = cut_all(path, [Wanted("first", 0.0, 2.0), Wanted("last", 18.0, 19.0)], tmp_path / "scratch")
    assert (sorted(found), lost) == (["first", "last"], {})


def test_an_event_that_goes_on_for_long_gets_its_beginning() -> None:
    clip = wanted_clip("e", 10.0, None, before=3.0, after=5.0)
    assert (clip.start_s, clip.end_s) == (7.0, 7.0 + LONGEST_CLIP_S)
    assert wanted_clip("e", 1.0, 4.0, before=3.0, after=5.0) == Wanted("e", 0.0, 9.0)
