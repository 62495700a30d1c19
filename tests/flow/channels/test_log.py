"""DURABLE on one host: the promise, within one process; `test_log_processes` kills some."""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from argus.core.errors import SpecError
from argus.flow.channels import log_entries
from argus.flow.channels.log import MOST_BYTES, MOST_CAPACITY, Log, LogReceiver, LogSender, LogUnreadable
from argus.flow.channels.log_lock import KernelLock
from argus.flow.channels.protocol import ChannelClosed, MessageTooBig
from argus.flow.codec import Encoder
from argus.flow.qos import Durable, QoS
from tests.flow.channels.contract import ReliableContract, message, nothing, put, take, value_of
from tests.flow.channels.log_wire import LINK, LogWire, Made, accept_all
from tests.sources.settling import descriptors_and_threads


class TestInMemory(ReliableContract):
    def open(self, qos: Durable, replicas: int = 1) -> LogWire:
        return LogWire(qos, replicas)


@pytest.fixture
def made() -> Iterator[Made]:
    wires = Made()
    yield wires
    for wire in wires:
        wire.close()


def test_an_array_that_is_kept_after_it_was_accepted_stays_as_it_was(made: Made) -> None:
    wire = made.one()
    put(wire, 0, np.full(500_000, 1, np.uint8))
    delivery = take(wire.receivers[0])
    kept = value_of(delivery)
    wire.receivers[0].accept(delivery)
    for index in range(1, 20):
        put(wire, index, np.full(500_000, index + 1, np.uint8))
        accept_all(wire.receivers[0], 1)
    assert (kept == 1).all()


def test_one_origin_that_waits_for_another_try_holds_up_no_other(made: Made) -> None:
    wire = made.one(QoS.DURABLE(backoff=0.2))
    [end] = wire.receivers
    for index, source in enumerate(("left", "left", "right", "right")):
        put(wire, index, source=source)
    end.refuse(take(end), "ValueError: not yet")
    assert accept_all(end, 4) == [2, 3, 0, 1]


def test_replicas_get_nothing_of_an_origin_whose_earlier_message_waits(made: Made) -> None:
    wire = made.one(QoS.DURABLE(backoff=0.2), 2)
    one, two = wire.receivers
    for index in range(3):
        put(wire, index)
    one.refuse(take(one), "ValueError: not yet")
    assert two.receive() is None
    assert accept_all(two, 3) == [0, 1, 2]


def test_what_comes_after_a_pause_is_told_by_the_descriptor_as_well(made: Made) -> None:
    wire = made.one(QoS.DURABLE(backoff=0.05))
    [end] = wire.receivers
    for index in range(50):
        put(wire, index)
    end.refuse(take(end), "ValueError: not yet")
    assert end.receive() is None
    began = time.monotonic()
    assert take(end).tries == 2
    for _ in range(49):
        assert select.select([end], [], [], 0.5)[0], "there is more, and the descriptor is silent"
        assert end.receive() is not None
    assert time.monotonic() - began < 5


def test_a_receiver_that_closes_gives_back_what_it_held_untried(made: Made) -> None:
    wire = made.one(QoS.DURABLE(tries=1))
    put(wire, 0)
    assert take(wire.receivers[0]).tries == 1
    wire.receivers[0].close()
    again = LogReceiver(wire.log.spec, 0)
    delivery = take(again)
    assert delivery.tries == 1
    again.accept(delivery)
    again.close()
    counts = wire.counts()
    assert (counts.delivered, counts.redelivered, wire.dead()) == (1, 0, [])


def test_a_message_that_comes_too_late_to_be_accepted_is_not_taken_from_its_new_holder(made: Made) -> None:
    wire = made.one()
    put(wire, 0)
    [old] = wire.receivers
    late = take(old)
    new = wire.dies(0)
    delivery = take(new)
    old.accept(late)
    assert wire.counts().pending == 1
    new.accept(delivery)
    assert (wire.counts().delivered, wire.counts().pending) == (1, 0)


