"""What of a system outlives its processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from argus.core.errors import OutputError
from argus.flow.home import made, state_of, write_last_status
from argus.flow.status import SystemStatus


def test_an_account_that_cannot_be_kept_leaves_nothing_behind(argus_home: Path) -> None:
    folder = made(state_of("t-kept"))
    (folder / "last.json").mkdir()
    account = SystemStatus(name="t-kept", pid=1, started_at="", script=None, nodes=(), links=())
    for _ in range(2):
        with pytest.raises(OutputError):
            write_last_status(account)
    assert [path.name for path in folder.iterdir()] == ["last.json"]
