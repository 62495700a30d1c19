"""What a TCP channel does when the other end, or what is between, fails."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Self

import msgspec
import numpy as np
import pytest
import zmq
from structlog.testing import capture_logs

from argus.core.errors import SpecError
from argus.flow.channels.protocol import ChannelClosed, ChannelDown, Receiver
from argus.flow.channels.tcp import AddressRefused, TcpChannel
from argus.flow.channels.tcp_receiver import TcpReceiver
from argus.flow.channels.tcp_sender import TcpSender
from argus.flow.channels.tcp_spec import TcpLink, TcpSpec
from argus.flow.codec import Encoder
from argus.flow.qos import QoS
from tests.flow.channels.contract import message, take, take_up, value_of
from tests.flow.channels.network import Network
from tests.sources.settling import comes_true, descriptors_and_threads

LINK = "a->b"
KEY = "a key that both hosts know"


@pytest.fixture
def held() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def channel(held: contextlib.ExitStack) -> TcpChannel:
    return made(held)


def made(held: contextlib.ExitStack, **settings: object) -> TcpChannel:
    channel = TcpChannel.create([(LINK, QoS.REALTIME, 1)], **settings)  # type: ignore[arg-type]
    held.callback(channel.close)
    return channel


def sender_of(held: contextlib.ExitStack, channel: TcpChannel, key: str | None = None) -> TcpSender:
    sender = TcpSender(channel.spec, key=key)
    held.callback(sender.close)
    return sender


def receiver_of(
    held: contextlib.ExitStack, spec: TcpSpec, link: str = LINK, key: str | None = None
) -> TcpReceiver:
    receiver = TcpReceiver(spec, link, key=key)
    held.callback(receiver.close)
    return receiver


def through(network: Network, channel: TcpChannel) -> TcpSpec:
    return msgspec.structs.replace(channel.spec, port=network.port)


def put(sender: TcpSender, index: int, value: object = None) -> float:
    """Send a message; return how long that took."""
    header = message(index)
    packed = Encoder().encode(header, index if value is None else value)
    start_s = time.monotonic()
    sender.send(packed, header, lambda: False)
    return time.monotonic() - start_s


class Stream:
    """Sends a picture 50 times a second until the end of the block."""

    def __init__(self, sender: TcpSender, size: int) -> None:
        self.slowest_s = 0.0
        self.index = 0
        self._sender, self._picture = sender, np.zeros(size, np.uint8)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.02):
            self.slowest_s = max(self.slowest_s, put(self._sender, self.index, self._picture))
            self.index += 1


def down(receiver: Receiver, within_s: float = 15.0) -> str:
    """Return why the receiver says that it is not consuming."""
    until_s = time.monotonic() + within_s
    while time.monotonic() < until_s:
        try:
            receiver.receive()
        except ChannelDown as error:
            return str(error)
        time.sleep(0.02)
    pytest.fail("it did not say that it is down")


def child(
    held: contextlib.ExitStack, module: str, spec: TcpSpec, fds: tuple[int, ...] = ()
) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", f"tests.flow.channels.{module}", msgspec.json.encode(spec).decode()],
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=fds,
    )
    held.callback(process.wait)
    held.callback(process.kill)
    assert process.stdout is not None
    held.callback(process.stdout.close)
    return process


def line(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    return process.stdout.readline().split()


def test_a_stopped_consumer_slows_nobody_and_is_handed_something_new_when_it_goes_on(
    held: contextlib.ExitStack, channel: TcpChannel
) -> None:
    sender = sender_of(held, channel)
    far = msgspec.structs.replace(channel.spec, listening=-1, board=-1)
    consumer = child(held, "tcp_consumer", far)
    with Stream(sender, 1_000_000) as stream:
        line(consumer)
        os.kill(consumer.pid, signal.SIGSTOP)
        stream.slowest_s, began = 0.0, stream.index
        assert comes_true(lambda: stream.index > began + 100)
        slowest_s, pieces, last = stream.slowest_s, sender.pieces, stream.index
        os.kill(consumer.pid, signal.SIGCONT)
        while int((words := line(consumer))[0]) < last - 50:  # what it had printed before
            assert float(words[1]) < 500
        assert float(words[1]) < 500
    assert slowest_s < 0.2
    assert pieces <= 4
    assert channel.counts()[LINK].closes


@pytest.mark.parametrize("silence_s", [0.7, pytest.param(4.5, marks=pytest.mark.soak)])
def test_after_a_stall_the_first_message_is_a_new_one(
    held: contextlib.ExitStack, channel: TcpChannel, silence_s: float
) -> None:
    sender = sender_of(held, channel)
    network = Network(channel.spec.port)
    held.callback(network.close)
    receiver = receiver_of(held, through(network, channel))
    with Stream(sender, 1_000_000):
        for _ in range(5):
            receiver.accept(take_up(receiver))
        network.weather = "stalled"
        with contextlib.suppress(ChannelDown):
            while (last := receiver.receive()) is not None:
                receiver.accept(last)
        again_s = time.monotonic() + silence_s
        while time.monotonic() < again_s:
            with contextlib.suppress(ChannelDown):
                assert receiver.receive() is None
            time.sleep(0.02)
        network.weather = "fair"
        delivery = take_up(receiver)
        assert delivery.header.age_s() < 0.5
        receiver.accept(delivery)
        receiver.accept(take_up(receiver))
    assert channel.counts()[LINK].closes


def test_a_black_hole_is_noticed_and_said_and_left_again(
    held: contextlib.ExitStack, channel: TcpChannel
) -> None:
    sender = sender_of(held, channel)
    network = Network(channel.spec.port)
    held.callback(network.close)
    receiver = receiver_of(held, through(network, channel))
    with Stream(sender, 1000):
        receiver.accept(take_up(receiver))
        network.weather = "half-open"
        assert "does not answer" in down(receiver)
        network.weather = "fair"
        delivery = take_up(receiver)
        assert delivery.header.age_s() < 0.5
        receiver.accept(delivery)


def test_a_cut_connection_comes_back_and_the_sum_closes(
    held: contextlib.ExitStack, channel: TcpChannel
) -> None:
    sender = sender_of(held, channel)
    network = Network(channel.spec.port)
    held.callback(network.close)
    receiver = receiver_of(held, through(network, channel))
    with Stream(sender, 300_000):
        for _ in range(5):
            for _ in range(5):
                delivery = take_up(receiver)
                assert delivery.header.age_s() < 0.5
                receiver.accept(delivery)
            network.cut()
        receiver.accept(take_up(receiver))
    assert comes_true(lambda: channel.counts()[LINK].delivered == 26)
    assert channel.counts()[LINK].closes
    assert comes_true(lambda: channel.counts()[LINK].pending <= 1)


def test_over_a_slow_line_messages_come_whole_and_each_is_fetched_once(
    held: contextlib.ExitStack, channel: TcpChannel
) -> None:
    sender = sender_of(held, channel)
    network = Network(channel.spec.port)
    network.bytes_per_s = 1_000_000
    held.callback(network.close)
    receiver = receiver_of(held, through(network, channel))
    with Stream(sender, 300_000):
        ages = []
        for _ in range(6):
            delivery = take_up(receiver)
            ages.append(delivery.header.age_s())
            assert value_of(delivery).nbytes == 300_000
            receiver.accept(delivery)
    # 0.3 s of sending each; nothing older than what one message takes, and what lay in buffers.
    assert max(ages[2:]) < 1.0
    assert receiver.totals.dropped.get("newer", 0) <= 2
    counts = channel.counts()[LINK]
    assert counts.dropped.get("failed", 0) == 0
    assert counts.closes


def test_a_restarted_producer_goes_on_at_its_port_and_with_its_counts(
    held: contextlib.ExitStack, channel: TcpChannel
) -> None:
    receiver = receiver_of(held, channel.spec)
    first = child(held, "tcp_producer", channel.spec, channel.fds)
    for _ in range(5):
        receiver.accept(take_up(receiver))
    first.kill()
    first.wait()
    sent = channel.counts()[LINK].sent
    assert channel.counts()[LINK].closes
    second = child(held, "tcp_producer", channel.spec, channel.fds)
    assert comes_true(lambda: channel.counts()[LINK].sent > sent)
    for _ in range(5):
        delivery = take_up(receiver)
        assert delivery.header.age_s() < 0.5
        receiver.accept(delivery)
    second.kill()
    second.wait()
    counts = channel.counts()[LINK]
    assert counts.closes
    assert 5 <= counts.delivered <= 10


def test_a_consumer_that_was_killed_is_written_off(held: contextlib.ExitStack, channel: TcpChannel) -> None:
    sender = sender_of(held, channel)
    far = msgspec.structs.replace(channel.spec, listening=-1, board=-1)
    consumer = child(held, "tcp_consumer", far)
    with Stream(sender, 100_000):
        line(consumer)
        consumer.kill()
        consumer.wait()
        receiver = receiver_of(held, channel.spec)
        receiver.accept(take_up(receiver))
    assert comes_true(lambda: channel.counts()[LINK].pending <= 1)
    assert channel.counts()[LINK].closes


def test_a_message_that_waited_while_its_node_was_busy_is_exchanged_for_a_newer_one(
    held: contextlib.ExitStack, channel: TcpChannel
) -> None:
    sender = sender_of(held, channel)
    receiver = receiver_of(held, channel.spec)
    assert receiver.receive() is None
    put(sender, 0)
    assert comes_true(lambda: receiver.held)
    time.sleep(0.15)  # the node looks at something else
    put(sender, 1)
    delivery = take(receiver)
    assert value_of(delivery) == 1
    receiver.accept(delivery)
    assert comes_true(lambda: channel.counts()[LINK].dropped == {"newer": 1})


def test_a_message_that_waited_is_handed_out_when_there_is_nothing_newer(
    held: contextlib.ExitStack, channel: TcpChannel
) -> None:
    sender = sender_of(held, channel)
    receiver = receiver_of(held, channel.spec)
    assert receiver.receive() is None
    put(sender, 0)
    assert comes_true(lambda: receiver.held)
    time.sleep(0.15)  # the node looks at something else
    delivery = take(receiver)
    assert value_of(delivery) == 0
    receiver.accept(delivery)
    assert comes_true(lambda: channel.counts()[LINK].delivered == 1)


def test_the_links_of_one_output_share_a_port_and_one_that_is_slow_changes_nothing_for_the_other(
    held: contextlib.ExitStack,
) -> None:
    channel = TcpChannel.create([("a->b", QoS.REALTIME, 1), ("a->c", QoS.REALTIME, 1)])
    held.callback(channel.close)
    sender = sender_of(held, channel)
    slow, quick = receiver_of(held, channel.spec, "a->b"), receiver_of(held, channel.spec, "a->c")
    put(sender, 0)
    kept = take(slow)
    quick.accept(take(quick))
    for index in range(1, 20):
        put(sender, index)
        delivery = take(quick)
        assert value_of(delivery) == index
        quick.accept(delivery)
    slow.accept(kept)
    delivery = take(slow)
    assert value_of(delivery) == 19
    slow.accept(delivery)
    assert comes_true(lambda: channel.counts()["a->c"].delivered == 20)
    assert comes_true(lambda: channel.counts()["a->b"].delivered == 2)
    assert channel.counts()["a->b"].dropped == {"newer": 18}


def test_the_last_message_is_still_had_when_the_producer_ends(
    held: contextlib.ExitStack, channel: TcpChannel
) -> None:
    sender = sender_of(held, channel)
    receiver = receiver_of(held, channel.spec)
    put(sender, 0)
    receiver.accept(take(receiver))
    put(sender, 1, np.ones(5_000_000, np.uint8))
    ending = threading.Thread(target=sender.close)
    ending.start()
    delivery = take(receiver)
    assert delivery.header.origin.index == 1
    receiver.accept(delivery)
    ending.join()
    assert channel.counts()[LINK].delivered == 2
    with pytest.raises(ChannelClosed):
        put(sender, 2)


def test_another_key_is_refused_and_both_sides_say_so(held: contextlib.ExitStack) -> None:
    channel = made(held, key=KEY)
    with capture_logs() as logs:
        sender = sender_of(held, channel, KEY)
        put(sender, 0)
        receiver = receiver_of(held, channel.spec, key="another key altogether")
        assert "ARGUS_FLOW_KEY" in down(receiver)
        assert comes_true(lambda: any(entry["event"] == "flow.consumer_refused" for entry in logs))
    right = receiver_of(held, channel.spec, key=KEY)
    assert value_of(take(right)) == 0


def test_who_has_no_key_gets_nothing_where_one_is_needed(held: contextlib.ExitStack) -> None:
    channel = made(held, key=KEY)
    sender = sender_of(held, channel, KEY)
    put(sender, 0)
    open_spec = msgspec.structs.replace(channel.spec, secured=False)
    receiver = receiver_of(held, open_spec)
    assert "ARGUS_FLOW_KEY" in down(receiver)
    with pytest.raises(SpecError, match="ARGUS_FLOW_KEY is not set"):
        TcpReceiver(channel.spec, LINK)


def test_without_a_key_nothing_listens_for_other_hosts() -> None:
    with pytest.raises(SpecError, match="ARGUS_FLOW_KEY"):
        TcpChannel.create([(LINK, QoS.REALTIME, 1)], address="192.0.2.7")
    with pytest.raises(SpecError, match="ARGUS_FLOW_KEY"):
        TcpReceiver(TcpSpec(links=(), address="camera", port=7400), LINK)
    with pytest.raises(SpecError, match="at least 16"):
        TcpChannel.create([(LINK, QoS.REALTIME, 1)], address="192.0.2.7", key="short")


def test_a_port_that_is_taken_is_said(held: contextlib.ExitStack, channel: TcpChannel) -> None:
    with pytest.raises(AddressRefused, match="cannot be listened on"):
        made(held, port=channel.spec.port)


def test_strangers_at_the_port_disturb_nobody(held: contextlib.ExitStack, channel: TcpChannel) -> None:
    sender = sender_of(held, channel)
    receiver = receiver_of(held, channel.spec)
    with zmq.Context() as context, context.socket(zmq.DEALER) as stranger:
        stranger.linger = 0
        stranger.connect(f"tcp://127.0.0.1:{channel.spec.port}")
        stranger.send(b"\xc1\xff")
        assert stranger.poll(5000)
        stranger.send_multipart([b"a", b"b", b"c"])
        stranger.send(msgspec.msgpack.encode([1, "x->y", "me", 1, 0, 0, 0, "", 0, {}, 0]))
        with socket.create_connection(("127.0.0.1", channel.spec.port)) as raw:
            raw.sendall(b"GET / HTTP/1.1\r\n\r\n" * 100)
            put(sender, 0)
            receiver.accept(take(receiver))
    assert comes_true(lambda: channel.counts()[LINK].delivered == 1)


def test_a_producer_that_answers_nonsense_harms_nobody(held: contextlib.ExitStack) -> None:
    context = zmq.Context()
    held.callback(context.term)
    router = context.socket(zmq.ROUTER)
    held.callback(router.close, 0)
    port = router.bind_to_random_port("tcp://127.0.0.1")
    receiver = receiver_of(held, TcpSpec(links=(TcpLink(link=LINK),), address="127.0.0.1", port=port))
    random = np.random.default_rng(7)
    said = set()
    until_s = time.monotonic() + 15.0
    while receiver.totals.dropped.get("failed", 0) < 100 and time.monotonic() < until_s:
        try:
            assert receiver.receive() is None
        except ChannelDown as error:
            said.add(str(error).rpartition(": ")[2])
        if router.poll(50):
            way, word = router.recv_multipart()
            number = msgspec.msgpack.decode(word)[3]
            noise = random.bytes(int(random.integers(0, 100_000)))
            good = msgspec.msgpack.encode([number, 5, 0, 0, time.monotonic_ns(), "me", ""])
            router.send_multipart([way, noise[:50], noise])
            router.send_multipart([way, good, noise])
    assert receiver.totals.dropped["failed"] >= 100
    assert said <= {"install the same on all hosts"}


def test_who_asks_for_a_link_that_is_not_there_is_told(
    held: contextlib.ExitStack, channel: TcpChannel
) -> None:
    sender_of(held, channel)
    other = msgspec.json.decode(msgspec.json.encode(channel.spec).replace(b"a->b", b"x->y"), type=TcpSpec)
    assert "no link x->y" in down(receiver_of(held, other, "x->y"))


def test_the_host_that_receives_counts_too(held: contextlib.ExitStack, channel: TcpChannel) -> None:
    sender = sender_of(held, channel)
    far = made(held, port=channel.spec.port, sends=False)
    receiver = receiver_of(held, far.spec)
    put(sender, 0)
    receiver.accept(take(receiver))
    put(sender, 1)
    take(receiver)
    counts = far.counts()[LINK]
    assert (counts.sent, counts.delivered, counts.pending) == (2, 1, 1)
    receiver.close()
    assert far.counts()[LINK].dropped == {"ended": 1}
    assert comes_true(lambda: channel.counts()[LINK].pending == 0)
    assert channel.counts()[LINK].closes


def test_nothing_is_left_behind(held: contextlib.ExitStack) -> None:
    def once() -> None:
        with contextlib.ExitStack() as stack:
            channel = made(stack, key=KEY)
            sender = sender_of(stack, channel, KEY)
            receiver = receiver_of(stack, channel.spec, key=KEY)
            put(sender, 0, np.zeros(1_000_000, np.uint8))
            receiver.accept(take(receiver))

    once()
    before = descriptors_and_threads()
    for _ in range(3):
        once()
    assert comes_true(lambda: descriptors_and_threads() <= before)
