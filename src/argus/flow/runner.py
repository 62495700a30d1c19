"""The loop around one node: what its links bring goes in, what it returns goes out.

Nothing is known here of processes (`worker`) or of where channels lead (`transport`). A message of a
DURABLE link is accepted when `loop` has returned and every link has what it gave.
"""

from __future__ import annotations

import select
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import structlog

from argus.flow.calling import Caller
from argus.flow.channels.protocol import ChannelClosed, ChannelDown, Delivery, Receiver
from argus.flow.codec import decode
from argus.flow.fusion import Matcher
from argus.flow.message import Message
from argus.flow.meters import Meters
from argus.flow.node import EndOfStream, FusionNode, Node, ProducerNode
from argus.flow.outlet import Outlet
from argus.flow.stamp import Stamps, values_of
from argus.flow.wire import MessageDamaged

if TYPE_CHECKING:
    from numpy.typing import NDArray

Ending = Literal["finished", "stopped"]
_LONGEST_WAIT_S: Final = 0.25
_DOWN_S: Final = 0.2


class Guard(Protocol):
    """Hears when a call into the user's code begins and ends; see `argus.processes.line.Line`."""

    def enter(self) -> None:
        """Hear that one begins."""
        ...

    def leave(self) -> None:
        """Hear that it has ended."""
        ...


@dataclass(frozen=True, slots=True)
class Inlet:
    """One link into the node."""

    receiver: Receiver
    input: str
    link: str


