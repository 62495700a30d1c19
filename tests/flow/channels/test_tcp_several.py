"""Several processes behind one name: pods that come and go, and when the stream of all of them is over."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import msgspec
import pytest

from argus.flow.channels.freshness import Freshness
from argus.flow.channels.protocol import ChannelDown, Receiver
from argus.flow.channels.tcp import TcpChannel
from argus.flow.channels.tcp_sender import TcpSender
from argus.flow.channels.tcp_several import TcpSeveral, addresses_of
from argus.flow.qos import QoS
from tests.flow.channels.contract import message, take, take_up, value_of
from tests.flow.channels.test_tcp_faults import LINK, put
from tests.sources.settling import comes_true


class Pods:
    """Sending ends at addresses of this machine, and the name that leads to some of them."""

    def __init__(self, held: contextlib.ExitStack) -> None:
        self._held = held
        self.behind: list[str] = []
        self.away = False
        self.senders: dict[str, TcpSender] = {}
        self.spec = self.channel("127.0.0.1").spec

    def channel(self, address: str) -> TcpChannel:
        port = self.spec.port if hasattr(self, "spec") else 0
        made = TcpChannel.create([(LINK, QoS.REALTIME(ordered=True), 1)], address=address, port=port)
        self._held.callback(made.close)
        return made

    def come(self, address: str) -> TcpSender:
        self.senders[address] = sender = TcpSender(self.channel(address).spec)
        self._held.callback(sender.close)
        self.behind.append(address)
        return sender

    def resolve(self, name: str) -> list[str]:
        assert name == "pods.cluster"
        if self.away:
            raise OSError("the name server is away")
        return list(self.behind)

    def receiver(self, senders: int = 2, freshness: Freshness | None = None) -> TcpSeveral:
        spec = msgspec.structs.replace(self.spec, address="pods.cluster", several=True, senders=senders)
        spec = msgspec.structs.replace(spec, listening=-1, board=-1)
        made = TcpSeveral(spec, LINK, freshness=freshness, resolve=self.resolve, look_s=0.05)
        self._held.callback(made.close)
        return made


@pytest.fixture
def pods() -> Iterator[Pods]:
    with contextlib.ExitStack() as held:
        yield Pods(held)


def end(sender: TcpSender) -> None:
    sender.end(lambda: False)
    sender.close()


def has_ended(receiver: Receiver) -> bool:
    """Return whether the stream is over, asking for messages as a node does."""
    with contextlib.suppress(ChannelDown):
        delivery = receiver.receive()
        if delivery is not None:
            receiver.accept(delivery)
    return receiver.ended


def test_messages_come_from_every_address_and_from_those_that_come_later(pods: Pods) -> None:
    one = pods.come("127.0.0.2")
    receiver = pods.receiver()
    put(one, 1)
    first = take_up(receiver)
    assert value_of(first) == 1
    receiver.accept(first)
    put(pods.come("127.0.0.3"), 2)
    second = take_up(receiver)
    assert value_of(second) == 2
    receiver.accept(second)


def test_who_has_left_the_name_is_let_go_when_it_is_gone(pods: Pods) -> None:
    before = threading.active_count()
    one, two = pods.come("127.0.0.2"), pods.come("127.0.0.3")
    receiver = pods.receiver()
    put(one, 1)
    receiver.accept(take_up(receiver))
    pods.behind.remove("127.0.0.2")
    # A pod that drains is in no list any more, and may still have something to give.
    put(one, 2)
    receiver.accept(take_up(receiver))
    one.close()
    put(two, 3)
    receiver.accept(take_up(receiver))
    assert comes_true(lambda: not has_ended(receiver) and len(receiver.addresses) == 1, within_s=10)
    receiver.close()
    two.close()
    assert comes_true(lambda: threading.active_count() <= before, within_s=10)


def test_a_name_server_that_is_away_changes_nothing(pods: Pods) -> None:
    one = pods.come("127.0.0.2")
    receiver = pods.receiver()
    put(one, 1)
    receiver.accept(take_up(receiver))
    pods.away = True
    put(one, 2)
    assert value_of(take_up(receiver)) == 2


def test_a_name_that_leads_nowhere_is_said(pods: Pods) -> None:
    receiver = pods.receiver()

    def fault() -> str:
        try:
            receiver.receive()
        except ChannelDown as error:
            return str(error)
        return ""

    assert comes_true(lambda: "pods.cluster: its name has no address" in fault(), within_s=10)


def test_it_is_over_when_all_have_ended_and_begins_anew_with_another(pods: Pods) -> None:
    one, two = pods.come("127.0.0.2"), pods.come("127.0.0.3")
    receiver = pods.receiver(senders=2)
    put(one, 1)
    receiver.accept(take_up(receiver))
    assert comes_true(lambda: len(receiver.addresses) == 2)
    ending = threading.Thread(target=end, args=(one,))
    ending.start()
    assert comes_true(lambda: not has_ended(receiver) and not ending.is_alive(), within_s=10)
    put(two, 2)
    receiver.accept(take_up(receiver))
    ending = threading.Thread(target=end, args=(two,))
    ending.start()
    assert comes_true(lambda: has_ended(receiver), within_s=10)
    ending.join()
    put(pods.come("127.0.0.4"), 3)
    assert comes_true(lambda: not receiver.ended, within_s=10)
    assert value_of(take_up(receiver)) == 3


def test_two_of_which_one_never_came_are_not_over_with_the_other(pods: Pods) -> None:
    one = pods.come("127.0.0.2")
    receiver = pods.receiver(senders=2)
    put(one, 1)
    receiver.accept(take(receiver))
    ending = threading.Thread(target=end, args=(one,))
    ending.start()
    assert comes_true(lambda: not has_ended(receiver) and not ending.is_alive(), within_s=10)
    assert not receiver.ended


def test_order_is_kept_over_all_of_them(pods: Pods) -> None:
    one, two = pods.come("127.0.0.2"), pods.come("127.0.0.3")
    receiver = pods.receiver(freshness=Freshness(QoS.REALTIME(ordered=True)))
    put(one, 7)
    receiver.accept(take_up(receiver))
    assert message(5).origin.source == message(7).origin.source
    put(two, 5)
    put(one, 8)
    assert value_of(take_up(receiver)) == 8


def test_a_list_of_addresses_is_a_name_too() -> None:
    assert addresses_of("127.0.0.3+127.0.0.2+localhost") == ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
