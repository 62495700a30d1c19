"""A process with an end of a log is killed before each line of code that it runs there, one by one."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

from argus.flow.channels import log_entries
from argus.flow.channels.log import Log, LogReceiver, LogSender, LogSpec
from argus.flow.codec import Encoder
from argus.flow.dead_letters import DeadLetters
from argus.flow.qos import QoS
from tests.flow.channels.contract import message, take, value_of

LINK = "cam->log"
CODE = ("channels/log", "flow/dead_letters.py")
BEFORE = 3
"""Messages that wait when the play begins."""

Play = Callable[[LogSpec], Callable[[], object]]
"""Opens an end, and returns what is then played under fire."""


def put(sender: LogSender, index: int) -> None:
    """Send a message of whole pages."""
    header = message(index)
    sender.send(Encoder().encode(header, np.full(70_000, index, np.uint8)), header, lambda: False)


def sending(spec: LogSpec) -> Callable[[], object]:
    sender = LogSender(spec)
    return lambda: put(sender, BEFORE)


def receiving(spec: LogSpec) -> Callable[[], object]:
    return LogReceiver(spec, 0).receive


def accepting(spec: LogSpec) -> Callable[[], object]:
    receiver = LogReceiver(spec, 0)
    first, second = take(receiver), take(receiver)

    def play() -> None:
        receiver.accept(second)
        receiver.accept(first)
        receiver.receive()

    return play


def refusing(spec: LogSpec) -> Callable[[], object]:
    receiver = LogReceiver(spec, 0)
    delivery = take(receiver)
    return lambda: receiver.refuse(delivery, "ValueError: no")


def closing(spec: LogSpec) -> Callable[[], object]:
    receiver = LogReceiver(spec, 0)
    take(receiver)
    return receiver.close


def beginning(spec: LogSpec) -> Callable[[], object]:
    take(LogReceiver(spec, 0))
    return lambda: LogReceiver(spec, 0)


def dies_at(line: int, spec: LogSpec, play: Play) -> bool:
    """Play in a process that is killed before its so-manyth line; return whether it came to that."""
    pid = os.fork()
    if pid == 0:
        left = line

        def count(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal left
            if not any(part in frame.f_code.co_filename for part in CODE):
                return None
            left -= event == "line"
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return count

        try:
            under_fire = play(spec)
            sys.settrace(count)
            under_fire()
        finally:
            sys.settrace(None)
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status)


def deaths(folder: Path, play: Play, tries: int, step: int = 1) -> Iterator[tuple[Log, list[int]]]:
    """Yield a log after each possible death, and the messages that then came; `step` leaves lines out."""
    line = 1 - step
    died = True
    while died:
        line += step
        log = Log.create(LINK, QoS.DURABLE(tries=tries, backoff=0.0), 1, dead=folder / str(line))
        try:
            sender = LogSender(log.spec)
            for index in range(BEFORE):
                put(sender, index)
            died = dies_at(line, log.spec, play)
            assert log.counts()[LINK].closes
            log.forget(LINK, 0, "signal 9 (SIGKILL)")
            assert log.counts()[LINK].closes
            receiver = LogReceiver(log.spec, 0)
            put(sender, 99)
            seen: list[int] = []
            while not seen or seen[-1] != 99:
                delivery = take(receiver)
                value = value_of(delivery)
                assert (value == value[0]).all()
                seen.append(int(value[0]))
                receiver.accept(delivery)
            counts = log.counts()[LINK]
            assert counts.closes
            assert (counts.pending, counts.delivered + counts.dropped.get("dead", 0)) == (0, counts.sent)
            receiver.close()
            sender.close()
            yield log, seen
        finally:
            log.close()
    assert line > 10, "it was killed at many lines"


def test_a_sender_leaves_its_message_whole_or_not_at_all(tmp_path: Path) -> None:
    outcomes = []
    for log, seen in deaths(tmp_path, sending, tries=5):
        assert seen in ([0, 1, 2, 99], [0, 1, 2, 3, 99])
        assert log.counts()[LINK].sent == len(seen)
        outcomes.append(len(seen))
    assert outcomes == sorted(outcomes), "from some line on it is there"
    assert set(outcomes) == {4, 5}


@pytest.mark.parametrize("play", [receiving, refusing, closing, beginning])
def test_a_receiver_loses_nothing(tmp_path: Path, play: Play) -> None:
    for log, seen in deaths(tmp_path, play, tries=5):
        assert seen == [0, 1, 2, 99]
        assert log.counts()[LINK].redelivered <= 2


@pytest.fixture(params=["memory that stays", "memory that goes back"])
def kept(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a log keep what becomes free, or nothing of it."""
    if request.param == "memory that goes back":
        monkeypatch.setattr(log_entries, "_KEPT", 0)


@pytest.mark.usefixtures("kept")
def test_a_receiver_that_accepts_loses_nothing(tmp_path: Path) -> None:
    outcomes = set()
    for log, seen in deaths(tmp_path, accepting, tries=5):
        outcomes.add(tuple(seen))
        assert log.counts()[LINK].dropped == {}
    assert outcomes == {(0, 1, 2, 99), (0, 2, 99), (2, 99)}


def given_up(folder: Path, play: Play, step: int) -> None:
    for log, seen in deaths(folder, play, tries=1, step=step):
        assert seen == [1, 2, 99]
        [letter] = DeadLetters(Path(log.spec.dead)).list(LINK)
        assert letter.message == "cam/1/0"
        assert letter.reason in {
            "ValueError: no",
            "signal 9 (SIGKILL)",
            "its process ended without a word",
        }
        assert log.counts()[LINK].dropped == {"dead": 1}


@pytest.mark.usefixtures("kept")
def test_a_message_that_is_given_up_is_a_dead_letter_once(tmp_path: Path) -> None:
    given_up(tmp_path, refusing, step=5)


@pytest.mark.soak
@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("play", [refusing, beginning])
def test_a_message_that_is_given_up_is_a_dead_letter_once_wherever_it_dies(
    tmp_path: Path, play: Play
) -> None:
    given_up(tmp_path, play, step=1)
