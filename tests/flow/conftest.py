"""What tests of whole systems share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from argus import System
from argus.flow.bench.redis_server import RedisServer
from argus.flow.local import LocalSystem
from tests.conftest import need


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of its own."""
    need(RedisServer.there(), "no redis-server here: apt install redis-server")
    with RedisServer(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def part() -> Iterator[Callable[..., LocalSystem]]:
    """Starts a part of a system, or all of it; ends all of them."""
    with ExitStack() as parts:

        def start(system: System, *only: str) -> LocalSystem:
            return parts.enter_context(LocalSystem(system.graph(), only=only))

        yield start
