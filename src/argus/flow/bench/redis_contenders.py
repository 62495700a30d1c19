"""What a message over Redis costs: our DURABLE channel beside loops of the client library.

Two processes, one server, the same bytes, taken in turns. The bare loop appends, reads and acknowledges
one message at a time (`XADD`, `XREADGROUP`, `XACK`), as one writes it first, and keeps no promise:
nothing waits when the reader is slow, nothing is counted, and what was read stays in the stream.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from argus.vision.bench.tables import Row

_GROUP: Final = "bench"
_BATCH: Final = 64
_LONGEST_S: Final = 120.0


class Measured(NamedTuple):
    """One run."""

    rate: float
    """Messages per second, from the first sent to the last acknowledged."""
    cpu_us: float
    """Processor time of both ends per message, in µs; the server's is not in it."""
    server_us: float
    """Processor time of the server per message, in µs."""


@dataclass(frozen=True, slots=True)
class Job:
    """What an end is to do."""

    url: str
    name: str
    """Of the stream, or of the system."""
    size: int
    """Bytes per message."""
    count: int


Contender = Callable[[str, int, int], Measured]
"""Takes the server's address, the size of a message in bytes and how many to send."""


def bare(url: str, size: int, count: int) -> Measured:
    """Measure one message at a time: `XADD` at one end, `XREADGROUP` and `XACK` at the other."""
    return _measured(Job(url, _name(), size, count), _bare_send, _bare_receive)


def bare_batched(url: str, size: int, count: int) -> Measured:
    """Measure pipelines of 64 `XADD`, and 64 read and acknowledged at once."""
    return _measured(Job(url, _name(), size, count), _batched_send, _batched_receive)


def argus(url: str, size: int, count: int) -> Measured:
    """Measure our channel, with all of its promises."""
    return _measured(Job(url, _name(), size, count), _argus_send, _argus_receive)


def argus_awaited(url: str, size: int, count: int) -> Measured:
    """Measure our channel where both ends wait for the server after each message."""
    return _measured(Job(url, _name(), size, count), _awaited_send, _awaited_receive)


CONTENDERS: Final[dict[str, Contender]] = {
    "argus": argus,
    "argus, each awaited": argus_awaited,
    "bare loop": bare,
    "bare loop, batches of 64": bare_batched,
}


def redis_rows(rounds: int, say: Callable[[str], None]) -> list[Row]:
    """Measure all on a server of our own and return the rows; medians of `rounds`, taken in turns.

    Raises:
        ArgusError: no redis-server is installed.
    """
    from argus.core.errors import ArgusError
    from argus.flow.bench.redis_server import RedisServer

    if not RedisServer.there():
        raise ArgusError("no redis-server here: apt install redis-server, or leave this part out")
    rows = []
    with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder)) as server:
        for size, count in ((100, 5000), (100_000, 1500)):
            runs: dict[str, list[Measured]] = {name: [] for name in CONTENDERS}
            for round_ in range(rounds):
                for name, contender in CONTENDERS.items():
                    say(f"redis, {size:,} bytes, {name}, round {round_ + 1} of {rounds}")
                    runs[name].append(contender(server.url, size, count))
            rows += _rows(size, runs)
    return rows


def _rows(size: int, runs: dict[str, list[Measured]]) -> list[Row]:
    from argus.vision.bench.tables import Row

    middle = {
        name: Measured(*(statistics.median(values) for values in zip(*found, strict=True)))
        for name, found in runs.items()
    }
    against = "bare loop"
    return [
        Row(
            what=f"Redis, {size:,} bytes: {name}",
            value=run.rate,
            unit="messages/s",
            ratio=run.rate / middle[against].rate,
            limit="a bare XADD, XREADGROUP, XACK loop",
            goal=0.8 if name == "argus" and size >= 100_000 else None,
            note=f"CPU {run.cpu_us:.0f} µs at both ends, {run.server_us:.0f} µs in the server",
        )
        for name, run in middle.items()
    ]


def _name() -> str:
    return f"bench-{os.urandom(6).hex()}"


def _measured(job: Job, send: Callable[..., None], receive: Callable[..., None]) -> Measured:
    import redis

    client = redis.Redis.from_url(job.url)
    context = multiprocessing.get_context("spawn")
    gate, told = context.Barrier(2), context.SimpleQueue()
    ends = [
        context.Process(target=_end, args=(work, job, gate, told), daemon=True) for work in (send, receive)
    ]
    before: dict[str, Any] = client.info("cpu")
    for end in ends:
        end.start()
    for end in ends:
        end.join(_LONGEST_S)
        if end.exitcode != 0:
            end.kill()
            raise RuntimeError(f"an end of {send.__name__} did not come through: exit code {end.exitcode}")
    after: dict[str, Any] = client.info("cpu")
    spans = [told.get() for _ in ends]
    took_s = max(span[1] for span in spans) - min(span[0] for span in spans)
    used_s = sum(span[2] for span in spans)
    server_s = sum(after[f"used_cpu_{kind}"] - before[f"used_cpu_{kind}"] for kind in ("user", "sys"))
    for key in client.scan_iter(match=f"*{job.name}*"):
        client.unlink(key)
    client.close()
    return Measured(job.count / took_s, used_s / job.count * 1e6, server_s / job.count * 1e6)


