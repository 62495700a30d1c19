"""What a ring does with its memory: views that stay, arrays filled in place, slots that come back."""

from __future__ import annotations

import ctypes
import os
import pickle
import select
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np
import pytest
from structlog.testing import capture_logs

from argus.core.errors import SpecError, UnknownName
from argus.flow.channels.protocol import Delivery, MessageTooBig
from argus.flow.channels.ring import Ring, RingLink, RingNotHere, RingReceiver, RingSender, RingSpec
from argus.flow.codec import Encoder, decode
from argus.flow.qos import QoS
from argus.flow.wire import MessageDamaged, Packed
from tests.flow.channels.contract import message, take, value_of
from tests.sources.settling import comes_true, descriptors_and_threads

MB = 1024 * 1024


class Ends:
    """A ring with all its ends in this process."""

    def __init__(self, *links: RingLink, slot_bytes: int = 2 * MB, views: int = 4) -> None:
        self.ring = Ring.create(links or (RingLink("a->b"),), slot_bytes=slot_bytes, views=views)
        self.sender = RingSender(self.ring.spec)
        self.receivers = [
            RingReceiver(self.ring.spec, link.link, replica)
            for link in self.ring.spec.links
            for replica in range(link.replicas)
        ]
        self.sent = 0

    def send(self, value: Any) -> None:
        header = message(self.sent)
        self.sent += 1
        self.sender.send(Encoder().encode(header, value), header, lambda: False)

    def get(self, reader: int = 0) -> Any:
        delivery = take(self.receivers[reader])
        self.receivers[reader].accept(delivery)
        return value_of(delivery)

    def memory_mb(self) -> float:
        return os.fstat(self.ring.spec.memory).st_blocks * 512 / MB

    def close(self) -> None:
        self.sender.close()
        for receiver in self.receivers:
            receiver.close()
        self.ring.close()


@pytest.fixture
def ends() -> Iterator[Ends]:
    made = Ends()
    yield made
    made.close()


def waits_for_nothing(ends: Ends) -> bool:
    poll = select.poll()
    poll.register(ends.receivers[0], select.POLLIN)
    return bool(poll.poll(0))


def picture(number: int, size: int = 10_000) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.full(size, number % 251, np.uint8)


def test_views_stay_as_they_are_across_ten_thousand_messages(ends: Ends) -> None:
    kept = []
    for number in range(10_000):
        ends.send(picture(number))
        if number in {10, 2000, 5000, 9000}:
            kept.append((number, ends.get()))
        elif number % 3 == 0:
            assert (ends.get() == number % 251).all()
    for number, view in kept:
        assert (view == number % 251).all()


def test_views_of_views_keep_a_message_and_their_end_frees_it(ends: Ends) -> None:
    ends.send(picture(7))
    part = ends.get()[100:200].reshape(10, 10)[:, 3]
    for number in range(100):
        ends.send(picture(number))
        assert ends.get()[0] == number % 251
    assert (part == 7).all()
    before = ends.memory_mb()
    del part
    for number in range(100):
        ends.send(picture(number))
        ends.get()
    assert ends.memory_mb() == before


@pytest.mark.parametrize(
    "made",
    [
        lambda part: part,
        lambda part: part[10:20],
        lambda part: part.cast("Q"),
        memoryview,
        pickle.PickleBuffer,
        lambda part: part.toreadonly(),
        lambda part: part.obj,
        lambda part: np.frombuffer(part, np.uint8),
        lambda part: np.frombuffer(part, np.uint8)[::2],
        lambda part: np.ndarray((100, 100), np.uint8, part).T,
        lambda part: np.asarray(part).view(np.uint32),
        lambda part: np.asarray(part).data,
        iter,
        lambda part: [{"deep": (np.asarray(part).reshape(100, 100)[3],)}],
    ],
)
def test_whatever_is_made_of_a_message_keeps_it_and_its_end_frees_it(
    ends: Ends, made: Callable[[memoryview], Any]
) -> None:
    receiver = ends.receivers[0]
    ends.send(picture(7))
    delivery = take(receiver)
    kept, place = made(delivery.buffers[0]), np.asarray(delivery.buffers[0]).ctypes.data
    receiver.accept(delivery)
    del delivery
    for number in range(20):
        ends.send(picture(number))
        ends.get()
    assert receiver._shown.slots != 0
    assert ctypes.string_at(place, 10_000) == bytes([7]) * 10_000
    del kept
    assert receiver.receive() is None
    assert receiver._shown.slots == 0


