"""The pipeline worker as a process: `python -m argus.stream.worker`, told what to do by a file.

Little is imported before the supervisor knows of us: a worker that was killed must be back at once, and one
that cannot start must say why. What it does is `host`.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

from argus.processes.line import Line

_PULSE_S: Final = 1.0
_LAST_S: Final = 3.0
"""After everything was drained: threads that are stuck in a codec or a network must not keep us."""
_QUIET_S: Final = 10.0
"""Seconds after which a worker whose cameras give no frames counts as started."""
_LOOK_S: Final = 0.05


def main() -> int:
    """Run a worker to its end; return the exit code: 0 asked to, 2 the config is wrong, 3 begin again."""
    line = Line.from_environment()
    # Hardly anything that is made at the start is garbage, and to look for it takes a tenth of the start.
    gc.disable()
    from argus.core.errors import ArgusError, SpecError
    from argus.core.logging import configure_logging
    from argus.stream.config import CONFIG_VARIABLE

    configure_logging("info")
    try:
        path = os.environ.get(CONFIG_VARIABLE)
        if not path:
            raise SpecError(f"set {CONFIG_VARIABLE} to the file that says what to do")
        code = _work(Path(path), line)
    except ArgusError as error:
        _say(line, str(error))
        code = error.exit_code
    leaving = threading.Timer(_LAST_S, os._exit, (code,))
    leaving.daemon = True
    leaving.start()
    return code


def _work(path: Path, line: Line | None) -> int:
    from argus.stream.host import Host
    from argus.stream.serving import KEY_VARIABLE

    host = Host(path, key=os.environ.get(KEY_VARIABLE) or None)
    try:
        listening = host.listen()
    except BaseException:
        host.drain()
        raise
    threading.Thread(target=_settle, args=(host,), name="argus-settle", daemon=True).start()
    asyncio.run(_serve(host, listening, line))
    return 0


def _settle(host: Any) -> None:
    """Do what can wait until the first frames were looked at, for which they would have to wait.

    What the tracks of a crowd need takes a third of a second of the interpreter to load; the engine sees to
    it too, and here it is waited for, so that it is there when the collector is told to leave all alone.
    """
    until_s = time.monotonic() + _QUIET_S
    while not host.looks and time.monotonic() < until_s:
        time.sleep(_LOOK_S)
    from argus.vision.tracking import load_solver

    load_solver()

    # What is there by now stays for good: no collection need look at it again.
    gc.freeze()
    gc.enable()


async def _serve(host: Any, listening: Any, line: Line | None) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    port = listening.getsockname()[1]

    def serving() -> None:
        if line is not None:
            line.on_message = lambda message: hear(line, message)
            line.tell({"port": port})
            line.ready()
            line.on_drain = drain
        print(f"worker {host.worker} serves at port {port}", flush=True)

    def drain() -> None:
        loop.call_soon_threadsafe(stop.set)

    def hear(line: Line, message: dict[str, Any]) -> None:
        if message.get("ask") == "port":
            line.tell({"port": port})

    for number in (signal.SIGINT,) if line is not None else (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    pulse = asyncio.create_task(_pulse(line)) if line is not None else None
    try:
        await host.run(listening, stop, serving)
    finally:
        if pulse is not None:
            pulse.cancel()


async def _pulse(line: Line) -> None:
    """Show the supervisor that this loop goes round."""
    try:
        while True:
            line.enter()
            await asyncio.sleep(_PULSE_S)
    finally:
        line.leave()


def _say(line: Line | None, why: str) -> None:
    print(f"error: {why}", file=sys.stderr, flush=True)
    if line is not None:
        line.failed(why)


if __name__ == "__main__":
    sys.exit(main())
