"""Fewer frames cost less, and those that come are the same as ever."""

from __future__ import annotations

import zlib
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from argus.core.frame import Frame
from argus.testing.web_camera import WebCamera
from argus.vision.sources import open_source
from argus.vision.sources.bitstream import Role, role_reader
from argus.vision.sources.protocol import SourceCounters
from argus.vision.sources.skipping import PacketPlan
from argus.vision.sources.timing import slot_of
from tests.sources.videos import make_video

ENTRY, REFERENCE, DISPOSABLE = Role.ENTRY, Role.REFERENCE, Role.DISPOSABLE


def drifting(index: int, width: int, height: int) -> NDArray[np.uint8]:
    """Return a picture whose content moves, so that every frame differs from its neighbours."""
    texture = np.random.default_rng(3).integers(0, 255, (height // 8, width // 8, 3), dtype=np.uint8)
    large: NDArray[np.uint8] = cv2.resize(texture, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(np.roll(large, 3 * index, axis=1), np.uint8)


STREAMS: dict[str, dict[str, str]] = {
    "h264 with B-frames": {"codec": "libx264", "g": "48", "bf": "3", "b-pyramid": "normal"},
    "h264 without": {"codec": "libx264", "g": "24", "tune": "zerolatency"},
    "h264 with a key frame each half second": {"codec": "libx264", "g": "12", "tune": "zerolatency"},
    "hevc with B-frames": {"codec": "libx265", "x265-params": "log-level=none:keyint=48:bframes=3"},
    "mjpeg": {"codec": "mjpeg"},
    "mpeg4": {"codec": "mpeg4", "g": "24"},
}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("skipping")
    films = {}
    for number, (name, options) in enumerate(STREAMS.items()):
        codec = options["codec"]
        if codec not in av.codecs_available:
            continue
        films[name] = make_video(
            folder / f"{number}.mkv",
            codec=codec,
            frames=144,
            fps=24,
            width=96,
            height=64,
            paint=drifting,
            pixel_format="yuvj420p" if codec == "mjpeg" else "yuv420p",
            options={k: v for k, v in options.items() if k != "codec"},
        )
    return films


def read(path: Path, fps: float | None) -> tuple[list[tuple[Frame, int]], SourceCounters]:
    """Return the frames with a checksum of their pixels, and the counters."""
    with open_source(path, fps=fps) as source:
        return [(frame, zlib.crc32(frame.bgr.tobytes())) for frame in source], source.counters


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("fps", [20, 8, 4, 1.9, 0.5])
def test_frames_of_a_lower_rate_are_those_of_the_whole_film(
    films: dict[str, Path], name: str, fps: float
) -> None:
    if name not in films:
        pytest.skip(f"no encoder for {name}")
    whole, counters = read(films[name], None)
    assert (len(whole), counters.skipped, counters.decoded) == (144, 0, 144)
    some, counters = read(films[name], fps)
    by_index = {frame.index: (checksum, frame.time_s) for frame, checksum in whole}
    for frame, checksum in some:
        assert (checksum, frame.time_s) == by_index[frame.index]
    assert len(some) + counters.skipped == 144
    assert len(some) >= 0.9 * int(min(fps, 24) * 6)
    slots = [slot_of(frame.time_s, fps, 0.2 / 24) for frame, _ in some]
    assert slots == sorted(set(slots)), "two frames of one slot"
    assert counters.corrupt == 0


@pytest.mark.parametrize(
    ("name", "fps", "at_most"),
    [
        ("h264 with B-frames", 4, 0.65),  # what nobody needs is not decoded
        ("h264 without", 4, 0.85),  # nor is the end of each group
        ("h264 with a key frame each half second", 1.9, 0.45),  # then nothing but key frames
        ("mjpeg", 4, 0.2),
    ],
)
def test_what_is_not_needed_is_not_decoded(
    films: dict[str, Path], name: str, fps: float, at_most: float
) -> None:
    _, counters = read(films[name], fps)
    assert counters.decoded <= at_most * 144


def test_key_frames_alone_are_decoded_where_they_come_often_enough(films: dict[str, Path]) -> None:
    frames, counters = read(films["h264 with a key frame each half second"], 2)
    assert [frame.index for frame, _ in frames] == list(range(0, 144, 12))
    assert counters.decoded <= 12 + 3 * 12, "the first groups teach how far key frames are apart"


def test_the_rate_may_change_at_any_time(films: dict[str, Path]) -> None:
    for name in ("h264 with B-frames", "h264 without", "mjpeg"):
        whole = {frame.index: checksum for frame, checksum in read(films[name], None)[0]}
        with open_source(films[name], fps=2) as source:
            times = []
            for frame in source:
                assert zlib.crc32(frame.bgr.tobytes()) == whole[frame.index]
                times.append(frame.time_s)
                if len(times) == 4:
                    source.set_fps(8)
                if len(times) == 12:
                    source.set_fps(None)
        assert len([t for t in times if t < 1.4]) == 3
        assert len(times) - 12 >= 40, "all frames from then on"
        assert times == sorted(set(times))


def test_the_index_is_the_place_in_the_film_also_when_it_begins_again(films: dict[str, Path]) -> None:
    with open_source(films["h264 without"], fps=2, loop=True) as source:
        indices = [frame.index for frame, _ in zip(source, range(24), strict=False)]
    assert indices == list(range(0, 288, 12))


def test_parts_of_mjpeg_that_are_not_wanted_are_not_looked_at() -> None:
    picture = bytes(cv2.imencode(".jpg", np.full((48, 64, 3), 9, np.uint8))[1])
    with WebCamera([picture, b"no picture"]) as camera:
        with open_source(camera.url("mjpeg?count=20&end=said"), fps=0.01) as source:
            frames = list(source)
        assert len(frames) == 1
        assert frames[0].received_s is not None
        assert (source.counters.skipped, source.counters.corrupt) == (19, 0)


# Packets as letters: I a key frame, P needed by others, b needed by nobody.
ROLES = {"I": ENTRY, "P": REFERENCE, "b": DISPOSABLE}


def fed(plan: PacketPlan[int], letters: str, fps: float = 10.0) -> list[list[int]]:
    """Return what is decoded at each packet of a stream of 10 per second."""
    return [list(plan.next(i, ROLES[kind], i / fps).feed) for i, kind in enumerate(letters)]


def test_the_end_of_a_group_is_not_decoded() -> None:
    assert fed(PacketPlan(2.0), "IPPPPPPPIPP") == [
        [0],
        [],
        [],
        [],
        [],
        [1, 2, 3, 4, 5],
        [],
        [],
        [],
        [],
        [8, 9, 10],
    ]


def test_a_picture_that_nobody_needs_is_left_out_at_once() -> None:
    plan = PacketPlan[int](5.0)
    assert fed(plan, "IbPbPb") == [[0], [], [2], [], [4], []]
    assert plan.reset() == []


def test_what_waited_can_be_had_back() -> None:
    plan = PacketPlan[int](1.0)
    assert fed(plan, "IPPP") == [[0], [], [], []]
    assert plan.reset() == [1, 2, 3]


def test_a_missed_key_frame_ends_trust_in_key_frames() -> None:
    plan = PacketPlan[int](1.0)
    steps = fed(plan, "IPPPPPPPPP" * 4 + "P" * 20)
    assert [i for i, step in enumerate(steps[:40]) if step == [i]] == [0, 10, 20, 30]
    assert steps[43] == [31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43]
    assert steps[50][-1] == 50


@given(
    kinds=st.lists(st.sampled_from("IPb"), max_size=120),
    fps=st.floats(0.3, 12),
    changes=st.dictionaries(st.integers(0, 119), st.one_of(st.none(), st.floats(0.3, 12))),
)
def test_whatever_is_decoded_has_all_that_it_needs(
    kinds: list[str], fps: float, changes: dict[int, float | None]
) -> None:
    letters = "I" + "".join(kinds)
    plan = PacketPlan[int](fps)
    decoded: list[int] = []
    gone: list[int] = []
    for i, kind in enumerate(letters):
        if i in changes:
            plan.retarget(changes[i])
        step = plan.next(i, ROLES[kind], i / 10)
        decoded += step.feed
        gone += step.left_out
        assert not step.drain
    gone += plan.reset()
    assert decoded == sorted(set(decoded)), "in order, none twice"
    assert sorted([*decoded, *gone]) == list(range(len(letters))), "each one is decoded or left out"
    for i in decoded:
        start = letters.rfind("I", 0, i + 1)
        needed = [j for j in range(start, i) if letters[j] != "b"]
        assert set(needed) <= set(decoded)


@given(kinds=st.lists(st.sampled_from("IPPPb"), max_size=120), fps=st.floats(0.3, 30))
def test_every_slot_gets_its_frame_while_key_frames_are_rare(kinds: list[str], fps: float) -> None:
    letters = "I" + "".join(kinds)
    plan = PacketPlan[int](fps)
    decoded = {j for step in fed(plan, letters) for j in step}
    keys = [i for i, kind in enumerate(letters) if kind == "I"]
    apart = [b - a for a, b in pairwise(keys)]
    if any(max(apart[i : i + 3]) <= 10 / fps + 1e-6 for i in range(len(apart) - 2)):
        return  # only key frames may have been decoded
    first = {slot_of(i / 10, fps): i for i in reversed(range(len(letters)))}
    assert set(first.values()) <= decoded


def test_the_first_bytes_tell_what_a_packet_is_to_others() -> None:
    annexb = role_reader("h264", intra_only=False, extradata=None)
    assert annexb is not None
    sei = b"\0\0\0\1\x06\x05abc"
    assert annexb(sei + b"\0\0\1\x65xx") is ENTRY
    assert annexb(sei + b"\0\0\1\x41xx") is REFERENCE
    assert annexb(sei + b"\0\0\1\x01xx") is DISPOSABLE
    assert annexb(b"garbage") is REFERENCE
    boxed = role_reader("h264", intra_only=False, extradata=b"\x01\x64\x00\x28\xff\xe1")
    assert boxed is not None
    assert boxed(b"\0\0\0\2\x06\x05\0\0\0\3\x01xx") is DISPOSABLE
    assert boxed(b"\0\0\0") is REFERENCE
    hevc = role_reader("hevc", intra_only=False, extradata=None)
    assert hevc is not None
    assert hevc(b"\0\0\1" + bytes([19 << 1, 1])) is ENTRY
    assert hevc(b"\0\0\1" + bytes([0 << 1, 1])) is DISPOSABLE
    assert hevc(b"\0\0\1" + bytes([1 << 1, 1])) is REFERENCE
    assert hevc(b"\0\0\1" + bytes([0 << 1, 2])) is DISPOSABLE
    assert hevc(b"\0\0\1" + bytes([0 << 1, 1])) is REFERENCE, "a higher layer may need it"
    assert role_reader("vp9", intra_only=False, extradata=None) is None


@given(st.binary(max_size=300), st.sampled_from(["h264", "hevc"]), st.binary(max_size=30))
def test_no_bytes_upset_who_reads_them(packet: bytes, codec: str, extradata: bytes) -> None:
    role_of = role_reader(codec, intra_only=False, extradata=extradata)
    assert role_of is not None
    assert role_of(packet) in Role