def test_the_slot_of_the_next_message_is_left_to_who_took_hold_of_it_meanwhile(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = ends.sender._memory
    for number in range(4):
        ends.send(picture(number))
        ends.get()
    before, settle = memory.generations.tolist(), memory.settle
    marked: list[int] = []

    def held_meanwhile() -> None:
        now = memory.generations.tolist()
        marked.extend(slot for slot, was in enumerate(before) if was and not now[slot])
        memory.held[0] = 1 << marked[-1]
        settle()

    monkeypatch.setattr(memory, "settle", held_meanwhile)
    ends.send(picture(4))
    monkeypatch.undo()
    assert len(marked) == 1
    for number in range(5, 15):
        ends.send(picture(number))
        assert memory.generations[marked[0]] == before[marked[0]]


def test_views_cannot_be_written_to(ends: Ends) -> None:
    ends.send(picture(1))
    view = ends.get()
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 2
    with pytest.raises(ValueError, match="WRITEABLE"):
        view.flags.writeable = True


def test_who_keeps_more_views_than_it_may_gets_copies_of_further_messages(ends: Ends) -> None:
    kept = []
    for number in range(50):
        ends.send(picture(number))
        kept.append(ends.get())
    for number, view in enumerate(kept):
        assert (view == number % 251).all()
        assert not view.flags.writeable


def test_a_view_may_end_in_another_thread(ends: Ends) -> None:
    for number in range(200):
        ends.send(picture(number))
        held = [ends.get()]
        thread = threading.Thread(target=held.clear)
        thread.start()
        thread.join()
    assert ends.memory_mb() < 1


def test_a_view_outlives_its_receiver(ends: Ends) -> None:
    ends.send(picture(3))
    view = ends.get()
    ends.receivers[0].close()
    for number in range(50):
        ends.send(picture(number + 10))
    assert (view == 3).all()


def test_an_array_filled_in_place_is_not_copied(ends: Ends) -> None:
    loan = ends.sender.loan((100, 100, 3), "uint8")
    alias = loan.reshape(-1)
    loan[:] = 5
    ends.send({"picture": loan, "score": 0.5})
    got = ends.get()
    assert (got["picture"] == 5).all()
    alias[0] = 6  # what nobody should do shows whose memory it is
    assert got["picture"][0, 0, 0] == 6


def test_an_array_that_was_sent_can_be_changed_no_more(ends: Ends) -> None:
    loan = ends.sender.loan((1000,), "float32")
    loan[:] = 1.5
    ends.send(loan)
    with pytest.raises(ValueError, match="read-only"):
        loan[0] = 2
    for number in range(50):
        ends.send(picture(number))
    assert (loan == 1.5).all()


def test_an_array_filled_in_place_may_be_sent_again(ends: Ends) -> None:
    loan = ends.sender.loan((2000,), "uint8")
    loan[:] = 9
    for _ in range(20):
        ends.send([loan, "and more"])
        assert (ends.get()[0] == 9).all()


@pytest.mark.parametrize("size", [0, 1, 2000, 200_000])
def test_what_travels_beside_an_array_filled_in_place_arrives(ends: Ends, size: int) -> None:
    loan = ends.sender.loan((300, 300), "int16")
    loan[:] = np.arange(300)
    ends.send(
        {
            "before": picture(1, size),
            "raw": b"x" * size,
            "loan": loan,
            "again": loan,
            "after": picture(2, size),
        }
    )
    got = ends.get()
    assert (got["before"] == 1).all()
    assert got["raw"] == b"x" * size
    assert (got["after"] == 2).all()
    assert len(got["before"]) == len(got["after"]) == size
    assert (got["loan"] == np.arange(300)).all()
    assert (got["again"] == np.arange(300)).all()


def test_parts_of_arrays_filled_in_place_arrive(ends: Ends) -> None:
    one, two = ends.sender.loan((100, 100), "uint8"), ends.sender.loan((100, 100), "uint8")
    one[:] = np.arange(100)[:, None]
    two[:] = 200
    ends.send([two[20:40], one[30:60], one.T])
    got = ends.get()
    assert (got[0] == 200).all()
    assert (got[1] == np.arange(30, 60)[:, None]).all()
    assert (got[2] == np.arange(100)[None]).all()


def test_arrays_that_were_not_sent_come_back(ends: Ends) -> None:
    for number in range(500):
        ends.sender.loan((1000, 1000), "uint8")[0] = number % 251
        ends.send(number)
    assert ends.get() == 499
    assert ends.memory_mb() < 1


def test_more_arrays_than_can_be_lent_are_ordinary_ones(ends: Ends) -> None:
    loans = [ends.sender.loan((5000,), "uint8") for _ in range(20)]
    for number, loan in enumerate(loans):
        loan[:] = number
        ends.send(loan)
        assert (ends.get() == number).all()


def test_an_array_larger_than_a_slot_is_an_ordinary_one(ends: Ends) -> None:
    assert ends.sender.loan((5 * MB,), "uint8").nbytes == 5 * MB
    assert ends.sender.loan((0, 3), "uint8").shape == (0, 3)
    assert ends.sender.loan((3,), "object").tolist() == [None] * 3


def test_what_does_not_fit_beside_an_array_filled_in_place_takes_it_along_as_a_copy(ends: Ends) -> None:
    loan = ends.sender.loan((1000,), "uint8")
    loan[:] = 4
    ends.send([loan, picture(1, 2 * MB - 40_000)])
    got = ends.get()
    assert (got[0] == 4).all()
    assert (got[1] == 1).all()


def test_a_message_that_fits_no_slot_is_an_error_and_counted(ends: Ends) -> None:
    with pytest.raises(MessageTooBig, match="does not fit a slot of 2,097,152"):
        ends.send(picture(1, 3 * MB))
    ends.send(2)
    assert ends.get() == 2
    counts = ends.ring.counts()["a->b"]
    assert (counts.sent, counts.delivered, counts.dropped) == (2, 1, {"too_big": 1})


def test_slots_cost_what_is_written_to_them() -> None:
    ends = Ends(slot_bytes=64 * MB)
    for number in range(1000):
        ends.send(picture(number))
    assert ends.memory_mb() < 1
    ends.close()


def test_every_link_of_a_ring_has_its_own_promise_and_its_own_sum() -> None:
    ends = Ends(RingLink("a->b"), RingLink("a->c", QoS.REALTIME(max_age=60), 2), RingLink("a->d"))
    for number in range(10):
        ends.send(number)
        assert ends.get(0) == number
        if number % 2:
            assert ends.get(1 + number // 2 % 2) == number
    counts = ends.ring.counts()
    assert [(name, c.delivered, c.dropped, c.pending) for name, c in counts.items()] == [
        ("a->b", 10, {}, 0),
        ("a->c", 5, {"newer": 5}, 0),
        ("a->d", 0, {"newer": 9}, 1),
    ]
    assert all(c.closes and c.sent == 10 for c in counts.values())
    ends.close()
    assert ends.ring.counts() == counts


def test_many_readers_that_keep_all_they_may_leave_the_sender_a_slot() -> None:
    ends = Ends(RingLink("a->b", replicas=20), RingLink("a->c", replicas=37), slot_bytes=64 * 1024)
    kept: list[Delivery] = []
    loans = [ends.sender.loan((10,), "uint8") for _ in range(10)]
    for number in range(300):
        ends.send(picture(number, 2000))
        delivery = ends.receivers[number % 57].receive()
        if delivery is not None:
            kept.append(delivery)
    assert len(kept) >= 57
    assert [len(set(value_of(delivery).tolist())) for delivery in kept] == [1] * len(kept)
    assert len(loans) == 10
    ends.close()


def test_a_ring_says_how_many_readers_it_can_serve() -> None:
    with pytest.raises(SpecError, match="58 readers of one output: a ring serves 1 to 57"):
        Ring.create([RingLink("a->b", replicas=58)])


def test_numbers_go_on_after_the_sender_was_replaced(ends: Ends) -> None:
    ends.send("one")
    assert ends.get() == "one"
    ends.sender.close()
    ends.sender = RingSender(ends.ring.spec)
    ends.send("two")
    assert ends.get() == "two"
    assert ends.ring.counts()["a->b"].delivered == 2


def test_a_sender_that_fails_in_the_middle_of_a_message_has_sent_nothing(ends: Ends) -> None:
    ends.send(picture(1))
    header = message(1)
    packed = Encoder().encode(header, picture(2, MB))
    broken = packed._replace(buffers=(packed.buffers[0].cast("B", (1024, 1024)),))
    with pytest.raises(ValueError, match="structures"):
        ends.sender.send(broken, header, lambda: False)
    assert (ends.get() == 1).all()
    assert ends.ring.counts()["a->b"].sent == 1


def test_who_has_all_sleeps_until_the_next_message(ends: Ends) -> None:
    receiver = ends.receivers[0]
    assert receiver.receive() is None
    for number in range(3):
        ends.send(picture(number))
        assert waits_for_nothing(ends)
        delivery = take(receiver)
        assert (value_of(delivery) == number).all()
        receiver.accept(delivery)
        assert not waits_for_nothing(ends)


def test_what_came_while_a_message_was_looked_at_is_not_slept_through(ends: Ends) -> None:
    receiver = ends.receivers[0]
    for number in range(0, 6, 2):
        ends.send(picture(number))
        delivery = take(receiver)
        ends.send(picture(number + 1))
        receiver.accept(delivery)
        assert waits_for_nothing(ends)
        assert (ends.get() == number + 1).all()
    assert receiver.receive() is None
    assert not waits_for_nothing(ends)


def test_who_was_behind_looks_for_the_next_before_it_sleeps(ends: Ends) -> None:
    receiver = ends.receivers[0]

    class Words:
        """Shows a message from the hundredth look on."""

        looks = 0

        def __getitem__(self, at: int) -> int:
            Words.looks += 1
            if Words.looks == 100:
                ends.send(picture(3))
            return real[at]

    ends.send(picture(1))
    delivery = take(receiver)
    ends.send(picture(2))
    receiver.accept(delivery)
    assert (ends.get() == 2).all()
    assert waits_for_nothing(ends)
    real, memory = receiver._memory.words, receiver._memory
    memory.words = Words()  # type: ignore[assignment]
    try:
        found = receiver.receive()
    finally:
        memory.words = real
    assert found is not None
    assert (value_of(found) == 3).all()
    assert Words.looks > 100
    receiver.accept(found)
    assert receiver.receive() is None
    assert not waits_for_nothing(ends)


def test_a_message_that_cannot_be_read_says_so_when_it_is(ends: Ends) -> None:
    ends.sender.send(Packed(b"\xc1 no header", (memoryview(b"body"),)), message(0), lambda: False)
    delivery = take(ends.receivers[0])
    with pytest.raises(MessageDamaged):
        delivery.header.age_s()
    assert not ends.receivers[0].refuse(delivery, "damaged")
    ends.send("next")
    assert ends.get() == "next"
    assert ends.ring.counts()["a->b"].dropped == {"failed": 1}


def test_where_its_header_decides_a_message_that_cannot_be_read_has_failed() -> None:
    ends = Ends(RingLink("a->b", QoS.REALTIME(ordered=True)))
    with capture_logs() as said:
        ends.sender.send(Packed(b"\xc1 no header", ()), message(0), lambda: False)
        assert ends.receivers[0].receive() is None
    assert [line["event"] for line in said] == ["flow.message_damaged"]
    ends.send("next")
    assert ends.get() == "next"
    assert ends.ring.counts()["a->b"].dropped == {"failed": 1}
    ends.close()


def test_a_receiver_that_was_forgotten_has_no_say_any_more(ends: Ends) -> None:
    ends.send(1)
    old = ends.receivers[0]
    delivery = take(old)
    ends.ring.forget("a->b", 0, "killed")
    old.accept(delivery)
    counts = ends.ring.counts()["a->b"]
    assert (counts.delivered, counts.dropped) == (0, {"failed": 1})


def test_a_closed_receiver_gives_nothing_and_its_last_message_has_failed(ends: Ends) -> None:
    ends.send(1)
    delivery = take(ends.receivers[0])
    ends.receivers[0].close()
    ends.receivers[0].accept(delivery)
    assert ends.receivers[0].receive() is None
    assert ends.ring.counts()["a->b"].dropped == {"failed": 1}


def test_what_does_not_belong_to_the_ring_is_named(ends: Ends) -> None:
    with pytest.raises(UnknownName, match="a->x"):
        RingReceiver(ends.ring.spec, "a->x")
    with pytest.raises(UnknownName, match="replica of a->b"):
        RingReceiver(ends.ring.spec, "a->b", 1)
    with pytest.raises(RingNotHere, match="must be inherited"):
        RingSender(msgspec.structs.replace(ends.ring.spec, memory=987))
    with pytest.raises(RingNotHere, match="not the memory of this ring"):
        RingSender(msgspec.structs.replace(ends.ring.spec, slots=5))


def test_a_spec_travels_as_json(ends: Ends) -> None:
    assert msgspec.json.decode(msgspec.json.encode(ends.ring.spec), type=RingSpec) == ends.ring.spec


def test_nothing_is_left_open() -> None:
    before = descriptors_and_threads()
    ends = Ends(RingLink("a->b", replicas=3), RingLink("a->c"))
    ends.send(picture(1))
    assert len(ends.get()) == 10_000
    ends.close()
    ends.receivers.clear()
    assert comes_true(lambda: descriptors_and_threads() == before)


def test_the_age_that_counts_is_that_of_the_origin() -> None:
    ends = Ends(RingLink("a->b", QoS.REALTIME(max_age=1)))
    header = message(0, born_ns=time.monotonic_ns() - 3_000_000_000)
    ends.sender.send(Encoder().encode(header, 1), header, lambda: False)
    assert ends.receivers[0].receive() is None
    ends.send(2)
    delivery = take(ends.receivers[0])
    assert decode(delivery.data)[1] == 2
    ends.close()
