"""With the gate before it a pipeline tells the same story, for less work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from argus.core.detections import Detections
from argus.core.frame import Frame
from argus.core.resources.pipeline import GateSpec, PipelineSpec
from argus.vision.gate import MotionGate
from argus.vision.pictures import ArrayPicture
from argus.vision.pipeline import Pipeline
from argus.vision.results import Event
from argus.vision.synthetic import Plaza
from tests.gate.scenes import FPS, NOW, grainy

STAND_STILL_S = 15


class Halting:
    """The plaza, in which everybody stops dead at given moments for a long time, grain going on."""

    def __init__(self, *, people: int, vehicles: int, seed: int, moments: int, halts: Sequence[int]) -> None:
        self._plaza = Plaza(480, 270, fps=FPS, people=people, vehicles=vehicles, seed=seed)
        self.index = [
            i for i in range(moments) for _ in range(1 + (STAND_STILL_S * FPS if i in halts else 0))
        ]

    def frames(self) -> Iterator[Frame]:
        last, picture = -1, None
        for number, index in enumerate(self.index):
            if picture is None or index != last:
                last, picture = index, self._plaza.render(index)[0]
            yield Frame(ArrayPicture(grainy(picture, number, 2.0)), "plaza", number, number / FPS, NOW)

    def detections(self, frame: Frame) -> Detections:
        truth = self._plaza.truth(self.index[frame.index])
        return replace(truth.detections(), track_id=None).take(truth.visibility >= 0.25)


def story(scene: Halting, gate: MotionGate | None) -> tuple[dict[str, list[Event]], int]:
    """What the pipeline tells, and how many frames were inferred; the gate hears of it two frames late."""
    spec = PipelineSpec.model_validate(
        {"zones": {"yard": {"polygon": [[0.05, 0.4], [0.7, 0.4], [0.7, 1], [0.05, 1]], "dwell": "3s"}}}
    )
    pipeline = Pipeline(spec, "plaza")
    events: dict[str, Event] = {}
    late: list[tuple[int, int]] = []
    inferred = 0
    for frame in scene.frames():
        if gate is not None:
            while late and late[0][0] <= frame.index:
                gate.saw(late.pop(0)[1])
            if not gate.passes(frame, frame.time_s):
                continue
        inferred += 1
        result = pipeline.process(frame, scene.detections(frame))
        late.append((frame.index + 2, max(pipeline.followed, len(result.detections))))
        events |= {event.id: event for event in result.events}
    events |= {event.id: event for event in pipeline.finish()}
    told: dict[str, list[Event]] = {}
    for event in sorted(events.values(), key=lambda event: event.start_s):
        told.setdefault(event.type, []).append(event)
    return told, inferred


@pytest.mark.parametrize(
    ("people", "vehicles", "seed", "halts"), [(1, 0, 3, (100,)), (4, 1, 7, (60, 130))], ids=["one", "several"]
)
def test_nobody_who_stands_still_leaves_and_every_event_comes_in_time(
    people: int, vehicles: int, seed: int, halts: tuple[int, ...]
) -> None:
    scene = Halting(people=people, vehicles=vehicles, seed=seed, moments=160, halts=halts)
    without, all_frames = story(scene, None)
    gated, inferred = story(scene, MotionGate(GateSpec()))
    assert {"object.appeared", "zone.entered"} <= without.keys()
    assert {kind: len(events) for kind, events in gated.items()} == {
        kind: len(events) for kind, events in without.items()
    }
    for kind, events in without.items():
        for one, other in zip(events, gated[kind], strict=True):
            assert abs(one.start_s - other.start_s) <= 0.5, kind
            assert one.object_id == other.object_id
    assert all_frames == len(scene.index)
    assert inferred < 0.8 * all_frames
