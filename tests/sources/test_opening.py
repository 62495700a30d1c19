"""One door: the form of an address chooses the kind of source."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from argus.core.errors import PluginBroken, SourceNotFound, SpecError, UnknownName
from argus.vision.sources import known_schemes, open_source
from argus.vision.synthetic import Plaza
from tests.sources.videos import flip_bits, make_video, noisy

SMALL = "synthetic:plaza?width=160&height=96&fps=10&people=3&vehicles=1&seed=3"


def test_the_plaza_is_a_source_with_a_truth() -> None:
    with open_source(f"{SMALL}&frames=4") as source:
        frames = list(source)
        info = source.info
    assert (info.kind, info.live, info.fps, info.frame_count) == ("synthetic", False, 10, 4)
    assert [f.time_s for f in frames] == pytest.approx([0, 0.1, 0.2, 0.3])
    plaza = Plaza(width=160, height=96, fps=10, people=3, vehicles=1, seed=3)
    assert (frames[2].width, frames[2].height) == (160, 96)
    assert np.array_equal(frames[2].bgr, plaza.render(2)[0])
    assert frames[2].resized(32, 24, "gray").shape == (24, 32)


def test_the_plaza_goes_on_for_ever_and_can_be_thinned_out() -> None:
    with open_source(SMALL, fps=2) as source:
        assert [f.index for f, _ in zip(source, range(30), strict=False)] == list(range(0, 150, 5))
        assert source.info.frame_count is None


def test_a_wrong_option_of_the_plaza_names_the_nearest() -> None:
    with pytest.raises(SpecError, match=r"unknown option 'peple'; did you mean 'people'\?"):
        open_source("synthetic:plaza?peple=3")


def test_an_unknown_scheme_lists_the_known_ones() -> None:
    known = "file, gst, http, https, lab, rtsp, rtsps, snapshot+http, snapshot+https, synthetic"
    with pytest.raises(
        UnknownName, match=r"unknown kind of source 'rtps'; did you mean 'rtsps?'\?"
    ) as caught:
        open_source("rtps://camera/1")
    assert str(caught.value).endswith(known)
    assert set(known.split(", ")) <= set(known_schemes())


@pytest.mark.parametrize("device", [97, "/dev/video97"])
def test_a_missing_webcam_says_which_cameras_are_there(device: str | int) -> None:
    with pytest.raises(SourceNotFound, match=r"/dev/video97 does not exist: (no camera is|cameras here)"):
        open_source(device)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("fps", 0, "fps 0: give a number above 0"),
        ("fps", float("nan"), "fps nan: give a number above 0"),
        ("timeout_s", -1, "timeout_s -1: give seconds above 0"),
        ("interval_s", 0, "interval_s 0: give seconds above 0"),
        ("transport", "pigeon", "transport 'pigeon': known are tcp and udp"),
    ],
)
def test_an_impossible_option_is_refused(option: str, value: object, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        open_source(SMALL, **{option: value})  # type: ignore[arg-type]


def test_a_file_with_the_name_of_an_address_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_video(tmp_path / "rtsp:1.mkv", frames=1)
    with open_source("rtsp:1.mkv") as source:
        assert source.info.kind == "file"


def install(folder: Path, module: str, entry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a distribution with one source into `folder` and on the path."""
    (folder / "slides.py").write_text(module)
    metadata = folder / "slides-1.2.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: slides\nVersion: 1.2\n")
    (metadata / "entry_points.txt").write_text(f"[argus.sources]\n{entry}\n")
    monkeypatch.syspath_prepend(str(folder))


def test_other_packages_bring_schemes_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = (
        "from argus.vision.sources import open_source\n"
        "def open_slides(url, options):\n"
        f"    return open_source('{SMALL}&frames=2', name=url)\n"
    )
    install(tmp_path, module, "slides = slides:open_slides", monkeypatch)
    with open_source("slides://holiday") as source:
        assert [f.source for f in source] == ["slides://holiday"] * 2


def test_a_plugin_that_does_not_load_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "import nothing_of_this_name\n", "broken = slides:open_slides", monkeypatch)
    monkeypatch.delitem(sys.modules, "slides", raising=False)
    with pytest.raises(PluginBroken, match="broken"):
        open_source("broken://x")


def test_nothing_is_written_to_the_terminal_by_the_libraries(tmp_path: Path) -> None:
    videos = [
        flip_bits(make_video(tmp_path / f"{codec}.mkv", paint=noisy, codec=codec, pixel_format=pixels))
        for codec, pixels in (("libx264", "yuv420p"), ("mpeg4", "yuv420p"), ("mjpeg", "yuvj420p"))
    ]
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no JPEG \xff\xda \xff\xd9")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n IEND")
    program = (
        "import sys\n"
        "from argus.core.errors import ArgusError\n"
        "from argus.vision.sources import open_source\n"
        "for path in sys.argv[1:]:\n"
        "    try:\n"
        "        with open_source(path) as source:\n"
        "            for frame in source: frame.bgr, frame.resized(32, 24)\n"
        "    except ArgusError: pass\n"
    )
    pictures = [tmp_path / name for name in ("broken.jpg", "broken.png", "missing.png")]
    command = [sys.executable, "-c", program, *map(str, videos + pictures)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
