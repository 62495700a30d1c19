"""Driving one node without a system: a small honest host, and messages as links bring them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import structlog

from argus.flow.codec import Encoder, decode
from argus.flow.message import Header, Hop, Message, Origin
from argus.flow.node import EndOfStream, Node, ProducerNode
from argus.flow.wire import unlay


@dataclass(frozen=True)
class Sent:
    """What a node sent."""

    output: str
    value: Any
    time_s: float | None
    index: int | None


class Bench:
    """Runs one node in the calling thread, and is its host; what it sends is kept as it would arrive."""

    def __init__(self, node: Node, name: str = "", **params: Any) -> None:
        """Give the node its name, params and host, as a system does."""
        node.name = name or type(node).__name__.lower()
        node.params = None if node.Params is None else node.Params.model_validate(params)
        node.log = structlog.get_logger().bind(node=node.name)
        node.host = self
        self.node = node
        self.sent: list[Sent] = []
        self.message: Message | None = None
        self._stop = threading.Event()

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    def stop(self) -> None:
        self._stop.set()

    def send(self, value: Any, output: str, *, time_s: float | None = None, index: int | None = None) -> None:
        assert output in self.node.outputs
        # Through the bytes and back: a view of what is gone, or what cannot travel, is found here.
        data = Encoder().encode(Header("x", Origin("x", 0, 0.0, 0)), value).to_bytes()
        self.sent.append(Sent(output, decode(*unlay(memoryview(data)))[1], time_s, index))

    def loan(self, shape: tuple[int, ...], dtype: Any, output: str) -> Any:
        return np.empty(shape, dtype)

    def pause(self, seconds: float) -> bool:
        return self._stop.wait(seconds)

    def give(
        self,
        value: Any,
        link: str = "camera->node",
        *,
        source: str = "camera",
        index: int = 0,
        time_s: float | None = None,
        age_s: float = 0.0,
        through: tuple[str, ...] = (),
    ) -> Any:
        """Let the node look at a value; return what its `loop` did."""
        now_ns = time.monotonic_ns()
        born_ns = now_ns - int(age_s * 1e9)
        sender = link.partition("->")[0].partition(".")[0]
        hops = tuple(Hop(n, now_ns, now_ns) for n in through or dict.fromkeys((source, sender)))
        origin = Origin(source, index, index / 10 if time_s is None else time_s, born_ns)
        header = Header(f"{sender}/1/{index}", origin, hops)
        self.message = Message(header, value, link=link)
        try:
            result = self.node.loop(value)  # type: ignore[attr-defined]  # all but producers take one
        finally:
            self.message = None
        if result is not None:
            self.send(result, self.node.outputs[0])
        return result

    def turn(self, most: int = 10_000) -> bool:
        """Call a producer's `loop` until it has sent something; return False at the end of its stream."""
        assert isinstance(self.node, ProducerNode)
        before = len(self.sent)
        try:
            for _ in range(most):
                self.node.loop()
                if len(self.sent) > before:
                    return True
        except EndOfStream:
            return False
        raise AssertionError("it sends nothing")

    def change(self, **params: Any) -> None:
        """Change params as a running system does."""
        old = self.node.params
        self.node.params = type(old).model_validate({**old.model_dump(by_alias=True), **params})
        self.node.on_params(frozenset(k for k in params if getattr(old, k) != getattr(self.node.params, k)))


@contextmanager
def on_bench(node: Node, name: str = "", **params: Any) -> Iterator[Bench]:
    """Set a node up, and tear it down in the end."""
    bench = Bench(node, name, **params)
    try:
        node.setup()
        yield bench
    finally:
        bench.stop()
        node.teardown()
