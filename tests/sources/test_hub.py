"""Shared streams: one decode for all who read, opened again when it breaks, gone with its last reader."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest
import structlog

from argus.core.errors import SourceError, SourceRefused, SourceUnreachable
from argus.core.frame import Frame
from argus.core.resources.camera import ReconnectSpec
from argus.vision.pictures import ArrayPicture
from argus.vision.sources.connection import Connection
from argus.vision.sources.hub import Hub
from argus.vision.sources.options import SourceOptions
from argus.vision.sources.protocol import Source, SourceCounters, SourceInfo
from argus.vision.sources.reading import ReadSource, Shot
from argus.vision.sources.reconnecting import Retries, reconnect_delay_s
from argus.vision.sources.sharing import StreamSpec
from tests.sources.settling import comes_true, descriptors_and_threads

_PICTURE = ArrayPicture(np.zeros((24, 32, 3), np.uint8))
SOON = ReconnectSpec(first=0.01, longest=0.02, refused=0.02)


class Camera:
    """A camera in memory: it gives pictures without end, breaks when told, and may be away or stuck."""

    def __init__(self) -> None:
        self.opened = 0
        self.closed = 0
        self.away: SourceError | None = None
        self.stuck = threading.Event()
        self.stuck.set()
        self.breaks_after: int | None = None
        self.ends_after: int | None = None
        self.live = True

    def open(self, url: str, options: SourceOptions) -> ReadSource:
        self.stuck.wait()
        if self.away is not None:
            raise self.away
        self.opened += 1
        info = SourceInfo(options.name or url, "stream", live=self.live, width=32, height=24, fps=100)
        return ReadSource(_Reader(self), info, SourceCounters(), options)


class _Reader:
    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self._given = 0
        self._interrupted = threading.Event()

    def read(self) -> Sequence[Shot] | None:
        if self._interrupted.wait(0.005):
            return None
        if self._given == self._camera.breaks_after:
            raise SourceUnreachable("the camera broke off")
        if self._given == self._camera.ends_after:
            return None
        self._given += 1
        return [Shot(_PICTURE, self._given / 100, datetime.now(UTC))]

    def interrupt(self) -> None:
        self._interrupted.set()

    def free(self) -> None:
        self._camera.closed += 1


class Reader:
    """Reads along and remembers."""

    def __init__(self, fps: float | None = None) -> None:
        self.fps = fps
        self.frames: list[Frame] = []
        self.told: list[str] = []
        self.errors: list[str] = []
        self.corrupted = 0

    def connecting(self) -> None:
        self.told.append("connecting")

    def online(self, info: SourceInfo) -> None:
        self.told.append("online")

    def frame(self, frame: Frame) -> None:
        self.frames.append(frame)

    def corrupt(self, count: int) -> None:
        self.corrupted += count

    def disconnected(self, error: SourceError, retry_in_s: float | None) -> None:
        self.told.append("disconnected")
        self.errors.append(str(error))

    def ended(self, error: SourceError | None) -> None:
        self.told.append("ended" if error is None else f"ended: {error}")


@pytest.fixture
def camera() -> Camera:
    return Camera()


@pytest.fixture
def hub(camera: Camera) -> Iterator[Hub]:
    hub = Hub(camera.open)
    yield hub
    camera.stuck.set()
    for stream in hub.streams:
        for reader in stream.readers:
            hub.leave(stream, reader)
    assert hub.close()


def spec(**options: object) -> StreamSpec:
    given = {"url": "mem://camera", "options": SourceOptions(name="mem", timeout_s=0.2), "reconnect": SOON}
    return StreamSpec(**(given | options))  # type: ignore[arg-type]


def test_two_readers_of_one_address_share_one_decode(hub: Hub, camera: Camera) -> None:
    one, two = Reader(), Reader()
    stream = hub.join(spec(), one)
    assert hub.join(spec(), two) is stream
    assert comes_true(lambda: len(two.frames) >= 5)
    assert camera.opened == 1
    assert {id(f) for f in two.frames[:5]} <= {id(f) for f in one.frames}


def test_who_leaves_disturbs_nobody_and_the_last_one_closes(hub: Hub, camera: Camera) -> None:
    one, two = Reader(), Reader()
    stream = hub.join(spec(), one)
    hub.join(spec(), two)
    assert comes_true(lambda: len(two.frames) >= 2)
    hub.leave(stream, one)
    seen = len(two.frames)
    assert comes_true(lambda: len(two.frames) >= seen + 3)
    assert camera.closed == 0
    hub.leave(stream, two)
    assert comes_true(lambda: camera.closed == 1)
    assert hub.streams == ()


def test_who_comes_after_the_last_has_left_opens_anew(hub: Hub, camera: Camera) -> None:
    one, two = Reader(), Reader()
    hub.leave(hub.join(spec(), one), one)
    hub.join(spec(), two)
    assert comes_true(lambda: len(two.frames) >= 2)


def test_a_stream_that_breaks_is_opened_again_and_time_and_index_go_on(hub: Hub, camera: Camera) -> None:
    camera.breaks_after = 5
    reader = Reader()
    hub.join(spec(), reader)
    assert comes_true(lambda: len(reader.frames) >= 17)
    frames = reader.frames[:17]
    assert [f.index for f in frames] == list(range(17))
    assert all(a.time_s < b.time_s for a, b in pairwise(frames))
    assert "broke off" in reader.errors[0]
    assert reader.told[:5] == ["connecting", "online", "disconnected", "connecting", "online"]


def test_a_camera_that_is_away_at_first_is_watched_as_soon_as_it_is_there(hub: Hub, camera: Camera) -> None:
    camera.away = SourceUnreachable("nobody home")
    reader = Reader()
    hub.join(spec(), reader)
    assert comes_true(lambda: len(reader.errors) >= 3)
    camera.away = None
    assert comes_true(lambda: len(reader.frames) >= 2)


def test_after_max_retries_a_camera_is_given_up(hub: Hub, camera: Camera) -> None:
    camera.away = SourceUnreachable("nobody home")
    reader = Reader()
    hub.join(spec(reconnect=SOON.model_copy(update={"max_retries": 2})), reader)
    assert comes_true(lambda: "ended: nobody home" in reader.told)
    assert len(reader.errors) == 3


def test_who_does_not_insist_is_told_at_the_first_failure(hub: Hub, camera: Camera) -> None:
    camera.away = SourceRefused("wrong password")
    reader = Reader()
    hub.join(spec(insists=False), reader)
    assert comes_true(lambda: reader.told == ["connecting", "ended: wrong password"])


def test_a_recording_ends_and_is_not_opened_again(hub: Hub, camera: Camera) -> None:
    camera.live, camera.breaks_after = False, 3
    reader = Reader()
    hub.join(spec(), reader)
    assert comes_true(lambda: "ended: the camera broke off" in reader.told)
    assert camera.opened == 1


def test_a_recording_on_a_server_is_played_again_where_that_is_wanted(hub: Hub, camera: Camera) -> None:
    camera.live, camera.ends_after = False, 3
    reader = Reader()
    hub.join(spec(options=SourceOptions(name="mem", timeout_s=0.2, loop=True)), reader)
    assert comes_true(lambda: len(reader.frames) >= 8)
    assert [f.index for f in reader.frames[:8]] == list(range(8))
    assert all(before.time_s < after.time_s for before, after in pairwise(reader.frames))
    assert "disconnected" not in reader.told
    assert reader.told.count("connecting") == 1


def test_a_recording_that_breaks_off_is_called_again_where_it_is_to_be_played_again(
    hub: Hub, camera: Camera
) -> None:
    camera.live, camera.breaks_after = False, 3
    reader = Reader()
    hub.join(spec(options=SourceOptions(name="mem", timeout_s=0.2, loop=True)), reader)
    assert comes_true(lambda: len(reader.frames) >= 8)
    assert "disconnected" in reader.told


def test_an_opening_that_does_not_come_back_is_left_to_itself_and_tried_beside(camera: Camera) -> None:
    now = [0.0]
    hub = Hub(camera.open, clock=lambda: now[0])
    camera.stuck.clear()
    reader = Reader()
    stream = hub.join(spec(), reader)
    assert comes_true(lambda: "connecting" in reader.told)
    now[0] += 60
    hub.tick()
    assert stream.counts.left == 1
    assert comes_true(lambda: reader.told.count("connecting") == 2)
    camera.stuck.set()
    assert comes_true(lambda: len(reader.frames) >= 2)
    assert comes_true(lambda: stream.threads == 1), "the thread that was left is gone"
    assert comes_true(lambda: camera.opened - camera.closed == 1), "and what it had opened is closed"
    hub.leave(stream, reader)
    assert hub.close()


@pytest.mark.parametrize("fails", [False, True])
def test_a_source_that_does_not_come_back_from_closing_or_fails_at_it_holds_nobody_up(
    hub: Hub, camera: Camera, fails: bool
) -> None:
    let_go = threading.Event()

    class Sour(ReadSource):
        def close(self) -> None:
            if fails:
                super().close()
                if not let_go.is_set():  # afterwards the collector closes it once more
                    raise OSError(5, "Input/output error")
                return
            assert let_go.wait(10)
            super().close()

    def open_sour(url: str, options: SourceOptions) -> Source:
        source = camera.open(url, options)
        source.__class__ = Sour
        return source

    sour, other, reader, neighbour = Hub(open_sour), hub, Reader(), Reader()
    stream = sour.join(spec(), reader)
    other.join(spec(), neighbour)
    assert comes_true(lambda: len(reader.frames) >= 2)
    began_s = time.monotonic()
    sour.leave(stream, reader)
    assert time.monotonic() - began_s < 3
    let_go.set()
    assert sour.close()
    assert comes_true(lambda: len(neighbour.frames) >= 2)


def test_threads_left_to_themselves_do_not_pile_up(camera: Camera) -> None:
    now = [0.0]
    hub = Hub(camera.open, clock=lambda: now[0])
    camera.stuck.clear()
    reader = Reader()
    stream = hub.join(spec(), reader)
    for _ in range(10):
        now[0] += 60
        hub.tick()
    assert stream.threads <= 3
    camera.stuck.set()
    hub.leave(stream, reader)
    assert hub.close()


def test_a_wait_for_the_next_attempt_can_be_cut_short(hub: Hub, camera: Camera) -> None:
    camera.away = SourceRefused("wrong password")
    reader = Reader()
    stream = hub.join(spec(reconnect=ReconnectSpec(first=30, longest=30)), reader)
    assert comes_true(lambda: "disconnected" in reader.told)
    camera.away = None
    stream.try_now()
    assert comes_true(lambda: len(reader.frames) >= 1)


def test_the_source_is_asked_for_no_more_than_its_most_demanding_reader_wants(
    hub: Hub, camera: Camera
) -> None:
    slow = Reader(fps=5)
    stream = hub.join(spec(), slow)
    assert comes_true(lambda: len(slow.frames) >= 3)
    gaps = [b.time_s - a.time_s for a, b in pairwise(slow.frames)]
    assert min(gaps) > 0.15
    fast = Reader()
    hub.join(spec(), fast)
    assert comes_true(lambda: len(fast.frames) >= 20)
    hub.leave(stream, fast)


def test_a_recording_played_as_a_camera_keeps_its_own_pace(hub: Hub, camera: Camera) -> None:
    camera.live = False
    reader = Reader()
    hub.join(spec(paced=True), reader)
    assert comes_true(lambda: len(reader.frames) >= 30)
    first, last = reader.frames[0], reader.frames[29]
    assert first.received_s is not None
    assert last.received_s is not None
    assert last.received_s - first.received_s >= 0.9 * (last.time_s - first.time_s)


def test_a_camera_that_is_away_for_long_does_not_fill_the_log(hub: Hub, camera: Camera) -> None:
    """Every few knocks that nobody answers it is opened all the same, which fails in other words."""
    reader = Reader()
    words = ["cam does not answer (Connection refused)", "cam does not answer"]
    camera.away = SourceUnreachable(words[0])
    with structlog.testing.capture_logs() as said:
        stream = hub.join(spec(url="mem://camera"), reader)
        for attempt in range(1, 12):
            assert comes_true(lambda: len(reader.errors) > 2 * attempt)  # noqa: B023 - asked at once
            camera.away = SourceUnreachable(words[attempt % 2])
        hub.leave(stream, reader)
    assert len(set(reader.errors)) == 2
    told = [entry["error"] for entry in said if entry["log_level"] == "info"]
    assert sorted(told) == sorted(words)


def test_a_thousand_breaks_leave_nothing_behind(hub: Hub, camera: Camera) -> None:
    camera.breaks_after = 1
    reader = Reader()
    tight = ReconnectSpec(first=0.0001, longest=0.0001)
    hub.join(spec(reconnect=tight), reader)
    assert comes_true(lambda: camera.opened >= 20)
    before = descriptors_and_threads()
    assert comes_true(lambda: camera.opened >= 300, within_s=60)
    assert descriptors_and_threads() <= before
    assert camera.opened - camera.closed <= 1


WAITS: list[tuple[int, float]] = [(0, 0.25), (1, 0.5), (2, 0.6), (3, 0.6), (1000, 0.6)]


@pytest.mark.parametrize(("attempt", "wait_s"), WAITS)
def test_waits_double_up_to_the_longest(attempt: int, wait_s: float) -> None:
    assert reconnect_delay_s(attempt, ReconnectSpec()) == wait_s
    assert reconnect_delay_s(attempt, ReconnectSpec(), roll=0.0) == wait_s / 2


def test_a_camera_that_refuses_is_asked_less_and_less_often() -> None:
    retries = Retries(ReconnectSpec())
    waits = [retries.failed(SourceRefused("no"), 1.0) for _ in range(12)]
    assert waits[0] == 0.25
    assert waits[-1] == 30.0
    assert waits == sorted(waits, key=lambda wait: wait or 0.0)
    retries.worked()
    assert retries.failed(SourceRefused("no"), 1.0) == 0.25


def test_a_recording_that_has_ended_is_never_taken_for_stuck(camera: Camera) -> None:
    now = [0.0]
    hub = Hub(camera.open, clock=lambda: now[0])
    camera.live, camera.breaks_after = False, 1
    reader = Reader()
    stream = hub.join(spec(), reader)
    assert comes_true(lambda: any(said.startswith("ended") for said in reader.told))
    now[0] += 3600
    hub.tick()
    assert stream.counts.left == 0
    hub.leave(stream, reader)
    assert hub.close()


def test_a_camera_of_which_a_frame_a_minute_is_wanted_is_not_taken_for_stuck(camera: Camera) -> None:
    now = [0.0]
    hub = Hub(camera.open, clock=lambda: now[0])
    reader = Reader(fps=1 / 60)
    stream = hub.join(spec(options=SourceOptions(timeout_s=10)), reader)
    assert comes_true(lambda: len(reader.frames) == 1)
    now[0] += 60
    hub.tick()
    assert (stream.counts.left, camera.opened) == (0, 1)
    hub.leave(stream, reader)
    assert hub.close()
    connection = Connection(lambda: now[0])
    connection.enter("read")
    now[0] += 60 + 2 * 10 + 6
    assert connection.is_stuck(10, between_s=60), "one that really is stuck is opened again all the same"
