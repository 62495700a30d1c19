"""How many cameras a machine holds: the search and verdict on a machine of figures; a real small run."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from argus.core.errors import SourceNotFound, SourceUnreadable
from argus.core.resources.model import ModelSpec
from argus.vision.bench.capacity import Alone, Capacity, Goal, Load, camera_bytes, find_capacity
from argus.vision.bench.capacity_measure import measure_capacity
from argus.vision.bench.playing import Played
from argus.vision.sources import open_source

SCENE = "synthetic:plaza?width=64&height=64&fps=5&people=2&vehicles=0"
GOAL = Goal(age_s=0.2, share=0.95)


@dataclass
class Machine:
    """Two cores, a model and a memory of which each camera takes its part."""

    decode_s: float = 0.002
    inference_fps: float = 100.0
    fps: float = 5.0
    free_bytes: int = 10**10
    camera_bytes: int = 10**7
    other_cores: float = 0.0
    asked: list[int] = field(default_factory=list)

    @property
    def alone(self) -> Alone:
        return Alone(self.fps, self.decode_s, self.inference_fps, cores=2, free_bytes=self.free_bytes)

    def measure(self, cameras: int) -> Load:
        self.asked.append(cameras)
        decoding = cameras * self.fps * self.decode_s
        looking = cameras * self.fps / self.inference_fps
        free_cores = 2 - self.other_cores
        share = min(1.0, free_cores / decoding, 1 / looking)
        return Load(
            cameras=cameras,
            looked_share=share,
            p95_age_s=0.02 + 0.1 * min(1.0, looking) ** 8 + (0.5 if share < 1 else 0),
            busy=min(1.0, looking),
            cores=min(free_cores, decoding + 0.5 * min(1.0, looking)),
            other_cores=self.other_cores,
            rss_bytes=10**8 + cameras * self.camera_bytes,
        )

    def found(self, most: int = 64) -> Capacity:
        return find_capacity(self.measure, GOAL, self.alone, most)


def test_numbers_are_doubled_until_the_goal_is_missed_and_halved_in_between() -> None:
    machine = Machine()
    found = machine.found()
    assert found.cameras == 20
    assert not found.at_least
    assert list(dict.fromkeys(machine.asked)) == [1, 2, 4, 8, 16, 32, 24, 20, 22, 21]


@pytest.mark.parametrize("inference_fps", range(5, 330, 13))
def test_the_number_found_holds_and_one_more_does_not(inference_fps: int) -> None:
    machine = Machine(inference_fps=inference_fps)
    found = machine.found()
    assert found.cameras == inference_fps // 5
    assert machine.measure(found.cameras).holds(GOAL)
    assert not machine.measure(found.cameras + 1).holds(GOAL)


def test_a_model_that_is_always_busy_runs_out_first() -> None:
    found = Machine().found()
    assert found.saturated == "inference"
    assert found.why.startswith("with 21 cameras the model is busy 100% of the time")


def test_cores_that_are_used_up_beside_an_idle_model_are_decodings() -> None:
    found = Machine(decode_s=0.05, inference_fps=1000).found()
    assert (found.cameras, found.saturated) == (8, "decode")
    assert "2.0 of 2 cores in use" in found.why


def test_cores_that_are_used_up_beside_little_decoding_are_inference() -> None:
    """A model held back by a container's quota waits now and then, and is not busy all the time."""
    alone = Alone(fps=2, decode_s=0.003, inference_fps=7, cores=1, free_bytes=10**10)

    def measure(cameras: int) -> Load:
        load = replace(
            Machine().measure(cameras), busy=min(0.88, cameras * 0.3), cores=min(0.96, cameras * 0.32)
        )
        return load if cameras < 3 else replace(load, p95_age_s=0.3)

    found = find_capacity(measure, GOAL, alone, 8)
    assert (found.cameras, found.saturated) == (2, "inference")
    assert "1.0 of 1 core in use: 0.0 by decoding, and the model is busy 88% of the time" in found.why


def test_memory_ends_the_growth_before_it_is_taken() -> None:
    machine = Machine(inference_fps=10_000, free_bytes=10**9, camera_bytes=10**8)
    found = machine.found()
    assert found.saturated == "memory"
    assert found.cameras == max(machine.asked) == 10
    assert not found.at_least
    assert found.camera_bytes == 10**8


def test_as_many_as_were_tried_is_at_least_so_many() -> None:
    found = Machine().found(most=12)
    assert (found.cameras, found.at_least, found.saturated) == (12, True, "nothing")


def test_a_machine_that_holds_none_says_why() -> None:
    found = Machine(inference_fps=3).found()
    assert (found.cameras, found.saturated) == (0, "inference")
    assert found.why.startswith("with 1 camera the model is busy")


