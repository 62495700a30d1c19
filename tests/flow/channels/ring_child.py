"""A process with one end of a ring, for tests that kill and stop it: a writer, or a reader that sums up.

`python -m tests.flow.channels.ring_child write SPEC LARGEST` or `… read SPEC LINK REPLICA`. It ends by itself
when its parent is gone, or with a traceback when a message is not what was sent.
"""

from __future__ import annotations

import os
import random
import select
import sys
import time
import zlib
from typing import Any

import msgspec
import numpy as np

from argus.flow.channels.ring import RingReceiver, RingSender, RingSpec
from argus.flow.codec import Encoder, decode
from argus.flow.message import Header, Origin


def write(spec: RingSpec, parent: int, largest: int) -> None:
    """Send pictures of any size up to the largest with their sums, one in two filled in place."""
    sender, encoder, dice = RingSender(spec), Encoder(), random.Random(os.getpid())
    noise = np.random.default_rng(0).integers(0, 256, 2 * largest, np.uint8)
    number = 0
    while os.getppid() == parent:
        size, begin = dice.randint(1, largest), dice.randint(0, largest)
        part = noise[begin : begin + size]
        if number % 2:
            picture = sender.loan((size,), "uint8")
            picture[:] = part
        else:
            picture = part
        header = Header(f"cam/{os.getpid()}/{number}", Origin("cam", number, 0.0, time.monotonic_ns()))
        sender.send(
            encoder.encode(header, {"sum": zlib.crc32(part.data), "picture": picture}), header, lambda: False
        )
        number += 1


def read(spec: RingSpec, parent: int, link: str, replica: int) -> None:
    """Look whether the sums are right, when a message comes and when it is let go."""
    receiver, dice = RingReceiver(spec, link, replica), random.Random(os.getpid())
    kept: list[dict[str, Any]] = []
    while os.getppid() == parent:
        select.select([receiver], [], [], 0.2)
        delivery = receiver.receive()
        if delivery is None:
            continue
        got = decode(delivery.data, delivery.buffers)[1]
        for message in (got, *kept):
            if zlib.crc32(message["picture"].data) != message["sum"]:
                raise AssertionError(f"a torn picture at {delivery.header.id}, {len(kept)} kept")
        kept.append(got)
        while len(kept) > dice.randint(0, 6):
            kept.pop(dice.randrange(len(kept)))
        receiver.accept(delivery)


if __name__ == "__main__":
    of_ring = msgspec.json.decode(sys.argv[2], type=RingSpec)
    if sys.argv[1] == "write":
        write(of_ring, os.getppid(), int(sys.argv[3]))
    else:
        read(of_ring, os.getppid(), sys.argv[3], int(sys.argv[4]))
