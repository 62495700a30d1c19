"""The receiving end of all the processes that one name leads to: the pods of a node, behind one service.

Each address has a `TcpReceiver` of its own; which addresses there are is asked again and again, so pods may
come and go. The stream is over when as many as there are to be have ended, and nobody else is there.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import structlog

from argus.flow.channels.freshness import Freshness
from argus.flow.channels.protocol import ChannelDown, Delivery, FreshReceiver
from argus.flow.channels.tcp_receiver import TcpReceiver
from argus.flow.channels.tcp_spec import TcpSpec
from argus.flow.channels.tcp_tally import Ledger

Resolve = Callable[[str], Sequence[str]]
"""Returns the addresses of a name; raises `OSError` where they cannot be had now."""
_LOOK_S: Final = 2.0
_LOOK_SOON_S: Final = 0.5
_NOBODY_S: Final = 2.0
_JOIN_S: Final = 1.0


def addresses_of(name: str) -> list[str]:
    """Return the addresses of a name, or of several joined by `+`; of the fourth version where there are any.

    Raises:
        OSError: one of the names leads nowhere now.
    """
    found = []
    for each in name.split("+"):
        entries = socket.getaddrinfo(each, None, type=socket.SOCK_STREAM)
        # A pod with addresses of both versions is one pod.
        family = min((entry[0] for entry in entries), key=lambda f: f != socket.AF_INET)
        found += [str(entry[4][0]) for entry in entries if entry[0] == family]
    return sorted(set(found))


class TcpSeveral(FreshReceiver):
    """See the module and `FreshReceiver`. A message's views are of memory that nothing else uses."""

    def __init__(
        self,
        spec: TcpSpec,
        link: str,
        replica: int = 0,
        *,
        key: str | None = None,
        freshness: Freshness | None = None,
        resolve: Resolve = addresses_of,
        look_s: float = _LOOK_S,
    ) -> None:
        """Begin to look for addresses.

        Args:
            spec: The channel; `address` is the name, `senders` how many there are to be.
            link: Which of its links this is an end of.
            replica: Which replica of the consumer this is, first 0.
            key: What both hosts know; None: as `ARGUS_FLOW_KEY` says.
            freshness: What the node has had of the link by its other channels; None: there are none.
            resolve: Finds the addresses.
            look_s: Seconds from one look to the next.
        """
        self.link = link
        self._spec, self._replica, self._key = spec, replica, key
        self._freshness = freshness or Freshness(spec.of(link).qos)
        self._resolve, self._look_s = resolve, look_s
        self._ledger = Ledger.of(spec, link, replica)
        self._poll = select.epoll()
        self._lock = threading.Lock()
        self._ends: dict[str, TcpReceiver] = {}
        self._left: set[str] = set()
        """Addresses that the name leads to no more."""
        self._start = 0
        self._found_s = time.monotonic()
        self._why = "its name has no address yet"
        self._log = structlog.get_logger().bind(link=link, name=spec.address)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._look, name="argus-flow-tcp-names", daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        """Return a descriptor that `poll` finds readable when `receive` may have something."""
        return self._poll.fileno()

    def receive(self) -> Delivery | None:
        """Return the newest message of whoever has one, each in its turn.

        Raises:
            ChannelDown: none of them is there.
        """
        ends = self._present()
        fault: ChannelDown | None = None
        down = 0
        for at in range(len(ends)):
            end = ends[(self._start + at) % len(ends)]
            try:
                delivery = end.receive()
            except ChannelDown as error:
                fault, down = error, down + 1
                continue
            if delivery is not None:
                self._start += at + 1
                return msgspec.structs.replace(delivery, handle=(end, delivery))
        if fault is not None and down == len(ends):
            raise fault
        if not ends and time.monotonic() - self._found_s > _NOBODY_S:
            raise ChannelDown(f"{self.link}: {self._spec.address}: {self._why}")
        return None

    def accept(self, delivery: Delivery) -> None:
        """Count it as delivered."""
        end, given = delivery.handle
        end.accept(given)

    def refuse(self, delivery: Delivery, reason: str) -> bool:
        """Drop it."""
        end, given = delivery.handle
        end.refuse(given, reason)
        return False

    def next_look_s(self) -> float | None:
        """Return when to ask again while one of them is not there."""
        with self._lock:
            looks = [s for end in self._ends.values() if (s := end.next_look_s()) is not None]
            return min(looks, default=None if self._ends else _LOOK_SOON_S)

    @property
    def ended(self) -> bool:
        """Whether as many as there are to be have ended, and nobody else is there."""
        with self._lock:
            over = [end.ended for end in self._ends.values() if end.ended or not end.gone]
        return all(over) and len(over) >= self._spec.senders

    def drained(self, over_s: float | None) -> bool:
        """Return whether it is so of as many as there are to be, and of all that are there."""
        with self._lock:
            over = [over for end in self._ends.values() if (over := end.drained(over_s)) or not end.gone]
        return all(over) and len(over) >= self._spec.senders

    @property
    def addresses(self) -> tuple[str, ...]:
        """Those that it takes from."""
        with self._lock:
            return tuple(self._ends)

    def close(self) -> None:
        """Say goodbye to all of them; idempotent."""
        if not self._closing.is_set():
            with self._lock:
                self._closing.set()
            for end in self._ends.values():
                end.close()
            self._thread.join(_JOIN_S)  # a name server may take longer; what it says is not heard any more
            self._ledger.close()
            self._poll.close()

    def _present(self) -> list[TcpReceiver]:
        """Return the ends, without those that are gone for good; called by the node's thread."""
        with self._lock:
            for address in [a for a in self._left if (end := self._ends[a]).gone and not end.ended]:
                self._left.discard(address)
                end = self._ends.pop(address)
                self._poll.unregister(end.fileno())
                end.close()
                self._log.info("flow.address_left", address=address)
            return list(self._ends.values())

    def _look(self) -> None:
        """Ask for the addresses, again and again."""
        while not self._closing.is_set():
            try:
                found = set(self._resolve(self._spec.address))
            except OSError as error:
                # A name server that is away says nothing of the pods: those that are known stay.
                self._why = f"its name cannot be resolved: {error.strerror or error}"
                found = set(self._ends)
            else:
                self._why = "its name has no address: nothing runs behind it"
            self._take(found)
            self._closing.wait(self._look_s if self._ends else _LOOK_SOON_S)

    def _take(self, found: set[str]) -> None:
        for address in sorted(found - set(self._ends)):
            spec = msgspec.structs.replace(self._spec, address=address)
            end = TcpReceiver(
                spec,
                self.link,
                self._replica,
                key=self._key,
                freshness=self._freshness,
                ledger=self._ledger,
            )
            with self._lock:
                closing = self._closing.is_set()
                if not closing:
                    self._ends[address] = end
                    self._poll.register(end.fileno(), select.EPOLLIN)
            if closing:
                end.close()
                return
            self._log.info("flow.address_found", address=address)
        with self._lock:
            self._left = set(self._ends) - found
            if self._ends:
                self._found_s = time.monotonic()
