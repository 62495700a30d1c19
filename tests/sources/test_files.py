"""Video files, whole and damaged: what comes out, and what is said."""

from __future__ import annotations

import hashlib
import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import pytest

from argus.core.errors import SourceNotFound, SourceUnreadable
from argus.core.frame import Frame, Image
from argus.vision.sources import open_source
from tests.sources.videos import cut, flip_bits, make_sound, make_video, noisy, quarters


def read(path: Path, **options: float) -> list[Frame]:
    with open_source(path, fps=options.get("fps")) as source:
        return list(source)


def grey(frame: Frame) -> int:
    return round(float(frame.bgr.mean()))


@pytest.mark.parametrize("suffix", ["avi", "mkv", "mp4", "mov", "ts"])
def test_every_frame_of_a_file_comes_in_order_with_its_time(tmp_path: Path, suffix: str) -> None:
    frames = read(make_video(tmp_path / f"steps.{suffix}"))
    assert [f.index for f in frames] == list(range(20))
    assert [f.time_s for f in frames] == pytest.approx([i / 10 for i in range(20)])
    assert [grey(f) for f in frames] == pytest.approx([16 + 8 * i for i in range(20)], abs=5)


def test_a_source_says_what_it_is_before_the_first_frame(tmp_path: Path) -> None:
    with open_source(make_video(tmp_path / "steps.mp4")) as source:
        info = source.info
    assert (info.name, info.kind, info.live, info.codec) == ("steps.mp4", "file", False, "mpeg4")
    assert (info.width, info.height, info.fps, info.frame_count) == (64, 48, 10.0, 20)


