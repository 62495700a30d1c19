"""A home for each test, and a real film that a real RTSP server serves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from argus.testing.rtsp import RtspServer, rtsp_server_problem
from argus.vision.sources.opening import open_source
from tests.conftest import need
from tests.control.e2e.machine import Machine, new_home
from tests.services.postgres import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder of its own, with a short path; what runs in it ends with the test."""
    with new_home() as folder:
        try:
            yield folder
        finally:
            Machine(folder).remove()


@pytest.fixture
def machine(home: Path) -> Iterator[Machine]:
    """A machine on which nothing runs yet."""
    with Machine(home) as machine:
        yield machine


@pytest.fixture(scope="session")
def film(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifteen seconds of people in a real street, 768x576 at 10 fps, as H.264, with a keyframe a second."""
    path = tmp_path_factory.mktemp("films") / "street.mp4"
    with av.open(str(shared_data / "video" / "vtest.avi")) as source, av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=10, options={"preset": "ultrafast", "bf": "0", "g": "10"})
        stream.width, stream.height, stream.pix_fmt = 768, 576, "yuv420p"
        for number, frame in enumerate(source.decode(video=0)):
            if number == 150:
                break
            frame.pts = None
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return path


@pytest.fixture
def street(film: Path) -> Iterator[RtspServer]:
    """A real RTSP server that serves the film, from its beginning to each client."""
    problem = rtsp_server_problem()
    need(problem is None, f"no RTSP server: {problem}")
    with RtspServer(file=film) as server:
        yield server


@pytest.fixture(scope="session")
def plaza_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds of the plaza in a file, 320x240 at 10 fps."""
    return filmed(tmp_path_factory.mktemp("films") / "plaza.mp4", frames=80)


@pytest.fixture(scope="session")
def short_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first two seconds of it."""
    return filmed(tmp_path_factory.mktemp("films") / "short.mp4", frames=20)


def filmed(path: Path, *, frames: int) -> Path:
    url = f"synthetic:plaza?width=320&height=240&fps=10&people=8&vehicles=0&frames={frames}"
    with av.open(str(path), "w") as target, open_source(url) as source:
        stream = target.add_stream("libx264", rate=10, options={"preset": "ultrafast", "crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for frame in source:
            target.mux(stream.encode(av.VideoFrame.from_ndarray(frame.bgr, format="bgr24")))
        target.mux(stream.encode(None))
    return path
