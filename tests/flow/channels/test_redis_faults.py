"""DURABLE over Redis when the way to it, or Redis itself, fails: nothing accepted is lost, and it resumes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from argus.flow.bench.redis_server import RedisServer
from argus.flow.channels.protocol import ChannelClosed, ChannelDown, Receiver
from argus.flow.channels.redis_blobs import Reservations
from argus.flow.channels.redis_connection import Line
from argus.flow.channels.redis_sender import RedisSender
from argus.flow.channels.redis_spec import RedisSpec
from argus.flow.codec import Encoder
from argus.flow.dead_letters import LetterDamaged
from argus.flow.graph import Broker
from argus.flow.qos import QoS
from tests.conftest import need
from tests.flow.channels.contract import message, put, take, take_up, value_of
from tests.flow.channels.network import Network, Weather
from tests.flow.channels.redis_ends import RedisWire
from tests.sources.settling import comes_true

_DURABLE = QoS.DURABLE(backoff=0.01)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    need(RedisServer.there(), "no redis-server here: apt install redis-server")
    with RedisServer(tmp_path / "redis") as server:
        server.ask("ACL", "SETUSER", "user", "on", ">secret-word", "~*", "&*", "+@all")
        yield server


@pytest.fixture
def network(redis: RedisServer) -> Iterator[Network]:
    with Network(redis.port) as network:
        yield network


@pytest.fixture
def wire(network: Network) -> Iterator[RedisWire]:
    wire = RedisWire(Broker(control=f"redis://user:secret-word@127.0.0.1:{network.port}/0"), _DURABLE)
    yield wire
    network.weather = "fair"
    wire.close()


class _Sending(threading.Thread):
    """Sends numbers until told to stop."""

    def __init__(self, wire: RedisWire, size: int = 0) -> None:
        super().__init__()
        self.sent = 0
        self.stopping = threading.Event()
        self._wire, self._size = wire, size

    def run(self) -> None:
        encoder = Encoder()
        while not self.stopping.is_set():
            header = message(self.sent)
            value = {"n": self.sent, "bytes": np.zeros(self._size, np.uint8)}
            try:
                self._wire.sender.send(encoder.encode(header, value), header, self.stopping.is_set)
            except ChannelClosed:
                return
            self.sent += 1
            time.sleep(0.001)


def _next(end: Receiver) -> int:
    """Return the number of the next message and accept it."""
    delivery = take_up(end, 20.0)
    number = int(value_of(delivery)["n"])
    end.accept(delivery)
    return number


def _is_down(end: Receiver) -> bool:
    try:
        end.receive()
    except ChannelDown:
        return True
    return False


@pytest.mark.parametrize("weather", ["cut", "half-open"])
def test_both_ends_say_so_and_resume_when_the_way_fails(
    wire: RedisWire, network: Network, weather: Weather
) -> None:
    sending = _Sending(wire)
    sending.start()
    seen = [_next(wire.receivers[0]) for _ in range(20)]
    network.weather = weather
    held: list[int] = []
    said: list[str] = []

    def down() -> bool:
        try:
            delivery = wire.receivers[0].receive()
        except ChannelDown as error:
            said.append(str(error))
            return True
        if delivery is not None:
            held.append(int(value_of(delivery)["n"]))
            wire.receivers[0].accept(delivery)
        return False

    assert comes_true(down)
    assert "secret-word" not in said[0]
    network.weather = "fair"
    seen += held
    more = len(seen) + 50
    while len(set(seen)) < more:
        seen.append(_next(wire.receivers[0]))
    sending.stopping.set()
    sending.join()
    while len(set(seen)) < sending.sent:
        seen.append(_next(wire.receivers[0]))
    assert sorted(set(seen)) == list(range(sending.sent))
    assert comes_true(lambda: wire.counts().pending == 0)
    counts = wire.counts()
    assert counts.closes
    assert (counts.sent, counts.delivered) == (sending.sent, sending.sent)


def test_connections_that_break_again_and_again_lose_nothing_and_count_once(
    wire: RedisWire, network: Network
) -> None:
    sending = _Sending(wire, size=6000)
    sending.start()
    seen: set[int] = set()
    for _ in range(8):
        until = len(seen) + 25
        while len(seen) < until:
            seen.add(_next(wire.receivers[0]))
        network.cut()
    sending.stopping.set()
    sending.join()
    while len(seen) < sending.sent:
        seen.add(_next(wire.receivers[0]))
    counts = wire.counts()
    assert seen == set(range(sending.sent))
    assert counts.closes
    assert (counts.sent, counts.delivered, counts.pending) == (sending.sent, sending.sent, 0)


def test_a_slow_way_only_takes_longer(wire: RedisWire, network: Network) -> None:
    put(wire, 0, {"n": 0})
    assert _next(wire.receivers[0]) == 0
    network.bytes_per_s = 500_000.0
    put(wire, 1, {"n": 1, "bytes": np.zeros(600_000, np.uint8)})  # longer than an answer may take
    assert _next(wire.receivers[0]) == 1
    network.bytes_per_s = None
    counts = wire.counts()
    assert (counts.sent, counts.delivered, counts.redelivered) == (1 + 1, 2, 0)


def test_what_was_sent_last_arrives_though_nothing_more_is_sent(wire: RedisWire, network: Network) -> None:
    put(wire, 0, {"n": 0})
    assert _next(wire.receivers[0]) == 0
    network.weather = "half-open"
    put(wire, 1, {"n": 1})
    network.weather = "fair"
    assert _next(wire.receivers[0]) == 1


def test_a_sender_that_waits_for_redis_asks_whether_to_stop(wire: RedisWire, network: Network) -> None:
    put(wire, 0)
    wire.sender.flush()
    network.weather = "cut"
    header, asked = message(1), 0

    def stopping() -> bool:
        nonlocal asked
        asked += 1
        return asked > 5

    with pytest.raises(ChannelClosed):
        for _ in range(100):
            wire.sender.send(Encoder().encode(header, 1), header, stopping)
    assert asked > 5


def test_counts_are_the_last_known_while_redis_is_away(wire: RedisWire, network: Network) -> None:
    put(wire, 0)
    assert wire.counts().sent == 1
    network.weather = "half-open"
    began_s = time.monotonic()
    assert wire.channel.counts()["a->b"].sent == 1
    assert wire.channel.counts()["a->b"].sent == 1
    assert time.monotonic() - began_s < 3.0
    network.weather = "fair"
    assert comes_true(lambda: wire.channel.counts()["a->b"].pending == 1)


def test_a_restart_of_redis_loses_nothing_and_a_kill_does_not_end_the_system(redis: RedisServer) -> None:
    wire = RedisWire(Broker(control=redis.url), _DURABLE)
    sending = _Sending(wire)
    sending.start()
    seen = {_next(wire.receivers[0]) for _ in range(30)}
    redis.stop()
    assert comes_true(lambda: _is_down(wire.receivers[0]))
    redis.start()
    while len(seen) < 100:
        seen.add(_next(wire.receivers[0]))
    assert seen == set(range(100))
    redis.kill()  # what the file does not have yet, a second's worth at most, is lost
    redis.start()
    at = sending.sent
    until_s = time.monotonic() + 20.0
    while not seen or max(seen) < at + 20:
        seen.add(_next(wire.receivers[0]))
        assert time.monotonic() < until_s
    sending.stopping.set()
    sending.join()
    last = sending.sent - 1
    while last not in seen:
        seen.add(_next(wire.receivers[0]))
    assert comes_true(lambda: wire.counts().pending == 0)
    assert wire.counts().closes
    wire.close()


def test_an_emptied_redis_is_taken_up_again(redis: RedisServer) -> None:
    wire = RedisWire(Broker(control=redis.url), _DURABLE)
    put(wire, 0, {"n": 0})
    assert _next(wire.receivers[0]) == 0
    redis.ask("FLUSHALL")
    redis.ask("SCRIPT", "FLUSH")
    for index in (1, 2, 3):
        put(wire, index, {"n": index, "bytes": np.zeros(5000 * index, np.uint8)})
    assert [_next(wire.receivers[0]) for _ in range(3)] == [1, 2, 3]
    wire.close()


def test_a_redis_without_memory_makes_the_sender_wait(redis: RedisServer) -> None:
    wire = RedisWire(Broker(control=redis.url), _DURABLE)
    redis.ask("CONFIG", "SET", "maxmemory", "12mb")
    sending = _Sending(wire, size=500_000)
    sending.start()
    last = -1

    def stands() -> bool:
        nonlocal last
        before, last = last, sending.sent
        return before == last > 5

    assert comes_true(stands)
    redis.ask("CONFIG", "SET", "maxmemory", "0")
    seen = [_next(wire.receivers[0]) for _ in range(last + 10)]
    sending.stopping.set()
    sending.join()
    assert seen == list(range(last + 10))
    wire.close()


def test_a_consumer_that_comes_when_the_memory_of_redis_is_full_makes_room(redis: RedisServer) -> None:
    wire = RedisWire(Broker(control=redis.url), QoS.DURABLE(tries=2, backoff=0.0))
    wire.ends[0].close()
    for index in range(5):
        put(wire, index, {"n": index})
    wire.sender.flush()
    redis.ask("CONFIG", "SET", "maxmemory", "1")
    receiver = wire.comes(0)
    poison = take(receiver)
    assert value_of(poison) == {"n": 0}
    receiver.refuse(poison, "poison")
    receiver.refuse(take(receiver), "poison")
    assert [_next(receiver) for _ in range(4)] == [1, 2, 3, 4]
    assert comes_true(lambda: len(wire.letters.list()) == 1)
    with capture_logs() as told:
        put(wire, 5, {"n": 5})
        assert comes_true(lambda: any("'maxmemory'" in entry.get("error", "") for entry in told))
    redis.ask("CONFIG", "SET", "maxmemory", "0")
    assert _next(receiver) == 5
    assert wire.counts().closes
    wire.close()


def test_an_entry_that_is_no_message_is_a_dead_letter_and_the_rest_flows(redis: RedisServer) -> None:
    wire = RedisWire(Broker(control=redis.url), _DURABLE)
    entries = wire.channel.spec.keys.entries.decode()
    redis.ask("XADD", entries, "*", "m", "garbage", "s", "7", "i", "x")
    redis.ask("XADD", entries, "*", "strange", "fields")
    redis.ask("XADD", entries, "*", "m", "garbage", "s", "much", "i", "x")
    redis.ask("XADD", entries, "*", "m", "garbage", "s", "9" * 99, "i", "x")
    put(wire, 0, {"n": 0})
    assert _next(wire.receivers[0]) == 0
    assert comes_true(lambda: len(wire.letters.list()) == 4)
    assert all("MessageDamaged" in reason for reason, _ in wire.dead())
    assert wire.letters.replay("a->b") == 4
    assert comes_true(lambda: len(wire.letters.list()) == 4)
    wire.close()


def test_a_second_sender_takes_the_place_of_the_first(redis: RedisServer) -> None:
    wire = RedisWire(Broker(control=redis.url), _DURABLE)
    put(wire, 0, {"n": 0})
    wire.sender.flush()
    other = RedisSender(wire.channel.spec)
    header = message(1)
    other.send(Encoder().encode(header, {"n": 1}), header, lambda: False)
    other.flush()
    with pytest.raises(ChannelClosed, match="in this one's place"):
        for index in (7, 8, 9):
            put(wire, index, {"n": index})
            wire.sender.flush()
    assert [_next(wire.receivers[0]) for _ in range(2)] == [0, 1]
    assert wire.channel.counts()["a->b"].sent == 2
    other.close()
    wire.close()


def test_what_was_accepted_before_a_kill_is_delivered_though_redis_was_not_told(redis: RedisServer) -> None:
    wire = RedisWire(Broker(control=redis.url), QoS.DURABLE(tries=1))
    for index in range(3):
        put(wire, index)
    wire.sender.flush()
    # As a process leaves it that was killed with 0 accepted, 1 in `loop` and 2 read ahead.
    wire.ends[0].close()
    line, keys, group = Line(redis.url), wire.channel.spec.keys, b"argus"
    free = [entry[0] for entry in line.call(b"XPENDING", keys.entries, group, b"-", b"+", b"9", b"~")]
    if free:  # it had read them ahead, and gave them back
        line.call(b"XCLAIM", keys.entries, group, b"0", b"0", *free)
    read = line.call(b"XREADGROUP", b"GROUP", group, b"0", b"COUNT", b"9", b"STREAMS", keys.entries, b">")
    ids = free + [entry[0] for entry in (read[0][1] if read else [])]
    assert len(ids) == 3
    line.call(b"SET", keys.hand(b"0"), ids[1] + b"|" + ids[0])
    line.close()
    wire.channel.forget("a->b", 0, "signal 9 (SIGKILL)")
    delivery = take(wire.comes(0))
    assert (value_of(delivery), delivery.tries) == (2, 1)
    wire.receivers[0].accept(delivery)
    assert wire.dead() == [("signal 9 (SIGKILL)", 1)]
    counts = wire.counts()
    assert (counts.sent, counts.delivered, counts.dropped, counts.pending) == (3, 2, {"dead": 1}, 0)
    wire.close()


def test_blobs_that_a_killed_sender_left_without_an_entry_are_freed(redis: RedisServer) -> None:
    wire = RedisWire(Broker(control=redis.url, data=redis.url), _DURABLE)
    put(wire, 0, {"n": 0, "bytes": np.zeros(50_000, np.uint8)})
    wire.sender.flush()
    spec = wire.channel.spec
    line, names = Line(redis.url), Reservations(spec.keys, b"killed")
    names.reserve(line)
    orphan = names.take()
    line.call(b"SET", spec.keys.blob(orphan), b"x" * 50_000)
    line.close()
    assert _blobs(redis, spec) == 2
    wire.sender.close()
    wire.sender = RedisSender(spec)
    put(wire, 1, {"n": 1, "bytes": np.zeros(50_000, np.uint8)})
    wire.sender.flush()
    assert _blobs(redis, spec) == 2
    assert [_next(wire.receivers[0]) for _ in range(2)] == [0, 1]
    assert comes_true(lambda: _blobs(redis, spec) == 0)
    wire.close()


def test_blobs_that_a_killed_receiver_left_after_its_acknowledgement_are_freed(redis: RedisServer) -> None:
    wire = RedisWire(Broker(control=redis.url, data=redis.url), _DURABLE)
    put(wire, 0, {"n": 0})
    wire.sender.flush()
    spec = wire.channel.spec
    redis.ask("SET", spec.keys.blob(b"left").decode(), "x" * 100)
    redis.ask("HSET", spec.keys.loose.decode(), "left", "g")
    wire.sender.close()
    wire.sender = RedisSender(spec)
    put(wire, 1, {"n": 1})
    wire.sender.flush()
    assert _blobs(redis, spec) == 0
    wire.close()


def test_a_blob_whose_name_was_swept_is_written_again(redis: RedisServer) -> None:
    wire = RedisWire(Broker(control=redis.url, data=redis.url), _DURABLE)
    for index in range(2):
        put(wire, index, {"n": index, "bytes": np.zeros(50_000, np.uint8)})
        wire.sender.flush()
        redis.ask("DEL", wire.channel.spec.keys.loose.decode())  # as a sweeper would
    assert [_next(wire.receivers[0]) for _ in range(2)] == [0, 1]
    assert wire.counts().closes
    wire.close()


def test_a_message_whose_blob_is_gone_is_a_dead_letter(redis: RedisServer) -> None:
    wire = RedisWire(Broker(control=redis.url, data=redis.url), _DURABLE)
    wire.ends[0].close()
    put(wire, 0, {"n": 0, "bytes": np.zeros(50_000, np.uint8)})
    put(wire, 1, {"n": 1})
    wire.sender.flush()
    [name] = [k for k in redis.ask("KEYS", "*:blob:*").split("\r\n") if ":blob:" in k]
    redis.ask("DEL", name)
    assert _next(wire.comes(0)) == 1
    [(reason, _)] = wire.dead()
    assert "gone from the data Redis" in reason
    assert wire.counts().closes
    wire.close()


def test_a_message_of_a_data_redis_that_is_named_no_more_is_a_dead_letter_until_it_is_again(
    redis: RedisServer,
) -> None:
    both = Broker(control=redis.url, data=redis.url)
    before = RedisWire(both, _DURABLE, system="moved")
    before.ends[0].close()
    put(before, 0, {"n": 0, "large": np.zeros(200_000, np.uint8)})
    before.sender.flush()
    before.close()
    wire = RedisWire(Broker(control=redis.url), _DURABLE, system="moved")
    put(wire, 1, {"n": 1})
    assert _next(wire.receivers[0]) == 1
    assert comes_true(lambda: len(wire.letters.list()) == 1)
    [letter] = wire.letters.list()
    assert "the system names none now" in letter.reason
    with pytest.raises(LetterDamaged, match="name it again"):
        wire.letters.read("a->b", letter.id)
    wire.close()
    again = RedisWire(both, _DURABLE, system="moved")
    assert again.letters.replay("a->b") == 1
    assert _next(again.receivers[0]) == 0
    again.close()


def test_what_is_looked_at_when_its_end_closes_in_order_has_not_failed(
    redis: RedisServer, network: Network
) -> None:
    network.late = (b"OFF", 0.3)  # the line on which a receiver writes down what it looks at, without waiting
    broker = Broker(control=f"redis://127.0.0.1:{network.port}")
    wire = RedisWire(broker, _DURABLE, system="late")
    put(wire, 0)
    take(wire.receivers[0])
    wire.close()
    time.sleep(0.5)
    again = RedisWire(broker, _DURABLE, system="late")
    delivery = take(again.receivers[0])
    assert (value_of(delivery), delivery.tries) == (0, 1)
    again.close()


def test_times_of_another_host_are_told_in_this_ones_clock(redis: RedisServer) -> None:
    import struct

    wire = RedisWire(Broker(control=redis.url), _DURABLE)
    elsewhere = 3_600_000_000_000
    stamp = struct.pack("<16sq", b"another host's..", time.time_ns() - time.monotonic_ns() - elsewhere)
    wire.sender._clock.stamp = lambda: stamp  # type: ignore[method-assign]
    put(wire, 0, born_ns=time.monotonic_ns() + elsewhere - 2_000_000_000)
    delivery = take(wire.receivers[0])
    assert 1.9 < delivery.header.age_s() < 7.0
    wire.receivers[0].accept(delivery)
    wire.close()


def _blobs(redis: RedisServer, spec: RedisSpec) -> int:
    """Return how many blobs of a channel there are."""
    return redis.ask("KEYS", "*").count(spec.keys.blob(b"").decode())
