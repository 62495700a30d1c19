"""Who hands pictures from one process to another: our ring, a bare ring, ZeroMQ, Redis, and one memcpy.

Our ring comes by itself, as the others do, and as nodes have it, with headers and values encoded.

Each is two functions that send and take one picture; run as a module (`python -m
argus.flow.bench.picture_contenders NAME send|take ADDRESS FPS SECONDS WARM_UP READER`) one of them has a
process of its own. All takers wait for their wake-up before each picture, as who has several inputs must.
`stages` makes what they meet at, `peers.loops` drives them; iceoryx2 and zenoh are scripts there.

The bare ring is what one writes in an hour: slots in `multiprocessing.shared_memory`, the newest one's
number, a wake-up. It promises nothing: a slot is overwritten after a while, whoever looks at it.
"""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from argus.flow.bench.peers.loops import SHAPE, SIZE, Send, Take, send_all, take_all
from argus.flow.channels.ring import RingReceiver, RingSender, RingSpec
from argus.flow.codec import Encoder, decode
from argus.flow.message import Header, Origin
from argus.flow.wire import Packed

BARE_SLOTS: Final = 4
_PAGE: Final = 4096
_kept: Final[list[SharedMemory]] = []


class Sending(NamedTuple):
    """How a contender sends."""

    send: Send
    others_s: Callable[[], float] | None = None
    """CPU seconds of a server in between, so far."""


def _picture() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 255, SHAPE, np.uint8)


def _head(picture: NDArray[np.uint8]) -> NDArray[np.uint64]:
    return picture.reshape(-1)[:8].view(np.uint64)


def _ring_sender(address: str, lent: bool) -> Sending:
    """Send what was encoded once; `lent` fills an array of the ring's."""
    sender, encoder = _opened(address)
    own = _picture()
    header = _header(0)
    packed = encoder.encode(header, own)

    def send(number: int) -> None:
        ready = Packed(packed.header, (sender.loan(SHAPE, np.uint8).data.cast("B"),)) if lent else packed
        ready.buffers[0][:8].cast("Q")[0] = number
        sender.send(ready, header, lambda: False)

    return Sending(send)


def _node_sender(address: str, lent: bool) -> Sending:
    """Send as a node does: each picture with a header of its own, encoded."""
    sender, encoder = _opened(address)
    own, index = _picture(), 0

    def send(number: int) -> None:
        nonlocal index
        picture = sender.loan(SHAPE, np.uint8) if lent else own
        picture.data.cast("B")[:8].cast("Q")[0] = number
        header = _header(index)
        sender.send(encoder.encode(header, picture), header, lambda: False)
        index += 1

    return Sending(send)


def _opened(address: str) -> tuple[RingSender, Encoder]:
    return RingSender(msgspec.json.decode(address, type=RingSpec)), Encoder()


def _header(index: int) -> Header:
    now = time.monotonic_ns()
    return Header(f"bench/1/{index}", Origin("bench", index, now / 1e9, now))


def _ring_taker(address: str, reader: int, decoded: bool) -> Take:
    """Take, and keep each until the next is there: a view as the ring gives it, or `decoded` for a node.

    It is accepted before the next is waited for, as a node does when its `loop` has returned.
    """
    spec = msgspec.json.decode(address, type=RingSpec)
    receiver = RingReceiver(spec, spec.links[reader].link)
    poll = select.poll()
    poll.register(receiver, select.POLLIN)
    kept: Any = None
    looked_at: Any = None

    def take(within_s: float) -> int | None:
        nonlocal kept, looked_at
        if looked_at is not None:
            receiver.accept(looked_at)
        poll.poll(1000 * within_s)
        looked_at = delivery = receiver.receive()
        if delivery is None:
            return None
        if decoded:
            kept = decode(delivery.data, delivery.buffers)[1]
            number = int(_head(kept)[0])
        else:
            kept = delivery.buffers[0]
            number = kept[:8].cast("Q")[0]
        return number

    return take


def _bare_slots(address: str) -> tuple[NDArray[np.uint64], list[NDArray[np.uint8]], list[int]]:
    name, *events = address.split()
    memory = SharedMemory(name)
    # The one that made it removes it; before Python 3.13 a tracker of ours would as well.
    resource_tracker.unregister(memory._name, "shared_memory")  # type: ignore[attr-defined]
    slots = [np.ndarray(SHAPE, np.uint8, memory.buf, _PAGE + at * bare_stride()) for at in range(BARE_SLOTS)]
    _kept.append(memory)
    return np.ndarray((1,), np.uint64, memory.buf), slots, [int(event) for event in events]


