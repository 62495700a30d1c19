"""Live cameras without a network, and every fault that they can do."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from argus.core.errors import SourceNotFound, SourceRefused, SourceUnreachable, SpecError
from argus.vision.lab import FAULTS, SyntheticCamera
from argus.vision.sources import open_source
from tests.lab.watching import comes_to_show, glance
from tests.sources.settling import descriptors_and_threads

_SIZE = {"width": 160, "height": 120}


@pytest.fixture
def camera() -> Iterator[SyntheticCamera]:
    with SyntheticCamera("gate", **_SIZE, fps=50) as camera:
        yield camera


def test_a_camera_gives_live_frames_at_its_own_pace(camera: SyntheticCamera) -> None:
    with open_source(camera.url) as source:
        info = source.info
        began = time.monotonic()
        frames = list(itertools.islice(source, 26))
        took_s = time.monotonic() - began
    assert (info.kind, info.live, info.name, info.fps) == ("synthetic", True, "lab:gate", 50)
    assert (info.width, info.height) == (frames[0].width, frames[0].height) == (160, 120)
    assert 0.45 < took_s < 1.5
    assert frames[0].time_s == 0
    assert frames[-1].time_s == pytest.approx(took_s, abs=0.1)
    assert [frame.index for frame in frames] == list(range(26))
    received = [frame.received_s for frame in frames]
    assert all(at is not None and began <= at <= began + took_s for at in received)


def test_a_scene_never_stands_quite_still(camera: SyntheticCamera) -> None:
    with SyntheticCamera("empty", **_SIZE, fps=50, people=0) as empty:
        for one in (camera, empty):
            with open_source(one.url) as source:
                pairs = itertools.pairwise(list(itertools.islice(source, 21)))
                assert sum(bool(np.any(a.bgr != b.bgr)) for a, b in pairs) > 10


def test_a_camera_may_be_empty_for_a_part_of_every_minute(camera: SyntheticCamera) -> None:
    with SyntheticCamera("seldom", **_SIZE, fps=50, busy=0.0) as seldom:
        with open_source(seldom.url) as source, open_source(camera.url) as busy:
            assert glance(iter(source), 20).change < glance(iter(busy), 20).change


def test_a_slow_reader_misses_pictures_and_is_never_late(camera: SyntheticCamera) -> None:
    with open_source(camera.url) as source:
        frames = iter(source)
        first = next(frames)
        threading.Event().wait(0.3)
        second = next(frames)
        assert second.index == 1
        assert second.time_s - first.time_s > 0.25
        assert time.monotonic() - (second.received_s or 0) < 0.25


def test_readers_of_one_camera_see_the_same(camera: SyntheticCamera) -> None:
    camera.begin("freeze")
    with open_source(camera.url) as one, open_source(camera.url) as other:
        assert np.array_equal(next(iter(one)).bgr, next(iter(other)).bgr)


def test_cameras_of_one_scene_begin_elsewhere_in_it_and_share_its_pictures(camera: SyntheticCamera) -> None:
    with SyntheticCamera("yard", **_SIZE, fps=50) as other:
        camera.begin("freeze")
        other.begin("freeze")
        with open_source(camera.url) as one, open_source(other.url) as two:
            assert np.any(next(iter(one)).bgr != next(iter(two)).bgr)


def test_a_frozen_camera_shows_one_picture(camera: SyntheticCamera) -> None:
    with open_source(camera.url) as source:
        frames = iter(source)
        next(frames)
        camera.begin("freeze")
        assert comes_to_show(frames, lambda seen: seen.change == 0)
        camera.heal()
        assert comes_to_show(frames, lambda seen: seen.change > 0)


def test_faults_of_the_picture_show(camera: SyntheticCamera) -> None:
    with open_source(camera.url) as source:
        frames = iter(source)
        well = glance(frames)
        camera.begin("black")
        assert comes_to_show(frames, lambda seen: 0 < seen.brightness < 12 and seen.change > 0)
        camera.begin("blur")
        assert comes_to_show(frames, lambda seen: seen.sharpness < 0.25 * well.sharpness)
        camera.begin("cover")
        assert comes_to_show(frames, lambda seen: seen.plain_columns >= 0.85 > well.plain_columns)
        camera.begin("move")
        assert comes_to_show(frames, lambda seen: np.abs(seen.small[-1] - well.small[-1]).mean() > 15)
        camera.begin("resolution")
        assert comes_to_show(frames, lambda seen: seen.size == (112, 80))
        camera.heal()
        assert comes_to_show(frames, lambda seen: np.abs(seen.small[-1] - well.small[-1]).mean() < 8)
        assert glance(frames).size == (160, 120)


def test_a_newcomer_is_told_the_size_of_the_moment(camera: SyntheticCamera) -> None:
    camera.begin("resolution")
    with open_source(camera.url) as source:
        assert (source.info.width, source.info.height) == glance(iter(source)).size == (112, 80)


def test_damaged_pictures_are_counted_and_the_others_go_on(camera: SyntheticCamera) -> None:
    camera.begin("corrupt")
    with open_source(camera.url) as source:
        frames = list(itertools.islice(source, 15))
        assert source.counters.corrupt >= 4
        assert [frame.index for frame in frames] == list(range(15))


def test_a_clock_that_jumps_takes_the_frames_time_along_and_never_back(camera: SyntheticCamera) -> None:
    with open_source(camera.url) as source:
        frames = iter(source)
        next(frames)
        camera.begin("clock-jump")
        assert comes_to_show(frames, lambda seen: seen.frames[-1].time_s > 3599)
        camera.heal()
        times = [frame.time_s for frame in glance(frames, 20).frames]
        assert times == sorted(times)
        assert times[-1] < 3605


def test_a_dropped_camera_breaks_off_and_cannot_be_opened_until_it_is_healed(camera: SyntheticCamera) -> None:
    source = open_source(camera.url)
    frames = iter(source)
    next(frames)
    camera.begin("drop")
    with pytest.raises(SourceUnreachable, match="lab:gate broke off"):
        list(frames)
    with pytest.raises(SourceUnreachable, match=r"lab:gate does not answer \(Connection refused\)"):
        open_source(camera.url)
    camera.heal()
    with open_source(camera.url) as again:
        assert next(iter(again)).index == 0


def test_a_camera_with_another_password_refuses(camera: SyntheticCamera) -> None:
    source = open_source(camera.url)
    frames = iter(source)
    camera.begin("wrong-credentials")
    with pytest.raises(SourceUnreachable, match="ended the connection"):
        list(frames)
    with pytest.raises(SourceRefused, match=r"lab:gate refuses the credentials \(401\)"):
        open_source(camera.url)


def test_a_stalled_camera_gives_nothing_until_it_is_healed_and_no_opening_either(
    camera: SyntheticCamera,
) -> None:
    camera.begin("stall")
    with pytest.raises(SourceUnreachable, match=r"lab:gate does not answer within 0\.2 s"):
        open_source(camera.url, timeout_s=0.2)
    camera.heal()
    with open_source(camera.url) as source:
        frames = iter(source)
        next(frames)
        camera.begin("stall")
        threading.Timer(0.3, camera.heal).start()
        began = time.monotonic()
        next(frames)
        assert time.monotonic() - began > 0.2


def test_closing_from_another_thread_wakes_a_reader_of_a_stalled_camera(camera: SyntheticCamera) -> None:
    source = open_source(camera.url)
    camera.begin("stall")
    reader = threading.Thread(target=lambda: list(source))
    reader.start()
    source.close()
    reader.join(2)
    assert not reader.is_alive()


def test_a_camera_that_is_switched_off_breaks_off_and_is_gone(camera: SyntheticCamera) -> None:
    with open_source(camera.url) as source:
        camera.close()
        with pytest.raises(SourceUnreachable, match="lab:gate was switched off"):
            list(source)
    with SyntheticCamera("other", **_SIZE), pytest.raises(SourceNotFound, match="running here: other"):
        open_source("lab:gate")


def test_two_cameras_have_two_names(camera: SyntheticCamera) -> None:
    with pytest.raises(SpecError, match="a lab camera 'gate' runs already"):
        SyntheticCamera("gate", **_SIZE)


def test_what_cannot_be_drawn_is_refused_in_one_sentence() -> None:
    with pytest.raises(SpecError, match=r"lab camera 'tiny': width=3: .*64"):
        SyntheticCamera("tiny", width=3)
    with pytest.raises(SpecError, match="busy 2: give a part of the time"):
        SyntheticCamera("always", busy=2)


def test_every_fault_of_the_catalogue_can_be_begun_and_healed(camera: SyntheticCamera) -> None:
    for fault in FAULTS:
        if camera.kind in fault.kinds:
            camera.begin(fault.name)
            camera.heal()
            with open_source(camera.url) as source:
                assert glance(iter(source)).change > 0
        else:
            with pytest.raises(SpecError, match="cannot do"):
                camera.begin(fault.name)


def test_cameras_and_their_readers_leave_nothing_behind(camera: SyntheticCamera) -> None:
    before = descriptors_and_threads()
    for _ in range(100):
        with SyntheticCamera("brief", **_SIZE, fps=50) as brief, open_source(brief.url) as source:
            assert source.info.live
    assert descriptors_and_threads() == before
