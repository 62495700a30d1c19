"""What every test may ask for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

REQUIRE_ALL = os.environ.get("ARGUS_REQUIRE") == "all"


def need(present: bool, what: str) -> None:
    """Skip the test where `what` is absent; fail instead where everything is required (in CI)."""
    if present:
        return
    if REQUIRE_ALL:
        pytest.fail(f"{what}, and ARGUS_REQUIRE=all forbids to skip")
    pytest.skip(what)


@pytest.fixture(autouse=True)
def usual_logging() -> None:
    """Log as if no command line had been run in this process before, which chooses what is heard."""
    structlog.reset_defaults()


@pytest.fixture(scope="session", autouse=True)
def argus_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep every test, and every process it starts, out of the user's own models and caches."""
    home = tmp_path_factory.mktemp("argus-home")
    before = os.environ.get("ARGUS_HOME")
    os.environ["ARGUS_HOME"] = str(home)
    yield home
    if before is None:
        del os.environ["ARGUS_HOME"]
    else:
        os.environ["ARGUS_HOME"] = before


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real videos, networks and golden results: $ARGUS_TEST_DATA or ../shared/data."""
    folder = Path(os.environ.get("ARGUS_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
    present = (folder / "manifest.json").is_file()
    if not present and "ARGUS_TEST_DATA" not in os.environ:
        pytest.skip(f"no test data at {folder}: set ARGUS_TEST_DATA to the folder that has it")
    need(present, f"ARGUS_TEST_DATA names {folder}, and no test data is there")
    return folder
