"""Damaged H.264: what cannot be believed is left out, and every such picture is counted."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from argus.core.frame import Frame
from argus.vision.sources import open_source
from argus.vision.sources.groups import Groups, blind_live_s
from argus.vision.sources.protocol import SourceCounters

EVERY = 10
"""Frames from key frame to key frame."""
FRAMES = 40

Damage = Callable[[bytearray], bytearray | None]


def flipped(data: bytearray) -> bytearray:
    middle = len(data) // 2
    for at in range(middle, middle + 40):
        data[at] ^= 0x5A
    return data


def cut(data: bytearray) -> bytearray:
    return data[: len(data) // 2]


def gone(data: bytearray) -> None:
    """Never written."""


def film(folder: Path, *, size: tuple[int, int] = (320, 240), slices: int = 1) -> Path:
    """Noise that moves, so that every picture needs those before it."""
    path = folder / "whole.mkv"
    noise = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), np.uint8)
    with av.open(str(path), "w") as video:
        options = f"keyint={EVERY}:min-keyint={EVERY}:scenecut=0:bframes=0:slices={slices}"
        stream = video.add_stream("libx264", rate=10, options={"x264-params": options, "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(np.roll(noise, 3 * number, 1), format="bgr24")
            frame.pts = number
            video.mux(stream.encode(frame))
        video.mux(stream.encode(None))
    return path


def damaged(whole: Path, damage: dict[int, Damage]) -> Path:
    """Write the film again with some packets damaged."""
    path = whole.with_name("damaged.mkv")
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        for number, packet in enumerate(packets):
            data = bytearray(bytes(packet))
            hurt = damage[number](data) if number in damage else data
            if hurt is None:
                continue
            copy = av.Packet(bytes(hurt))
            copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
            copy.is_keyframe, copy.stream = packet.is_keyframe, stream
            target.mux(copy)
    return path


def read(path: Path) -> tuple[dict[int, Frame], SourceCounters]:
    with open_source(path) as source:
        return {round(frame.time_s * 10): frame for frame in source}, source.counters


def difference(a: Frame, b: Frame) -> float:
    return float(np.abs(a.bgr.astype(int) - b.bgr.astype(int)).mean())


@pytest.mark.parametrize("size", [(320, 240), (1280, 720)])
@pytest.mark.parametrize("damage", [flipped, cut])
def test_nothing_is_shown_from_a_damaged_key_frame_to_the_next_and_all_of_it_is_counted(
    tmp_path: Path, size: tuple[int, int], damage: Damage
) -> None:
    whole = film(tmp_path, size=size)
    frames, counters = read(damaged(whole, {10: damage}))
    assert list(frames) == [n for n in range(FRAMES) if not 10 <= n < 20]
    assert (counters.decoded, counters.corrupt) == (30, 10)
    assert any("damaged key frame" in problem for problem in counters.problems)
    right, _ = read(whole)
    assert max(difference(frame, right[number]) for number, frame in frames.items()) == 0


def test_slices_are_looked_after_one_by_one(tmp_path: Path) -> None:
    frames, counters = read(damaged(film(tmp_path, slices=4), {20: flipped}))
    assert list(frames) == [n for n in range(FRAMES) if not 20 <= n < 30]
    assert counters.corrupt == 10


def test_damage_between_key_frames_costs_that_picture_alone(tmp_path: Path) -> None:
    frames, counters = read(damaged(film(tmp_path), {13: cut}))
    assert list(frames) == [n for n in range(FRAMES) if n != 13]
    assert counters.corrupt == 1


def test_the_last_group_is_accounted_for_too(tmp_path: Path) -> None:
    frames, counters = read(damaged(film(tmp_path), {30: cut}))
    assert list(frames) == list(range(30))
    assert counters.corrupt == 10


def test_two_damaged_key_frames_in_a_row(tmp_path: Path) -> None:
    frames, counters = read(damaged(film(tmp_path), {10: cut, 20: flipped}))
    assert list(frames) == [*range(10), *range(30, 40)]
    assert (counters.decoded, counters.corrupt) == (20, 20)


def test_a_whole_film_has_no_damage(tmp_path: Path) -> None:
    frames, counters = read(film(tmp_path))
    assert (len(frames), counters.corrupt, counters.problems) == (40, 0, [])


def test_a_stream_with_rare_key_frames_is_not_blind_for_ever() -> None:
    groups = Groups(unit_s=1.0)
    groups.feed(0, key=True)
    assert not groups.came(0, key=True, corrupt=True)
    for stamp in range(1, 15):
        groups.feed(stamp, key=False)
    assert [groups.came(stamp, key=False, corrupt=False) for stamp in range(1, 15)] == 10 * [False] + 4 * [
        True
    ]


def test_key_frames_that_are_damaged_one_after_the_other_do_not_hide_a_camera() -> None:
    """It would be told as lost: on a line that harms one packet of twenty most key frames come damaged."""
    groups = Groups(unit_s=0.1, blind_s=blind_live_s(5.0))
    shown = []
    for stamp in range(100):
        key, harmed = stamp % 10 == 0, stamp < 80
        groups.feed(stamp, key=key)
        if groups.came(stamp, key=key, corrupt=harmed and key):
            shown.append(stamp)
    assert shown == [n for n in range(31, 80) if n % 10] + [*range(80, 100)]
    groups.feed(100, key=True)
    assert not groups.came(100, key=True, corrupt=True)
    assert not groups.came(101, key=False, corrupt=False)  # the time counts anew
    assert groups.take_lost(ended=True) == 0


@pytest.mark.parametrize("silence_s", [0.5, 2.0, 5.0, 60.0])
def test_a_camera_is_not_hidden_for_as_long_as_it_takes_to_count_as_lost(silence_s: float) -> None:
    groups = Groups(unit_s=0.1, blind_s=blind_live_s(silence_s))
    shown = [0]
    for stamp in range(100):
        key = stamp % 10 == 0
        groups.feed(stamp, key=key)
        if groups.came(stamp, key=key, corrupt=key):
            shown.append(stamp)
    longest = max(later - sooner for sooner, later in itertools.pairwise(shown))
    assert longest / 10 <= min(3.1, 0.8 * silence_s)


def test_stamps_that_jump_back_do_not_make_damage_last() -> None:
    groups = Groups(unit_s=1.0, blind_s=3.0)
    for first in (1000, 10):
        for stamp in range(first, first + 8):
            groups.feed(stamp, key=stamp == first)
        shown = [groups.came(n, key=n == first, corrupt=n == first) for n in range(first, first + 8)]
    assert shown == [False] * 4 + [True] * 4


def test_an_error_of_the_group_before_is_not_held_against_a_key_frame_that_comes_whole() -> None:
    groups = Groups(unit_s=0.1)
    groups.feed(0, key=True)
    assert groups.came(0, key=True, corrupt=False)
    groups.feed(1, key=False)
    groups.feed(2, key=True)
    groups.failed()  # said late: a decoder with several threads was at packet 1
    assert groups.came(2, key=True, corrupt=False)
    groups.feed(3, key=False)
    assert groups.came(3, key=False, corrupt=False)
    assert groups.take_lost(ended=True) == 0


def test_without_stamps_pictures_are_taken_at_their_word() -> None:
    groups = Groups(unit_s=0.1)
    groups.feed(None, key=True)
    groups.failed()
    assert groups.came(None, key=True, corrupt=False)
    assert not groups.came(None, key=True, corrupt=True)
