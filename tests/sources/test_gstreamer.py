"""GStreamer alone: which decoders it takes, how its binding is found, and what only it can do.

What it promises as every reader of live cameras does is in `test_live_contract`.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from argus.core.errors import (
    SourceError,
    SourceNotFound,
    SourceRefused,
    SourceUnreachable,
    SourceUnreadable,
    SpecError,
)
from argus.core.resources.camera import Decoder
from argus.testing.rtsp import RtspServer, rtsp_server_problem
from argus.testing.web_camera import WebCamera
from argus.vision.sources import open_source
from argus.vision.sources.gstreamer import open_gstreamer
from argus.vision.sources.gstreamer_assembly import shown_pipeline
from argus.vision.sources.gstreamer_binding import folder_of_binding, gstreamer_problem
from argus.vision.sources.gstreamer_decoders import ENCODINGS, DecoderElement, decoders_for, is_hardware
from argus.vision.sources.gstreamer_errors import Failure, of_opening
from argus.vision.sources.gstreamer_picture import Layout, frame_of
from argus.vision.sources.options import SourceOptions
from tests.conftest import need
from tests.sources.settling import comes_true, descriptors_and_threads
from tests.sources.videos import make_restart, make_sound, make_video, quarters

EVERYTHING = {"nvh264dec", "vah264dec", "vaapih264dec", "avdec_h264", "openh264dec", "avdec_h265"}


def names(decoder: Decoder, available: set[str], encoding: str = "H264") -> list[str]:
    return [each.name for each in decoders_for(ENCODINGS[encoding], decoder, available)]


@pytest.mark.parametrize(
    ("decoder", "tried"),
    [
        ("auto", ["nvh264dec", "vah264dec", "vaapih264dec", "avdec_h264", "openh264dec"]),
        ("gstreamer", ["nvh264dec", "vah264dec", "vaapih264dec", "avdec_h264", "openh264dec"]),
        ("hardware", ["nvh264dec", "vah264dec", "vaapih264dec"]),
        ("cuda", ["nvh264dec"]),
        ("vaapi", ["vah264dec", "vaapih264dec"]),
        ("software", ["avdec_h264", "openh264dec"]),
    ],
)
def test_hardware_is_tried_first_where_the_user_leaves_the_choice(decoder: Decoder, tried: list[str]) -> None:
    assert names(decoder, EVERYTHING) == tried


def test_what_is_not_installed_is_not_tried() -> None:
    assert names("auto", {"avdec_h264", "rtspsrc"}) == ["avdec_h264"]
    assert names("cuda", {"avdec_h264", "vah264dec"}) == []
    assert names("auto", EVERYTHING, "H265") == ["avdec_h265"]


def test_only_elements_of_hardware_count_as_hardware() -> None:
    assert is_hardware("nvh265dec")
    assert is_hardware("vaapih264dec")
    assert not is_hardware("avdec_h264")
    assert DecoderElement("avdec_h264", hardware=False).text == "avdec_h264 max-threads=1"
    assert DecoderElement("nvh264dec", hardware=True).text == "nvh264dec"


def test_the_systems_binding_is_taken_only_if_built_for_this_python(tmp_path: Path) -> None:
    empty, other, fitting = (tmp_path / name for name in ("empty", "other", "fitting"))
    for folder, suffix in ((other, ".cpython-399-x86_64-linux-gnu.so"), (fitting, ".cpython-311.so")):
        (folder / "gi").mkdir(parents=True)
        (folder / "gi" / "__init__.py").touch()
        (folder / "gi" / f"_gi{suffix}").touch()
    assert folder_of_binding([empty, other, fitting], [".cpython-311.so", ".so"]) == fitting
    assert folder_of_binding([empty, other], [".cpython-311.so", ".abi3.so"]) is None


RESOURCE, STREAM = "gst-resource-error-quark", "gst-stream-error-quark"


@pytest.mark.parametrize(
    ("failure", "kind", "said"),
    [
        (Failure(RESOURCE, 15, "Unauthorized", "", 401), SourceRefused, "refuses the credentials (401)"),
        (Failure(RESOURCE, 15, "Forbidden", "", 403), SourceRefused, "is forbidden (403)"),
        (Failure(RESOURCE, 3, "Not found", "", 404), SourceNotFound, "is not there (404)"),
        (
            Failure(RESOURCE, 9, "x", "a.c(7): f (): /G:\nNo message. (Time out)"),
            SourceUnreachable,
            "(Time out)",
        ),
        (
            Failure(RESOURCE, 7, "x", "a.c(7): f (): /G:\nNo way. (Generic error)"),
            SourceUnreachable,
            "No way",
        ),
        (Failure(STREAM, 7, "x", "a.c(7): f (): /G:\nbad data"), SourceUnreadable, "(bad data)"),
    ],
)
def test_errors_of_gstreamer_say_what_can_be_done(
    failure: Failure, kind: type[SourceError], said: str
) -> None:
    error = of_opening(failure, "rtsp://me:***@cam/1")
    assert type(error) is kind
    assert said in str(error)
    assert str(error).startswith("rtsp://me:***@cam/1 ")


def test_secrets_of_a_pipeline_are_not_shown() -> None:
    text = (
        'gst:rtspsrc location=rtsp://me:sesame@cam/1 user-pw=sesame ! x password="open sesame" ! y ! appsink'
    )
    assert "sesame" not in shown_pipeline(text)
    assert shown_pipeline(text).endswith("! y ! appsink")


@pytest.mark.parametrize("pad", [0, 16])
@pytest.mark.parametrize("size", [(64, 48), (65, 47)])
def test_planes_keep_their_pixels_whatever_lies_between_the_rows(size: tuple[int, int], pad: int) -> None:
    width, height = size
    half_width, half_height = (width + 1) // 2, (height + 1) // 2
    strides = (width + pad, half_width + pad, half_width + pad)
    starts = (0, strides[0] * height, strides[0] * height + strides[1] * half_height)
    data = b"".join(
        (bytes([value]) * used + bytes([255]) * (stride - used)) * rows
        for value, used, stride, rows in (
            (81, width, strides[0], height),
            (90, half_width, strides[1], half_height),
            (240, half_width, strides[2], half_height),
        )
    )
    frame = frame_of(data, Layout("yuv420p", width, height, starts, strides, matrix=6, color_range=1))
    pixels = frame.to_ndarray(format="bgr24")
    assert pixels.shape == (height, width, 3)
    assert (pixels.reshape(-1, 3).min(0) >= (0, 0, 250)).all()  # pure red, as BT.601 writes it
    assert (pixels.reshape(-1, 3).max(0) <= (5, 5, 255)).all()


@pytest.fixture
def gstreamer() -> None:
    need(gstreamer_problem() is None, gstreamer_problem() or "")


@pytest.fixture(scope="module")
def server() -> Iterator[RtspServer]:
    need(rtsp_server_problem() is None, rtsp_server_problem() or "")
    with RtspServer(pattern="64x48@25") as server:
        yield server


@pytest.mark.usefixtures("gstreamer")
def test_the_spec_chooses_gstreamer_by_its_decoder(server: RtspServer) -> None:
    with open_source(server.url(), decoder="gstreamer", name="gate") as source:
        frame = next(iter(source))
    assert (frame.source, frame.width, source.info.codec) == ("gate", 64, "h264")


@pytest.mark.usefixtures("gstreamer")
def test_a_pipeline_of_ones_own_is_a_source() -> None:
    address = "gst:videotestsrc is-live=true pattern=white ! video/x-raw,format=NV12,width=80,height=60"
    with open_source(address, name="test card") as source:
        frames = iter(source)
        frame = next(frames)
        assert (source.info.live, source.info.fps, frame.width, frame.height) == (True, 30, 80, 60)
        assert frame.received_s is not None
        assert frame.bgr.min() > 250


@pytest.mark.usefixtures("gstreamer")
def test_a_recording_gives_every_frame_to_a_slow_reader() -> None:
    film = "videotestsrc num-buffers=40 ! video/x-raw,format=I420,framerate=10/1"
    address = f"gst:{film} ! appsink name=sink sync=false max-buffers=2"
    reader_waits = threading.Event()
    with open_source(address) as source:
        times = [frame.time_s for frame in source if not reader_waits.wait(0.005)]
    assert times == pytest.approx([index / 10 for index in range(40)])
    assert source.info.frame_count == 40


@pytest.mark.usefixtures("gstreamer")
def test_pictures_may_change_their_size_within_a_stream() -> None:
    part = "videotestsrc num-buffers=3 pattern=white ! video/x-raw,format=I420,width={},height={} ! c."
    text = f"gst:concat name=c ! appsink name=sink sync=false {part.format(64, 48)} {part.format(100, 50)}"
    with open_source(text) as source:
        frames = list(source)
    assert [frame.bgr.shape[:2] for frame in frames] == [(48, 64)] * 3 + [(50, 100)] * 3
    assert all(frame.resized(20, 10, "gray").min() > 250 for frame in frames)


@pytest.mark.usefixtures("gstreamer")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nosuchelement ! fakesink", 'no element "nosuchelement"'),
        ("videotestsrc ! appsink name=other", "write `appsink name=sink`"),
        ("audiotestsrc", "could not link"),
    ],
)
def test_a_pipeline_that_is_none_is_the_users_mistake(text: str, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        open_source(f"gst:{text}")
    assert said in str(caught.value)


@pytest.mark.usefixtures("gstreamer")
def test_pixels_of_a_format_that_is_not_known_are_named() -> None:
    with pytest.raises(SourceUnreadable, match="gives pictures as ABGR64_LE: put `videoconvert"):
        open_source("gst:videotestsrc ! video/x-raw,format=ABGR64_LE ! appsink name=sink")


@pytest.mark.usefixtures("gstreamer")
def test_an_address_of_another_kind_is_read_too(tmp_path: Path) -> None:
    film = make_video(tmp_path / "film.mp4", codec="libx264", frames=10, paint=quarters)
    with open_gstreamer(film.as_uri(), SourceOptions(fps=5)) as source:
        frames = list(source)
    assert (source.info.live, source.info.codec, source.info.fps) == (False, "h264", 5)
    assert (source.info.frame_count, len(frames), source.counters.skipped) == (5, 5, 5)
    with open_source(film) as plain:
        same = next(iter(plain)).bgr.astype(int)
    assert abs(frames[0].bgr.astype(int) - same).mean() < 1


@pytest.mark.usefixtures("gstreamer")
def test_live_hls_keeps_every_frame_and_the_time_of_each_though_many_come_at_once(tmp_path: Path) -> None:
    make_restart(tmp_path, (0, 0, 0, 0, 0))
    times = []
    with (
        WebCamera(folder=tmp_path) as camera,
        open_source(camera.url("files/restart.m3u8"), decoder="gstreamer") as source,
    ):
        assert source.info.live
        for frame in source:
            times.append(frame.time_s)
            time.sleep(0.01)  # so that the decoder is faster
            if len(times) == 38:
                break
    assert [b - a for a, b in pairwise(times)] == pytest.approx([0.1] * 37, abs=0.02)


@pytest.mark.usefixtures("gstreamer")
def test_a_film_that_lies_on_its_side_is_seen_upright(tmp_path: Path) -> None:
    film = make_video(tmp_path / "film.mp4", codec="libx264", frames=3, paint=quarters, rotation=90)
    with open_gstreamer(film.as_uri(), SourceOptions()) as source, open_source(film) as plain:
        turned, same = next(iter(source)), next(iter(plain))
    assert (turned.width, turned.height) == (48, 64)
    assert abs(turned.bgr.astype(int) - same.bgr.astype(int)).mean() < 1


@pytest.mark.usefixtures("gstreamer")
def test_what_holds_no_video_says_so(tmp_path: Path) -> None:
    sound = make_sound(tmp_path / "sound.wav")
    text = tmp_path / "text.mp4"
    text.write_text("no video at all, " * 100)
    for file in (sound, text):
        with pytest.raises(SourceUnreadable, match=file.name):
            open_gstreamer(file.as_uri(), SourceOptions(timeout_s=3))
    with pytest.raises(SourceNotFound, match="is not there: check the path"):
        open_gstreamer((tmp_path / "none.mp4").as_uri(), SourceOptions(timeout_s=3))


@pytest.mark.usefixtures("gstreamer")
def test_opening_and_closing_twenty_times_leaves_nothing_behind(server: RtspServer) -> None:
    open_gstreamer(server.url(), SourceOptions()).close()
    before = descriptors_and_threads()
    for _ in range(20):
        with open_gstreamer(server.url(), SourceOptions()) as source:
            next(iter(source))
    assert comes_true(lambda: descriptors_and_threads() <= before)


# Elements are registered for a whole process, so what pretends to be hardware lives in one of its own.
_PRETENDED_HARDWARE = """
import sys
from argus.core.errors import SourceUnreadable
from argus.vision.sources.gstreamer import open_gstreamer
from argus.vision.sources.gstreamer_binding import load_gstreamer
from argus.vision.sources.options import SourceOptions

