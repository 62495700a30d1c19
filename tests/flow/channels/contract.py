"""What every channel must do, whatever carries it; each transport's tests subclass the two contracts."""

from __future__ import annotations

import contextlib
import select
import time
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import pytest

from argus.flow.channels.protocol import ChannelDown, Delivery, LinkCounts, Receiver, Sender
from argus.flow.codec import Encoder, decode
from argus.flow.message import Header, Origin
from argus.flow.qos import Durable, QoS, Realtime
from tests.sources.settling import comes_true


class Sending(Protocol):
    """Something with a sending end."""

    @property
    def sender(self) -> Sender:
        """The sending end."""
        ...


class Wire(Sending, Protocol):
    """An open channel with one sender and the receivers of one link, as a transport's tests make it."""

    @property
    def receivers(self) -> list[Receiver]:
        """One per replica of the consumer."""
        ...

    def counts(self) -> LinkCounts:
        """Return the link's."""
        ...

    def dies(self, replica: int, reason: str = "killed") -> Receiver:
        """Play the death of a receiver without a goodbye; return the one that is started in its place."""
        ...

    def dead(self) -> list[tuple[str, int]]:
        """Return reason and tries of each dead letter."""
        ...

    def close(self) -> None:
        """Free everything."""
        ...


def message(index: int, *, source: str = "cam", born_ns: int | None = None) -> Header:
    """Return a header."""
    now = time.monotonic_ns() if born_ns is None else born_ns
    return Header(f"{source}/1/{index}", Origin(source, index, index / 30, now))


def put(wire: Sending, index: int, value: Any = None, **details: Any) -> None:
    """Send a message with its index as value, or another one."""
    header = message(index, **details)
    wire.sender.send(Encoder().encode(header, index if value is None else value), header, lambda: False)


