"""What only long runs show: threads, descriptors and memory stay where they are. Run by `make soak`."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from argus.core.frame import Frame
from argus.core.resources.camera import CameraSpec, ReconnectSpec
from argus.core.resources.pipeline import PipelineSpec
from argus.testing.detectors import TruthDetector
from argus.vision.engine.engine import Engine
from argus.vision.lab import SyntheticCamera
from argus.vision.pictures import ArrayPicture
from argus.vision.sources.options import SourceOptions
from argus.vision.sources.protocol import SourceCounters, SourceInfo
from argus.vision.sources.reading import ReadSource, Shot
from argus.vision.synthetic import Plaza, parse_plaza_url
from tests.engine.parts import AsyncFinder, Flying
from tests.sources.settling import comes_true, descriptors_and_threads

SCENE = "synthetic:plaza?width=320&height=240&fps=5&people=3&vehicles=1&seed=2"
HOURS = 2
CAMERAS = 16
FPS = 5
COMPRESSED = 20
"""Seconds of the cameras' time in one second of ours."""


def rss_mb() -> float:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def soon(what: Callable[[], bool]) -> bool:
    """Whether it comes true within seconds; asked often, for here it is waited for a thousand times."""
    until = time.monotonic() + 15
    while not what():
        if time.monotonic() > until:
            return False
        time.sleep(0.002)
    return True


class Forgetful(AsyncFinder):
    """A finder that keeps no frame."""

    def submit(self, frames: Sequence[Frame]) -> Flying:
        self.batches.clear()
        self.submitted.clear()
        return super().submit(frames)


class Film:
    """Cameras whose time runs faster than ours: the same five minutes again and again, with fresh noise."""

    def __init__(self) -> None:
        plaza = Plaza.from_options(parse_plaza_url(SCENE))
        noise = np.random.default_rng(3).normal(0, 2, (240, 320, 3))
        drawn = (plaza.render(index)[0] for index in range(300))
        self.pictures = [
            ArrayPicture(np.clip(p + np.roll(noise, 17 * n, axis=1), 0, 255).astype(np.uint8))
            for n, p in enumerate(drawn)
        ]

    def open(self, url: str, options: SourceOptions) -> ReadSource:
        info = SourceInfo(url, "synthetic", live=True, width=320, height=240, fps=FPS)
        return ReadSource(_Reader(self, int(url.removeprefix("mem:"))), info, SourceCounters(), options)


class _Reader:
    def __init__(self, film: Film, number: int) -> None:
        self._film = film
        self._number = number
        self._at = 0
        self._ended = threading.Event()
        self._due_s = time.monotonic() + number / CAMERAS / FPS / COMPRESSED

    def read(self) -> Sequence[Shot] | None:
        if self._ended.wait(max(0.0, self._due_s - time.monotonic())):
            return None
        self._due_s += 1 / FPS / COMPRESSED
        at, self._at = self._at, self._at + 1
        picture = self._film.pictures[(at + 19 * self._number) % len(self._film.pictures)]
        return [Shot(picture, at / FPS, datetime.now(UTC), received_s=time.monotonic())]

    def interrupt(self) -> None:
        self._ended.set()

    def free(self) -> None:
        """Nothing is held."""


