"""When nodes are told to end: decided over the states of processes and the counts of links."""

from __future__ import annotations

from argus.flow.channels.protocol import LinkCounts
from argus.flow.endings import Endings
from argus.flow.graph import Graph, LinkSpec, NodeSpec, Target
from argus.flow.qos import QoS

CODE = Target(kind="module", where="m")
GRAPH = Graph(
    name="s",
    nodes=(NodeSpec(name="camera", target=CODE), NodeSpec(name="log", target=CODE)),
    links=(LinkSpec(source="camera", target="log", qos=QoS.DURABLE),),
)
DONE = {"camera->log": LinkCounts(sent=3, delivered=3)}
WAITING = {"camera->log": LinkCounts(sent=3, delivered=2, pending=1)}
OVER = {"camera": "finished", "log": "running"}


def looks(endings: Endings, states: dict[str, str], counts: dict[str, LinkCounts]) -> tuple[list[str], ...]:
    """Return who is told that nothing more comes, and who is to end, over three looks."""
    told: list[str] = []
    ending: list[str] = []
    for _ in range(3):
        said, ended = endings.look(states, counts)
        told += said
        ending += [source for _, source in ended]
    return told, ending


def here(*names: str, heard: tuple[str, ...] = (), over: tuple[str, ...] = ()) -> Endings:
    return Endings(
        GRAPH, names or ("camera", "log"), lambda _, how: heard if how == "ended" else (*heard, *over)
    )


def test_a_node_ends_when_its_source_has_and_nothing_waits() -> None:
    endings = here()
    assert looks(endings, {"camera": "running", "log": "running"}, DONE) == ([], [])
    assert looks(endings, OVER, WAITING) == (["log"], [])
    assert looks(endings, OVER, DONE) == ([], ["log"])


def test_who_does_not_run_now_is_told_when_it_does() -> None:
    endings = here()
    assert looks(endings, {"camera": "finished", "log": "backing-off"}, DONE) == ([], [])
    assert looks(endings, OVER, DONE) == (["log"], ["log"])


def test_who_takes_the_place_of_one_that_was_told_is_told_again() -> None:
    endings = here()
    assert looks(endings, OVER, DONE) == (["log"], ["log"])
    endings.forget("log")
    assert looks(endings, {"camera": "finished", "log": "starting"}, DONE) == ([], [])
    assert looks(endings, OVER, DONE) == (["log"], ["log"])


def test_a_source_elsewhere_has_ended_when_its_stream_has() -> None:
    assert looks(here("log"), {"log": "running"}, DONE) == ([], [])
    assert looks(here("log", heard=("camera->log",)), {"log": "running"}, WAITING) == (["log"], ["log"])


def test_who_holds_what_waits_for_partners_is_told_of_the_end_and_ends_when_it_has_let_go() -> None:
    endings = here("log", over=("camera->log",))
    assert looks(endings, {"log": "running"}, WAITING) == (["log"], [])


def test_nobody_ends_by_counts_that_may_be_old() -> None:
    endings = here()
    for _ in range(3):
        assert endings.look(OVER, DONE, {"camera->log"})[1] == []
    assert looks(endings, OVER, DONE)[1] == ["log"]