def _end(work: Callable[..., None], job: Job, gate: Barrier, told: Any) -> None:
    """Do an end's work in its own process; tell when it began and ended, and its processor time."""
    span: list[float] = []

    def start() -> None:
        gate.wait(_LONGEST_S)
        span[:] = [time.monotonic(), time.process_time()]

    work(job, start)
    told.put((span[0], time.monotonic(), time.process_time() - span[1]))


def _bare_send(job: Job, start: Callable[[], None]) -> None:
    import redis

    client, payload = redis.Redis.from_url(job.url), os.urandom(job.size)
    client.xgroup_create(job.name, _GROUP, "0", mkstream=True)
    start()
    for _ in range(job.count):
        client.xadd(job.name, {"m": payload})


def _bare_receive(job: Job, start: Callable[[], None]) -> None:
    import redis

    client: Any = redis.Redis.from_url(job.url)
    client.ping()
    start()
    for _ in range(job.count):
        [[_, [(id_, fields)]]] = client.xreadgroup(_GROUP, "0", {job.name: ">"}, count=1, block=30_000)
        assert len(fields[b"m"]) == job.size
        client.xack(job.name, _GROUP, id_)


def _batched_send(job: Job, start: Callable[[], None]) -> None:
    import redis

    client, payload = redis.Redis.from_url(job.url), os.urandom(job.size)
    client.xgroup_create(job.name, _GROUP, "0", mkstream=True)
    start()
    for at in range(0, job.count, _BATCH):
        with client.pipeline(transaction=False) as pipe:
            for _ in range(min(_BATCH, job.count - at)):
                pipe.xadd(job.name, {"m": payload})
            pipe.execute()


def _batched_receive(job: Job, start: Callable[[], None]) -> None:
    import redis

    client: Any = redis.Redis.from_url(job.url)
    client.ping()
    start()
    seen = 0
    while seen < job.count:
        [[_, found]] = client.xreadgroup(_GROUP, "0", {job.name: ">"}, count=_BATCH, block=30_000)
        assert all(len(fields[b"m"]) == job.size for _, fields in found)
        client.xack(job.name, _GROUP, *(id_ for id_, _ in found))
        seen += len(found)


def _argus_send(job: Job, start: Callable[[], None], *, awaited: bool = False) -> None:
    import numpy as np

    from argus.flow.channels.redis_sender import RedisSender
    from argus.flow.codec import Encoder
    from argus.flow.message import Header, Origin

    sender, encoder = RedisSender(_spec(job)), Encoder()
    payload = np.frombuffer(os.urandom(job.size), np.uint8)
    sender.connect()
    start()
    for index in range(job.count):
        header = Header(f"bench/1/{index}", Origin("bench", index, index / 30, time.monotonic_ns()))
        sender.send(encoder.encode(header, payload), header, _never)
        if awaited:
            sender.flush()
    sender.flush()
    sender.close()


def _awaited_send(job: Job, start: Callable[[], None]) -> None:
    _argus_send(job, start, awaited=True)


def _argus_receive(job: Job, start: Callable[[], None], *, awaited: bool = False) -> None:
    import select

    from argus.flow.channels.redis_receiver import RedisReceiver
    from argus.flow.codec import decode

    receiver = RedisReceiver(_spec(job))
    start()
    poll = select.poll()
    poll.register(receiver, select.POLLIN)
    seen = 0
    while seen < job.count:
        delivery = receiver.receive()
        if delivery is None:
            poll.poll(1000)
            continue
        _, value = decode(delivery.data, delivery.buffers)
        assert value.nbytes == job.size
        receiver.accept(delivery)
        if awaited:
            receiver.flush()
        seen += 1
    receiver.flush()
    receiver.close()


def _awaited_receive(job: Job, start: Callable[[], None]) -> None:
    _argus_receive(job, start, awaited=True)


def _spec(job: Job) -> Any:
    from argus.flow.channels.redis_spec import RedisSpec
    from argus.flow.qos import QoS

    return RedisSpec(system=job.name, link="a->b", qos=QoS.DURABLE, control=job.url)


def _never() -> bool:
    return False