def test_a_file_can_be_given_as_text_and_called_by_another_name(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a b.mp4", frames=2)
    for address in (str(path), path.as_uri()):
        with open_source(address, name="gate") as source:
            assert {f.source for f in source} == {"gate"}


def test_the_capture_time_of_a_file_is_the_opening_plus_the_time_in_it(tmp_path: Path) -> None:
    before = datetime.now(UTC)
    frames = read(make_video(tmp_path / "steps.mp4"))
    assert before <= frames[0].captured_at <= datetime.now(UTC)
    assert frames[10].captured_at - frames[0].captured_at == timedelta(seconds=1)


def test_frames_have_the_pixels_that_the_reference_decoder_gave(shared_data: Path) -> None:
    golden = json.loads((shared_data / "golden" / "video_frames.json").read_text())["frames"]
    wanted = {
        f["frame_index"]: f for f in golden if f["video"] == "video/vtest.avi" and f["frame_index"] <= 100
    }
    assert len(wanted) == 3
    with open_source(shared_data / "video" / "vtest.avi") as source:
        for frame in source:
            if frame.index in wanted:
                expected = wanted.pop(frame.index)["bgr24_sha256"]
                assert hashlib.sha256(frame.bgr.tobytes()).hexdigest() == expected
            if not wanted:
                break
    assert not wanted


def test_all_frames_of_real_videos_are_decoded(shared_data: Path) -> None:
    with open_source(shared_data / "video" / "vtest.avi") as source:
        assert sum(1 for _ in source) == 795
        assert (source.counters.corrupt, source.counters.problems) == (0, [])


def test_frames_of_an_avi_that_are_sent_in_another_order_have_the_times_at_which_they_are_shown(
    shared_data: Path,
) -> None:
    with open_source(shared_data / "video" / "vtest.avi") as source:
        assert [f.time_s for f in source] == pytest.approx([i / 10 for i in range(795)])


def test_a_target_rate_takes_every_so_manieth_frame_of_such_an_avi(shared_data: Path) -> None:
    with open_source(shared_data / "video" / "vtest.avi", fps=5) as source:
        frames = [frame for frame, _ in zip(source, range(30), strict=False)]
    assert [f.index for f in frames] == list(range(0, 60, 2))


def test_a_target_rate_leaves_frames_out_by_their_time(tmp_path: Path) -> None:
    path = make_video(tmp_path / "steps.mp4", frames=30, fps=30)
    with open_source(path, fps=10) as source:
        frames = list(source)
        assert (source.info.fps, source.info.frame_count) == (10, 10)
        assert (source.counters.decoded, source.counters.skipped) == (30, 20)
    assert [f.index for f in frames] == list(range(0, 30, 3))


def test_a_target_rate_above_that_of_the_file_leaves_nothing_out(tmp_path: Path) -> None:
    assert len(read(make_video(tmp_path / "steps.mp4"), fps=50)) == 20


def test_a_looped_file_begins_again_with_time_and_index_going_on(tmp_path: Path) -> None:
    path = make_video(tmp_path / "steps.mp4", frames=5)
    with open_source(path, loop=True) as source:
        frames = [frame for frame, _ in zip(source, range(12), strict=False)]
        assert source.info.frame_count is None
    assert [f.index for f in frames] == list(range(12))
    assert [f.time_s for f in frames] == pytest.approx([i / 10 for i in range(12)])
    assert grey(frames[5]) == pytest.approx(grey(frames[0]), abs=1)


def test_time_follows_the_stamps_of_a_variable_frame_rate(tmp_path: Path) -> None:
    stamps = [0, 40, 80, 500, 510, 2000]
    frames = read(make_video(tmp_path / "vfr.mkv", frames=6, stamps=stamps))
    assert [f.time_s for f in frames] == pytest.approx([s / 1000 for s in stamps], abs=0.002)


def test_time_starts_at_zero_whatever_the_first_stamp_is(tmp_path: Path) -> None:
    frames = read(make_video(tmp_path / "late.mkv", frames=3, stamps=[5000, 5100, 5200]))
    assert [f.time_s for f in frames] == pytest.approx([0, 0.1, 0.2], abs=0.002)


def test_time_never_goes_back_where_files_were_joined(tmp_path: Path) -> None:
    first, second = (make_video(tmp_path / f"{n}.ts") for n in "ab")
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    times = [f.time_s for f in read(joined)]
    assert len(times) == 40
    assert times == sorted(times)
    assert times[-1] == pytest.approx(3.9, abs=0.2)


def test_a_change_of_resolution_gives_frames_of_their_own_size(tmp_path: Path) -> None:
    small = make_video(tmp_path / "small.mjpeg", frames=3, codec="mjpeg", pixel_format="yuvj420p")
    large = make_video(tmp_path / "large.mjpeg", frames=2, codec="mjpeg", pixel_format="yuvj420p", width=96)
    joined = tmp_path / "joined.mjpeg"
    joined.write_bytes(small.read_bytes() + large.read_bytes())
    frames = read(joined)
    assert [f.width for f in frames] == [64, 64, 64, 96, 96]
    assert [f.bgr.shape for f in frames[2:4]] == [(48, 64, 3), (48, 96, 3)]
    assert frames[4].resized(32, 24).shape == (24, 32, 3)


@pytest.mark.parametrize(
    ("rotation", "corners"),
    [
        (0, ["red", "green", "blue", "white"]),
        (-90, ["blue", "red", "white", "green"]),
        (90, ["green", "white", "red", "blue"]),
        (180, ["white", "blue", "green", "red"]),
    ],
)
def test_a_rotated_video_is_seen_upright(tmp_path: Path, rotation: int, corners: list[str]) -> None:
    path = make_video(tmp_path / "turned.mp4", frames=2, width=96, paint=quarters, rotation=rotation)
    with open_source(path) as source:
        frame = next(iter(source))
    standing = abs(rotation) == 90
    size = (48, 96) if standing else (96, 48)
    assert (source.info.width, source.info.height) == (frame.width, frame.height) == size
    assert _corners(frame.bgr) == corners
    assert _corners(frame.resized(*size, "bgr")) == corners
    assert frame.resized(30, 20, "gray").shape == (20, 30)


def _corners(bgr: Image) -> list[str]:
    names = {(0, 0, 1): "red", (0, 1, 0): "green", (1, 0, 0): "blue", (1, 1, 1): "white"}
    height, width = bgr.shape[:2]
    points = [(y, x) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    blue_green_red = [(bgr[point] > 128).astype(int).tolist() for point in points]
    return [names[(b, g, r)] for b, g, r in blue_green_red]


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 2), (3, 5), (7680, 4320)])
def test_the_smallest_and_the_largest_frames_are_read(tmp_path: Path, width: int, height: int) -> None:
    path = make_video(
        tmp_path / "size.mkv", frames=1, width=width, height=height, codec="mjpeg", pixel_format="yuvj420p"
    )
    (frame,) = read(path)
    assert frame.bgr.shape == (height, width, 3)
    assert frame.resized(640, 360).shape == (360, 640, 3)
    assert frame.resized(1, 1, "gray").shape == (1, 1)


def test_a_missing_file_is_named_with_the_nearest_one(tmp_path: Path) -> None:
    make_video(tmp_path / "garden.mp4", frames=1)
    with pytest.raises(SourceNotFound, match=r"gardn\.mp4 does not exist; did you mean '.*/garden\.mp4'\?"):
        open_source(tmp_path / "gardn.mp4")


def test_a_file_in_a_missing_folder_says_that_the_folder_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match=r"does not exist \(nor does the folder .*/nowhere\)"):
        open_source(tmp_path / "nowhere" / "x.mp4")


def test_an_empty_file_is_said_to_be_empty(tmp_path: Path) -> None:
    (tmp_path / "none.mp4").touch()
    with pytest.raises(SourceUnreadable, match=r"none\.mp4 is empty \(0 bytes\)"):
        open_source(tmp_path / "none.mp4")


