"""A process that applies resources for ever and tells the name of each that was accepted, to be killed."""

from __future__ import annotations

import asyncio
import subprocess
import sys

from argus.control.store.opening import open_store
from argus.core.resources.resource import Draft

FIRST = 25
"""How many are accepted, and in the good copy, before the endless rest."""


def camera(name: str, number: int) -> Draft:
    return Draft(kind="Camera", name=name, spec={"url": f"rtsp://h/{number}"}, labels={"n": str(number)})


async def main(url: str, prefix: str) -> None:
    store = await open_store(url)
    await store.apply([camera(f"{prefix}{n:05}", n) for n in range(FIRST)])
    await store.close()
    store = await open_store(url)
    number = FIRST
    while True:
        (done,) = await store.apply([camera(f"{prefix}{number:05}", number)])
        print(done.resource.name, flush=True)
        number += 1


def start(url: str, prefix: str = "c") -> subprocess.Popen[str]:
    """Start such a process."""
    command = [sys.executable, "-m", __name__, url, prefix]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def killed_after(process: subprocess.Popen[str], count: int, prefix: str = "c") -> list[str]:
    """Kill it with -9 some time after it has told `count` names; return all that it had accepted."""
    assert process.stdout is not None
    with process.stdout:
        lines = [process.stdout.readline().strip() for _ in range(count)]
        process.kill()
        rest = process.stdout.read()
    process.wait()
    # The last line may have been cut off.
    lines += rest[: rest.rfind("\n") + 1].split()
    return [f"{prefix}{n:05}" for n in range(FIRST)] + lines


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
