"""One end of a Redis channel as a process of its own, for tests that kill it.

`python -m tests.flow.channels.redis_child consume|produce LOG`, with a spec and the end's own number as JSON
on standard input. Each number is in the log before it is accepted, and after it was sent.
"""

from __future__ import annotations

import os
import select
import sys
import time
from pathlib import Path

import msgspec
import numpy as np

from argus.flow.channels.protocol import ChannelDown
from argus.flow.channels.redis_receiver import RedisReceiver
from argus.flow.channels.redis_sender import RedisSender
from argus.flow.channels.redis_spec import RedisSpec
from argus.flow.codec import Encoder, decode
from argus.flow.message import Header, Origin


class Job(msgspec.Struct):
    spec: RedisSpec
    replica: int = 0
    first: int = 0
    last: int = 1000
    size: int = 0
    pause_s: float = 0.0


def consume(job: Job, log: int) -> None:
    end = RedisReceiver(job.spec, job.replica)
    while True:
        try:
            delivery = end.receive()
        except ChannelDown:
            time.sleep(0.05)
            continue
        if delivery is None:
            again = end.next_look_s()
            select.select([end], [], [], 0.2 if again is None else min(0.2, again))
            continue
        value = decode(delivery.data, delivery.buffers)[1]
        if value["n"] < 0:
            os.kill(os.getpid(), 11)
        time.sleep(job.pause_s)
        os.write(log, b"%d\n" % value["n"])
        end.accept(delivery)


def produce(job: Job, log: int) -> None:
    sender, encoder = RedisSender(job.spec), Encoder()
    ballast = np.zeros(job.size, np.uint8)
    for index in range(job.first, job.last):
        header = Header(f"p/{os.getpid()}/{index}", Origin("p", index, index / 30, time.monotonic_ns()))
        sender.send(encoder.encode(header, {"n": index, "ballast": ballast}), header, lambda: False)
        os.write(log, b"%d\n" % index)
        time.sleep(job.pause_s)
    sender.close()


if __name__ == "__main__":
    told = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    descriptor = os.open(Path(sys.argv[2]), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    (consume if sys.argv[1] == "consume" else produce)(told, descriptor)