def test_text_is_said_to_be_no_video(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Tuesday: look at the gate camera.\n" * 30)
    with pytest.raises(SourceUnreadable, match=r"notes\.txt is text, not a video"):
        open_source(tmp_path / "notes.txt")


def test_bytes_without_meaning_are_said_to_be_no_video(tmp_path: Path) -> None:
    (tmp_path / "noise.mp4").write_bytes(bytes(noisy(0, 64, 64)))
    with pytest.raises(SourceUnreadable, match=r"noise\.mp4 is no video that FFmpeg knows, or is damaged"):
        open_source(tmp_path / "noise.mp4")


def test_an_mp4_that_was_cut_off_is_said_to_lack_its_index(tmp_path: Path) -> None:
    path = cut(make_video(tmp_path / "cut.mp4", paint=noisy), 0.5)
    with pytest.raises(SourceUnreadable, match=r"cut\.mp4 has no index \(moov box\), so it was cut off"):
        open_source(path)


@pytest.mark.parametrize("suffix", ["avi", "mkv", "ts"])
def test_a_truncated_video_gives_what_is_left_of_it(tmp_path: Path, suffix: str) -> None:
    path = cut(make_video(tmp_path / f"cut.{suffix}", paint=noisy), 0.5)
    with open_source(path) as source:
        frames = list(source)
    assert 8 <= len(frames) <= 12
    assert [f.index for f in frames] == list(range(len(frames)))


@pytest.mark.parametrize("suffix", ["avi", "mkv", "mp4", "ts"])
@pytest.mark.parametrize("codec", ["mpeg4", "libx264"])
def test_a_bit_flipped_video_gives_the_frames_before_and_after(
    tmp_path: Path, suffix: str, codec: str
) -> None:
    path = flip_bits(make_video(tmp_path / f"flipped.{suffix}", paint=noisy, codec=codec, frames=30))
    with open_source(path) as source:
        frames = list(source)
        counters = source.counters
    assert frames[0].time_s == 0
    assert frames[-1].time_s >= 2.5
    assert 15 <= len(frames) < 30
    assert counters.decoded == len(frames)
    assert counters.corrupt > 0
    assert counters.problems


def test_a_stream_without_one_whole_picture_is_unreadable(tmp_path: Path) -> None:
    path = make_video(tmp_path / "ruin.avi", paint=noisy, frames=4)
    picture_start = b"\x00\x00\x01\xb6"
    path.write_bytes(path.read_bytes().replace(picture_start, bytes(4)))
    with pytest.raises(SourceUnreadable, match=r"ruin\.avi holds a mpeg4 stream but no picture that can be"):
        open_source(path)


@pytest.mark.parametrize("suffix", ["wav", "m4a"])
def test_sound_alone_is_said_to_hold_no_video(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(SourceUnreadable, match=rf"sound\.{suffix} holds no video stream, only audio"):
        open_source(make_sound(tmp_path / f"sound.{suffix}"))


def test_an_unknown_codec_is_named(tmp_path: Path) -> None:
    path = make_video(tmp_path / "odd.avi")
    path.write_bytes(path.read_bytes().replace(b"FMP4", b"QQ42"))
    with pytest.raises(SourceUnreadable, match=r"odd\.avi is encoded as 'QQ42', which .* cannot decode"):
        open_source(path)


@pytest.mark.parametrize("pixel_format", ["gray", "rgba", "rgb48be", "gray16be"])
def test_grey_and_transparent_videos_are_read(tmp_path: Path, pixel_format: str) -> None:
    frames = read(make_video(tmp_path / "film.mov", frames=2, codec="png", pixel_format=pixel_format))
    assert [grey(f) for f in frames] == pytest.approx([16, 24], abs=1)
    assert int(frames[0].resized(32, 24, "gray").mean()) == pytest.approx(16, abs=1)


def test_an_animated_gif_is_a_video(tmp_path: Path) -> None:
    path = make_video(tmp_path / "steps.gif", codec="gif", pixel_format="rgb8")
    assert len(read(path)) == 20


def test_closing_from_another_thread_ends_the_iteration(tmp_path: Path) -> None:
    path = make_video(tmp_path / "steps.mp4")
    source = open_source(path, loop=True)
    begun = threading.Event()

    def close() -> None:
        begun.wait()
        source.close()

    closer = threading.Thread(target=close)
    closer.start()
    for frame in source:
        if frame.index == 30:
            begun.set()
    closer.join()


def test_a_closed_source_gives_no_frames(tmp_path: Path) -> None:
    source = open_source(make_video(tmp_path / "steps.mp4"))
    source.close()
    source.close()
    assert list(source) == []


def test_frames_outlive_their_source(tmp_path: Path) -> None:
    frames = read(make_video(tmp_path / "steps.mp4"))
    assert grey(frames[3]) == pytest.approx(40, abs=5)


def test_opening_and_closing_many_times_leaves_nothing_behind(tmp_path: Path) -> None:
    path = make_video(tmp_path / "steps.mp4", frames=3)
    read(path)
    files, threads = len(list(Path("/proc/self/fd").iterdir())), _native_threads()
    for turn in range(50):
        with open_source(path) as source:
            if turn % 2:
                next(iter(source))
    assert len(list(Path("/proc/self/fd").iterdir())) == files
    assert _native_threads() <= threads


def _native_threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def test_ffmpeg_is_not_made_to_talk() -> None:
    assert av.logging.get_level() is None
