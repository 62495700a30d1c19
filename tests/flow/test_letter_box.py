"""Dead letters from outside, wherever they lie: in files, in Redis, with one part of a system or another."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from argus import QoS, System
from argus.flow.bench.redis_server import RedisServer
from argus.flow.channels.protocol import ChannelDown
from argus.flow.codec import Encoder, decode
from argus.flow.control import RequestRefused, SystemNotRunning
from argus.flow.dead_letters import DeadLetters
from argus.flow.home import dead_of
from argus.flow.letter_box import LetterBox
from argus.flow.letters import Letters
from argus.flow.local import LocalSystem
from argus.flow.message import Header, Origin
from argus.flow.placement import HOSTS
from argus.flow.wire import unlay
from tests.flow.test_local import NODES, kept
from tests.sources.settling import comes_true


def letter(index: int) -> bytes:
    header = Header(f"count/1.1/{index}", Origin("count", index, 0.0, 0))
    return bytes(Encoder().encode(header, {"n": index}).to_bytes())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in NODES.items():
        (tmp_path / "nodes" / name).mkdir(parents=True)
        (tmp_path / "nodes" / name / "node.py").write_text(text)
    return tmp_path


MAIN = """
from argus import QoS, System

sys = System({name!r}, broker={broker!r})
source = sys.node("nodes/count", upto=3)
for name in ("one", "two"):
    sys.link(source).to(sys.node("nodes/keep", name=name, file="{kept}"), qos=QoS.DURABLE(tries=1))
if __name__ == "__main__":
    sys.run()