gst = load_gstreamer().gst
def pretend(name, real):
    kind = gst.ElementFactory.find(real).load().get_element_type()
    gst.Element.register(None, name, 0, kind)

def opened(decoder):
    try:
        with open_gstreamer(sys.argv[1], SourceOptions(decoder=decoder)) as source:
            return next(iter(source)).bgr.max()
    except SourceUnreadable as error:
        return str(error)

print(opened("hardware"))
pretend("nvh264dec", "identity")
print(opened("cuda"))
print(opened("auto"))
pretend("vah264dec", "openh264dec")
print(opened("vaapi"))
"""


@pytest.mark.usefixtures("gstreamer")
def test_a_hardware_decoder_that_fails_gives_way_where_the_user_leaves_the_choice(server: RtspServer) -> None:
    command = [sys.executable, "-c", _PRETENDED_HARDWARE, server.url()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    absent, failing, fallen_back, working = done.stdout.splitlines()
    assert "which no hardware decoder of GStreamer takes here" in absent
    assert "is nothing that nvh264dec decodes" in failing
    assert (fallen_back, working) == ("255", "255")


@pytest.mark.usefixtures("gstreamer")
def test_inference_works_after_gstreamer_was_loaded() -> None:
    # In a process of its own: order decides, and here other tests may have loaded OpenVINO before.
    code = (
        "from argus.vision.sources.gstreamer_binding import load_gstreamer\n"
        "from argus.vision.capabilities.inference import look_at_openvino\n"
        "load_gstreamer(); print(*[finding.state for finding in look_at_openvino()])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, set(done.stdout.split())) == (0, {"ok"}), done.stderr


@pytest.mark.usefixtures("gstreamer")
def test_a_source_that_nobody_closes_does_not_take_the_process_down(server: RtspServer) -> None:
    code = (
        "import sys; from argus.vision.sources import open_source\n"
        "for _ in range(2): open_source(sys.argv[1], decoder='gstreamer')\n"
        "kept = iter(open_source(sys.argv[1], decoder='gstreamer')); print(next(kept).width)"
    )
    command = [sys.executable, "-c", code, server.url()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "64", "")
