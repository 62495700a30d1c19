"""A process with one end of a log, for tests that kill it: `python -m tests.flow.channels.log_player …`.

A consumer writes the number of each message to a file when it has looked at it, before it accepts. A producer
writes each number when `send` has returned.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import msgspec
import numpy as np

from argus.flow.channels.log import LogReceiver, LogSender, LogSpec
from argus.flow.codec import Encoder, decode
from argus.flow.message import Header, Origin


def start(
    role: str, spec: LogSpec, notes: Path, *args: object, group: bool = False
) -> subprocess.Popen[bytes]:
    """Start one; `notes` is what it writes to."""
    command = [sys.executable, "-m", "tests.flow.channels.log_player", role]
    return subprocess.Popen(
        [*command, msgspec.json.encode(spec).decode(), str(notes), *map(str, args)],
        pass_fds=spec.fds,
        stderr=subprocess.DEVNULL if group else None,
    )


def noted(notes: Path) -> list[int]:
    """Return the numbers in a file; a last one that was not written as a whole does not count."""
    if not notes.exists():
        return []
    return [int(line) for line in notes.read_text().split("\n")[:-1]]


def _value(index: int) -> dict[str, object]:
    return {"n": index, "data": np.full(10 + index * 7919 % 90_000, index % 251, np.uint8)}


def produce(spec: LogSpec, notes: IO[bytes], first: int, count: int, pause_s: float) -> None:
    """Send numbers, and go on for ever where `count` is 0."""
    sender, encoder, index = LogSender(spec), Encoder(), first
    while not count or index < first + count:
        header = Header(f"cam/{os.getpid()}/{index}", Origin("cam", index, index / 30, time.monotonic_ns()))
        sender.send(encoder.encode(header, _value(index)), header, lambda: False)
        notes.write(b"%d\n" % index)
        index += 1
        time.sleep(pause_s)
    sender.close()


def consume(spec: LogSpec, notes: IO[bytes], replica: int, work_s: float, poison: int) -> None:
    """Look at all that comes, for ever; `poison` is the number of a message that kills."""
    receiver = LogReceiver(spec, replica)
    ready = select.poll()
    ready.register(receiver, select.POLLIN)
    while True:
        delivery = receiver.receive()
        if delivery is None:
            again_s = receiver.next_look_s()
            ready.poll(None if again_s is None else again_s * 1000)
            continue
        value = decode(delivery.data, delivery.buffers)[1]
        index = value["n"]
        if index == poison:
            os.kill(os.getpid(), signal.SIGSEGV)
        expected = _value(index)["data"]
        if not np.array_equal(value["data"], expected):  # type: ignore[arg-type]
            notes.write(b"-1\n")
        until = time.monotonic() + work_s
        while time.monotonic() < until:
            pass
        notes.write(b"%d\n" % index)
        receiver.accept(delivery)


def main(role: str, spec: str, notes: str, *args: str) -> None:
    """Play a role."""
    log = msgspec.json.decode(spec, type=LogSpec)
    with Path(notes).open("ab", buffering=0) as file:
        if role == "produce":
            produce(log, file, int(args[0]), int(args[1]), float(args[2]))
        else:
            consume(log, file, int(args[0]), float(args[1]), int(args[2]))


if __name__ == "__main__":
    main(*sys.argv[1:])