def take(receiver: Receiver, within_s: float = 5.0) -> Delivery:
    """Return the next delivery; fails where none comes."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        delivery = receiver.receive()
        if delivery is not None:
            return delivery
        again = receiver.next_look_s()
        wait_s = min(0.2 if again is None else again, max(0.0, until - time.monotonic()))
        select.select([receiver], [], [], wait_s)
    pytest.fail("no message came")


def take_up(receiver: Receiver, within_s: float = 15.0) -> Delivery:
    """Return the next delivery, whether or not the producer is away for a while."""
    until_s = time.monotonic() + within_s
    while time.monotonic() < until_s:
        with contextlib.suppress(ChannelDown):
            delivery = receiver.receive()
            if delivery is not None:
                return delivery
        time.sleep(0.002)
    pytest.fail("no message came")


def nothing(receiver: Receiver, for_s: float = 0.2) -> bool:
    """Return whether nothing comes for a while."""
    until = time.monotonic() + for_s
    while time.monotonic() < until:
        if receiver.receive() is not None:
            return False
        time.sleep(0.01)
    return True


def value_of(delivery: Delivery) -> Any:
    """Return what a delivery holds."""
    return decode(delivery.data, delivery.buffers)[1]


class _Contract:
    def open(self, qos: Any, replicas: int = 1) -> Wire:
        """Make a channel; transports say how."""
        raise NotImplementedError

    @pytest.fixture
    def made(self) -> Iterator[list[Wire]]:
        wires: list[Wire] = []
        yield wires
        for wire in wires:
            wire.close()

    def wire(self, made: list[Wire], qos: Any, replicas: int = 1) -> Wire:
        wire = self.open(qos, replicas)
        made.append(wire)
        return wire

    def any_qos(self) -> Any:
        raise NotImplementedError

    def test_what_is_sent_arrives_as_it_was(self, made: list[Wire]) -> None:
        wire = self.wire(made, self.any_qos())
        [end] = wire.receivers
        picture = np.arange(480 * 640 * 3, dtype=np.uint32).astype(np.uint8).reshape(480, 640, 3)
        sent: Any = {"picture": picture, "score": 0.5, "names": ["a", "b"], "raw": b"\0\1"}
        put(wire, 7, sent)
        delivery = take(end)
        got = value_of(delivery)
        assert (got["score"], got["names"], got["raw"]) == (0.5, ["a", "b"], b"\0\1")
        assert np.array_equal(got["picture"], picture)
        assert (delivery.header.origin.source, delivery.header.origin.index) == ("cam", 7)
        assert delivery.tries == 1
        wire.receivers[0].accept(delivery)

    def test_its_descriptor_tells_that_something_came(self, made: list[Wire]) -> None:
        wire = self.wire(made, self.any_qos())
        [end] = wire.receivers
        assert end.receive() is None
        put(wire, 0)
        assert select.select([end], [], [], 5.0)[0] == [end]
        end.accept(take(end))

    def test_an_accepted_message_never_comes_again(self, made: list[Wire]) -> None:
        wire = self.wire(made, self.any_qos())
        put(wire, 0)
        wire.receivers[0].accept(take(wire.receivers[0]))
        assert nothing(wire.receivers[0])
        assert nothing(wire.dies(0))

    def test_the_sum_closes_at_every_step(self, made: list[Wire]) -> None:
        wire = self.wire(made, self.any_qos())
        [end] = wire.receivers
        for index in range(20):
            put(wire, index)
            if index % 3 == 0:
                delivery = take(end)
                assert wire.counts().closes
                end.accept(delivery)
            assert wire.counts().closes
        assert comes_true(lambda: wire.counts().sent == 20)
        assert wire.counts().delivered == 7

    def test_closing_twice_is_no_harm(self, made: list[Wire]) -> None:
        wire = self.wire(made, self.any_qos())
        put(wire, 0)
        wire.receivers[0].close()
        wire.receivers[0].close()
        wire.sender.close()
        wire.sender.close()


class FreshContract(_Contract):
    """See `FreshReceiver`."""

    def any_qos(self) -> Realtime:
        return QoS.REALTIME

    def test_only_the_newest_is_handed_out(self, made: list[Wire]) -> None:
        wire = self.wire(made, QoS.REALTIME)
        [end] = wire.receivers
        for index in range(10):
            put(wire, index)
        assert comes_true(lambda: wire.counts().sent == 10)
        seen: list[int] = []
        while not seen or seen[-1] != 9:
            delivery = take(end)
            seen.append(value_of(delivery))
            end.accept(delivery)
        assert seen == sorted(seen)
        counts = wire.counts()
        assert counts.delivered == len(seen)
        assert counts.dropped == {"newer": 10 - len(seen)}

    def test_what_is_too_old_is_dropped_as_stale(self, made: list[Wire]) -> None:
        wire = self.wire(made, QoS.REALTIME(max_age=0.5))
        put(wire, 0, born_ns=time.monotonic_ns() - 2_000_000_000)
        assert nothing(wire.receivers[0])
        put(wire, 1)
        delivery = take(wire.receivers[0])
        assert value_of(delivery) == 1
        wire.receivers[0].accept(delivery)
        assert wire.counts().dropped == {"stale": 1}
        assert wire.counts().closes

    def test_what_was_overtaken_is_dropped_where_order_is_asked_for(self, made: list[Wire]) -> None:
        wire = self.wire(made, QoS.REALTIME(ordered=True))
        [end] = wire.receivers
        for index in (3, 1, 4):
            put(wire, index)
            if index != 1:
                delivery = take(end)
                assert value_of(delivery) == index
                end.accept(delivery)
            else:
                assert nothing(end)
        assert wire.counts().dropped == {"overtaken": 1}

    def test_a_refused_message_is_dropped_as_failed(self, made: list[Wire]) -> None:
        wire = self.wire(made, QoS.REALTIME)
        [end] = wire.receivers
        put(wire, 0)
        end.refuse(take(end), "ValueError: no")
        assert nothing(end)
        assert wire.counts().dropped == {"failed": 1}
        assert wire.counts().closes

    def test_what_a_receiver_holds_stays_as_it_is(self, made: list[Wire]) -> None:
        wire = self.wire(made, QoS.REALTIME)
        [end] = wire.receivers
        put(wire, 0, np.full(100_000, 1, np.uint8))
        delivery = take(end)
        held = value_of(delivery)
        end.accept(delivery)
        del delivery
        for index in range(1, 50):
            put(wire, index, np.full(100_000, index % 250 + 2, np.uint8))
            if index % 5 == 0:
                end.accept(take(end))
        assert (held == 1).all()

    def test_a_receiver_that_died_with_a_message_leaves_a_closed_sum(self, made: list[Wire]) -> None:
        wire = self.wire(made, QoS.REALTIME)
        put(wire, 0)
        take(wire.receivers[0])
        again = wire.dies(0)
        put(wire, 1)
        delivery = take(again)
        assert value_of(delivery) == 1
        again.accept(delivery)
        assert wire.counts().closes
        assert wire.counts().delivered == 1

    def test_replicas_share_the_work(self, made: list[Wire]) -> None:
        wire = self.wire(made, QoS.REALTIME, 2)
        one, two = wire.receivers
        put(wire, 0)
        first = take(one)
        assert nothing(two)
        put(wire, 1)
        second = take(two)
        assert {value_of(first), value_of(second)} == {0, 1}
        one.accept(first)
        two.accept(second)
        counts = wire.counts()
        assert (counts.sent, counts.delivered, counts.pending) == (2, 2, 0)


class ReliableContract(_Contract):
    """See `ReliableReceiver`."""

    def any_qos(self) -> Durable:
        return QoS.DURABLE

    def test_everything_comes_in_order(self, made: list[Wire]) -> None:
        wire = self.wire(made, QoS.DURABLE)
        [end] = wire.receivers
        for index in range(100):
            put(wire, index)
        seen = []
        for _ in range(100):
            delivery = take(end)
            seen.append(value_of(delivery))
            end.accept(delivery)
        assert seen == list(range(100))
        counts = wire.counts()
        assert (counts.sent, counts.delivered, counts.pending, counts.dropped) == (100, 100, 0, {})

    def test_a_full_channel_makes_its_producer_wait(self, made: list[Wire]) -> None:
        from argus.flow.channels.protocol import ChannelClosed

        wire = self.wire(made, QoS.DURABLE(capacity=3))
        for index in range(3):
            put(wire, index)
        asked = 0

        def stopping() -> bool:
            nonlocal asked
            asked += 1
            return asked > 3

        header = message(3)
        with pytest.raises(ChannelClosed):
            wire.sender.send(Encoder().encode(header, 3), header, stopping)
        end = wire.receivers[0]
        end.accept(take(end))
        put(wire, 4)
        rest = []
        for _ in range(3):
            delivery = take(end)
            rest.append(value_of(delivery))
            end.accept(delivery)
        assert rest == [1, 2, 4]

    def test_what_was_refused_comes_again_before_what_came_after_it(self, made: list[Wire]) -> None:
        wire = self.wire(made, QoS.DURABLE(backoff=0.05))
        [end] = wire.receivers
        put(wire, 0)
        put(wire, 1)
        end.refuse(take(end), "ValueError: not yet")
        delivery = take(end)
        assert (value_of(delivery), delivery.tries) == (0, 2)
        end.accept(delivery)
        delivery = take(end)
        assert (value_of(delivery), delivery.tries) == (1, 1)
        end.accept(delivery)
        assert wire.counts().redelivered == 1

    def test_after_its_tries_a_message_is_a_dead_letter_and_the_rest_flows(self, made: list[Wire]) -> None:
        wire = self.wire(made, QoS.DURABLE(tries=2, backoff=0.01))
        [end] = wire.receivers
        put(wire, 0)
        put(wire, 1)
        for attempt in (1, 2):
            delivery = take(end)
            assert (value_of(delivery), delivery.tries) == (0, attempt)
            end.refuse(delivery, f"ValueError: poison, try {attempt}")
        delivery = take(end)
        assert value_of(delivery) == 1
        end.accept(delivery)
        assert wire.dead() == [("ValueError: poison, try 2", 2)]
        assert comes_true(lambda: wire.counts().dropped == {"dead": 1})
        assert wire.counts().closes

    def test_what_a_dead_receiver_held_comes_again(self, made: list[Wire]) -> None:
        wire = self.wire(made, QoS.DURABLE)
        put(wire, 0)
        put(wire, 1)
        take(wire.receivers[0])
        again = wire.dies(0)
        seen = []
        for _ in range(2):
            delivery = take(again)
            seen.append((value_of(delivery), delivery.tries))
            again.accept(delivery)
        assert seen == [(0, 2), (1, 1)]
        assert wire.counts().closes

    def test_a_message_that_kills_its_readers_is_a_dead_letter_with_the_signal(
        self, made: list[Wire]
    ) -> None:
        wire = self.wire(made, QoS.DURABLE(tries=2, backoff=0.01))
        put(wire, 0)
        put(wire, 1)
        end = wire.receivers[0]
        for _ in range(2):
            assert value_of(take(end)) == 0
            end = wire.dies(0, "signal 11 (SIGSEGV)")
        delivery = take(end)
        assert value_of(delivery) == 1
        end.accept(delivery)
        [(reason, tries)] = wire.dead()
        assert "SIGSEGV" in reason
        assert tries == 2

    def test_what_waits_for_others_is_not_to_blame_for_a_death(self, made: list[Wire]) -> None:
        wire = self.wire(made, QoS.DURABLE(tries=2, backoff=0.01))
        end = wire.receivers[0]
        for index in range(3):
            put(wire, index)
        for _ in range(4):
            for index in range(3):
                delivery = take(end)
                assert (value_of(delivery), delivery.tries) == (index, 1)
                end.set_aside(delivery)
            end = wire.dies(0, "killed")
        end.set_aside(first := take(end))
        end.set_aside(second := take(end))
        end.accept(first)
        end.take_up(second)
        third = take(end)
        end.set_aside(third)
        end = wire.dies(0, "killed")
        tries = []
        for _ in range(2):
            delivery = take(end)
            tries.append((value_of(delivery), delivery.tries))
            end.accept(delivery)
        assert tries == [(1, 2), (2, 1)]
        assert comes_true(lambda: (wire.counts().delivered, wire.counts().pending) == (3, 0))
        assert wire.dead() == []

    def test_what_was_set_aside_is_there_for_the_next_end(self, made: list[Wire]) -> None:
        wire = self.wire(made, QoS.DURABLE(tries=2, backoff=0.01))
        end = wire.receivers[0]
        put(wire, 0)
        end.refuse(take(end), "ValueError: not yet")
        delivery = take(end)
        assert delivery.tries == 2
        end.set_aside(delivery)
        delivery = take(wire.dies(0, "killed"))
        assert (value_of(delivery), delivery.tries) == (0, 2)

    def test_refusing_says_whether_it_comes_again(self, made: list[Wire]) -> None:
        wire = self.wire(made, QoS.DURABLE(tries=2, backoff=0.01))
        [end] = wire.receivers
        put(wire, 0)
        assert end.refuse(take(end), "ValueError: not yet")
        assert not end.refuse(take(end), "ValueError: never")

    def test_replicas_share_the_work(self, made: list[Wire]) -> None:
        wire = self.wire(made, QoS.DURABLE, 2)
        one, two = wire.receivers
        for index in range(10):
            put(wire, index)
        seen = []
        for _ in range(5):
            a, b = take(one), take(two)
            seen += [value_of(a), value_of(b)]
            one.accept(a)
            two.accept(b)
        assert sorted(seen) == list(range(10))
        counts = wire.counts()
        assert (counts.delivered, counts.pending) == (10, 0)

    def test_large_and_small_messages_mix(self, made: list[Wire]) -> None:
        wire = self.wire(made, QoS.DURABLE)
        [end] = wire.receivers
        sizes = [10, 6_000_000, 100, 1_000_000, 0, 3_000_000] * 3
        for index, size in enumerate(sizes):
            put(wire, index, np.full(size, index, np.uint8))
            if index % 3 == 2:
                for back in range(2, -1, -1):
                    delivery = take(end)
                    got = value_of(delivery)
                    assert len(got) == sizes[index - back]
                    assert (got == index - back).all()
                    end.accept(delivery)
        assert wire.counts().delivered == len(sizes)
