"""What a monitor tells of a camera: events, alerts, pictures and words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import pytest

from argus.core.frame import Channels, Frame, Image
from argus.core.resources.camera import HealthSpec
from argus.vision.health import HealthMonitor
from tests.health.watching import FPS, MONOTONIC_S, START, Watch, aside, black, dimmer, hand, scene, soft


def after_a_good_start(spec: HealthSpec | None = None) -> tuple[Watch, tuple[Image, ...], float]:
    """Return a watch that has seen the plaza for ten seconds, the next thirty, and the time."""
    watch, pictures = Watch(spec), scene(40)
    watch.show(pictures[: 10 * FPS])
    return watch, pictures[10 * FPS :], watch.time_s


def test_the_first_picture_is_told_as_online() -> None:
    watch = Watch()
    assert (watch.monitor.state, watch.monitor.reason) == ("connecting", "connecting")
    watch.show(scene(40)[:5])
    assert watch.told() == ["online end"]
    (_, event), picture = watch.events[0], watch.pictures[0]
    assert (event.message, event.severity) == ("first picture", None)
    assert (picture.event_id, picture.before) == (event.id, None)
    assert picture.after is not None
    assert watch.monitor.state == "online"


@pytest.mark.parametrize("fps", [5, 12, 30])
def test_black_is_told_within_its_time_and_so_is_the_light(fps: float) -> None:
    watch, pictures, dark_s = after_a_good_start()
    watch.show((black(pictures[i % 150]) for i in range(round(16 * fps))), fps=fps)
    assert watch.told_at("dark start") - dark_s <= 6
    light_s = watch.time_s
    watch.show((pictures[i % 150] for i in range(round(4 * fps))), fps=fps)
    assert watch.told_at("online end", after_s=light_s) - light_s <= 2
    assert watch.told(after_s=dark_s) == ["dark start", "dark end", "online end"]


def test_a_black_picture_that_repeats_is_dark_and_not_frozen() -> None:
    watch, pictures, dark_s = after_a_good_start()
    watch.show([black(pictures[0])] * 25 * FPS)
    assert watch.told(after_s=dark_s) == ["dark start"]


def test_a_frozen_picture_is_told_and_so_is_its_end() -> None:
    watch, pictures, frozen_s = after_a_good_start()
    watch.show([pictures[0]] * 20 * FPS)
    assert 10 <= watch.told_at("frozen start") - frozen_s <= 11
    again_s = watch.time_s
    watch.show(pictures[: 5 * FPS])
    assert watch.told_at("online end", after_s=again_s) - again_s <= 2
    assert watch.told(after_s=frozen_s) == ["frozen start", "frozen end", "online end"]
    ended = [event for _, event in watch.events if event.type == "camera.frozen"][-1]
    assert ended.start_s == pytest.approx(frozen_s, abs=1)
    assert ended.end_s == pytest.approx(again_s, abs=1)


@pytest.mark.parametrize("harm", [black, soft, aside, lambda picture: scene(40)[0]])
def test_an_ill_camera_is_looked_at_more_often_so_that_its_recovery_is_told_soon(
    harm: Callable[[Image], Image],
) -> None:
    watch, pictures, _ = after_a_good_start()
    took_s = []
    for phase in range(5):
        watch.show(harm(pictures[i]) for i in range(14 * FPS + phase))
        well_s = watch.time_s
        watch.show(pictures[: 5 * FPS])
        took_s.append(watch.told_at("online end", after_s=well_s) - well_s)
    assert 1.0 <= min(took_s) <= max(took_s) <= 1.5


@pytest.mark.parametrize("what", ["dark", "frozen"])
def test_an_illness_that_ends_as_soon_as_it_is_told_is_over_as_soon_as_any(what: str) -> None:
    watch, pictures, _ = after_a_good_start()
    ill_s = watch.time_s
    while f"{what} start" not in watch.told(after_s=ill_s):
        watch.show([black(pictures[0]) if what == "dark" else pictures[0]], fps=20)
    told_s = watch.time_s
    watch.show((picture for picture in pictures[1 : 5 * FPS] for _ in range(4)), fps=20)
    assert 1.0 <= watch.told_at("online end", after_s=told_s) - told_s <= 1.35


@pytest.mark.parametrize("people", [0, 2])
def test_a_scene_that_hardly_stirs_is_told_as_going_on_as_soon_as_any(people: int) -> None:
    watch, pictures = Watch(), scene(40, people=people)
    watch.show(pictures[: 10 * FPS])
    took_s = []
    for phase in range(3):
        at = (10 + 9 * phase) * FPS
        watch.show([pictures[at]] * (14 * FPS + phase))
        again_s = watch.time_s
        watch.show(pictures[at + 1 : at + 8 * FPS])
        took_s.append(watch.told_at("online end", after_s=again_s) - again_s)
    assert 1.0 <= min(took_s) <= max(took_s) <= 1.3


@pytest.mark.parametrize("bgr", [(110, 135, 190), (30, 30, 35), (235, 235, 240)])
def test_a_hand_or_a_bag_that_comes_before_the_lens_is_told_as_a_cover(bgr: tuple[int, int, int]) -> None:
    watch, pictures, covered_s = after_a_good_start()
    part = [min(1.2, i / FPS) for i in range(15 * FPS)]
    watch.show(hand(pictures[i], i, part[i], bgr) for i in range(15 * FPS))
    assert watch.told(after_s=covered_s) == ["covered start"]
    assert watch.told_at("covered start") - covered_s <= 8
    free_s = watch.time_s
    watch.show(pictures[15 * FPS : 19 * FPS])
    assert watch.told(after_s=free_s) == ["covered end", "online end"]
    assert watch.time_s - free_s >= watch.told_at("online end", after_s=free_s) - free_s <= 2


def test_a_picture_out_of_focus_is_blurred_and_not_covered() -> None:
    watch, pictures, blurred_s = after_a_good_start()
    watch.show(soft(picture) for picture in pictures[: 10 * FPS])
    assert watch.told(after_s=blurred_s) == ["blurred start"]
    assert "% of its usual sharpness" in watch.monitor.reason


@pytest.mark.parametrize("part", [0.1, 0.2, 0.4])
def test_a_camera_turned_aside_is_moved_until_that_is_its_usual_view(part: float) -> None:
    watch, pictures, moved_s = after_a_good_start(HealthSpec(settled_after=20.0))
    watch.show(aside(picture, part) for picture in pictures[: 16 * FPS])
    assert watch.told(after_s=moved_s) == ["moved start"]
    watch.show(aside(picture, part) for picture in pictures[: 16 * FPS])
    assert watch.told(after_s=moved_s) == ["moved start", "moved end", "online end"]
    assert "a new view is taken for the usual one" in watch.monitor.reason


def test_a_camera_that_is_turned_back_is_online_at_once() -> None:
    watch, pictures, _ = after_a_good_start()
    watch.show(aside(picture) for picture in pictures[: 10 * FPS])
    back_s = watch.time_s
    watch.show(pictures[10 * FPS : 14 * FPS])
    assert watch.told(after_s=back_s) == ["moved end", "online end"]
    assert "the usual view is back" in watch.monitor.reason


@pytest.mark.parametrize("part", [0.3, 0.5, 1.8])
def test_more_or_less_light_is_no_illness(part: float) -> None:
    watch, pictures, changed_s = after_a_good_start()
    watch.show(dimmer(part)(picture) for picture in pictures)
    assert watch.told(after_s=changed_s) == []


def test_night_falls_without_a_word() -> None:
    watch, _, night_s = after_a_good_start()
    watch.show(scene(20, night=True))
    assert watch.told(after_s=night_s) == []
    assert watch.monitor.state == "online"


@pytest.mark.parametrize("part", [0.5, 0.8])
def test_something_large_that_drives_past_is_no_illness(part: float) -> None:
    watch, pictures, here_s = after_a_good_start()
    side = np.random.default_rng(3).integers(0, 255, (18, 32, 3), np.uint8)
    lorry = cv2.resize(side, (320, 180), interpolation=cv2.INTER_CUBIC)
    passing = []
    for number, picture in enumerate(pictures[: 12 * FPS]):
        both = picture.copy()
        both[:, : round(part * 320)] = np.roll(lorry, 19 * number, axis=1)[:, : round(part * 320)]
        passing.append(both.astype(np.uint8))
    watch.show(passing)
    assert watch.told(after_s=here_s) == []


def test_another_resolution_is_another_view_and_no_illness() -> None:
    watch, pictures, changed_s = after_a_good_start()
    watch.show(cv2.resize(aside(picture), (240, 180)).astype(np.uint8) for picture in pictures[: 20 * FPS])
    assert watch.told(after_s=changed_s) == []


def test_darkness_that_flickers_is_not_told() -> None:
    watch, pictures, flicker_s = after_a_good_start()
    watch.show(black(p) if i // FPS % 3 else p for i, p in enumerate(pictures))
    assert watch.told(after_s=flicker_s) == []


@pytest.mark.parametrize("reported", [True, False])
def test_silence_is_lost_after_its_time_whether_or_not_the_break_was_reported(reported: bool) -> None:
    watch, _, _ = after_a_good_start()
    last_s = watch.time_s - 1 / FPS
    if reported:
        watch.break_off("the camera closed the connection")
        assert watch.monitor.state == "connecting"
        assert watch.monitor.reason == "connecting: the camera closed the connection"
    watch.wait(8)
    assert 5 <= watch.told_at("lost start") - last_s <= 5.25
    event = watch.events[-1][1]
    assert event.start_s == pytest.approx(last_s, abs=0.01)
    assert ("the camera closed the connection" in (event.message or "")) == reported


def test_a_break_shorter_than_that_is_not_told() -> None:
    watch, pictures, break_s = after_a_good_start()
    watch.break_off()
    watch.wait(1)
    watch.monitor.connecting(*watch.now)
    watch.wait(3)
    assert str(watch.monitor.state) == "connecting"
    watch.show(pictures[: 5 * FPS])
    assert watch.told(after_s=break_s) == []
    assert str(watch.monitor.state) == "online"


def test_a_lost_camera_is_back_within_two_seconds_of_its_first_picture() -> None:
    watch, pictures, _ = after_a_good_start()
    watch.break_off()
    watch.wait(30)
    back_s = watch.time_s
    watch.show(pictures[: 4 * FPS])
    assert watch.told(after_s=back_s) == ["lost end", "online end"]
    assert watch.told_at("online end", after_s=back_s) - back_s <= 2
    event = watch.events[-1][1]
    assert event.message == "pictures come again after 30 s"


def test_a_camera_that_never_answers_is_lost() -> None:
    watch = Watch()
    for _ in range(4):
        watch.break_off("no route to host")
        watch.wait(2)
        watch.monitor.connecting(*watch.now)
    assert watch.told() == ["lost start"]
    assert watch.monitor.reason == "no picture any more: no route to host"


def test_an_alert_is_raised_once_per_cooldown_and_counts_what_was_held_back() -> None:
    watch, pictures, _ = after_a_good_start(HealthSpec(cooldown=50.0, severity="critical"))
    for _ in range(6):
        watch.wait(8)
        watch.show(pictures[: 3 * FPS])
    assert watch.told().count("lost start") == 6
    assert [(alert.rule, alert.severity, alert.suppressed) for alert in watch.alerts] == [
        ("camera.lost", "critical", 0),
        ("camera.lost", "critical", 4),
    ]


def test_without_a_severity_there_are_events_and_no_alerts() -> None:
    watch, _, _ = after_a_good_start(HealthSpec(severity=None))
    watch.wait(8)
    assert watch.told()[-1] == "lost start"
    assert watch.alerts == []
    assert watch.events[-1][1].severity is None


def test_pictures_show_before_and_after_and_are_small() -> None:
    watch, pictures, _ = after_a_good_start()
    large = [cv2.resize(picture, (1280, 720)).astype(np.uint8) for picture in pictures[: 20 * FPS]]
    watch.show(large[: 12 * FPS])
    watch.show(black(picture) for picture in large[12 * FPS :])
    picture, event = watch.pictures[-1], watch.events[-1][1]
    assert (picture.event_id, picture.type) == (event.id, "camera.dark")
    assert picture.before is not None
    assert picture.after is not None
    assert picture.before.shape == picture.after.shape == (270, 480, 3)
    assert picture.before.mean() > 50 > picture.after.mean()


def test_a_lost_camera_has_no_picture_after() -> None:
    watch, _, _ = after_a_good_start()
    watch.wait(8)
    assert watch.pictures[-1].type == "camera.lost"
    assert watch.pictures[-1].before is not None
    assert watch.pictures[-1].after is None


def test_what_is_open_at_the_end_ends_without_a_time() -> None:
    watch, _, _ = after_a_good_start()
    watch.wait(8)
    (event,) = watch.monitor.finish()
    assert (event.type, event.phase, event.end_s) == ("camera.lost", "end", None)
    assert watch.monitor.finish() == ()


def test_an_event_ends_with_the_id_it_began_with() -> None:
    watch, pictures, _ = after_a_good_start()
    watch.wait(8)
    watch.show(pictures[: 3 * FPS])
    lost = [event for _, event in watch.events if event.type == "camera.lost"]
    assert [event.phase for event in lost] == ["start", "end"]
    assert len({event.id for event in lost}) == 1
    assert len({event.id for _, event in watch.events}) == 3  # twice online, once lost


def test_states_can_be_switched_off() -> None:
    never = HealthSpec(frozen_after=0, dark_below=0, blurred_below=0, covered_above=1, moved_above=1)
    watch, pictures, here_s = after_a_good_start(never)
    watch.show([black(pictures[0])] * 15 * FPS)
    watch.show(soft(picture) for picture in pictures[: 8 * FPS])
    watch.show(aside(picture) for picture in pictures[: 8 * FPS])
    assert watch.told(after_s=here_s) == []


@dataclass
class Unseen:
    """A picture of which no pixel may be asked for."""

    width: int = 320
    height: int = 180

    def bgr(self) -> Image:
        raise AssertionError("its pixels were asked for")

    def resized(self, width: int, height: int, channels: Channels = "rgb") -> Image:
        raise AssertionError("its pixels were asked for")


def test_frames_between_two_looks_are_not_looked_at() -> None:
    watch, _, _ = after_a_good_start()
    watch.wait(1)
    watch.show(scene(40)[:1])
    monitor: HealthMonitor = watch.monitor
    for number in range(8):
        now_s = MONOTONIC_S + watch.time_s + number * 0.01
        monitor.frame(Frame(Unseen(), "gate", 99, watch.time_s, START), now_s, START)
    assert monitor.state == "online"