def test_a_death_that_could_not_be_seen_to_at_once_takes_nothing_from_the_next_process(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when another replica has stopped in the middle of taking a message."""
    monkeypatch.setattr(log_entries, "_PATIENCE_S", 0.05)
    wire = made.one(QoS.DURABLE(backoff=0.0))
    put(wire, 0)
    take(wire.receivers[0])
    stopped = KernelLock(wire.log.spec.fd, log_entries.READERS)
    assert stopped.take(0.0)
    wire.log.forget(LINK, 0, "killed")
    assert wire.counts().closes
    stopped.close()
    again = LogReceiver(wire.log.spec, 0)
    delivery = take(again)
    assert delivery.tries == 2
    assert wire.counts().pending == 1
    again.accept(delivery)
    assert (wire.counts().delivered, wire.counts().pending) == (1, 0)
    again.close()


def test_bytes_that_wait_are_bounded_too(made: Made) -> None:
    wire = made.one(QoS.DURABLE(max_bytes=1_000_000))
    for index in range(3):
        put(wire, index, bytes(300_000))
    header = message(3)
    with pytest.raises(ChannelClosed, match="full"):
        wire.sender.send(Encoder().encode(header, bytes(300_000)), header, lambda: True)
    accept_all(wire.receivers[0], 1)
    put(wire, 4, bytes(300_000))
    accept_all(wire.receivers[0], 3)
    put(wire, 5, bytes(2_000_000))  # alone, it may be larger than all that may wait
    accept_all(wire.receivers[0], 1)
    assert wire.counts().delivered == 5


def test_a_message_that_can_never_fit_says_what_to_do(made: Made) -> None:
    wire = made.one(QoS.DURABLE(max_bytes=1000))
    header = message(0)
    with pytest.raises(MessageTooBig, match="raise the link's max_bytes"):
        wire.sender.send(Encoder().encode(header, np.empty(70_000_000, np.uint8)), header, lambda: False)
    put(wire, 1)
    assert accept_all(wire.receivers[0], 1) == [1]


def test_a_sender_that_waits_goes_on_as_soon_as_there_is_room(made: Made) -> None:
    wire = made.one(QoS.DURABLE(capacity=2))

    def send() -> None:
        for index in range(200):
            put(wire, index)

    thread = threading.Thread(target=send)
    thread.start()
    began = time.monotonic()
    assert accept_all(wire.receivers[0], 200) == list(range(200))
    thread.join()
    assert time.monotonic() - began < 5, "it was woken, and did not just look now and then"


def test_a_long_look_at_one_message_does_not_stop_the_others(made: Made) -> None:
    wire = made.one(QoS.DURABLE(capacity=20), 2)
    slow, fast = wire.receivers
    put(wire, 0)
    long = take(slow)
    for index in range(1, 70):
        put(wire, index)
        accept_all(fast, 1)
    slow.accept(long)
    assert (wire.counts().delivered, wire.counts().closes) == (70, True)


def test_a_burst_gives_its_memory_back(made: Made) -> None:
    wire = made.one()
    for index in range(30):
        put(wire, index, np.ones(3_000_000, np.uint8))
    full = os.fstat(wire.log.spec.fd).st_blocks * 512
    accept_all(wire.receivers[0], 30)
    left = os.fstat(wire.log.spec.fd).st_blocks * 512
    assert full > 90_000_000
    assert left < 40_000_000


def test_descriptors_and_memory_are_flat_over_many_messages(made: Made) -> None:
    wire = made.one()
    [end] = wire.receivers

    def some(first: int, count: int) -> None:
        for index in range(first, first + count, 10):
            for i in range(10):
                put(wire, index + i, bytes(5000 if i % 5 else 200_000))
            accept_all(end, 10)

    some(0, 1000)
    before = descriptors_and_threads(), _resident_bytes()
    some(1000, 10_000)
    assert descriptors_and_threads() == before[0]
    assert _resident_bytes() - before[1] < 8_000_000
    assert os.fstat(wire.log.spec.fd).st_blocks * 512 < 4_000_000


def test_all_descriptors_are_closed_in_the_end() -> None:
    before = descriptors_and_threads()
    wire = LogWire(QoS.DURABLE, 3)
    put(wire, 0)
    wire.close()
    wire.close()
    assert descriptors_and_threads() == before


def test_what_waits_in_memory_at_the_end_is_counted_as_ended(made: Made) -> None:
    wire = made.one()
    put(wire, 0)
    put(wire, 1)
    accept_all(wire.receivers[0], 1)
    wire.log.close()
    assert (wire.counts().delivered, wire.counts().dropped, wire.counts().closes) == (1, {"ended": 1}, True)


def test_a_dead_letter_can_be_sent_again(made: Made) -> None:
    wire = made.one(QoS.DURABLE(tries=1))
    [end] = wire.receivers
    put(wire, 0, {"picture": np.arange(5000)})
    put(wire, 1)
    end.refuse(take(end), "ValueError: no")
    [letter] = wire.letters.list(LINK)
    wire.log.replay(wire.letters.read(LINK, letter.id), lambda: False)
    wire.letters.remove(LINK, letter.id)
    put(wire, 2)
    assert accept_all(end, 1) == [1]
    delivery = take(end)
    assert (value_of(delivery)["picture"] == np.arange(5000)).all()
    assert (delivery.header.id, delivery.tries) == ("cam/1/0", 1)
    end.accept(delivery)
    assert accept_all(end, 1) == [2]
    counts = wire.counts()
    assert (counts.sent, counts.delivered, counts.dropped, wire.dead()) == (4, 3, {"dead": 1}, [])


def test_letters_are_sent_again_while_the_sender_sends(made: Made) -> None:
    wire = made.one(QoS.DURABLE(capacity=20))
    [end] = wire.receivers

    def send() -> None:
        for index in range(200):
            put(wire, index)

    def replay() -> None:
        for index in range(1000, 1200):
            header = message(index, source="letters")
            data = Encoder().encode(header, index).to_bytes()
            wire.log.replay(bytes(data), lambda: False)

    threads = [threading.Thread(target=send), threading.Thread(target=replay)]
    for thread in threads:
        thread.start()
    seen = [value for value in accept_all(end, 400) if isinstance(value, int)]
    for thread in threads:
        thread.join()
    assert [value for value in seen if value < 1000] == list(range(200))
    assert [value for value in seen if value >= 1000] == list(range(1000, 1200))
    assert wire.counts().delivered == 400


def test_a_descriptor_of_something_else_is_refused(made: Made, tmp_path: Path) -> None:
    spec = made.one().log.spec
    with (tmp_path / "file").open("w+b") as file:
        for end in (LogSender, lambda spec: LogReceiver(spec, 0)):
            with pytest.raises(LogUnreadable, match="the log of cam->log is no log"):
                end(msgspec.structs.replace(spec, fd=file.fileno()))


def test_a_letter_that_cannot_be_written_holds_the_link_up_and_is_not_lost(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_entries, "_UNBURIED_S", 0.1)
    wire = made.one(QoS.DURABLE(tries=1))
    [end] = wire.receivers
    folder = Path(wire.log.spec.dead)
    folder.chmod(0o500)
    blocked = folder / "cam-%3Elog"  # who may do anything is not kept out by a mode
    blocked.write_bytes(b"") if os.access(folder, os.W_OK) else None
    put(wire, 0)
    put(wire, 1)
    end.refuse(take(end), "ValueError: no")
    assert wire.counts().pending == 2
    assert nothing(end, 0.3)
    folder.chmod(0o700)
    blocked.unlink(missing_ok=True)
    assert accept_all(end, 1) == [1]
    assert wire.dead() == [("ValueError: no", 1)]
    assert wire.counts().closes


def test_a_damaged_entry_is_a_dead_letter_and_the_rest_flows(made: Made) -> None:
    wire = made.one()
    [end] = wire.receivers
    for index in range(3):
        put(wire, index)
    memory = wire.sender._memory
    memory._entries[64 * 1 + 9] ^= 0xFF
    assert accept_all(end, 2) == [0, 2]
    [(reason, _)] = wire.dead()
    assert "entry is damaged" in reason
    assert wire.counts().dropped == {"dead": 1}
    assert wire.counts().closes


def test_bytes_that_are_no_message_are_a_dead_letter_and_the_rest_flows(made: Made) -> None:
    wire = made.one()
    [end] = wire.receivers
    for index in range(3):
        put(wire, index)
    memory = wire.sender._memory
    entry = memory.entry(1)
    assert entry is not None
    memory.room(entry.offset, 4)[:] = b"nope"
    assert accept_all(end, 2) == [0, 2]
    [(reason, _)] = wire.dead()
    assert "no message begins here" in reason


def _resident_bytes() -> int:
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the system does not tell")


@pytest.mark.parametrize("qos", [QoS.DURABLE(capacity=sys.maxsize), QoS.DURABLE(max_bytes=sys.maxsize)])
def test_who_wants_no_bound_is_told_which_there_is(qos: Durable, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="at most 268,435,456 and 17,592,186,044,416"):
        Log.create("a->b", qos, 1, dead=tmp_path)
    log = Log.create("a->b", QoS.DURABLE(capacity=MOST_CAPACITY, max_bytes=MOST_BYTES), 1, dead=tmp_path)
    log.close()