class Runner:
    """See the module; also the `Host` that its node asks. Used by one thread but for `stop` and `meters`."""

    def __init__(
        self,
        node: Node,
        inlets: Sequence[Inlet],
        outlets: Mapping[str, Outlet],
        *,
        source: str | None = None,
        incarnation: int = 1,
        first_index: int = 0,
        on_index: Callable[[int], None] | None = None,
        fps: float | None = None,
        guard: Guard | None = None,
        between: Callable[[], None] | None = None,
        wake: int | None = None,
    ) -> None:
        """Put the parts together.

        Args:
            node: Made, not set up.
            inlets: Its links in.
            outlets: Its outputs, by name; one that nobody takes may be missing.
            source: Its name and replica in origins and ids; None: its name.
            incarnation: Tells its ids from those of the process before it.
            first_index: The index of the first message that begins here.
            on_index: Hears the index that the next one will have.
            fps: Calls of a producer's `loop` per second at most.
            guard: Hears when `loop` begins and ends.
            between: Called between two calls of `loop`: new params.
            wake: A descriptor that is readable when `between` has something to do.
        """
        self.node = node
        self.meters = Meters([inlet.link for inlet in inlets])
        self._inlets = list(inlets)
        self._outlets = dict(outlets)
        self._stamps = Stamps(
            source or node.name, incarnation=incarnation, first_index=first_index, on_index=on_index
        )
        self._fps = fps
        self._guard = guard
        self._between = between
        self._wake = wake
        self._stopping = False
        self._inputs_over = False
        self._message: Message | None = None
        self._received_ns = 0
        self._next_s = 0.0
        self._caller = Caller()
        self._log = structlog.get_logger().bind(node=source or node.name)
        self._said: dict[str, float] = {}
        self._matcher: Matcher[tuple[Inlet, Delivery, Any]] | None = None
        if isinstance(node, FusionNode):
            self._matcher = Matcher([i.input for i in inlets], node.slop, node.patience)
        node.log = self._log
        node.host = self

    @property
    def stopping(self) -> bool:
        """True when the node shall come to an end."""
        return self._stopping

    @property
    def message(self) -> Message | None:
        """What `loop` is looking at."""
        return self._message

    def stop(self) -> None:
        """Let it end after what it is looking at; from any thread."""
        self._stopping = True

    def end_inputs(self) -> None:
        """Hear that nothing more will be sent to it, so that no partner will come; from any thread."""
        self._inputs_over = True

    def setup(self) -> None:
        """Set the node up; what it raises is the caller's."""
        self._caller.call(self.node.setup)

    def run(self) -> Ending:
        """Call `loop` until the stream ends or `stop`; then tear the node down, whatever happened.

        Raises:
            Exception: what a producer's `loop` raised; of consumers the message at fault is refused instead.
        """
        ending: Ending = "stopped"
        try:
            if isinstance(self.node, ProducerNode):
                self._produce(self.node)
            else:
                self._consume()
        except EndOfStream:
            ending = "finished"
        finally:
            try:
                self._caller.call(self.node.teardown)
            finally:
                self._caller.close()
                for outlet in self._outlets.values():
                    outlet.close()
                for inlet in self._inlets:
                    inlet.receiver.close()
        return ending

    def send(self, value: Any, output: str, *, time_s: float | None = None, index: int | None = None) -> None:
        """Send a value; see `argus.flow.node.Host`."""
        outlet = self._outlets.get(output)
        if outlet is None:
            if output in self.node.outputs:
                return  # nobody takes it
            raise ValueError(
                f"{self.node.name} has no output {output!r}: it has {', '.join(self.node.outputs)}"
            )
        header = self._stamps.header(value, self._message, self._received_ns, time_s=time_s, index=index)
        outlet.send(header, value, self._is_stopping)

    def loan(self, shape: tuple[int, ...], dtype: Any, output: str) -> NDArray[Any]:
        """Return an array to fill and send; see `argus.flow.node.Host`."""
        import numpy as np

        outlet = self._outlets.get(output)
        lent: NDArray[Any] = np.empty(shape, dtype) if outlet is None else outlet.loan(shape, dtype)
        return lent

    def pause(self, seconds: float) -> bool:
        """Wait; return early, and True, when the node shall come to an end."""
        until = time.monotonic() + seconds
        while not self._stopping:
            left_s = until - time.monotonic()
            if left_s <= 0:
                return False
            self._sleep([], min(left_s, _LONGEST_WAIT_S))
        return True

    def _is_stopping(self) -> bool:
        return self._stopping

    def _give(self, result: Any) -> None:
        """Send what `loop` returned."""
        for value in values_of(self.node, result):
            self.send(value, self.node.outputs[0])

    def _produce(self, node: ProducerNode) -> None:
        self._next_s = time.monotonic()
        while not self._stopping:
            self._settle()
            if self._fps is not None:
                self._next_s = max(self._next_s, time.monotonic() - 1.0 / self._fps)
                if self.pause(self._next_s - time.monotonic()):
                    return
                self._next_s += 1.0 / self._fps
            began = time.perf_counter()
            with suppress(ChannelClosed):
                result = self._called(node.loop)
                self._give(result)
            self.meters.loop.observe(time.perf_counter() - began)
            self.meters.processed += 1

    def _consume(self) -> None:
        start = 0
        while not self._stopping:
            self._settle()
            idle, down_s = True, None
            for at in range(len(self._inlets)):
                inlet = self._inlets[(start + at) % len(self._inlets)]
                try:
                    delivery = inlet.receiver.receive()
                except ChannelDown as error:
                    self._tell_down(str(error))
                    down_s = _DOWN_S
                    continue
                if delivery is not None:
                    self.meters.down = ""
                    idle = False
                    # Who had its turn comes last in the next round.
                    start = (start + at + 1) % len(self._inlets)
                    self._look(inlet, delivery)
                    break
            if idle:
                if down_s is None:
                    self.meters.down = ""
                    if self._inputs_over:
                        self._let_go()
                looks = [s for i in self._inlets if (s := i.receiver.next_look_s()) is not None]
                waits = [*looks, *([] if down_s is None else [down_s])]
                self._sleep([i.receiver.fileno() for i in self._inlets], min([*waits, _LONGEST_WAIT_S]))

    def _let_go(self) -> None:
        """Accept what waits for partners that will not come."""
        for inlet, delivery, _ in () if self._matcher is None else self._matcher.rest():
            inlet.receiver.accept(delivery)

    def _look(self, inlet: Inlet, delivery: Delivery) -> None:
        try:
            _, value = decode(delivery.data, delivery.buffers)
        except MessageDamaged as error:
            self._refuse([(inlet, delivery)], f"MessageDamaged: {error}")
            return
        if self._matcher is None:
            message = Message(delivery.header, value, inlet.input, inlet.link, delivery.tries)
            self._take([(inlet, delivery)], message, value)
            return
        time_s = delivery.header.origin.time_s
        complete, alone = self._matcher.add(inlet.input, time_s, (inlet, delivery, value))
        for set_ in complete:
            parts = [(i, d) for i, d, _ in set_.values()]
            oldest = min(parts, key=lambda part: part[1].header.origin.born_ns)[1]
            values = {name: item for name, (_, _, item) in set_.items()}
            self._take(parts, Message(oldest.header, values, "", ""), values)
        for lone, given, _ in alone:
            lone.receiver.accept(given)

    def _take(self, parts: Sequence[tuple[Inlet, Delivery]], message: Message, value: Any) -> None:
        """Call `loop` with a message, or a set of them, and send what it gives."""
        self._message, self._received_ns = message, time.monotonic_ns()
        for inlet, delivery in parts:
            hops = delivery.header.hops
            if hops:
                self.meters.links[inlet.link].observe((self._received_ns - hops[-1].sent_ns) / 1e9)
        try:
            began = time.perf_counter()
            result = self._called(self.node.loop, value)  # type: ignore[attr-defined]  # all but producers take one
            self.meters.loop.observe(time.perf_counter() - began)
            self._give(result)
            for outlet in self._outlets.values():
                outlet.flush(self._is_stopping)
        except ChannelClosed:
            return  # it comes again where that was promised
        except EndOfStream:
            for inlet, delivery in parts:
                inlet.receiver.accept(delivery)
            raise
        except Exception as error:  # noqa: BLE001 - the message is at fault, or the node is; both are said
            self._refuse(parts, traceback.format_exc(), error)
            return
        finally:
            self._message = None
        self.meters.processed += 1
        self.meters.age.observe(message.header.age_s())
        for inlet, delivery in parts:
            inlet.receiver.accept(delivery)

    def _refuse(
        self, parts: Sequence[tuple[Inlet, Delivery]], reason: str, error: Exception | None = None
    ) -> None:
        self.meters.failed += 1
        said = reason.strip().splitlines()[-1]
        # The same failure a hundred times a second is said once in ten seconds.
        now_s = time.monotonic()
        if now_s - self._said.get(said, -10.0) >= 10.0:
            if len(self._said) > 100:
                self._said.clear()
            self._said[said] = now_s
            id_ = parts[0][1].header.id
            self._log.error("node.loop_failed", message=id_, error=said, exc_info=error)
        for inlet, delivery in parts:
            inlet.receiver.refuse(delivery, reason)

    def _called(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call the user's code, watched."""
        guard = self._guard
        if guard is None:
            return self._caller.call(function, *arguments)
        guard.enter()
        try:
            return self._caller.call(function, *arguments)
        finally:
            guard.leave()

    def _settle(self) -> None:
        if self._between is not None:
            self._between()

    def _tell_down(self, reason: str) -> None:
        if self.meters.down != reason:
            self._log.warning("node.not_consuming", reason=reason)
        self.meters.down = reason

    def _sleep(self, descriptors: Sequence[int], seconds: float) -> None:
        poll = select.poll()
        for descriptor in descriptors:
            poll.register(descriptor, select.POLLIN)
        if self._wake is not None:
            poll.register(self._wake, select.POLLIN)
        poll.poll(max(0.0, seconds) * 1000)
