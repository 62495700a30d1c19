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
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from argus.core.late_logging import LateLogger
from argus.flow.calling import Caller, Guard
from argus.flow.channels.protocol import ChannelClosed, Delivery
from argus.flow.codec import decode
from argus.flow.gathering import Gathering, Part
from argus.flow.inlets import Inlet, Inlets
from argus.flow.message import Message
from argus.flow.meters import Meters
from argus.flow.node import EndOfStream, Node, ProducerNode, output_of
from argus.flow.outlet import Outlet
from argus.flow.refusals import Refusals
from argus.flow.stamp import Stamps
from argus.flow.wire import MessageDamaged

if TYPE_CHECKING:
    from numpy.typing import NDArray

Ending = Literal["finished", "stopped"]
_LONGEST_WAIT_S: Final = 0.25


class Runner:
    """See the module; also the `Host` that its node asks. Used by one thread but for `stop` and `meters`."""

    def __init__(
        self,
        node: Node,
        inlets: Sequence[Inlet],
        outlets: Mapping[str, Outlet],
        *,
        source: str | None = None,
        life: int = 0,
        process: int = 1,
        first_index: int = 0,
        on_index: Callable[[int], None] | None = None,
        fps: float | None = None,
        guard: Guard | None = None,
        between: Callable[[], None] | None = None,
        wake: int | None = None,
        again: bool = False,
    ) -> None:
        """Put the parts together.

        Args:
            node: Made, not set up.
            inlets: Its links in.
            outlets: Its outputs, by name; one that nobody takes may be missing.
            source: Its name and replica in origins and ids; None: its name.
            life: Tells its ids from those of the same system when it ran before.
            process: Tells its ids from those of the process before it.
            first_index: The index of the first message that begins here.
            on_index: Hears the index that the next one will have.
            fps: Calls of a producer's `loop` per second at most.
            guard: Hears when `loop` begins and ends.
            between: Called between two calls of `loop`: new params.
            wake: A descriptor that is readable when `between` has something to do.
            again: Whoever ends it by itself is started again, so that is no end of its stream.
        """
        self.node = node
        self.meters = Meters([inlet.link for inlet in inlets])
        self._inlets = Inlets(inlets)
        self._outlets = dict(outlets)
        self._stamps = Stamps(
            source or node.name, life=life, process=process, first_index=first_index, on_index=on_index
        )
        self._fps = fps
        self._between = between
        self._wake = wake
        self._again = again
        self._stopping = self._leaving = self._finished = False
        self._over_s: float | None = None
        """When it was said that nothing more will be sent to it."""
        self._message: Message | None = None
        self._received_ns = 0
        self._next_s = 0.0
        self._caller = Caller(guard)
        self._log = LateLogger(node=source or node.name)
        self._gathering = Gathering(node, [inlet.input for inlet in inlets])
        self._refusals = Refusals(self._log, self.meters)
        node.log = cast("Any", self._log)
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
        """Let it leave after what it is looking at, waiting for nobody; from any thread."""
        self._leaving = self._stopping = True

    def finish(self) -> None:
        """Let it end, as it has had everything: its own stream is over as well; from any thread."""
        self._again = False
        self._finished = self._stopping = True

    def end_inputs(self) -> None:
        """Hear that nothing more will be sent to it, so that no other partner will come; from any thread."""
        self._over_s = time.monotonic()

    @property
    def ended_links(self) -> list[str]:
        """The links whose streams are over, and had; from any thread."""
        return self._inlets.ended_links

    @property
    def over_links(self) -> list[str]:
        """The links whose streams are over, and handed out; from any thread."""
        return self._inlets.over_links

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
            except Exception:
                if not self._finished and ending != "finished":
                    raise
                # Started again for it, a producer would send all of its stream once more, and so for ever.
                self._log.exception("node.teardown_failed", consequence="none: its stream had ended")
            finally:
                self._caller.close()
                if self._finished or (ending == "finished" and not self._again):
                    self._end_outlets()
                for outlet in self._outlets.values():
                    outlet.close()
                self._inlets.close()
        return ending

    def _end_outlets(self) -> None:
        """Say to those who cannot hear of it otherwise that nothing more will come."""
        for outlet in self._outlets.values():
            try:
                outlet.end(self._is_leaving)
            except ChannelClosed as error:
                self._log.warning("node.end_not_told", error=str(error))

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
        outlet.send(header, value, self._is_leaving)

    def loan(self, shape: tuple[int, ...], dtype: Any, output: str) -> NDArray[Any]:
        """Return an array to fill and send; see `argus.flow.node.Host`."""
        import numpy as np

        outlet = self._outlets.get(output)
        lent: NDArray[Any] = np.empty(shape, dtype) if outlet is None else outlet.loan(shape, dtype)
        return lent

    def pause(self, seconds: float) -> bool:
        """Wait; return early, and True, when the node shall come to an end."""
        until, wake = time.monotonic() + seconds, self._wake
        while not self._stopping:
            left_s = until - time.monotonic()
            if left_s <= 0:
                return False
            if self._sleep([], min(left_s, _LONGEST_WAIT_S), wake):
                wake = None  # new params wait for the end of `loop`: it would be said again and again
        return True

    def _is_leaving(self) -> bool:
        return self._leaving

    def _call(self, *arguments: Any) -> None:
        """Call `loop`, and send what it gives."""
        results = self._caller.results(self.node.loop, *arguments)  # type: ignore[attr-defined]  # all have one
        spent_s = 0.0
        while True:
            began_s = time.perf_counter()
            value = next(results, None)
            spent_s += time.perf_counter() - began_s
            if value is None:
                break
            self.send(value, output_of(self.node))
        self.meters.loop.observe(spent_s)

    def _produce(self, node: ProducerNode) -> None:
        self._next_s = time.monotonic()
        while not self._stopping:
            self._settle()
            if self._fps is not None:
                self._next_s = max(self._next_s, time.monotonic() - 1.0 / self._fps)
                if (left_s := self._next_s - time.monotonic()) > 0:
                    self._sleep([], min(left_s, _LONGEST_WAIT_S), self._wake)
                    continue
                self._next_s += 1.0 / self._fps
            with suppress(ChannelClosed):
                self._call()
            self.meters.processed += 1

    def _consume(self) -> None:
        inlets = self._inlets
        while not self._stopping:
            self._settle()
            full = self._gathering.full(inlets)
            found = inlets.next(full)
            if inlets.fault:
                self._tell_down(inlets.fault)
            else:
                self.meters.down = ""
            if found is not None:
                self._look(*found)
                continue
            if self._gathering.waiting and inlets.drained(self._over_s):
                self._gathering.let_go()
            self._sleep(inlets.descriptors(full), inlets.wait_s(_LONGEST_WAIT_S, full), self._wake)

    def _look(self, inlet: Inlet, delivery: Delivery) -> None:
        try:
            header, value = decode(delivery.data, delivery.buffers)
        except MessageDamaged as error:
            self._refusals.refuse([(inlet, delivery)], f"MessageDamaged: {error}")
            return
        if delivery.read is None:
            delivery.read = header
        for parts, message, whole in self._gathering.add(inlet, delivery, value):
            self._take(parts, message, whole)

    def _take(self, parts: Sequence[Part], message: Message, value: Any) -> None:
        """Call `loop` with a message, or a set of them, and send what it gives."""
        self._message, self._received_ns = message, time.monotonic_ns()
        for inlet, delivery in parts:
            hops = delivery.header.hops
            if hops:
                self.meters.links[inlet.link].observe((self._received_ns - hops[-1].sent_ns) / 1e9)
        try:
            self._call(value)
            for outlet in self._outlets.values():
                outlet.flush(self._is_leaving)
        except ChannelClosed:
            return  # it comes again where that was promised
        except EndOfStream:
            for inlet, delivery in parts:
                inlet.receiver.accept(delivery)
            raise
        except BaseException as error:  # noqa: BLE001 - the message's fault or the node's: said
            again = self._refusals.refuse(parts, traceback.format_exc(), error)
            self._gathering.expect(again)
            self._inlets.expect(again)
            return
        finally:
            self._message = None
        self.meters.processed += 1
        self.meters.age.observe(message.header.age_s())
        for inlet, delivery in parts:
            inlet.receiver.accept(delivery)

    def _settle(self) -> None:
        if self._between is not None:
            self._between()

    def _tell_down(self, reason: str) -> None:
        if self.meters.down != reason:
            self._log.warning("node.not_consuming", reason=reason)
        self.meters.down = reason

    @staticmethod
    def _sleep(descriptors: Sequence[int], seconds: float, wake: int | None) -> bool:
        """Wait until one of them is readable; return whether it was `wake`."""
        poll = select.poll()
        for descriptor in descriptors:
            poll.register(descriptor, select.POLLIN)
        if wake is not None:
            poll.register(wake, select.POLLIN)
        return any(descriptor == wake for descriptor, _ in poll.poll(max(0.0, seconds) * 1000))
