"""What answers at an address of the web decides what kind of source it is."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from argus.core.errors import SourceNotFound, SourceRefused, SourceUnreachable, SourceUnreadable, SpecError
from argus.testing.web_camera import WebCamera
from argus.vision.sources import Source, open_source
from tests.certificates import self_signed
from tests.sources.settling import comes_true, descriptors_and_threads
from tests.sources.videos import make_restart, make_video, sideways_jpeg


def jpeg(value: int, width: int = 64, height: int = 48) -> bytes:
    return bytes(cv2.imencode(".jpg", np.full((height, width, 3), value, np.uint8))[1])


PICTURES = [jpeg(20 * index) for index in range(1, 7)]


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebCamera]:
    folder = tmp_path_factory.mktemp("web")
    make_video(folder / "film.ts", codec="libx264")
    make_video(folder / "film.mkv")
    (folder / "notes.txt").write_text("Tuesday: look at the gate camera.\n" * 30)
    _make_playlist(folder)
    with WebCamera(PICTURES, folder=folder) as camera:
        yield camera


def _make_playlist(folder: Path) -> None:
    whole = make_video(folder / "whole.ts", frames=30, codec="libx264")
    options = {"hls_time": "1", "hls_list_size": "0", "hls_segment_filename": str(folder / "part%d.ts")}
    with (
        av.open(str(whole)) as source,
        av.open(str(folder / "film.m3u8"), "w", format="hls", options=options) as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    endless = (folder / "film.m3u8").read_text().replace("#EXT-X-ENDLIST\n", "")
    (folder / "live.m3u8").write_text(endless)


@pytest.mark.parametrize("query", ["end=said", "end=said&length=no", "end=said&boundary=--frame"])
def test_mjpeg_gives_its_pictures_in_order(camera: WebCamera, query: str) -> None:
    with WebCamera(PICTURES) as fresh, open_source(fresh.url(f"mjpeg?{query}")) as source:
        frames = list(source)
        info = source.info
    assert (info.kind, info.live, info.codec, info.width, info.height) == ("stream", True, "mjpeg", 64, 48)
    assert [round(float(f.bgr.mean())) for f in frames] == pytest.approx([20 * i for i in range(1, 7)], abs=3)
    assert frames[0].time_s == 0
    assert [f.time_s for f in frames] == sorted(f.time_s for f in frames)
    assert datetime.now(UTC) - frames[-1].captured_at < timedelta(seconds=60)


def test_damaged_pictures_of_mjpeg_are_counted_and_left_out() -> None:
    pictures = [PICTURES[0], PICTURES[1][:-30], b"no picture", PICTURES[3]]
    with WebCamera(pictures) as camera, open_source(camera.url("mjpeg?end=said")) as source:
        assert len(list(source)) == 2
        assert source.counters.corrupt == 2
        assert source.counters.problems[0] == "a picture is cut off"


def test_an_unknown_codec_is_named_and_the_address_not_asked_for_it_at_each_attempt(tmp_path: Path) -> None:
    """Who calls a camera again and again would open it twice each time, and start a process for it."""
    path = make_video(tmp_path / "odd.avi")
    path.write_bytes(path.read_bytes().replace(b"FMP4", b"QQ42"))
    requests = []
    with WebCamera([], folder=tmp_path) as camera:
        for _ in range(3):
            before = camera.requests
            with pytest.raises(SourceUnreadable, match=r"is encoded as 'QQ42', which .* cannot decode"):
                open_source(camera.url("files/odd.avi"))
            requests.append(camera.requests - before)
    assert requests[0] > requests[1] == requests[2] > 0


def test_mjpeg_may_change_its_size() -> None:
    with WebCamera([jpeg(9), jpeg(9, 96)]) as camera, open_source(camera.url("mjpeg?end=said")) as source:
        assert [f.width for f in source] == [64, 96]


def test_mjpeg_without_pictures_is_unreadable() -> None:
    with WebCamera([b"no picture"]) as camera:
        with pytest.raises(SourceUnreadable, match=r"/mjpeg\?count=20 sends parts that are no pictures"):
            open_source(camera.url("mjpeg?count=20"))


def test_mjpeg_that_drops_the_connection_breaks_off(camera: WebCamera) -> None:
    with open_source(camera.url("mjpeg?count=3")) as source:
        frames = iter(source)
        for _ in range(3):
            next(frames)
        with pytest.raises(SourceUnreachable, match=r"/mjpeg\?count=3 ended the connection"):
            next(frames)


def test_mjpeg_that_falls_silent_breaks_off_in_time(camera: WebCamera) -> None:
    with open_source(camera.url("mjpeg?count=2&end=silent"), timeout_s=0.2) as source:
        with pytest.raises(SourceUnreachable, match=r"end=silent does not answer within 0\.2 s: check"):
            list(source)


def test_a_target_rate_leaves_frames_of_mjpeg_out(camera: WebCamera) -> None:
    with open_source(camera.url("mjpeg?count=20&end=said"), fps=0.01) as source:
        assert len(list(source)) == 1
        assert source.counters.skipped == 19


def test_a_picture_is_asked_for_again_and_again(camera: WebCamera) -> None:
    for address in (camera.url("snapshot.jpg"), "snapshot+" + camera.url("snapshot.jpg")):
        with open_source(address, interval_s=0.01) as source:
            frames = [frame for frame, _ in zip(source, range(5), strict=False)]
            info = source.info
        assert (info.kind, info.live, info.fps) == ("snapshot", True, 100)
        assert [f.index for f in frames] == [0, 1, 2, 3, 4]
        assert frames[4].time_s >= 0.03


def test_the_orientation_that_a_camera_noted_is_applied() -> None:
    with WebCamera([sideways_jpeg()]) as camera, open_source(camera.url("snapshot.jpg")) as source:
        frame = next(iter(source))
        assert (source.info.width, source.info.height) == (frame.width, frame.height) == (30, 40)
        assert frame.bgr[:15].mean() > 250
        assert frame.resized(15, 20)[13:].mean() < 5


def test_a_snapshot_that_is_not_a_picture_is_counted_and_a_missing_server_breaks_off() -> None:
    with WebCamera([PICTURES[0], b"no picture", PICTURES[1]]) as camera:
        source = open_source(camera.url("snapshot.jpg"), fps=1000)
        frames = iter(source)
        assert [next(frames).index, next(frames).index] == [0, 1]
        assert source.counters.corrupt == 1
    with pytest.raises(SourceUnreachable, match="does not answer"):
        list(frames)


def test_a_web_page_is_said_to_be_one(camera: WebCamera) -> None:
    with pytest.raises(SourceUnreadable, match=r"/page answers with a web page: give the address"):
        open_source(camera.url("page"))


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        ("status/403", SourceRefused, r"is forbidden \(403\)"),
        ("nowhere", SourceNotFound, r"/nowhere is not there \(404\): the server answers, the path is wrong"),
        ("status/503", SourceUnreachable, r"fails \(503 Service Unavailable\)"),
        ("status/418", SourceUnreadable, r"gives no stream \(418 .*\): check the address"),
        ("files/notes.txt", SourceUnreadable, r"notes\.txt is text, not a video"),
        ("snapshot.jpg/../page", SourceUnreadable, "web page"),
    ],
)
def test_a_refusal_says_what_to_do(
    camera: WebCamera, path: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        open_source(camera.url(path))


def test_a_server_that_never_answers_is_given_up(camera: WebCamera) -> None:
    with pytest.raises(SourceUnreachable, match=r"/silent does not answer within 0\.2 s"):
        open_source(camera.url("silent"), timeout_s=0.2)


def test_a_port_where_nobody_listens_is_unreachable() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(SourceUnreachable, match=rf":{port}/x does not answer \(Connection refused\)"):
            open_source(f"http://127.0.0.1:{port}/x")


@pytest.mark.parametrize("digest", [False, True])
@pytest.mark.parametrize("password", ["p%40ss", "p@ss"])
def test_credentials_open_the_door_and_are_not_shown(digest: bool, password: str) -> None:
    with WebCamera(PICTURES, user="me", password="p@ss", digest=digest) as camera:
        for path in ("mjpeg?end=said", "snapshot.jpg"):
            with open_source(camera.url(path, user="me", password=password), interval_s=0.01) as source:
                assert next(iter(source)).source == camera.url(path, user="me", password="***")
        for user, word in ((None, ""), ("me", "wrong"), ("you", "p%40ss")):
            with pytest.raises(
                SourceRefused, match=r"refuses the credentials \(401\): give them as"
            ) as caught:
                open_source(camera.url("mjpeg", user=user, password=word))
            assert "wrong" not in str(caught.value)
            assert "p%40ss" not in str(caught.value)


def test_a_camera_that_signed_its_certificate_itself_is_trusted_when_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both, signed = self_signed(tmp_path)
    with WebCamera(PICTURES, certificate=both) as camera:
        for path in ("mjpeg?end=said", "snapshot.jpg"):
            with pytest.raises(
                SourceUnreachable, match=r"not trusted \(self-signed certificate\): let SSL_CERT_FILE"
            ):
                open_source(camera.url(path))
            with open_source(camera.url(path), verify_tls=False) as source:
                assert next(iter(source)).width == 64
        monkeypatch.setenv("SSL_CERT_FILE", str(signed))
        with open_source(camera.url("snapshot.jpg")) as source:
            assert next(iter(source)).width == 64


def test_an_address_that_breaks_the_rules_is_refused_without_showing_the_password() -> None:
    with pytest.raises(SpecError, match=r"http://me:\*\*\*@\[camera/x is no address: write it as") as caught:
        open_source("http://me:hunter2@[camera/x")
    assert "hun" not in str(caught.value)


def test_a_file_on_a_server_is_read_to_its_end(camera: WebCamera) -> None:
    for name in ("film.ts", "film.mkv"):
        with open_source(camera.url(f"files/{name}")) as source:
            assert (source.info.kind, source.info.live) == ("stream", False)
            assert [f.index for f in source] == list(range(20))


def test_a_picture_that_comes_byte_by_byte_is_given_up() -> None:
    """Such a server is never silent, so no limit on a single read is ever met."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 500000\r\n\r\n\xff\xd8"
    over = threading.Event()

    def drip(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(4096)
            connection.sendall(head)
            while not over.wait(0.05):
                connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = threading.Thread(target=drip, args=(listening,), daemon=True)
        server.start()
        began_s = time.monotonic()
        with pytest.raises(SourceUnreachable, match="does not answer within"):
            open_source(f"http://127.0.0.1:{listening.getsockname()[1]}/a.jpg", timeout_s=0.3)
        assert time.monotonic() - began_s < 5
        over.set()
        server.join(5)


def test_a_picture_without_an_end_is_given_up_before_it_fills_the_memory() -> None:
    def pour(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8")
            for _ in range(200):
                connection.sendall(bytes(1 << 20))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = threading.Thread(target=pour, args=(listening,), daemon=True)
        server.start()
        with pytest.raises(SourceUnreadable, match="a picture exceeds 64 MiB"):
            open_source(f"http://127.0.0.1:{listening.getsockname()[1]}/a.jpg", timeout_s=10)
        server.join(5)


def test_hls_is_played_over_its_segments(camera: WebCamera) -> None:
    with open_source(camera.url("files/film.m3u8")) as source:
        frames = list(source)
        assert not source.info.live
        assert source.counters.corrupt == 0
    assert len(frames) == 30
    assert frames[-1].time_s == pytest.approx(2.9, abs=0.05)


def test_hls_without_an_end_is_live(camera: WebCamera) -> None:
    with open_source(camera.url("files/live.m3u8")) as source:
        assert source.info.live
        assert source.info.frame_count is None
        assert next(iter(source)).index == 0


def test_the_time_of_live_hls_runs_on_where_its_sender_starts_again_with_other_stamps(tmp_path: Path) -> None:
    make_restart(tmp_path)
    with (
        WebCamera(folder=tmp_path) as camera,
        open_source(camera.url("files/restart.m3u8")) as source,
    ):
        times = [frame.time_s for frame, _ in zip(source, range(35), strict=False)]
    assert times == sorted(times)
    assert times[-1] == pytest.approx(3.4, abs=0.3)


def test_hls_whose_segments_are_gone_is_not_silent(tmp_path: Path) -> None:
    lines = ("#EXTM3U", "#EXT-X-TARGETDURATION:1", "#EXTINF:1,", "gone.ts", "#EXT-X-ENDLIST", "")
    (tmp_path / "x.m3u8").write_text("\n".join(lines))
    with WebCamera(folder=tmp_path) as camera:
        with pytest.raises((SourceUnreadable, SourceUnreachable, SourceNotFound), match=r"x\.m3u8"):
            open_source(camera.url("files/x.m3u8"))


@pytest.mark.parametrize("path", ["mjpeg?count=2&end=silent", "snapshot.jpg", "files/live.m3u8"])
def test_closing_from_another_thread_wakes_a_reader_that_waits(camera: WebCamera, path: str) -> None:
    source = open_source(camera.url(path), interval_s=60)
    ended = _read_in_thread(source)
    source.close()
    assert ended.wait(5)


def _read_in_thread(source: Source) -> threading.Event:
    """Read to the end in a thread; return what is set at the end, once a frame has come."""
    begun, ended = threading.Event(), threading.Event()

    def read() -> None:
        for _ in source:
            begun.set()
        ended.set()

    threading.Thread(target=read, daemon=True).start()
    assert begun.wait(10)
    return ended


def test_opening_and_closing_many_times_leaves_nothing_behind(camera: WebCamera) -> None:
    def open_and_close() -> None:
        for path in ("mjpeg?end=said", "snapshot.jpg", "files/film.ts"):
            with open_source(camera.url(path), interval_s=60) as source:
                next(iter(source))

    open_and_close()
    before = descriptors_and_threads()
    for _ in range(10):
        open_and_close()
    assert comes_true(lambda: descriptors_and_threads() <= before)
