"""What a recording's events say of clips that could not be cut, or not whole."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from argus.storage.records import Attachment, Record
from argus.stream.batch_recorder import BatchRecorder, Labels
from argus.vision.results import Alert
from tests.stream.parts import event, frame, plan, result


class Kept:
    """A recorder that has seen one event with an alert, and what it has handed on."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        spec = plan(store={"clips": {"before": "1s", "after": "1s"}}).spec
        labels = Labels("nightly", "uid-1", "p", "a.mp4", "jobs/nightly/uid-1")
        self.recorder = BatchRecorder(labels, spec, self.put, lambda key, data: None)
        begun = event("start", 5)
        self.recorder.write(result(frame(5), begun, alerts=[Alert(begun, "high", "zone z")]))
        self.recorder.write(result(frame(20), event("end", 5, end_s=2.0)))
        self.recorder.finish(())
        self.before = len(self.records)

    def put(self, records: Sequence[Record]) -> None:
        self.records += records

    @property
    def told(self) -> list[Record]:
        """What came after the recording was seen."""
        self.recorder.flush()
        return self.records[self.before :]


@pytest.fixture
def kept() -> Kept:
    return Kept()


def test_of_a_clip_that_could_not_be_cut_it_is_said_why(kept: Kept) -> None:
    (clip,) = kept.recorder.clips
    kept.recorder.clip_lost(clip.event, "a.mp4: nothing of it can be read there")
    assert kept.told == [
        Attachment(event=clip.event, clip_note="missing: a.mp4: nothing of it can be read there")
    ]


def test_a_clip_that_is_not_whole_is_kept_and_says_so(kept: Kept) -> None:
    (clip,) = kept.recorder.clips
    kept.recorder.clip_kept(clip.event, "clips/a.mp4", "begins at 0.80 s: nothing was kept before")
    note = "not whole: begins at 0.80 s: nothing was kept before"
    assert kept.told == [Attachment(event=clip.event, clip="clips/a.mp4", clip_note=note)]


def test_a_clip_that_is_whole_needs_no_word(kept: Kept) -> None:
    (clip,) = kept.recorder.clips
    kept.recorder.clip_kept(clip.event, "clips/a.mp4", None)
    assert kept.told == [Attachment(event=clip.event, clip="clips/a.mp4")]
