"""A system in one process and one thread."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, ClassVar

import numpy as np
import pytest
from pydantic import BaseModel

from argus import ConsumerNode, FusionNode, ProducerNode, QoS, SinkNode, System
from argus.flow.codec import ValueUnsendable
from argus.flow.debug import DebugSystem
from argus.flow.loading import NodeBroken

SEEN: list[Any] = []


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    SEEN.clear()


def counting() -> Iterator[int]:
    yield from range(5)


def double(data: int, *, by: int = 2) -> int:
    return by * data


class Keep(SinkNode):
    def loop(self, data: Any) -> None:
        SEEN.append(data)


class Camera(ProducerNode):
    outputs: ClassVar[tuple[str, ...]] = ("out", "mask")

    class Params(BaseModel):
        frames: int = 3

    def setup(self) -> None:
        self.index = 0

    def loop(self) -> Any:
        if self.index == self.params.frames:
            self.finish()
        self.index += 1
        self.send(-self.index, "mask", time_s=self.index / 10)
        self.send(self.index, time_s=self.index / 10)
        return None


def run(system: System) -> DebugSystem:
    debug = DebugSystem(system.graph(), system.objects)
    debug.run()
    return debug


def test_what_a_function_yields_goes_through_the_next_and_into_the_last() -> None:
    system = System("test")
    source, twice, sink = system.node(counting), system.node(double), system.node(Keep)
    system.link(source).to(twice).to(sink, qos=QoS.DURABLE)
    debug = run(system)
    assert SEEN == [0, 2, 4, 6, 8]
    assert [(link, c.sent, c.delivered, c.closes) for link, c in debug.counts.items()] == [
        ("counting->double", 5, 5, True),
        ("double->keep", 5, 5, True),
    ]


def test_params_are_given_where_the_node_is_named() -> None:
    system = System("test")
    system.link(system.node(counting)).to(system.node(double, by=10)).to(system.node(Keep))
    run(system)
    assert SEEN == [0, 10, 20, 30, 40]


def test_params_that_nobody_takes_are_refused_with_those_that_are_taken() -> None:
    system = System("test")
    system.node(Camera, frame=3)
    with pytest.raises(NodeBroken, match="camera: takes no frame: it takes frames"):
        DebugSystem(system.graph(), system.objects)
    other = System("test")
    other.node(Camera, frames="many")
    with pytest.raises(NodeBroken, match="frames: Input should be a valid integer"):
        DebugSystem(other.graph(), other.objects)


def test_outputs_are_linked_by_name() -> None:
    system = System("test")
    camera, sink = system.node(Camera), system.node(Keep)
    system.link(camera["mask"]).to(sink)
    run(system)
    assert SEEN == [-1, -2, -3]


def test_fusion_gets_what_belongs_together() -> None:
    class Both(FusionNode):
        def loop(self, data: Any) -> None:
            SEEN.append(dict(data))

    system = System("test")
    camera, both = system.node(Camera), system.node(Both)
    system.link(camera).to(both, input="picture")
    system.link(camera["mask"]).to(both, input="mask")
    run(system)
    assert [{"mask": -i, "picture": i} for i in (1, 2, 3)] == SEEN


def test_a_message_says_where_it_came_from() -> None:
    class Look(ConsumerNode):
        def loop(self, data: Any) -> Any:
            return data

    class Tell(SinkNode):
        def loop(self, data: Any) -> None:
            assert self.message is not None
            header = self.message.header
            SEEN.append((header.origin.source, header.origin.index, [hop.node for hop in header.hops]))
            assert 0 <= header.age_s() < 5

    system = System("test")
    system.link(system.node(Camera, frames=2)).to(system.node(Look)).to(system.node(Tell))
    run(system)
    assert SEEN == [("camera", 0, ["camera", "look"]), ("camera", 1, ["camera", "look"])]


def test_an_async_loop_is_awaited() -> None:
    import asyncio

    class Slow(ConsumerNode):
        async def loop(self, data: int) -> int:
            await asyncio.sleep(0)
            return data + 100

    system = System("test")
    system.link(system.node(counting)).to(system.node(Slow)).to(system.node(Keep))
    run(system)
    assert SEEN == [100, 101, 102, 103, 104]


def test_async_generators_give_one_value_after_the_other() -> None:
    import asyncio

    async def ticking() -> AsyncIterator[int]:
        for at in range(3):
            await asyncio.sleep(0)
            yield at

    class Twice(ConsumerNode):
        async def loop(self, data: int) -> AsyncIterator[int]:
            yield data
            await asyncio.sleep(0)
            yield data + 100

    system = System("test")
    system.link(system.node(ticking)).to(system.node(Twice)).to(system.node(Keep))
    run(system)
    assert SEEN == [0, 100, 1, 101, 2, 102]


def test_what_could_not_travel_fails_here_too() -> None:
    def opened() -> Iterator[Any]:
        yield threading.Lock()

    system = System("test")
    system.link(system.node(opened)).to(system.node(Keep))
    with pytest.raises(ValueUnsendable, match="lock"):
        run(system)
    assert SEEN == []


def test_everything_happens_in_the_calling_thread_and_errors_come_out_where_they_happen() -> None:
    class Fails(SinkNode):
        def loop(self, data: int) -> None:
            assert threading.current_thread() is threading.main_thread()
            if data == 2:
                raise ZeroDivisionError("two")

        def teardown(self) -> None:
            SEEN.append("torn down")

    system = System("test")
    system.link(system.node(counting)).to(system.node(Fails))
    debug = DebugSystem(system.graph(), system.objects)
    with pytest.raises(ZeroDivisionError):
        debug.run()
    assert SEEN == ["torn down"]
    counts = debug.counts["counting->fails"]
    assert (counts.sent, counts.delivered, counts.dropped) == (3, 2, {"failed": 1})


def test_a_teardown_that_fails_spares_no_other_node_its_own() -> None:
    class Fails(ProducerNode):
        def loop(self) -> None:
            self.finish()

        def teardown(self) -> None:
            raise ZeroDivisionError("torn")

    class Writer(SinkNode):
        def loop(self, data: Any) -> None: ...

        def teardown(self) -> None:
            SEEN.append("torn down")

    system = System("test")
    system.link(system.node(Fails)).to(system.node(Writer))
    with pytest.raises(ZeroDivisionError, match="torn"):
        run(system)
    assert SEEN == ["torn down"]


def test_a_sink_that_returns_something_is_told() -> None:
    class Wrong(SinkNode):
        def loop(self, data: int) -> Any:
            return data

    system = System("test")
    system.link(system.node(counting)).to(system.node(Wrong))
    with pytest.raises(ValueError, match="wrong is a sink: its loop must return None"):
        run(system)


def test_fps_paces_a_producer() -> None:
    system = System("test")
    system.link(system.node(Camera, frames=5, fps=50)).to(system.node(Keep))
    began = time.monotonic()
    run(system)
    assert time.monotonic() - began >= 0.08


def test_pictures_are_handed_on_without_a_copy_and_cannot_be_written_to() -> None:
    picture = np.zeros((1080, 1920, 3), np.uint8)

    def camera() -> Iterator[Any]:
        yield picture

    system = System("test")
    system.link(system.node(camera)).to(system.node(Keep))
    run(system)
    assert np.shares_memory(SEEN[0], picture)
    assert not SEEN[0].flags.writeable
    assert picture.flags.writeable