def test_other_programs_are_not_taken_for_the_cameras() -> None:
    found = Machine(decode_s=0.05, inference_fps=1000, other_cores=1.5).found()
    assert found.saturated == "nothing"
    assert "other programs took 1.5 of 2 cores" in found.why


def test_a_goal_beyond_the_models_own_time_is_no_lack_of_anything() -> None:
    def measure(cameras: int) -> Load:
        return replace(Machine().measure(cameras), p95_age_s=0.3)

    found = find_capacity(measure, GOAL, Machine().alone, 8)
    assert (found.cameras, found.saturated) == (0, "nothing")
    assert "results are too old" in found.why


def test_one_bad_measurement_among_good_ones_changes_nothing() -> None:
    machine = Machine()

    def disturbed(cameras: int) -> Load:
        load = machine.measure(cameras)
        return replace(load, p95_age_s=1.0) if len(machine.asked) == 4 else load

    assert find_capacity(disturbed, GOAL, machine.alone, 64).cameras == 20


def test_the_memory_of_a_camera_is_told_from_steps_that_grew() -> None:
    def load(cameras: int, rss_bytes: int) -> Load:
        return replace(Machine().measure(cameras), rss_bytes=rss_bytes)

    assert camera_bytes([load(1, 100), load(2, 110), load(8, 170), load(4, 168)]) == 10
    assert camera_bytes([load(1, 100)]) is None
    assert camera_bytes([load(1, 100), load(1, 130)]) is None


def test_what_each_part_can_do_alone_is_counted_in_cameras() -> None:
    alone = Alone(fps=5, decode_s=0.004, inference_fps=99, cores=2, free_bytes=0)
    assert (alone.decode_cameras, alone.inference_cameras) == (100, 19)


def test_the_answer_can_be_written_as_json() -> None:
    lost = replace(Machine().measure(1), p95_age_s=math.inf)
    found = find_capacity(lambda _: lost, GOAL, Machine().alone, 1)
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["steps"][0]["p95_age_s"] is None


def test_a_recording_is_played_for_ever_and_stamped_with_the_time_it_was_due() -> None:
    with Played(open_source(SCENE.replace("fps=5", "fps=20&frames=9")), begins_in_s=0.05) as played:
        assert played.info.live
        frames = list(played)
    arrived = [frame.received_s or 0.0 for frame in frames]
    assert [frame.index for frame in frames] == list(range(9))
    assert arrived[-1] - arrived[0] == pytest.approx(8 / 20)


def test_a_played_recording_ends_when_it_is_closed() -> None:
    played = Played(open_source(SCENE), begins_in_s=3600)
    played.close()
    assert list(played) == []


def test_a_small_real_run_counts_real_cameras() -> None:
    said: list[str] = []
    lenient = Goal(age_s=5.0, share=0.5)  # other tests run beside
    model = ModelSpec.read({"path": "builtin:motion"}, "model")
    found, alone = measure_capacity(SCENE, model, goal=lenient, most=3, seconds=1.0, say=said.append)
    assert (found.cameras, found.at_least) == (3, True)
    assert [load.cameras for load in found.loads] == [1, 2, 3]
    assert alone.fps == 5
    assert 0 < alone.decode_s < 0.1
    assert alone.inference_fps > 5
    assert any(line.startswith("3 cameras: ") for line in said)


def test_rare_frames_are_waited_for() -> None:
    model = ModelSpec.read({"path": "builtin:motion"}, "model")
    lenient = Goal(age_s=5.0, share=0.5)
    # In a tenth of a second none of a frame every half a second is due; two are in the second that it takes.
    found, alone = measure_capacity(SCENE, model, fps=2.0, goal=lenient, most=1, seconds=0.1)
    assert (found.cameras, found.at_least, alone.fps) == (1, True, 2)
    assert [load.looked_share for load in found.loads] == [1]


def test_pictures_are_no_camera(tmp_path: Path) -> None:
    picture = tmp_path / "still.png"
    assert cv2.imwrite(str(picture), np.zeros((48, 64, 3), np.uint8))
    for still in (picture, tmp_path):
        with pytest.raises(SourceUnreadable, match="is made of single pictures: give a video or a camera"):
            measure_capacity(str(still), ModelSpec.read({"path": "builtin:motion"}, "model"))


def test_a_source_that_is_not_there_is_said_at_once() -> None:
    with pytest.raises(SourceNotFound, match=r"nowhere\.mp4"):
        measure_capacity("nowhere.mp4", ModelSpec.read({"path": "builtin:motion"}, "model"))
