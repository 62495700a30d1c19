"""DURABLE on disk: what waits survives the system, and what is damaged says so."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from argus.core.errors import OutputError
from argus.flow.channels.log import Log, LogInUse, LogUnreadable
from argus.flow.channels.log_memory import AGAIN, DELIVERED, HELD, READY, word
from argus.flow.channels.protocol import ChannelClosed
from argus.flow.codec import Encoder
from argus.flow.qos import Durable, QoS
from tests.flow.channels.contract import ReliableContract, message, put, take, value_of
from tests.flow.channels.log_wire import LINK, LogWire, Made, accept_all
from tests.sources.settling import comes_true, descriptors_and_threads


class TestOnDisk(ReliableContract):
    @pytest.fixture(autouse=True)
    def _somewhere(self, tmp_path: Path) -> None:
        self._file = tmp_path / "log"

    def open(self, qos: Durable, replicas: int = 1) -> LogWire:
        return LogWire(qos, replicas, file=self._file)


def after(times: int) -> Callable[[], bool]:
    """Return what says no so many times, and then yes."""
    left = iter(range(times))
    return lambda: next(left, None) is None


@pytest.fixture
def made() -> Iterator[Made]:
    wires = Made()
    yield wires
    for wire in wires:
        wire.close()


def test_the_next_system_finds_what_was_not_accepted_in_order(made: Made, tmp_path: Path) -> None:
    first = made.one(file=tmp_path / "log")
    for index in range(10):
        put(first, index, {"n": index, "data": np.full(100_000, index, np.uint8)})
    accept_all(first.receivers[0], 3)
    take(first.receivers[0])
    first.close()
    second = made.one(file=tmp_path / "log")
    assert (second.counts().sent, second.counts().pending) == (7, 7)
    put(second, 10, {"n": 10, "data": np.full(100_000, 10, np.uint8)})
    for index in range(3, 11):
        delivery = take(second.receivers[0])
        got = value_of(delivery)
        assert got["n"] == index
        assert (got["data"] == index).all()
        second.receivers[0].accept(delivery)
    assert (second.counts().sent, second.counts().delivered) == (8, 8)


def test_a_damaged_message_is_found_by_its_checksum(made: Made, tmp_path: Path) -> None:
    wire = made.one(QoS.DURABLE(max_bytes=1000), file=tmp_path / "log")
    for index in range(3):
        put(wire, index, np.full(200, 200, np.uint8))
    with (tmp_path / "log").open("r+b") as file:
        where = file.read().index(bytes([200] * 100))
        file.seek(where + 50)
        file.write(b"\x00")
    assert len(accept_all(wire.receivers[0], 2)) == 2
    [(reason, _)] = wire.dead()
    assert "checksum" in reason


def test_messages_that_the_first_page_does_not_know_of_are_found(made: Made, tmp_path: Path) -> None:
    """As after a power cut, when one page was written through and another was not."""
    wire = made.one(file=tmp_path / "log")
    for index in range(5):
        put(wire, index)
    wire.close()
    with (tmp_path / "log").open("r+b") as file:
        file.seek(64)
        file.write((3).to_bytes(8, "little"))
    wire = made.one(file=tmp_path / "log")
    assert accept_all(wire.receivers[0], 5) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("state", [READY, HELD, AGAIN])
@pytest.mark.parametrize("becomes", [1, 2, 3, 6, 7, 1 << 3 | DELIVERED])
def test_a_flipped_bit_in_what_an_entry_becomes_does_not_end_it(
    made: Made, tmp_path: Path, state: int, becomes: int
) -> None:
    """What is done is said by one that was held, and says that it was delivered or is dead."""
    wire = made.one(file=tmp_path / "log")
    put(wire, 0)
    memory = wire.sender._memory
    memory.words[0] = word(state, 0, becomes=becomes)
    wire.close()
    wire = made.one(file=tmp_path / "log")
    assert accept_all(wire.receivers[0], 1) == [0]


@pytest.mark.parametrize("state", [READY, AGAIN])
def test_only_who_holds_an_entry_ends_it(made: Made, tmp_path: Path, state: int) -> None:
    wire = made.one(file=tmp_path / "log")
    put(wire, 0)
    wire.sender._memory.words[0] = word(state, 0, becomes=DELIVERED)
    wire.close()
    wire = made.one(file=tmp_path / "log")
    assert accept_all(wire.receivers[0], 1) == [0]


def test_whatever_byte_of_its_index_is_wrong_it_can_be_read_or_says_that_it_cannot(
    made: Made, tmp_path: Path
) -> None:
    file, qos = tmp_path / "log", QoS.DURABLE(capacity=16, max_bytes=100_000)
    wire = made.one(qos, file=file)
    for index in range(12):
        put(wire, index)
    accept_all(wire.receivers[0], 4)
    take(wire.receivers[0])
    wire.close()
    whole = head_of(file)
    chance = random.Random(8)
    used = [*range(40), *range(64, 80), *range(128, 136), *range(192, 288), *range(4096, 4608 + 13 * 64)]
    read = 0
    for at in chance.sample(used, 120):
        with file.open("r+b") as spoilt:
            spoilt.write(whole)
            spoilt.seek(at)
            spoilt.write(bytes([whole[at] ^ 1 << chance.randrange(8)]))
        try:
            wire = LogWire(qos, file=file)
        except LogUnreadable:
            continue
        put(wire, 99)
        seen: list[object] = []
        while 99 not in seen:
            seen += accept_all(wire.receivers[0], 1)
        counts = wire.counts()
        wire.close()
        assert counts.closes
        assert counts.delivered == len(seen)
        assert set(seen) <= {*range(12), 99}
        read += 1
    assert read > 60


def test_two_systems_cannot_have_one_file(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from argus.flow.channels import log

    monkeypatch.setattr(log, "_GOING_S", 0.1)
    wire = made.one(file=tmp_path / "log")
    before = descriptors_and_threads()
    with pytest.raises(LogInUse, match="in use by another system"):
        Log.create(LINK, QoS.DURABLE, 1, file=tmp_path / "log", dead=tmp_path)
    assert descriptors_and_threads() <= before
    put(wire, 0)
    assert accept_all(wire.receivers[0], 1) == [0]


@pytest.mark.parametrize(
    ("at", "bytes_", "fact"),
    [
        (0, b"something else", "no log of Argus"),
        (8, b"\x63", "version 99"),
        (16, b"\xff", "damaged"),
        (1_000_000, None, "cut off"),
        (20, None, "no log of Argus"),
        (64, b"\xff" * 8, "numbers cannot be"),
    ],
    ids=["another file", "another version", "damaged head", "cut off", "hardly anything", "wild numbers"],
)
def test_a_file_that_cannot_be_read_says_so_and_is_left_alone(
    tmp_path: Path, at: int, bytes_: bytes | None, fact: str
) -> None:
    file, qos = tmp_path / "log", QoS.DURABLE(max_bytes=1000)
    Log.create(LINK, qos, 1, file=file, dead=tmp_path).close()
    with file.open("r+b") as spoilt:
        spoilt.seek(at)
        spoilt.truncate() if bytes_ is None else spoilt.write(bytes_)
    begins, size, before = head_of(file), file.stat().st_size, descriptors_and_threads()
    with pytest.raises(LogUnreadable, match=fact) as error:
        Log.create(LINK, qos, 1, file=file, dead=tmp_path)
    assert "move it away" in str(error.value)
    assert str(file) in str(error.value)
    assert (head_of(file), file.stat().st_size) == (begins, size)
    assert descriptors_and_threads() <= before


def test_other_settings_wait_until_nothing_does(made: Made, tmp_path: Path) -> None:
    file = tmp_path / "log"
    wire = made.one(QoS.DURABLE(capacity=10), file=file)
    put(wire, 0)
    wire.close()
    wire = made.one(QoS.DURABLE(capacity=5000), file=file)
    small = file.stat().st_size
    assert accept_all(wire.receivers[0], 1) == [0]
    wire.close()
    wire = made.one(QoS.DURABLE(capacity=5000), file=file)
    assert file.stat().st_size > small
    put(wire, 1)
    assert accept_all(wire.receivers[0], 1) == [1]


def test_a_full_disk_makes_the_sender_wait_and_kills_nobody(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int, offset: int, length: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    wire = made.one(file=tmp_path / "log")
    header = message(0)
    with monkeypatch.context() as patched:
        patched.setattr(os, "posix_fallocate", full)
        with capture_logs() as events, pytest.raises(ChannelClosed):
            wire.sender.send(Encoder().encode(header, bytes(100_000)), header, after(3))
    assert [event["event"] for event in events] == ["flow.log_disk_full"]
    put(wire, 1, bytes(100_000))
    assert len(accept_all(wire.receivers[0], 1)) == 1
    assert wire.counts().sent == 1


@pytest.mark.parametrize("call", ["pwrite", "posix_fallocate"])
def test_a_disk_that_is_full_when_a_log_begins_leaves_nothing_that_a_later_start_trips_over(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, call, full)
        with pytest.raises(OutputError, match="No space left"):
            made.one(file=tmp_path / "log")
    assert (tmp_path / "log").stat().st_size == 0
    wire = made.one(file=tmp_path / "log")
    put(wire, 0)
    assert accept_all(wire.receivers[0], 1) == [0]


def test_it_is_written_through_whenever_something_has_changed(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from argus.flow.channels import log

    monkeypatch.setattr(log, "_FLUSH_S", 0.1)
    written: list[int] = []
    real = os.fdatasync

    def sync(fd: int) -> None:
        real(fd)
        written.append(fd)

    monkeypatch.setattr(os, "fdatasync", sync)
    wire = made.one(file=tmp_path / "log")
    assert comes_true(lambda: len(written) == 1)
    put(wire, 0)
    assert comes_true(lambda: len(written) == 2)
    assert accept_all(wire.receivers[0], 1) == [0]


def head_of(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(200_000)