def bare_stride() -> int:
    """Return bytes from one slot of the bare ring to the next."""
    return -(-SIZE // _PAGE) * _PAGE


def _bare_sender(address: str, lent: bool) -> Sending:
    newest, slots, events = _bare_slots(address)
    own, index = _picture(), 0

    def send(number: int) -> None:
        nonlocal index
        index += 1
        slot = slots[index % BARE_SLOTS]
        _head(slot if lent else own)[0] = number
        if not lent:
            np.copyto(slot, own)
        newest[0] = index
        for event in events:
            os.eventfd_write(event, 1)

    return Sending(send)


def _bare_taker(address: str, reader: int, copied: bool) -> Take:
    newest, slots, events = _bare_slots(address)
    event = events[reader]
    poll = select.poll()
    poll.register(event, select.POLLIN)
    own, seen = np.empty(SHAPE, np.uint8), 0

    def take(within_s: float) -> int | None:
        nonlocal seen
        if not poll.poll(1000 * within_s):
            return None
        os.eventfd_read(event)
        index = int(newest[0])
        if index == seen:
            return None
        seen = index
        picture = slots[index % BARE_SLOTS]
        if copied:
            np.copyto(own, picture)
            picture = own
        return int(_head(picture)[0])

    return take


def _zmq_sender(address: str) -> Sending:
    import zmq

    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.PUB)
    socket.setsockopt(zmq.SNDHWM, 2)
    socket.connect(address)
    own = _picture()

    def send(number: int) -> None:
        _head(own)[0] = number
        socket.send(own.data)  # copied: the caller may change it at once, as with the others

    return Sending(send)


def _zmq_taker(address: str) -> Take:
    import zmq

    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.SUB)
    socket.setsockopt(zmq.CONFLATE, 1)
    socket.subscribe(b"")
    socket.bind(address)

    def take(within_s: float) -> int | None:
        if not socket.poll(int(1000 * within_s)):
            return None
        frame = socket.recv(copy=False)
        return int(np.frombuffer(frame.buffer, np.uint64, 1)[0])

    return take


def _redis_sender(address: str) -> Sending:
    import redis

    server = redis.Redis(unix_socket_path=address)
    own = _picture()

    def send(number: int) -> None:
        _head(own)[0] = number
        server.xadd("pictures", {"frame": own.tobytes()}, maxlen=2, approximate=False)

    def others_s() -> float:
        used: Any = server.info("cpu")
        return float(used["used_cpu_sys"] + used["used_cpu_user"])

    return Sending(send, others_s)


def _redis_taker(address: str) -> Take:
    import redis

    server = redis.Redis(unix_socket_path=address)
    last: Any = "$"

    def take(within_s: float) -> int | None:
        nonlocal last
        found: Any = server.xread({"pictures": last}, 1, int(1000 * within_s))
        if not found:
            return None
        last, fields = next(iter(found.values()))[0][0] if isinstance(found, dict) else found[0][1][0]
        return int(np.frombuffer(fields[b"frame"], np.uint64, 1)[0])

    return take


def _memcpy(_address: str) -> Sending:
    own, target = _picture(), np.empty(SHAPE, np.uint8)

    def send(number: int) -> None:
        _head(own)[0] = number
        np.copyto(target, own)

    return Sending(send)


SENDERS: Final[dict[str, Callable[[str], Sending]]] = {
    "ring": lambda address: _ring_sender(address, lent=False),
    "ring-lent": lambda address: _ring_sender(address, lent=True),
    "nodes": lambda address: _node_sender(address, lent=False),
    "nodes-lent": lambda address: _node_sender(address, lent=True),
    "bare": lambda address: _bare_sender(address, lent=False),
    "bare-lent": lambda address: _bare_sender(address, lent=True),
    "bare-copied": lambda address: _bare_sender(address, lent=False),
    "zmq": _zmq_sender,
    "redis": _redis_sender,
    "memcpy": _memcpy,
}

TAKERS: Final[dict[str, Callable[[str, int], Take]]] = {
    "ring": lambda address, reader: _ring_taker(address, reader, decoded=False),
    "ring-lent": lambda address, reader: _ring_taker(address, reader, decoded=False),
    "nodes": lambda address, reader: _ring_taker(address, reader, decoded=True),
    "nodes-lent": lambda address, reader: _ring_taker(address, reader, decoded=True),
    "bare": lambda address, reader: _bare_taker(address, reader, copied=False),
    "bare-lent": lambda address, reader: _bare_taker(address, reader, copied=False),
    "bare-copied": lambda address, reader: _bare_taker(address, reader, copied=True),
    "zmq": lambda address, _: _zmq_taker(address),
    "redis": lambda address, _: _redis_taker(address),
}


if __name__ == "__main__":
    _, contender, role, where, rate, for_s, warm_up_s, reader = sys.argv
    if role == "send":
        sending = SENDERS[contender](where)
        send_all(sending.send, float(rate), float(for_s), float(warm_up_s), sending.others_s)
    else:
        take_all(TAKERS[contender](where, int(reader)))
