"""What a user writes: a class with `setup`, `loop` and `teardown`, or a function.

A node knows nothing of processes, links or transport. Who calls it is `argus.flow.runner`; it hears of
the world through `self.message`, `self.params` and `self.stopping`, and speaks by what `loop` returns
or by `self.send`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from argus.core.errors import ArgusError

if TYPE_CHECKING:
    import structlog
    from numpy.typing import NDArray

    from argus.flow.message import Message


class EndOfStream(ArgusError):
    """Raised by a producer's `loop` (or by `finish`): nothing more will come, and that is no failure."""


class Host(Protocol):
    """What a node asks of whoever runs it."""

    @property
    def stopping(self) -> bool:
        """True when the node shall come to an end."""
        ...

    @property
    def message(self) -> Message | None:
        """What `loop` is looking at; None in producers and outside of `loop`."""
        ...

    def send(self, value: Any, output: str, *, time_s: float | None = None, index: int | None = None) -> None:
        """Send a value; returns when every link has accepted it."""
        ...

    def loan(self, shape: tuple[int, ...], dtype: Any, output: str) -> NDArray[Any]:
        """Return an array that lies where readers will see it, to be filled and sent."""
        ...

    def pause(self, seconds: float) -> bool:
        """Wait; return early, and True, when the node shall come to an end."""
        ...


class Node:
    """Base of all nodes. Subclass one of those below, whose names say what they do."""

    Params: ClassVar[type[Any] | None] = None
    """A pydantic model of what can be set, also while running; None: nothing can."""
    outputs: ClassVar[tuple[str, ...]] = ("out",)
    """Names of its outputs; what `loop` returns goes to the first."""
    name: str = ""
    """The node's name in its system."""
    replica: int = 0
    """Which of its replicas this is, first 0."""
    replicas: int = 1
    """How many of it there are on this host."""
    params: Any = None
    """An instance of `Params`; replaced, never changed, before `on_params` is called."""
    log: structlog.stdlib.BoundLogger
    """Says what happens, with the node's name."""
    host: Host
    """Who runs it; set before `setup`."""

    def setup(self) -> None:
        """Open what is needed; once, before the first `loop`."""

    def teardown(self) -> None:
        """Close it; once, also after a failure, but not where `setup` failed."""

    def on_params(self, changed: frozenset[str]) -> None:
        """Hear which params have just changed; between two calls of `loop`."""

    @property
    def message(self) -> Message | None:
        """What `loop` is looking at: where it came from, when it was made; None in producers."""
        return self.host.message

    @property
    def stopping(self) -> bool:
        """True when the system is ending: a long `loop` should return."""
        return self.host.stopping

    def pause(self, seconds: float) -> bool:
        """Wait; return early, and True, when the system is ending. Use it in place of `time.sleep`."""
        return self.host.pause(seconds)

    def send(
        self, value: Any, output: str | None = None, *, time_s: float | None = None, index: int | None = None
    ) -> None:
        """Send a value besides what `loop` returns, to an output (None: the first).

        Args:
            value: As `loop` may return; None sends nothing.
            output: One of `outputs`.
            time_s: When what it shows happened, in seconds of the source; None: as the message being
                looked at, or now.
            index: Its number in the source, never less than the last; None: the next.
        """
        if value is not None:
            self.host.send(value, output or self.outputs[0], time_s=time_s, index=index)

    def loan(self, shape: tuple[int, ...], dtype: Any = "uint8", output: str | None = None) -> NDArray[Any]:
        """Return an array to fill and return: where readers share memory it is sent without a copy."""
        return self.host.loan(shape, dtype, output or self.outputs[0])


class ProducerNode(Node):
    """Makes messages: `loop()` returns one, or None for nothing this time, and is called again and again.

    `fps` in the system's file is how often it is called at most. `EndOfStream`, raised or by `finish`,
    ends it well.
    """

    def loop(self) -> Any:
        """Return the next value; may be `async`."""
        raise NotImplementedError

    def finish(self) -> None:
        """End the stream: what was sent is still delivered."""
        raise EndOfStream("the stream has ended")


class ConsumerNode(Node):
    """Takes messages one by one: `loop(data)` returns what becomes of each, or None.

    With several inputs it is called for each message of any; `self.message.input` says which.
    """

    def loop(self, data: Any) -> Any:
        """Return what becomes of it; may be `async`."""
        raise NotImplementedError


class SinkNode(ConsumerNode):
    """Takes messages and sends nothing."""

    outputs: ClassVar[tuple[str, ...]] = ()


class FusionNode(Node):
    """Takes what belongs together: one message of each input, at most `slop` seconds apart.

    `loop(data)` gets a mapping from input to value. Times are `Origin.time_s`. What finds no partner is
    dropped when a younger set is complete, or when `patience` messages of its input wait. Of a DURABLE
    input it is dropped so only when the inputs that are missing have brought nothing for `grace` seconds;
    until then its further messages stay in the link. When what waits fills the link, ten times as long.
    """

    slop: ClassVar[float] = 0.05
    patience: ClassVar[int] = 32
    grace: ClassVar[float] = 1.0

    def loop(self, data: Mapping[str, Any]) -> Any:
        """Return what becomes of a set; may be `async`."""
        raise NotImplementedError


class GatewayNode(SinkNode):
    """Shows the system to the outside; see `argus.flow.gateway` for the one that is built in.

    `loop(data)` is called for each message of every link to it; it keeps the newest of each topic.
    """


def output_of(node: Node) -> str:
    """Return where goes what a node's `loop` gives.

    Raises:
        ValueError: it is a sink.
    """
    if not node.outputs:
        raise ValueError(f"{node.name} is a sink: its loop must return None")
    return node.outputs[0]
