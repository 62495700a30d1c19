"""A control plane for every test of its API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.control.api.harness import Live, World, listening


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A control plane that is asked within this process."""
    return World(tmp_path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> World:
    """One for all tests of a module that change nothing in it, or the same every time."""
    return World(tmp_path_factory.mktemp("shared"))


@pytest.fixture(scope="module")
def shared_live(shared: World) -> Iterator[Live]:
    """The same, listening at a port."""
    with listening(shared) as served:
        yield served


@pytest.fixture
def live(world: World) -> Iterator[Live]:
    """The same, listening at a port."""
    with listening(world) as served:
        yield served
