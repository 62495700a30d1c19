from __future__ import annotations

from datetime import UTC, datetime

import pytest

from argus.core.errors import SourceUnreadable
from argus.storage.records import Run
from argus.stream.batch_account import Account, FileSums
from argus.stream.batch_files import Recording

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def account(*recordings: Recording, before: dict[str, FileSums] | None = None) -> Account:
    files = tuple(recording.name for recording in recordings)
    run = Run(id="u-1", job="nightly", started_at=NOON, updated_at=NOON, files=files)
    return Account(run, recordings, before or {}, 100.0)


def test_progress_counts_frames_where_all_are_known() -> None:
    sums = account(Recording("a", size=1, frames=100), Recording("b", size=99, frames=300))
    sums.done("a", FileSums(frames=100, events=3))
    sums.see("b", FileSums(frames=150, events=1, alerts=1))
    run = sums.told(NOON, 110.0)
    assert (run.progress, run.frames, run.frames_expected) == (0.625, 250, 400)
    assert (run.events, run.alerts, run.done) == (4, 1, ("a",))


def test_progress_counts_bytes_where_a_length_is_unknown() -> None:
    sums = account(Recording("a", size=30, frames=100), Recording("b", size=70))
    sums.done("a", FileSums(frames=100))
    sums.see("b", FileSums(frames=150))
    assert (sums.told(NOON, 110.0).progress, sums.run.frames_expected) == (0.3, None)
    sums.expect("b", 300)
    assert (sums.told(NOON, 110.0).progress, sums.run.frames_expected) == (0.65, 400)


def test_the_time_left_is_judged_by_this_attempt_alone() -> None:
    before = {"a": FileSums(frames=100)}
    sums = account(Recording("a", frames=100), Recording("b", frames=100), before=before)
    sums.see("b", FileSums(frames=1))
    assert sums.told(NOON, 101.0).left_s is None  # too early to tell
    sums.see("b", FileSums(frames=50))
    assert sums.told(NOON, 110.0).left_s == pytest.approx(10.0)


def test_a_recording_that_gave_more_frames_than_it_said_is_done_all_the_same() -> None:
    sums = account(Recording("a", frames=10))
    sums.see("a", FileSums(frames=25))
    assert sums.told(NOON, 110.0).progress == 1.0
    sums.done("a", FileSums(frames=25))
    assert sums.over("finished", NOON).frames_expected == 25


def test_what_cannot_be_looked_at_is_named_and_keeps_nothing_back() -> None:
    sums = account(Recording("a", frames=100), Recording("b", frames=100))
    sums.fail("a", SourceUnreadable("a is damaged: copy it again"))
    sums.done("b", FileSums(frames=100))
    assert sums.told(NOON, 110.0).progress == 1.0
    assert sums.unreadable() == "1 of 2 files could not be looked at: a is damaged: copy it again"
    run = sums.over("failed", NOON, sums.unreadable())
    assert (run.state, run.finished_at, run.done) == ("failed", NOON, ("b",))
