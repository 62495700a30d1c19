"""One camera of an engine: what its stream says too late, or while something changes."""

from __future__ import annotations

import threading

import pytest

from argus.core.errors import SourceUnreachable
from argus.core.resources.camera import CameraSpec
from argus.vision.engine.camera import EngineCamera
from argus.vision.engine.feed import Feed
from argus.vision.engine.notices import Notice
from tests.engine.parts import Clock


def camera(told: list[Notice] | None = None, clock: Clock | None = None) -> EngineCamera:
    tell = (lambda notice: None) if told is None else told.append
    return EngineCamera("one", CameraSpec(url="rtsp://one"), live=True, tell=tell, clock=clock or Clock())


def test_a_pipeline_that_comes_while_its_recording_ends_is_over_too(monkeypatch: pytest.MonkeyPatch) -> None:
    one, feed = camera(), Feed("one")
    ending, resume = threading.Thread(target=one.ended, args=(None,)), feed.resume

    def resume_late() -> None:
        ending.start()
        ending.join(0.3)
        resume()

    monkeypatch.setattr(feed, "resume", resume_late)
    one.attach(feed)
    ending.join(10)
    assert feed.over


def test_what_a_stream_says_of_a_camera_that_is_finished_changes_nothing() -> None:
    before, after, feed = camera(), camera(), Feed("one")
    before.attach(feed)
    before.finish()
    after.attach(feed)
    before.connecting()
    assert before.over.is_set()
    before.ended(None)
    assert feed.room == 1


@pytest.mark.parametrize("late", ["disconnected", "ended", "tick"])
def test_what_a_stream_says_too_late_begins_no_event_that_nobody_ends(late: str) -> None:
    told: list[Notice] = []
    clock = Clock()
    one, error = camera(told, clock), SourceUnreachable("gone")
    one.connecting()
    if late == "tick":
        one.disconnected(error, 1.0)
    one.finish()
    told.clear()
    clock.now_s += 100
    if late == "disconnected":
        one.disconnected(error, 1.0)
    elif late == "ended":
        one.ended(error)
    one.tick()
    clock.now_s += 100
    one.tick()
    assert not told