@pytest.mark.soak
def test_two_hours_of_sixteen_cameras_take_no_more_memory_at_the_end_than_after_the_start() -> None:
    film = Film()
    zones = {"all": {"polygon": [[0, 0.3], [1, 0.3], [1, 1], [0, 1]], "dwell": "5s", "severity": "low"}}
    frames = HOURS * 3600 * FPS
    # The truth is found by index, which goes on; here any objects will do.
    with Engine(open_source=film.open, open_model=lambda _: TruthDetector(SCENE)) as engine:
        for n in range(CAMERAS):
            engine.add_camera(f"cam{n}", CameraSpec(url=f"mem:{n}"))
            gate = {"motion_gate": True} if n % 2 else {}
            spec = PipelineSpec.read({"zones": zones, "max_age": "10s", **gate}, "soak")
            engine.add_pipeline(f"cam{n}", spec, camera=f"cam{n}")
        members = list(engine.members.values())
        assert comes_true(lambda: min(m.counts.decoded for m in members) > 0.1 * frames, within_s=300)
        samples: list[tuple[float, float]] = []
        while (done := min(m.counts.decoded for m in members)) < frames:
            samples.append((done / frames, rss_mb()))
            threads = descriptors_and_threads()
            time.sleep(5)
        assert descriptors_and_threads() <= threads
        counts = [m.counts for m in members]
    slope_mb, _ = np.polyfit([s[0] for s in samples], [s[1] for s in samples], 1)
    print(
        f"\n{frames} frames of each of {CAMERAS} cameras, {sum(c.processed for c in counts)} looked at; RSS ",
        end="",
    )
    print(f"{samples[0][1]:.0f} to {samples[-1][1]:.0f} MB, slope {slope_mb:+.1f} MB over the two hours")
    assert abs(slope_mb) < 8
    assert all(c.decoded == c.ended + c.on_the_way for c in counts)


@pytest.mark.soak
def test_a_thousand_reconnections_leave_nothing_behind() -> None:
    with (
        SyntheticCamera("soak", width=160, height=120, fps=100) as camera,
        Engine(open_model=lambda _: Forgetful()) as engine,
    ):
        quick = ReconnectSpec(first=0.001, longest=0.001)
        engine.add_camera("cam", CameraSpec(url=camera.url, reconnect=quick))
        engine.add_pipeline("cam", PipelineSpec(), camera="cam")
        stream = engine.stream_of("cam")
        before = (0, 0.0)
        for cycle in range(1000):
            opened, broken = stream.counts.connections, stream.counts.breaks
            camera.begin("drop")
            assert soon(lambda was=broken: stream.counts.breaks > was), f"cycle {cycle}"  # type: ignore[misc]
            camera.heal()
            assert soon(lambda was=opened: stream.counts.connections > was), f"cycle {cycle}"  # type: ignore[misc]
            if cycle == 100:
                before = (descriptors_and_threads(), rss_mb())
        after = (descriptors_and_threads(), rss_mb())
        print(
            f"\n{stream.counts.connections} connections: threads and descriptors {before[0]} to {after[0]}, ",
            end="",
        )
        print(f"RSS {before[1]:.1f} to {after[1]:.1f} MB")
        assert after[0] <= before[0]
        assert after[1] - before[1] < 5


@pytest.mark.soak
def test_a_thousand_cameras_come_and_go_and_leave_nothing_behind() -> None:
    with Engine(open_model=lambda _: Forgetful()) as engine:
        engine.add_camera("stays", "synthetic:plaza?width=160&height=120&fps=5&people=1")
        engine.add_pipeline("stays", PipelineSpec(), camera="stays")
        before = (0, 0.0)
        for cycle in range(1000):
            engine.add_camera(
                "guest", f"synthetic:plaza?width=160&height=120&fps=50&people=1&seed={cycle % 7}"
            )
            engine.add_pipeline("guest", PipelineSpec.read({"motion_gate": True}, "soak"), camera="guest")
            guest = engine.members["guest"]
            assert soon(lambda one=guest: one.counts.processed >= 2), f"cycle {cycle}"  # type: ignore[misc]
            engine.remove_camera("guest")
            if cycle == 100:
                assert comes_true(lambda: engine.hub.threads == 1)
                before = (descriptors_and_threads(), rss_mb())
        assert comes_true(lambda: engine.hub.threads == 1)
        after = (descriptors_and_threads(), rss_mb())
        print(f"\n1000 cameras: threads and descriptors {before[0]} to {after[0]}, ", end="")
        print(f"RSS {before[1]:.1f} to {after[1]:.1f} MB")
        assert after[0] <= before[0]
        assert after[1] - before[1] < 10
