"""DURABLE over Redis Streams keeps the promise of every reliable channel, with one Redis and with two."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from argus.core.errors import SpecError
from argus.flow.bench.redis_server import RedisServer
from argus.flow.broker import DualRedis, as_broker
from argus.flow.channels.protocol import Receiver
from argus.flow.channels.redis_channel import RedisChannel
from argus.flow.channels.redis_connection import Line
from argus.flow.channels.redis_dead_letters import RedisDeadLetters
from argus.flow.dead_letters import LetterNotFound
from argus.flow.graph import Broker
from argus.flow.qos import QoS
from tests.conftest import need
from tests.flow.channels.contract import ReliableContract, nothing, put, take, value_of
from tests.flow.channels.redis_ends import RedisWire
from tests.sources.settling import comes_true, descriptors_and_threads


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    need(RedisServer.there(), "no redis-server here: apt install redis-server")
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def data_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    need(RedisServer.there(), "no redis-server here: apt install redis-server")
    with RedisServer(tmp_path_factory.mktemp("redis-data")) as server:
        yield server


class TestOneRedis(ReliableContract):
    @pytest.fixture(autouse=True)
    def _at(self, redis: RedisServer) -> None:
        self.broker = Broker(control=redis.url)

    def open(self, qos: Any, replicas: int = 1) -> RedisWire:
        return RedisWire(self.broker, qos, replicas)


class TestTwo(ReliableContract):
    @pytest.fixture(autouse=True)
    def _at(self, redis: RedisServer, data_redis: RedisServer) -> None:
        self.broker = Broker(control=redis.url, data=data_redis.url)

    def open(self, qos: Any, replicas: int = 1) -> RedisWire:
        return RedisWire(self.broker, qos, replicas)


def test_two_systems_on_one_redis_never_see_each_other(redis: RedisServer) -> None:
    broker = Broker(control=redis.url)
    redis.ask("SET", "somebody's", "treasure")
    one, two = RedisWire(broker, QoS.DURABLE, system="one"), RedisWire(broker, QoS.DURABLE, system="two")
    put(one, 1)
    put(two, 2)
    put(two, 3)
    assert value_of(take(one.receivers[0])) == 1
    assert nothing(one.receivers[0])
    assert [value_of(take(two.receivers[0])) for _ in range(2)] == [2, 3]
    assert (one.counts().sent, two.counts().sent) == (1, 2)
    one.close()
    two.close()
    assert "treasure" in redis.ask("GET", "somebody's")


def test_names_that_look_like_each_other_share_no_key(redis: RedisServer) -> None:
    broker = Broker(control=redis.url)
    prefixes = {
        RedisChannel.create(system, link, QoS.DURABLE, 1, broker, sender=sender).spec.prefix
        for system, link, sender in (
            ("a", "b/c->d", 0),
            ("a/b", "c->d", 0),
            ("a", "b", 1),
            ("a{b}", "c", 0),
            ("a", "b", 11),
        )
    }
    assert len(prefixes) == 5


def test_what_waits_outlives_the_system(redis: RedisServer) -> None:
    broker = Broker(control=redis.url)
    wire = RedisWire(broker, QoS.DURABLE, system="long-lived")
    for index in range(5):
        put(wire, index)
    end = wire.receivers[0]
    end.accept(take(end))
    take(end)
    wire.close()
    again = RedisWire(broker, QoS.DURABLE, system="long-lived")
    counts = again.counts()
    assert (counts.sent, counts.delivered, counts.pending) == (4, 0, 4)
    deliveries = []
    for _ in range(4):
        deliveries.append(take(again.receivers[0]))
        again.receivers[0].accept(deliveries[-1])
    assert [value_of(d) for d in deliveries] == [1, 2, 3, 4]
    assert deliveries[0].tries == 1  # an orderly end is no failed try
    put(again, 5)
    counts = again.counts()
    assert counts.closes
    assert (counts.sent, counts.delivered, counts.pending) == (5, 4, 1)
    again.close()


def test_a_channel_holds_no_more_bytes_than_told_but_always_one_message(redis: RedisServer) -> None:
    import numpy as np

    from argus.flow.channels.protocol import ChannelClosed
    from argus.flow.codec import Encoder
    from tests.flow.channels.contract import message

    wire = RedisWire(Broker(control=redis.url), QoS.DURABLE(max_bytes=100_000))
    big = np.zeros(300_000, np.uint8)
    put(wire, 0, big)
    header = message(1)
    with pytest.raises(ChannelClosed):
        wire.sender.send(Encoder().encode(header, 1), header, lambda: True)
    wire.receivers[0].accept(take(wire.receivers[0]))
    put(wire, 1)
    assert value_of(take(wire.receivers[0])) == 1
    wire.close()


def test_other_origins_flow_while_one_waits_for_its_retry(redis: RedisServer) -> None:
    wire = RedisWire(Broker(control=redis.url), QoS.DURABLE(backoff=0.3))
    end = wire.receivers[0]
    for index in range(3):
        put(wire, index, source="left")
        put(wire, 10 + index, source="right")
    end.refuse(take(end), "ValueError: not yet")
    seen = []
    for _ in range(6):
        delivery = take(end)
        seen.append(value_of(delivery))
        end.accept(delivery)
    assert seen[:3] == [10, 11, 12]
    assert seen[3:] == [0, 1, 2]
    wire.close()


def test_another_replica_takes_what_a_dead_one_had(redis: RedisServer) -> None:
    wire = RedisWire(Broker(control=redis.url), QoS.DURABLE(backoff=0.01), 2)
    put(wire, 0)
    found: list[Receiver] = []

    def taken() -> bool:
        found.extend(end for end in wire.receivers if end.receive() is not None)
        return bool(found)

    assert comes_true(taken)
    [holder] = found
    [other] = [end for end in wire.receivers if end is not holder]
    at = wire.receivers.index(holder)
    wire.ends[at].close(goodbye=False)
    wire.channel.forget("a->b", at, "signal 9 (SIGKILL)")
    delivery = take(other)
    assert (value_of(delivery), delivery.tries) == (0, 2)
    other.accept(delivery)
    wire.ends[at].close()
    wire.ends.pop(at)
    assert wire.counts().delivered == 1
    wire.close()


def test_who_comes_after_a_death_that_could_not_be_told_tells_it(redis: RedisServer) -> None:
    from argus.flow.channels.redis_receiver import RedisReceiver

    wire = RedisWire(Broker(control=redis.url), QoS.DURABLE(tries=1))
    put(wire, 0)
    put(wire, 1)
    take(wire.ends[0])
    wire.ends[0].close(goodbye=False)
    wire.ends[0] = RedisReceiver(wire.channel.spec, 0, "signal 11 (SIGSEGV): at node.py:16 in loop")
    assert value_of(take(wire.ends[0])) == 1
    assert wire.dead() == [("signal 11 (SIGSEGV): at node.py:16 in loop", 1)]
    wire.close()


def test_a_replica_that_nobody_watches_is_given_up_when_it_shows_no_life(redis: RedisServer) -> None:
    import msgspec

    from argus.flow.channels.redis_receiver import RedisReceiver

    wire = RedisWire(Broker(control=redis.url), QoS.DURABLE(backoff=0.01), 2)
    wire.ends[1].close()
    put(wire, 0)
    take(wire.ends[0])
    wire.ends[0].close(goodbye=False)
    spec = msgspec.structs.replace(wire.channel.spec, silent_s=0.5)
    other = RedisReceiver(spec, 1)
    delivery = take(other, 20.0)
    assert (value_of(delivery), delivery.tries) == (0, 2)
    other.accept(delivery)
    other.close()
    wire.ends.clear()
    assert wire.counts().closes
    wire.close()


def test_letters_of_two_links_in_one_millisecond_are_two(redis: RedisServer) -> None:
    broker = Broker(control=redis.url)
    channels = [RedisChannel.create("twins", link, QoS.DURABLE, 1, broker) for link in ("a->b", "a->c")]
    specs = [channel.spec for channel in channels]
    line = Line(redis.url)
    for spec in specs:
        fields = ("link", spec.link, "at", "", "tries", "1", "reason", "", "m", spec.link)
        line.call(b"XADD", spec.keys.dead, b"1795300074063-0", *(field.encode() for field in fields))
    line.close()
    letters = RedisDeadLetters(specs)
    one, two = letters.list()
    assert one.id != two.id
    for letter in (one, two):
        assert letters.read(letter.link, letter.id) == letter.link.encode()
    with pytest.raises(LetterNotFound):
        letters.read(one.link, two.id)
    letters.remove(one.link, one.id)
    assert letters.list() == [two]
    for channel in channels:
        channel.close()


def test_dead_letters_are_listed_read_replayed_and_removed(
    redis: RedisServer, data_redis: RedisServer
) -> None:
    import numpy as np

    from argus.flow.codec import decode
    from argus.flow.wire import unlay

    wire = RedisWire(Broker(control=redis.url, data=data_redis.url), QoS.DURABLE(tries=1))
    end = wire.receivers[0]
    for index, value in enumerate([np.full(100_000, 7, np.uint8), "small"]):
        put(wire, index, value)
        end.refuse(take(end), f"ValueError: no {index}\n  at line 1")
    assert wire.counts().dropped == {"dead": 2}
    large, small = wire.letters.list("a->b")
    assert [large.reason.splitlines()[0], small.message] == ["ValueError: no 0", "cam/1/1"]
    assert large.size > 100_000
    assert large.at.endswith("+00:00")
    header, buffers = unlay(memoryview(wire.letters.read("a->b", large.id)))
    assert (decode(header, buffers)[1] == 7).all()
    assert wire.letters.replay("a->b", [large.id]) == 1
    delivery = take(end)
    assert (len(value_of(delivery)), delivery.tries) == (100_000, 1)
    end.accept(delivery)
    put(wire, 3)
    end.accept(take(end))
    wire.letters.remove("a->b", small.id)
    with pytest.raises(LetterNotFound):
        wire.letters.remove("a->b", small.id)
    assert wire.letters.list() == []
    counts = wire.counts()
    assert counts.closes
    assert (counts.sent, counts.delivered) == (4, 2)
    assert comes_true(lambda: _blobs(data_redis, wire) == 0)
    wire.close()


def test_blobs_of_what_was_delivered_are_freed(redis: RedisServer, data_redis: RedisServer) -> None:
    import numpy as np

    wire = RedisWire(Broker(control=redis.url, data=data_redis.url), QoS.DURABLE)
    for index in range(100):
        put(wire, index, np.zeros(20_000, np.uint8))
    wire.sender.flush()
    assert _blobs(data_redis, wire) == 100
    for _ in range(100):
        wire.receivers[0].accept(take(wire.receivers[0]))
    assert comes_true(lambda: _blobs(data_redis, wire) == 0)
    assert wire.counts().closes
    wire.close()


def test_an_address_with_a_password_is_shown_nowhere(redis: RedisServer) -> None:
    import msgspec

    from argus.flow.channels.protocol import ChannelDown
    from argus.flow.channels.redis_spec import RedisSpec

    dual = DualRedis(control="redis://u:hush@127.0.0.1:1/0", data="redis://:hush@127.0.0.1:2")
    assert "hush" not in repr(dual)
    broker = as_broker(dual)
    with pytest.raises(ChannelDown) as raised:
        RedisChannel.create("s", "a->b", QoS.DURABLE, 1, broker, within_s=0.1)
    assert "127.0.0.1:1" in str(raised.value)
    assert "hush" not in str(raised.value)
    assert "hush" not in repr(raised.value.__context__)
    spec = RedisSpec(system="s", link="a->b", qos=QoS.DURABLE, control=dual.control, data=dual.data)
    assert "hush" not in repr(spec)
    assert msgspec.json.decode(msgspec.json.encode(spec), type=RedisSpec).control == dual.control


@pytest.mark.parametrize("url", ["http://u:hush@host", "localhost:6379", ""])
def test_what_is_no_redis_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(SpecError, match="broker: control") as raised:
        as_broker(url)
    assert "hush" not in str(raised.value)


def test_nothing_is_left_behind_in_the_process(redis: RedisServer, data_redis: RedisServer) -> None:
    broker = Broker(control=redis.url, data=data_redis.url)
    RedisWire(broker, QoS.DURABLE).close()
    before = descriptors_and_threads()
    for _ in range(3):
        wire = RedisWire(broker, QoS.DURABLE)
        put(wire, 0)
        wire.receivers[0].accept(take(wire.receivers[0]))
        wire.close()
    assert comes_true(lambda: descriptors_and_threads() <= before)


def _blobs(data: RedisServer, wire: RedisWire) -> int:
    """Return how many blobs of a channel lie at the data Redis."""
    prefix = wire.channel.spec.keys.blob(b"").decode()
    return data.ask("KEYS", "*").count(prefix)
