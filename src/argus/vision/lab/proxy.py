"""The network between a camera of the lab and whoever watches it: a TCP proxy on loopback that can fail.

One thread carries every connection; what it does to them is `carrier`. Which fault needs which weather is
for `rtsp_camera`.
"""

from __future__ import annotations

import contextlib
import queue
import selectors
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from argus.core.errors import ArgusError
from argus.vision.lab.carrier import Carrier, Weather, bound
from argus.vision.lab.packets import PacketEdit

_ANSWER_S: Final = 10.0


class Proxy:
    """Listens on a port of its own and carries bytes to `upstream` and back; close it when done."""

    def __init__(self, upstream_port: int) -> None:
        """Listen on loopback, in fair weather.

        Args:
            upstream_port: Where the server listens, on loopback too.
        """
        # Bound and never listening: it keeps the port ours while connections are refused.
        self._claim = bound(0)
        self.port = int(self._claim.getsockname()[1])
        """Where it listens."""
        self._carrier = Carrier(self.port, upstream_port)
        self._orders: queue.SimpleQueue[_Order | None] = queue.SimpleQueue()
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        self._ear.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="argus-lab-proxy", daemon=True)
        self._closing = threading.Lock()
        self._closed = False
        self._thread.start()
        self.set_weather("fair")

    def set_weather(self, weather: Weather) -> None:
        """Let the network be so from now on; returns when it is. Fair weather cuts half-open connections."""
        self._order(lambda: self._carrier.set_weather(weather))

    def set_edit(self, edit: PacketEdit | None) -> None:
        """Do this to every packet that comes from the server, from now on."""
        self._order(lambda: self._carrier.set_edit(edit))

    def set_limit(self, bytes_per_s: float | None) -> None:
        """Let no more than this pass from the server, on each connection; None: all."""
        self._order(lambda: self._carrier.set_limit(bytes_per_s))

    def set_upstream(self, port: int) -> None:
        """Carry new connections to another server on loopback."""
        self._order(lambda: self._carrier.set_upstream(port))

    def cut(self) -> None:
        """Break every connection that stands; new ones are served."""
        self._order(self._carrier.cut)

    def close(self) -> None:
        """Break all and stop listening; idempotent."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
        self._ring(None)
        self._thread.join()
        for end in (self._bell, self._ear, self._claim):
            end.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def _order(self, work: Callable[[], None]) -> None:
        order = _Order(work)
        with self._closing:
            if self._closed:
                raise ArgusError("the lab's network is closed: make another camera")
            self._ring(order)
        if not order.done.wait(_ANSWER_S):
            raise ArgusError(f"the lab's network does not answer within {_ANSWER_S:g} s")
        if order.error is not None:
            raise ArgusError(f"the lab's network cannot do this: {order.error}") from order.error

    def _ring(self, order: _Order | None) -> None:
        self._orders.put(order)
        with contextlib.suppress(BlockingIOError):  # enough rings are waiting
            self._bell.send(b"!")

    def _run(self) -> None:
        carrier = self._carrier
        carrier.selector.register(self._ear, selectors.EVENT_READ, None)
        try:
            while True:
                if carrier.carry(self._ear):
                    self._ear.recv(4096)
                    while not self._orders.empty():
                        order = self._orders.get()
                        if order is None:
                            return
                        order.carry_out()
        finally:
            carrier.close()


class _Order:
    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self.done = threading.Event()
        self.error: OSError | None = None

    def carry_out(self) -> None:
        try:
            self._work()
        except OSError as error:
            self.error = error
        self.done.set()
