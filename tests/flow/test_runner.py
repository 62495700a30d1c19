"""The loop around one node, over channels within this process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

import pytest
from structlog.testing import capture_logs

from argus import ConsumerNode, FusionNode, ProducerNode, QoS, SinkNode
from argus.flow.channels.memory import MemoryChannel
from argus.flow.channels.protocol import ChannelDown, Delivery, LinkCounts, ReliableReceiver
from argus.flow.channels.ring import Ring, RingLink, RingReceiver, RingSender
from argus.flow.codec import Encoder, decode
from argus.flow.inlets import Inlet, Inlets
from argus.flow.node import Node
from argus.flow.outlet import Outlet
from argus.flow.runner import Runner
from argus.flow.wire import Packed
from tests.flow.channels.contract import message, put
from tests.sources.settling import comes_true

IN, OUT = "a->b", "b->c"


class Bench:
    """One node between a channel in and a channel out."""

    def __init__(self, node: Node, qos: Any = QoS.DURABLE, **details: Any) -> None:
        node.name = node.name or "b"
        self.letters: list[tuple[str, int]] = []
        self.into = MemoryChannel(
            [(IN, qos)], lambda _, __, reason, tries: self.letters.append((reason, tries))
        )
        self.out = MemoryChannel([(OUT, QoS.DURABLE(capacity=details.pop("room", 1000)))])
        self.sender = self.into.sender()
        inlets = [] if isinstance(node, ProducerNode) else [Inlet(self.into.receiver(IN), "a", IN)]
        outlets = {node.outputs[0]: Outlet([(self.out.sender(), None)])} if node.outputs else {}
        self.runner = Runner(node, inlets, outlets, **details)
        self.runner.setup()
        self.ending: Any = None
        self.thread = threading.Thread(target=self._run)

    def _bury(self, link: str, data: bytes, reason: str, tries: int) -> None:
        self.letters.append((reason, tries))

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.runner.stop()
        self.thread.join(5)
        assert not self.thread.is_alive()
        self.into.close()
        self.out.close()

    def _run(self) -> None:
        try:
            self.ending = self.runner.run()
        except Exception as error:  # noqa: BLE001 - looked at by the test
            self.ending = error

    @property
    def counts(self) -> LinkCounts:
        return self.into.counts()[IN]

    def results(self, count: int) -> list[Any]:
        """Return what came out."""
        end = self.out.receiver(OUT)
        assert comes_true(lambda: self.out.counts()[OUT].sent >= count)
        found = []
        while (delivery := end.receive()) is not None:
            found.append((decode(delivery.data, delivery.buffers)[1], delivery))
            end.accept(delivery)
        self.last: Delivery = found[-1][1]
        return [value for value, _ in found]


def test_a_message_that_cannot_be_read_is_refused_and_said_and_the_rest_flows() -> None:
    ring = Ring.create([RingLink(IN)])
    sender, receiver = RingSender(ring.spec), RingReceiver(ring.spec, IN)
    seen: list[Any] = []

    class Last(SinkNode):
        def loop(self, data: Any) -> None:
            seen.append(data)

    node = Last()
    node.name = "b"
    runner = Runner(node, [Inlet(receiver, "a", IN)], {})
    runner.setup()
    thread = threading.Thread(target=runner.run)
    with capture_logs() as said:
        thread.start()
        sender.send(Packed(b"\xc1 no header", ()), message(0), lambda: False)
        assert comes_true(lambda: runner.meters.failed == 1)
        sender.send(Encoder().encode(message(1), 1), message(1), lambda: False)
        assert comes_true(lambda: seen == [1])
    runner.stop()
    thread.join(5)
    sender.close()
    ring.close()
    assert [(line["event"], line["message"]) for line in said] == [("node.loop_failed", "")]
    assert "MessageDamaged" in said[0]["error"]


class Double(ConsumerNode):
    def loop(self, data: int) -> int | None:
        if data == 13:
            raise ValueError("thirteen")
        return None if data == 0 else 2 * data


def test_what_loop_returns_is_sent_and_none_sends_nothing() -> None:
    with Bench(Double()) as bench:
        for value in (1, 0, 3):
            put(bench, value, value)
        assert bench.results(2) == [2, 6]
        assert comes_true(lambda: bench.counts.delivered == 3)
    assert bench.ending == "stopped"
    assert bench.runner.meters.processed == 3


def test_origin_and_way_of_a_message_are_handed_on() -> None:
    with Bench(Double(), source="b.1", life=0x19D0C3C47FB, process=4) as bench:
        put(bench, 5, 1)
        bench.results(1)
    header = bench.last.header
    assert (header.origin.source, header.origin.index) == ("cam", 5)
    assert header.id == "b.1/19d0c3c47fb.4/1"
    assert [hop.node for hop in header.hops] == ["b.1"]


def test_a_message_is_accepted_only_when_what_it_gave_was() -> None:
    with Bench(Double(), room=1) as bench:
        put(bench, 1, 1)
        put(bench, 2, 2)
        assert comes_true(lambda: bench.counts.delivered == 1)
        time.sleep(0.1)  # the second has nowhere to go: nothing may be accepted for it
        assert (bench.counts.delivered, bench.counts.pending) == (1, 1)
        assert bench.results(1) == [2]
        assert comes_true(lambda: bench.counts.delivered == 2)


def test_stopping_while_an_output_is_full_leaves_the_message_with_its_link() -> None:
    with Bench(Double(), room=1) as bench:
        put(bench, 1, 1)
        put(bench, 2, 2)
        assert comes_true(lambda: bench.counts.delivered == 1)
    assert (bench.counts.delivered, bench.counts.pending) == (1, 1)


def test_a_poisonous_message_is_tried_again_and_then_given_up_with_its_traceback() -> None:
    with Bench(Double(), QoS.DURABLE(tries=3, backoff=0.01)) as bench:
        put(bench, 13, 13)
        put(bench, 1, 1)
        assert bench.results(1) == [2]
        [(reason, tries)] = bench.letters
        assert 'raise ValueError("thirteen")' in reason
        assert tries == 3
        assert bench.runner.meters.failed == 3


@pytest.mark.parametrize("error", [SystemExit(0), KeyboardInterrupt(), asyncio.CancelledError()], ids=repr)
def test_a_message_at_which_loop_leaves_the_program_is_given_up_like_any_other(error: BaseException) -> None:
    class Leaves(Double):
        def loop(self, data: int) -> int | None:
            if data == 7:
                raise error
            return data

    with Bench(Leaves(), QoS.DURABLE(tries=2, backoff=0.01)) as bench:
        for index, value in enumerate([7, 8]):
            put(bench, index, value)
        assert bench.results(1) == [8]
    assert bench.ending == "stopped"
    assert [tries for _, tries in bench.letters] == [2]


def test_a_failure_over_a_realtime_link_costs_that_message_alone() -> None:
    with Bench(Double(), QoS.REALTIME) as bench:
        put(bench, 13, 13)
        assert comes_true(lambda: bench.counts.dropped == {"failed": 1})
        put(bench, 1, 1)
        assert bench.results(1) == [2]


def test_what_cannot_travel_is_the_messages_fault_not_the_end_of_the_node() -> None:
    class Odd(ConsumerNode):
        def loop(self, data: int) -> Any:
            return threading.Lock() if data == 1 else data

    with Bench(Odd(), QoS.DURABLE(tries=1)) as bench:
        put(bench, 1, 1)
        put(bench, 2, 2)
        assert bench.results(1) == [2]
        assert "ValueUnsendable" in bench.letters[0][0]


def test_a_generator_sends_each_of_its_values() -> None:
    class Spread(ConsumerNode):
        def loop(self, data: int) -> Iterator[int]:
            yield from range(data)

    with Bench(Spread()) as bench:
        put(bench, 3, 3)
        assert bench.results(3) == [0, 1, 2]


def test_a_generator_is_watched_while_it_works_and_not_while_its_values_are_sent() -> None:
    told: list[str] = []

    class Watch:
        def enter(self) -> None:
            told.append("enter")

        def leave(self) -> None:
            told.append("leave")

    class Spread(ConsumerNode):
        def loop(self, data: int) -> Iterator[int]:
            told.append("works")
            yield data
            told.append("works")

    with Bench(Spread(), guard=Watch()) as bench:
        put(bench, 3, 3)
        assert bench.results(1) == [3]
        assert comes_true(lambda: bench.counts.delivered == 1)
    steps = ["enter", "leave"]  # the call that makes the generator
    steps += ["enter", "works", "leave"] * 2
    assert told == steps


class Count(ProducerNode):
    """Counts to `upto`."""

    upto: ClassVar[int] = 4
    torn: ClassVar[list[bool]] = []

    def setup(self) -> None:
        self.at = 0

    def loop(self) -> int:
        if self.at == self.upto:
            self.finish()
        self.at += 1
        return self.at

    def teardown(self) -> None:
        self.torn.append(True)


def test_a_producer_goes_on_until_its_stream_ends() -> None:
    Count.torn.clear()
    with Bench(Count()) as bench:
        bench.thread.join(5)
        assert bench.results(4) == [1, 2, 3, 4]
    assert bench.ending == "finished"
    assert Count.torn == [True]


def test_indices_go_on_over_restarts() -> None:
    indices: list[int] = []
    with Bench(Count(), first_index=100, on_index=indices.append) as bench:
        bench.thread.join(5)
        bench.results(4)
    assert indices == [101, 102, 103, 104]
    assert bench.last.header.origin.index == 103


def test_what_a_producer_raises_comes_out_after_its_teardown() -> None:
    class Breaks(Count):
        def loop(self) -> int:
            raise OSError("the camera was pulled")

    Count.torn.clear()
    with Bench(Breaks()) as bench:
        bench.thread.join(5)
    assert isinstance(bench.ending, OSError)
    assert Count.torn == [True]


def test_a_stream_that_has_ended_is_over_whatever_teardown_raises() -> None:
    class Untidy(Count):
        def teardown(self) -> None:
            raise OSError("the file is closed already")

    with capture_logs() as events, Bench(Untidy()) as bench:
        bench.thread.join(5)
    assert bench.ending == "finished"
    assert [event["event"] for event in events] == ["node.teardown_failed"]


def test_new_params_reach_the_node_between_two_messages() -> None:

    wake = os.eventfd(0, os.EFD_NONBLOCK)
    asked: list[int] = []

    class Times(ConsumerNode):
        def loop(self, data: int) -> int:
            return data * int(self.params)

    node = Times()
    node.params = 1

    def settle() -> None:
        if asked:
            node.params = asked.pop()
            os.eventfd_read(wake)

    with Bench(node, between=settle, wake=wake) as bench:
        put(bench, 1, 1)
        assert bench.results(1) == [1]
        asked.append(50)
        os.eventfd_write(wake, 1)
        assert comes_true(lambda: node.params == 50)
        put(bench, 2, 2)
        assert bench.results(2) == [100]
    os.close(wake)


def test_new_params_do_not_wait_for_the_turn_of_a_producer_that_is_called_once_an_hour() -> None:
    wake = os.eventfd(0, os.EFD_NONBLOCK)
    taken = threading.Event()

    def settle() -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(wake)
            taken.set()

    with Bench(Count(), fps=1 / 3600, between=settle, wake=wake) as bench:
        assert bench.results(1) == [1]
        os.eventfd_write(wake, 1)
        assert taken.wait(5.0)
    os.close(wake)


def test_a_pause_in_loop_uses_no_processor_while_new_params_wait() -> None:
    class Sleepy(ProducerNode):
        used_s = 1e9

        def loop(self) -> None:
            os.eventfd_write(wake, 1)
            before_s = time.thread_time()
            self.pause(0.3)
            self.used_s = time.thread_time() - before_s
            self.finish()

    wake, node = os.eventfd(0, os.EFD_NONBLOCK), Sleepy()
    with Bench(node, wake=wake) as bench:
        bench.thread.join(5.0)
    os.close(wake)
    assert node.used_s < 0.05


class Pair(FusionNode):
    slop = 0.01
    patience = 8
    grace = 0.3

    def loop(self, data: Mapping[str, Any]) -> Any:
        return [data["left"], data["right"]]


class Side:
    """One input of a fusion."""

    def __init__(self, name: str, qos: Any) -> None:
        self.name, self.link = name, f"{name}->b"
        self.channel = MemoryChannel([(self.link, qos)])
        self.sender = self.channel.sender()
        self.inlet = Inlet(self.channel.receiver(self.link), name, self.link)

    def put(self, *indices: int) -> None:
        for index in indices:
            put(self, index, f"{self.name[0]}{index}", source=self.name)

    @property
    def counts(self) -> LinkCounts:
        return self.channel.counts()[self.link]


class Fusing:
    """A fusion of two inputs."""

    def __init__(self, qos: Any = QoS.DURABLE, node: Node | None = None) -> None:
        self.left, self.right = Side("left", qos), Side("right", qos)
        self.out = MemoryChannel([(OUT, QoS.DURABLE)])
        node = node or Pair()
        node.name = "b"
        outlets = {"out": Outlet([(self.out.sender(), None)])}
        self.runner = Runner(node, [self.left.inlet, self.right.inlet], outlets)
        self.thread = threading.Thread(target=self.runner.run)

    def __enter__(self) -> Self:
        self.runner.setup()
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.runner.stop()
        self.thread.join(5)
        for channel in (self.left.channel, self.right.channel, self.out):
            channel.close()

    def sets(self, count: int) -> list[Any]:
        """Return what came of the first so many sets."""
        assert comes_true(lambda: self.out.counts()[OUT].sent >= count)
        found = []
        while (delivery := self.out.receiver(OUT).receive()) is not None:
            found.append(decode(delivery.data, delivery.buffers)[1])
        return found


def test_fusion_accepts_what_it_used_and_what_stayed_alone() -> None:
    with Fusing() as fusing:
        fusing.left.put(0, 1, 2)
        fusing.right.put(2)
        assert fusing.sets(1) == [["l2", "r2"]]
        assert comes_true(lambda: fusing.left.counts.delivered == 3)
        assert fusing.right.counts.delivered == 1


@pytest.mark.parametrize("time_s", [float("nan"), float("inf")])
def test_a_time_by_which_nothing_can_be_matched_is_refused(time_s: float) -> None:
    class Odd(ConsumerNode):
        def loop(self, data: int) -> None:
            self.send(data, time_s=time_s if data == 1 else None)

    with Bench(Odd(), QoS.DURABLE(tries=1)) as bench:
        put(bench, 1, 1)
        put(bench, 2, 2)
        assert bench.results(1) == [2]
        assert "it must be a finite number of seconds" in bench.letters[0][0]


def test_durable_partners_that_are_late_are_waited_for_however_many_wait() -> None:
    with Fusing() as fusing:
        fusing.left.put(*range(50))
        assert comes_true(lambda: len(fusing.left.channel.receiver("left->b")._out) == 8)
        time.sleep(0.1)  # less than its grace: the rest stays in its link
        assert fusing.left.counts.delivered == 0
        fusing.right.put(*range(50))
        assert fusing.sets(50) == [[f"l{n}", f"r{n}"] for n in range(50)]


def test_durable_partners_that_never_come_hold_nobody_up_for_long() -> None:
    with Fusing() as fusing:
        fusing.left.put(*range(50))
        assert comes_true(lambda: fusing.left.counts.delivered == 42)
        fusing.right.put(49)
        assert fusing.sets(1) == [["l49", "r49"]]


def test_realtime_messages_are_never_held_back_by_a_fusion() -> None:
    class Enduring(Pair):
        grace = 60.0

    with Fusing(QoS.REALTIME, Enduring()) as fusing:
        for index in range(20):
            fusing.left.put(index)
            end = fusing.left.inlet.receiver
            assert comes_true(lambda: end._newest is None)  # type: ignore[attr-defined]  # noqa: B023
        assert comes_true(lambda: fusing.left.counts.delivered == 12)
        assert fusing.left.counts.dropped == {}


def test_a_server_that_does_not_answer_is_said_and_waited_for() -> None:
    class Flaky(ReliableReceiver):
        link = IN

        def __init__(self, inner: Any) -> None:
            self.inner, self.down = inner, True

        def fileno(self) -> int:
            return int(self.inner.fileno())

        def receive(self) -> Delivery | None:
            if self.down:
                raise ChannelDown("redis at localhost does not answer: is it running?")
            found: Delivery | None = self.inner.receive()
            return found

        def accept(self, delivery: Delivery) -> None:
            self.inner.accept(delivery)

        def refuse(self, delivery: Delivery, reason: str) -> bool:
            return bool(self.inner.refuse(delivery, reason))

        def close(self) -> None:
            self.inner.close()

    bench = Bench(Double())
    flaky = Flaky(bench.into.receiver(IN))
    bench.runner._inlets = Inlets([Inlet(flaky, "a", IN)])
    with bench:
        put(bench, 1, 1)
        assert comes_true(lambda: "does not answer" in bench.runner.meters.down)
        flaky.down = False
        assert bench.results(1) == [2]
        assert bench.runner.meters.down == ""


def test_inputs_take_turns() -> None:
    seen: list[str] = []

    class Keep(SinkNode):
        def loop(self, data: str) -> None:
            seen.append(data)

    one, two = MemoryChannel([("x->b", QoS.DURABLE)]), MemoryChannel([("y->b", QoS.DURABLE)])

    class Side:
        def __init__(self, channel: MemoryChannel) -> None:
            self.sender = channel.sender()

    for index in range(4):
        put(Side(one), index, "x")
        put(Side(two), index, "y")
    node = Keep()
    node.name = "b"
    runner = Runner(
        node,
        [Inlet(one.receiver("x->b"), "x", "x->b"), Inlet(two.receiver("y->b"), "y", "y->b")],
        {},
    )
    thread = threading.Thread(target=runner.run)
    thread.start()
    assert comes_true(lambda: len(seen) == 8)
    runner.stop()
    thread.join(5)
    assert seen == ["x", "y"] * 4
    one.close()
    two.close()


@pytest.mark.parametrize("fps", [50.0])
def test_a_producer_is_called_no_more_often_than_asked(fps: float) -> None:
    began = time.monotonic()
    with Bench(Count(), fps=fps) as bench:
        bench.thread.join(5)
    assert time.monotonic() - began >= 3 / fps
