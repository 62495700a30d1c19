"""What of a pipeline's results is kept."""

from __future__ import annotations

from typing import Any

import pytest

from argus.stream.keeping import Keeping
from tests.stream.parts import ZONE, event, plan


def _keeping(**spec: Any) -> Keeping:
    return Keeping.of(plan(**spec).spec)


ENTERED = event("start", 0)
APPEARED = event("start", 0, type="object.appeared")


@pytest.mark.parametrize(("said", "every_s"), [("none", None), ("all", 0.0), ("every 2s", 2.0)])
def test_detections_are_kept_as_often_as_the_store_says(said: str, every_s: float | None) -> None:
    assert _keeping(store={"detections": said}).every_s == every_s


def test_every_event_gets_a_picture_where_no_action_says_which() -> None:
    assert _keeping().wants_picture(APPEARED, alerted=False)


def test_an_action_names_the_events_that_get_pictures_and_alerts_get_one_besides() -> None:
    keeping = _keeping(actions=[{"on": "zone.entered", "snapshot": True}])
    assert keeping.wants_picture(ENTERED, alerted=False)
    assert not keeping.wants_picture(APPEARED, alerted=False)
    assert keeping.wants_picture(APPEARED, alerted=True)


def test_where_no_events_are_kept_alerts_alone_get_pictures() -> None:
    keeping = _keeping(store={"events": "none"})
    assert not keeping.wants_picture(ENTERED, alerted=False)
    assert keeping.wants_picture(ENTERED, alerted=True)


def test_nothing_gets_a_clip_unless_somebody_asks() -> None:
    assert not _keeping(zones={"z": ZONE}).wants_clip(ENTERED, alerted=True)
    assert _keeping().packets_s == 0


def test_clips_are_of_alerts_where_a_pipeline_raises_some() -> None:
    keeping = _keeping(zones={"z": ZONE}, store={"clips": {}})
    assert not keeping.wants_clip(ENTERED, alerted=False)
    assert keeping.wants_clip(ENTERED, alerted=True)


def test_clips_are_of_what_happens_in_places_where_a_pipeline_raises_no_alerts() -> None:
    keeping = _keeping(store={"clips": {}})
    assert keeping.wants_clip(ENTERED, alerted=False)
    assert not keeping.wants_clip(APPEARED, alerted=False)


def test_an_action_can_ask_for_clips_alone() -> None:
    keeping = _keeping(actions=[{"on": ["object.appeared"], "clip": True}])
    assert keeping.wants_clip(APPEARED, alerted=False)
    assert not keeping.wants_clip(ENTERED, alerted=False)
    assert keeping.packets_s > 60
