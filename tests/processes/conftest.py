"""What the tests of supervised processes may ask for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.parts import Heard, Programs


@pytest.fixture
def heard() -> Iterator[Heard]:
    """A supervisor, closed afterwards."""
    made = Heard()
    yield made
    made.supervisor.close()


@pytest.fixture
def program(tmp_path: Path) -> Programs:
    """Writes programs."""
    return Programs(tmp_path)