"""


def poisoned(folder: Path, name: str, broker: str | None) -> System:
    """Return a system that gives up its messages 1 and 2."""
    made = System(f"t-{name}-{os.getpid()}", script=str(folder / "main.py"), broker=broker)
    source = made.node("nodes/count", upto=3, at_end=60.0)
    first = made.node("nodes/keep", name="one", file=str(folder / "kept"), raises=1)
    other = made.node("nodes/keep", name="two", file=str(folder / "kept"), raises=2)
    qos = QoS.DURABLE(tries=1)
    made.link(source).to(first, qos=qos)
    made.link(source).to(other, qos=qos)
    return made


@pytest.mark.parametrize("where", ["redis", "files"])
def test_letters_are_listed_read_replayed_and_dropped(
    folder: Path, where: str, request: pytest.FixtureRequest
) -> None:
    broker = request.getfixturevalue("redis").url if where == "redis" else None
    system = poisoned(folder, f"box-{where}", broker)
    with LocalSystem(system.graph()):
        box = LetterBox(system.name)
        assert comes_true(lambda: len(box.list()) == 2, within_s=20)
        [one], [two] = box.list("count->one"), box.list("count->two")
        assert {letter.id for letter in box.list()} == {one.id, two.id}
        assert decode(*unlay(memoryview(box.read(one))))[1] == {"n": 1}
        assert decode(*unlay(memoryview(box.read(two))))[1] == {"n": 2}
        assert "ValueError: poison" in two.reason
        box.drop(two)
        assert box.list() == [one]
        assert box.replay([one]) == 1
        assert comes_true(lambda: len(box.list()) == 1 and box.list() != [one], within_s=10)
        assert (box.gone(), box.out_of_reach) == (0, False)
        left = box.list()
    after = LetterBox(system.name)
    assert after.out_of_reach == (where == "redis")
    assert after.list() == ([] if where == "redis" else left)
    with pytest.raises(SystemNotRunning, match="start it with"):
        after.replay(left)


def test_letters_in_redis_are_there_when_nothing_runs(folder: Path, redis: RedisServer) -> None:
    system = poisoned(folder, "box-down", redis.url)
    with LocalSystem(system.graph()):
        assert comes_true(lambda: len(LetterBox(system.name).list()) == 2, within_s=20)
    assert LetterBox(system.name).out_of_reach, "its file is not there yet"
    (folder / "main.py").write_text(MAIN.format(name=system.name, broker=redis.url, kept=folder / "kept"))
    box = LetterBox(system.name)
    assert not box.out_of_reach
    assert {letter.link for letter in box.list()} == {"count->one", "count->two"}
    [two] = box.list("count->two")
    assert decode(*unlay(memoryview(box.read(two))))[1] == {"n": 2}
    box.drop(two)
    assert ([letter.link for letter in box.list()], box.gone()) == (["count->one"], 0)
    redis.stop()
    with pytest.raises(ChannelDown, match="not reachable"):
        LetterBox(system.name).list()


def test_a_letter_that_fails_again_before_it_could_be_removed_is_one(tmp_path: Path) -> None:
    files = DeadLetters(tmp_path)
    header = Header("count/1.1/9", Origin("count", 9, 0.0, 0))
    files.bury("a->b", bytes(Encoder().encode(header, {"n": 9}).to_bytes()), "ValueError", 3)

    def fails(link: str, data: bytes) -> None:
        files.bury(link, data, "again", 3)

    letters = Letters(tmp_path, [], fails)
    assert letters.replay("a->b", None) == 1
    assert [letter.reason for letter in files.list()] == ["again"]


def test_a_part_that_has_nothing_to_do_with_a_link_does_not_take_its_letters(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOSTS, "count=127.0.0.1")
    system = System(f"t-box-parts-{os.getpid()}", script=str(folder / "main.py"))
    source = system.node("nodes/count", upto=3, at_end=60.0)
    keep = system.node("nodes/keep", file=str(folder / "kept"))
    far = system.node("nodes/keep", name="far", file=str(folder / "far"))
    system.link(source).to(keep, qos=QoS.DURABLE)
    system.link(source).to(far)
    header = Header("count/1.1/9", Origin("count", 9, 0.0, 0))
    letters = DeadLetters(dead_of(system.name))
    letters.bury("count->keep", bytes(Encoder().encode(header, {"n": 9}).to_bytes()), "ValueError", 3)
    with LocalSystem(system.graph(), only=["far"]):
        box = LetterBox(system.name)
        with pytest.raises(RequestRefused, match=r"count->keep is not in .*\.far"):
            box.replay(box.list())
        assert len(letters.list()) == 1
        with LocalSystem(system.graph(), only=["count", "keep"]):
            assert LetterBox(system.name).replay(box.list()) == 1
            assert comes_true(lambda: sorted(kept(folder)) == [0, 1, 2, 9], within_s=20)
    assert letters.list() == []


def test_a_letter_without_a_whole_message_keeps_no_other_from_being_sent_again(tmp_path: Path) -> None:
    files = DeadLetters(tmp_path)
    ids = [files.bury("a->b", data, "broken", 1) for data in (letter(0), b"", letter(2), letter(3))]
    torn = next(tmp_path.rglob(f"{ids[2]}.letter"))
    torn.write_bytes(torn.read_bytes()[:-5])
    sent: list[bytes] = []

    def send(_: str, data: bytes) -> None:
        unlay(memoryview(data))
        sent.append(data)

    with pytest.raises(RequestRefused, match=f"2 sent again; .* in {ids[1]}, {ids[2]}: .*drop --id {ids[1]}"):
        Letters(tmp_path, [], send).replay("a->b", None)
    assert sent == [letter(0), letter(3)]
    assert [one.id for one in files.list()] == ids[1:3]


def test_two_who_replay_at_once_send_a_letter_once(tmp_path: Path) -> None:
    DeadLetters(tmp_path).bury("a->b", letter(0), "broken", 1)
    sent: list[bytes] = []
    full, room = threading.Event(), threading.Event()

    def send(_: str, data: bytes) -> None:
        full.set()
        room.wait(5.0)
        sent.append(data)

    letters = Letters(tmp_path, [], send)
    both = [threading.Thread(target=letters.replay, args=("a->b", None)) for _ in range(2)]
    both[0].start()
    assert full.wait(5.0)
    full.clear()
    both[1].start()
    assert not full.wait(0.2)  # were it not waiting, it would have been here
    room.set()
    for each in both:
        each.join()
    assert sent == [letter(0)]
