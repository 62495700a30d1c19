"""A clip holds the stream's own packets, from a key frame on, at their own times; and says what it lacks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from argus.core.errors import ArgusError, OutputError
from argus.vision.clips.clip import ClipUnavailable
from argus.vision.clips.cutting import cut
from argus.vision.clips.ring import PacketRing
from argus.vision.sources.opening import open_with
from argus.vision.sources.options import SourceOptions
from tests.clips.reading import Film, clip_of, faststart, kept, payloads
from tests.sources.videos import grey_steps, make_video, noisy

H264: dict[str, Any] = {"codec": "libx264", "options": {"g": "10", "bf": "0", "sc_threshold": "0"}}
"""Ten pictures a second, a key frame each second, none out of order."""
WITH_B: dict[str, Any] = {"codec": "libx264", "options": {"g": "10", "bf": "3", "sc_threshold": "0"}}


def grey_of(film: Film) -> list[int]:
    """Which picture each is, for those that `grey_steps` painted."""
    return [round((float(np.median(g)) - 16) / 8) for g in film.grey]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi", "a.flv"])
@pytest.mark.parametrize("kind", [H264, WITH_B], ids=["in-order", "reordered"])
def test_packets_of_every_container_are_copied_from_the_key_frame_before(
    tmp_path: Path, name: str, kind: dict[str, Any]
) -> None:
    path = make_video(tmp_path / name, frames=50, **kind)
    ring, frames = kept(path)
    offset = frames[0].time_s
    clip = clip_of(ring, offset + 1.4, offset + 3.0, tmp_path / "clip.mp4")
    film = Film.of(clip.path)
    assert (clip.codec, clip.encoded, clip.missing) == ("h264", False, None)
    assert clip.start_s == pytest.approx(frames[10].time_s, abs=0.02)
    assert clip.end_s >= frames[30].time_s - 0.001
    # The same pictures, in the same order: no more than what B-frames need after the end.
    assert len(film.times) == clip.packets
    assert 21 <= clip.packets <= 26
    assert film.times[0] == 0.0
    assert np.diff(film.times) == pytest.approx([0.1] * (clip.packets - 1), abs=0.02)
    shown = [float(np.median(frame.resized(64, 48, "gray"))) for frame in frames[10 : 10 + clip.packets]]
    assert [float(np.median(g)) for g in film.grey[:21]] == pytest.approx(shown[:21], abs=9)
    assert film.keys[0]
    assert not film.damaged
    assert faststart(clip.path)
    assert clip.bytes == clip.path.stat().st_size


@pytest.mark.parametrize("name", ["a.mp4", "a.ts"])
def test_not_a_bit_of_any_picture_is_changed(tmp_path: Path, name: str) -> None:
    path = make_video(tmp_path / name, frames=50, paint=noisy, **WITH_B)
    ring, _ = kept(path)
    clip = clip_of(ring, 1.5, 3.0, tmp_path / "clip.mp4")
    theirs = [[unit for unit in packet if unit[0] & 31 in {1, 5}] for packet in payloads(path)]
    ours = [[unit for unit in packet if unit[0] & 31 in {1, 5}] for packet in payloads(clip.path)]
    assert all(ours)
    first = theirs.index(ours[0])
    assert theirs[first : first + len(ours)] == ours


def test_hevc_is_copied_and_carries_the_tag_that_safari_wants(tmp_path: Path) -> None:
    path = make_video(
        tmp_path / "a.ts", frames=40, codec="libx265", options={"x265-params": "keyint=10:log-level=none"}
    )
    ring, _ = kept(path)
    clip = clip_of(ring, 1.5, 2.5, tmp_path / "clip.mp4")
    film = Film.of(clip.path)
    assert (clip.codec, clip.encoded, film.tag) == ("hevc", False, "hvc1")
    assert len(film.times) == clip.packets
    assert not film.damaged


@pytest.mark.parametrize("codec", ["mpeg4", "mjpeg", "mpeg2video"])
def test_what_browsers_do_not_play_is_encoded_when_it_is_cut(tmp_path: Path, codec: str) -> None:
    form = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = make_video(tmp_path / "a.mkv", frames=40, fps=25, codec=codec, pixel_format=form)
    ring, frames = kept(path)
    clip = clip_of(ring, frames[10].time_s, frames[20].time_s, tmp_path / "clip.mp4")
    film = Film.of(clip.path)
    assert (clip.codec, clip.encoded) == ("h264", True)
    assert len(film.times) == clip.packets >= 11
    assert film.times[0] == 0.0
    assert grey_of(film)[-2:] == [20, 21]


def test_a_real_video_in_avi_is_shown_in_its_right_order(shared_data: Path, tmp_path: Path) -> None:
    ring, frames = kept(shared_data / "video" / "vtest.avi", most=120)
    clip = clip_of(ring, 2.0, 6.0, tmp_path / "clip.mp4")
    film = Film.of(clip.path)
    assert not clip.encoded
    begin = round(clip.start_s * 10)
    shown = [frame.resized(480, 360, "gray").astype(int)[::4, ::4] for frame in frames]
    for number, grey in enumerate(film.grey):
        first = max(begin, begin + number - 5)
        differences = [np.mean(np.abs(one - grey[::4, ::4])) for one in shown[first : first + 10]]
        assert first + int(np.argmin(differences)) == begin + number


def test_a_clip_over_the_seam_of_a_loop_goes_on(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", frames=25, **WITH_B)
    ring, frames = kept(path, loop=True, most=60)
    clip = clip_of(ring, 1.6, 3.4, tmp_path / "clip.mp4")
    film = Film.of(clip.path)
    assert clip.start_s == pytest.approx(1.0)
    assert np.diff(film.times) == pytest.approx([0.1] * (clip.packets - 1), abs=0.02)
    assert grey_of(film)[:25] == [number % 25 for number in range(10, 35)]
    assert frames[34].time_s == pytest.approx(3.4)


def test_all_packets_are_kept_where_most_are_not_decoded(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", frames=60, **H264)
    ring, frames = kept(path, fps=1)
    assert len(frames) == 6
    clip = clip_of(ring, 2.0, 4.0, tmp_path / "clip.mp4")
    assert clip.packets == 22
    assert len(Film.of(clip.path).times) == 22


def test_the_ring_begins_with_a_key_frame_and_forgets_what_is_old(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", frames=100, **H264)
    ring, _ = kept(path, seconds=3.0)
    [piece] = ring.pieces()
    assert piece.packets[0].key
    assert 30 <= len(piece.packets) <= 40
    clip = clip_of(ring, 0.0, 8.0, tmp_path / "clip.mp4")
    assert clip.start_s == pytest.approx(6.0)
    assert clip.missing is not None
    assert "given up" in clip.missing


def test_of_a_camera_that_broke_off_the_last_packet_is_left_out_as_it_may_be_half(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", frames=20, **H264)
    ring = PacketRing()
    ring.keep("test", 1000.0)
    tap = ring.connect()
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        tap.opened(stream)
        for number, packet in enumerate(p for p in container.demux(stream) if p.size):
            tap.packet(packet, arrived_s=number / 10)
        assert [len(piece.packets) for piece in ring.pieces()] == [20]
        ring.end(tap)
        assert [len(piece.packets) for piece in ring.pieces()] == [19]
        ring.connect()
        assert [len(piece.packets) for piece in ring.pieces()] == [19]
        assert len(Film.of(clip_of(ring, 0.0, 5.0, tmp_path / "clip.mp4").path).times) == 19


def test_memory_is_bounded_whatever_is_sent(tmp_path: Path) -> None:
    path = make_video(
        tmp_path / "a.mp4",
        frames=60,
        paint=noisy,
        width=160,
        height=120,
        codec="libx264",
        options={"g": "600"},
    )
    ring = PacketRing()
    ring.keep("test", 1000.0, most_bytes=60_000)
    with open_with(path, SourceOptions(tap=ring.connect())) as source:
        for _ in source:
            assert sum(len(p.data) for piece in ring.pieces() for p in piece.packets) <= 60_000


def test_where_nobody_wants_clips_nothing_is_kept(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", frames=30, **H264)
    ring, _ = kept(path, seconds=0.0)
    assert ring.pieces() == []
    with pytest.raises(ClipUnavailable, match="nothing of its stream is kept") as told:
        clip_of(ring, 0, 1, tmp_path / "clip.mp4")
    assert isinstance(told.value, ArgusError)
    assert told.value.come_to_s is None


def test_who_wants_it_no_longer_frees_the_memory(tmp_path: Path) -> None:
    ring, _ = kept(make_video(tmp_path / "a.mp4", frames=30, **H264))
    assert ring.pieces()
    ring.keep("test", 0.0)
    assert ring.pieces() == []


def test_two_who_want_it_get_what_the_more_demanding_wants(tmp_path: Path) -> None:
    ring = PacketRing()
    ring.keep("one", 5.0)
    ring.keep("two", 9.0)
    ring.keep("two", 2.0)
    assert ring.wanted_s == 5.0


def test_a_clip_that_lasts_longer_than_the_stream_so_far_comes_later(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", frames=30, **H264)
    ring = PacketRing()
    ring.keep("test", 100.0)
    tap = ring.connect()
    with open_with(path, SourceOptions(tap=tap)) as source:
        list(source)
    with pytest.raises(ClipUnavailable, match="ask again later") as told:
        clip_of(ring, 1.0, 5.0, tmp_path / "clip.mp4")
    assert told.value.come_to_s is not None
    ring.end(tap)  # no more will come, so what there is must do
    clip = clip_of(ring, 1.0, 5.0, tmp_path / "clip.mp4")
    assert clip.missing is not None
    assert clip.missing.startswith("ends at 2.90 s")


def test_a_clip_is_cut_at_the_seam_between_two_connections(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", frames=30, **H264)
    ring = PacketRing()
    ring.keep("test", 100.0)
    for base_s in (0.0, 10.0):
        tap = ring.connect()
        with open_with(path, SourceOptions(tap=tap)) as source:
            ring.begin(tap, base_s)
            list(source)
    ring.end(tap)
    before = clip_of(ring, 1.0, 10.5, tmp_path / "clip.mp4")
    assert [before.start_s, before.end_s] == pytest.approx([1.0, 2.9])
    assert before.missing == "ends at 2.90 s: the stream ended or broke off then"
    after = clip_of(ring, 9.0, 12.0, tmp_path / "clip.mp4")
    assert after.start_s == pytest.approx(10.0)
    assert after.missing is not None
    assert "connected again" in after.missing
    with pytest.raises(ClipUnavailable, match=r"only 0\.00 s to 2\.90 s, 10\.00 s to 12\.90 s"):
        clip_of(ring, 5.0, 7.0, tmp_path / "clip.mp4")


def test_damaged_packets_are_no_harm_to_the_clip(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.ts", frames=60, paint=noisy, **H264)
    rng = np.random.default_rng(5)
    ring = PacketRing()
    ring.keep("test", 100.0)
    tap = ring.connect()
    with open_with(path, SourceOptions(tap=tap)) as source:
        list(source)
    assert tap.stretch is not None
    hurt = list(tap.stretch.packets)
    for number in range(0, 60, 4):
        data = bytearray(hurt[number].data)
        junk = rng.integers(0, 256, len(data), np.uint8).tobytes()
        kind = number // 4 % 4
        data = [bytearray(junk), bytearray(), data[: len(data) // 3], data[: len(data) // 2] + junk[:50]][
            kind
        ]
        hurt[number] = hurt[number]._replace(data=bytes(data))
    tap.stretch.packets = type(tap.stretch.packets)(hurt)
    ring.end(tap)
    clip = clip_of(ring, 1.0, 4.0, tmp_path / "clip.mp4")
    assert clip.packets >= 20
    assert len(Film.of(clip.path).times) >= 15


def test_lost_packets_are_no_harm_to_the_clip(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.ts", frames=60, paint=noisy, **H264)
    ring, _ = kept(path)
    [piece] = ring.pieces()
    piece.packets = [p for number, p in enumerate(piece.packets) if number % 7 != 3]
    clip = cut([piece], 1.0, 4.0, tmp_path / "clip.mp4", "gate")
    assert clip.start_s == pytest.approx(0.0)  # the key frame at 1.0 s is among those that are lost
    assert clip.end_s == pytest.approx(4.1, abs=0.11)
    film = Film.of(clip.path)
    assert film.times[-1] == pytest.approx(clip.end_s - clip.start_s, abs=0.11)


def test_a_stream_that_says_its_parameters_only_among_its_pictures_is_copied(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.h264", frames=40, **H264)
    ring, _ = kept(path)
    [piece] = ring.pieces()
    assert piece.form.mould is not None
    piece.form.mould.codec_context.extradata = None
    clip = cut([piece], 0.3, 1.0, tmp_path / "clip.mp4", "gate")
    assert clip.missing is None
    assert len(Film.of(clip.path).times) == clip.packets


def test_a_rotated_recording_stays_rotated(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", frames=20, rotation=90, paint=grey_steps, **H264)
    ring, _ = kept(path)
    clip = clip_of(ring, 0.0, 1.0, tmp_path / "clip.mp4")
    with open_with(clip.path, SourceOptions()) as source:
        assert (source.info.width, source.info.height) == (48, 64)


def test_an_impossible_length_is_refused(tmp_path: Path) -> None:
    ring, _ = kept(make_video(tmp_path / "a.mp4", frames=10, **H264))
    with pytest.raises(ClipUnavailable, match="no length"):
        clip_of(ring, 3.0, 2.0, tmp_path / "clip.mp4")
    with pytest.raises(ClipUnavailable, match="no length"):
        clip_of(ring, float("nan"), 2.0, tmp_path / "clip.mp4")


def test_a_folder_that_cannot_be_is_an_output_error(tmp_path: Path) -> None:
    ring, _ = kept(make_video(tmp_path / "a.mp4", frames=10, **H264))
    with pytest.raises(OutputError):
        clip_of(ring, 0.0, 1.0, tmp_path / "a.mp4" / "clip.mp4")


_FULL = """
import resource, sys
from pathlib import Path
from argus.core.errors import OutputError
from tests.clips.reading import clip_of, kept
folder = Path(sys.argv[1])
ring, _ = kept(folder / "a.mp4")
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    clip_of(ring, 0.0, 3.0, folder / "clip.mp4")
except OutputError as error:
    print("said:", error)
"""


def test_a_full_disk_is_said_and_leaves_nothing_behind(tmp_path: Path) -> None:
    make_video(tmp_path / "a.mp4", frames=40, paint=noisy, **H264)
    told = subprocess.run(
        [sys.executable, "-c", _FULL, str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert told.stdout.startswith("said: cannot write")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_clip_replaces_the_one_before_as_a_whole(tmp_path: Path) -> None:
    ring, _ = kept(make_video(tmp_path / "a.mp4", frames=40, **H264))
    first = clip_of(ring, 0.0, 1.0, tmp_path / "clip.mp4")
    second = clip_of(ring, 0.0, 2.0, tmp_path / "clip.mp4")
    assert first.packets < second.packets == len(Film.of(tmp_path / "clip.mp4").times)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "clip.mp4"]
