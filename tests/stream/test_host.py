"""A worker's parts put together, in this process."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from argus.stream.config import written
from argus.stream.host import Host
from tests.stream.parts import config, plan


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    path = tmp_path / "config.json"
    path.write_text(written(config(tmp_path, {})))
    host = Host(path)
    yield host
    host.drain()


def test_a_config_that_could_not_be_read_for_a_moment_is_read_again(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.json"
    path.write_text(written(config(tmp_path, p=plan())))
    read_bytes = Path.read_bytes

    def full(self: Path) -> bytes:
        if self == path:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return read_bytes(self)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", full)
        host._look_at_config()
        assert "Too many open files" in host.report().config_problem
    host._look_at_config()
    assert host.report().config_problem == ""
    assert [pipeline.name for pipeline in host.report().pipelines] == ["p"]
