"""Who shares a worker with whom."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from argus.control.placement import Placed, place


def gate(
    number: int, *, models: tuple[str, ...] = ("people",), pack: int = 16, worker: str | None = None
) -> Placed:
    return Placed(f"p{number}", f"cam{number}", models, pack, worker)


def test_cameras_with_one_model_share_a_worker() -> None:
    assert place([gate(1), gate(2)]) == {"p1": "worker-people-0", "p2": "worker-people-0"}


def test_cameras_with_different_models_do_not() -> None:
    assert place([gate(1), gate(2, models=("cars",))]) == {"p1": "worker-people-0", "p2": "worker-cars-0"}


def test_cameras_that_share_one_of_their_models_share_a_worker() -> None:
    placed = place([gate(1), gate(2, models=("cars", "people")), gate(3, models=("cars",))])
    assert placed["p2"] == placed["p3"]
    assert place([gate(1), gate(2, models=("cars", "people"))]) == {
        "p1": "worker-people-0",
        "p2": "worker-people-0",
    }


def test_a_camera_goes_where_most_of_its_models_are() -> None:
    placed = place(
        [
            gate(1, worker="worker-people-0"),
            gate(2, models=("cars", "people"), worker="worker-cars-people-0"),
            gate(3, models=("cars", "people")),
        ]
    )
    assert placed["p3"] == "worker-cars-people-0"


def test_another_model_for_one_camera_moves_nobody() -> None:
    there = [gate(n, worker="worker-people-0") for n in range(3)]
    more = Placed("more", "cam1", ("cars",), 16)
    assert set(place([*there, more]).values()) == {"worker-people-0"}


def test_a_worker_takes_no_more_cameras_than_packed() -> None:
    placed = place([gate(n, pack=2) for n in range(5)])
    assert [list(placed.values()).count(f"worker-people-{n}") for n in range(3)] == [2, 2, 1]


def test_all_pipelines_of_a_camera_go_together_whatever_their_models() -> None:
    both = [Placed("a", "cam", ("people",), 16), Placed("b", "cam", ("cars",), 16)]
    assert len(set(place(both).values())) == 1


def test_who_packs_alone_has_a_worker_of_its_own() -> None:
    placed = place([gate(1, pack=1), gate(2)])
    assert placed == {"p1": "solo-p1", "p2": "worker-people-0"}


def test_who_has_a_worker_stays_when_others_come_and_go() -> None:
    before = place([gate(n, pack=2) for n in range(4)])
    stay = [gate(n, pack=2, worker=before[f"p{n}"]) for n in range(1, 4)]
    after = place([*stay, gate(9, pack=2)])
    assert {name: after[name] for name in ("p1", "p2", "p3")} == {n: before[n] for n in ("p1", "p2", "p3")}
    assert after["p9"] == "worker-people-0"


def test_one_alone_in_its_worker_stays_there_with_another_model() -> None:
    assert place([gate(1, models=("cars",), worker="worker-people-0")]) == {"p1": "worker-people-0"}


def test_of_two_in_a_worker_the_one_with_another_model_moves() -> None:
    placed = place([gate(1, worker="worker-people-0"), gate(2, models=("cars",), worker="worker-people-0")])
    assert placed == {"p1": "worker-people-0", "p2": "worker-cars-0"}


def test_paths_and_built_ins_give_names_that_can_be_labels() -> None:
    placed = place([gate(1, models=("builtin:plaza",)), gate(2, models=("/a b/Yolo_V8.onnx",))])
    assert placed == {"p1": "worker-plaza-0", "p2": "worker-yolo-v8-onnx-0"}


pipelines = st.lists(
    st.builds(
        Placed,
        name=st.integers(0, 30).map("p{}".format),
        camera=st.integers(0, 8).map("c{}".format),
        models=st.sampled_from([("people",), ("cars",), ("people", "cars"), ()]),
        pack=st.integers(1, 4),
        worker=st.sampled_from([None, "worker-people-0", "worker-cars-0", "worker-people-1", "solo-p1"]),
    ),
    max_size=20,
    unique_by=lambda one: one.name,
)


@given(pipelines)
def test_placing_again_moves_nobody(wanted: list[Placed]) -> None:
    placed = place(wanted)
    assert placed.keys() == {one.name for one in wanted}
    assert place([replace(one, worker=placed[one.name]) for one in wanted]) == placed


@given(pipelines)
def test_no_worker_holds_more_cameras_than_anybody_in_it_bears(wanted: list[Placed]) -> None:
    placed = place(wanted)
    for worker in set(placed.values()):
        inside = [one for one in wanted if placed[one.name] == worker]
        assert len({one.camera for one in inside}) <= min(one.pack for one in inside)
