"""What the tests of models share: a home of their own, so that no verdict of this machine is used."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def argus_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty folder as $ARGUS_HOME."""
    home = tmp_path_factory.mktemp("argus-home")
    before = os.environ.get("ARGUS_HOME")
    os.environ["ARGUS_HOME"] = str(home)
    yield home
    if before is None:
        del os.environ["ARGUS_HOME"]
    else:
        os.environ["ARGUS_HOME"] = before
