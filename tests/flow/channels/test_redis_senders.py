"""Several pods that send on one DURABLE link, each counted for itself, and the end of such a stream."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from argus.flow.bench.redis_server import RedisServer
from argus.flow.channels.redis_channel import RedisChannel
from argus.flow.channels.redis_receiver import RedisReceiver
from argus.flow.channels.redis_sender import RedisSender
from argus.flow.channels.redis_spec import RedisSpec
from argus.flow.codec import Encoder
from argus.flow.graph import Broker
from argus.flow.qos import QoS
from tests.conftest import need
from tests.flow.channels.contract import message, take
from tests.sources.settling import comes_true


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    need(RedisServer.there(), "no redis-server here: apt install redis-server")
    with (
        RedisServer(tmp_path_factory.mktemp("redis")) as control,
        RedisServer(tmp_path_factory.mktemp("redis-data")) as data,
    ):
        yield Broker(control=control.url, data=data.url)


@pytest.fixture
def held() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def spec(held: contextlib.ExitStack, broker: Broker, tmp_path: Path) -> RedisSpec:
    return channel(held, broker, tmp_path.name).spec


def channel(held: contextlib.ExitStack, broker: Broker, system: str) -> RedisChannel:
    made = RedisChannel.create(system, "a->b", QoS.DURABLE, 1, broker, sender_pod="a-0", senders=2)
    held.callback(made.close)
    return made


def sender(held: contextlib.ExitStack, spec: RedisSpec, pod: str) -> RedisSender:
    made = RedisSender(msgspec.structs.replace(spec, sender_pod=pod), answer_s=1.0)
    held.callback(made.close)
    return made


def receiver(held: contextlib.ExitStack, spec: RedisSpec) -> RedisReceiver:
    made = RedisReceiver(spec, answer_s=1.0)
    held.callback(made.close)
    return made


def put(end: RedisSender, source: str, index: int) -> None:
    header = message(index, source=source)
    end.send(Encoder().encode(header, np.full(40_000, index, np.uint8)), header, lambda: False)


def test_a_sender_that_begins_leaves_what_others_are_about_to_use(
    held: contextlib.ExitStack, spec: RedisSpec
) -> None:
    one = sender(held, spec, "a-1")
    put(one, "one", 0)
    # Names for more of its large messages are reserved, and not used yet.
    two = sender(held, spec, "a-2")
    put(two, "two", 0)
    put(one, "one", 1)
    put(two, "two", 1)
    end = receiver(held, spec)
    had = []
    for _ in range(4):
        delivery = take(end)
        had.append((delivery.header.origin.source, delivery.header.origin.index))
        end.accept(delivery)
    assert sorted(had) == [("one", 0), ("one", 1), ("two", 0), ("two", 1)]


def test_who_takes_the_place_of_a_sender_of_the_same_name_frees_what_that_had_reserved(
    held: contextlib.ExitStack, spec: RedisSpec, broker: Broker
) -> None:
    from argus.flow.channels.redis_connection import Line

    put(sender(held, spec, "a-1"), "one", 0)
    put(sender(held, spec, "a-1"), "one", 1)
    assert broker.control is not None
    line = Line(broker.control)
    names = line.call(b"HKEYS", spec.keys.loose)
    line.close()
    assert len({name.rpartition(b"-")[0] for name in names}) == 1


def test_it_is_over_when_all_of_them_have_ended_and_not_when_one_has_left(
    held: contextlib.ExitStack, spec: RedisSpec
) -> None:
    end = receiver(held, spec)
    senders = {pod: sender(held, spec, pod) for pod in ("a-1", "a-2", "a-3")}
    for at, (pod, each) in enumerate(senders.items()):
        put(each, pod, at)
        end.accept(take(end))
    senders["a-1"].end()
    senders["a-2"].end()
    senders["a-1"].close()
    senders["a-2"].close()
    assert end.flush()
    # Two have ended, as many as there are to be, but a third is there.
    assert not comes_true(lambda: end.ended, within_s=1.0)
    senders["a-3"].close()
    assert comes_true(lambda: end.ended, within_s=5.0)


def test_a_new_sender_after_the_end_of_all_begins_a_new_stream(
    held: contextlib.ExitStack, spec: RedisSpec, broker: Broker
) -> None:
    end = receiver(held, spec)
    for pod in ("a-1", "a-2"):
        each = sender(held, spec, pod)
        each.connect()
        each.end()
        each.close()
    assert comes_true(lambda: end.ended, within_s=5.0)
    new = sender(held, spec, "a-3")
    put(new, "three", 0)
    assert comes_true(lambda: not end.ended, within_s=5.0)
    end.accept(take(end))
    new.end()
    new.close()
    assert not comes_true(lambda: end.ended, within_s=1.0)
