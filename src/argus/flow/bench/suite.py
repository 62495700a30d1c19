"""What `argus bench flow` measures: what flow promises, beside what people use instead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from argus.flow.bench.pictures import measure_pictures
from argus.flow.bench.redis_contenders import redis_rows
from argus.flow.bench.redis_server import RedisServer
from argus.flow.bench.systems import system_rows
from argus.vision.bench.tables import Row


def measure_flow(rounds: int, say: Callable[[str], None], peers: Path | None) -> list[Row]:
    """Return the rows of all transports.

    Args:
        rounds: Each contender runs so often, in turn.
        say: Hears of progress.
        peers: A Python that may have `iceoryx2` and `eclipse-zenoh`; None leaves them out.
    """
    rows = measure_pictures(rounds, say, peers)
    if RedisServer.there():
        rows += redis_rows(rounds, say)
    rows += system_rows(rounds, say)
    return rows
