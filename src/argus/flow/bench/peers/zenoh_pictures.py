"""Pictures over zenoh's shared memory, run by the Python of the peers, never imported.

Usage: python zenoh_pictures.py copy send|take ADDRESS FPS SECONDS WARM_UP. A picture is copied into shared
memory; the taker keeps the newest in a ring of one and has it as bytes, which its binding copies.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import zenoh  # type: ignore[import-not-found,unused-ignore]
from loops import SIZE, send_all, take_all  # type: ignore[import-not-found,unused-ignore]


def _session(address: str, role: str) -> object:
    config = zenoh.Config()
    config.insert_json5("scouting/multicast/enabled", "false")
    config.insert_json5("transport/shared_memory/enabled", "true")
    config.insert_json5("listen/endpoints", json.dumps([address] if role == "take" else []))
    config.insert_json5("connect/endpoints", json.dumps([address] if role == "send" else []))
    return zenoh.open(config)


def _send(address: str, fps: float, seconds: float, warm_up_s: float) -> None:
    session = _session(address, "send")
    provider = zenoh.shm.ShmProvider.default_backend(8 * SIZE)
    policy = zenoh.shm.BlockOn(zenoh.shm.GarbageCollect())
    publisher = session.declare_publisher("pictures")  # type: ignore[attr-defined]
    picture = np.random.default_rng(0).integers(0, 255, SIZE, np.uint8).tobytes()

    def send(number: int) -> None:
        buffer = provider.alloc(SIZE, policy)
        buffer[:] = picture
        buffer[0:8] = number.to_bytes(8, sys.byteorder)
        publisher.put(buffer)

    send_all(send, fps, seconds, warm_up_s)
    session.close()  # type: ignore[attr-defined]


def _take(address: str) -> None:
    session = _session(address, "take")
    subscriber = session.declare_subscriber("pictures", zenoh.handlers.RingChannel(1))  # type: ignore[attr-defined]

    def take(within_s: float) -> int | None:
        until = time.monotonic() + within_s
        sample = subscriber.try_recv()
        while sample is None and time.monotonic() < until:
            time.sleep(0.0002)  # its `recv` has no limit of time
            sample = subscriber.try_recv()
        return None if sample is None else int(np.frombuffer(bytes(sample.payload), np.uint64, 1)[0])

    take_all(take)
    session.close()  # type: ignore[attr-defined]


if __name__ == "__main__":
    _, _, side, where, rate, for_s, warm_up = sys.argv
    if side == "send":
        _send(where, float(rate), float(for_s), float(warm_up))
    else:
        _take(where)
