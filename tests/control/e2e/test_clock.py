"""The wall clock jumps an hour, forwards and back: nothing that runs notices, and nothing is lost."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.conftest import need
from tests.control.e2e.machine import Json, Machine, until
from tests.control.e2e.scenes import watched

ILL = {"camera.lost", "camera.frozen", "camera.online"}


@pytest.fixture
def clock(tmp_path: Path) -> tuple[Path, Path]:
    """What is loaded into processes, and the file with the seconds that are added to their wall clock."""
    compiler = shutil.which("cc")
    need(compiler is not None, "no compiler, and so no clock that can be set: apt install gcc")
    assert compiler is not None
    library, offset = tmp_path / "clock.so", tmp_path / "offset"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", str(library), str(Path(__file__).with_name("clock.c")), "-ldl"],
        check=True,
    )
    offset.write_text("0")
    return library, offset


@pytest.mark.soak
def test_a_clock_that_jumps_an_hour_disturbs_nothing(home: Path, clock: tuple[Path, Path]) -> None:
    library, offset = clock
    env = {"LD_PRELOAD": str(library), "ARGUS_TEST_CLOCK": str(offset)}
    with Machine(home, env=env) as machine:

        def jump(hours: int) -> datetime:
            offset.write_text(str(3600 * hours))
            return datetime.now(UTC) + timedelta(hours=hours)

        def events_from(at: datetime) -> list[Json]:
            return list(
                machine.client.events(
                    pipeline="watch", since=at.isoformat(), until=(at + timedelta(minutes=30)).isoformat()
                )
            )

        machine.start()
        machine.client.apply(watched())
        worker = machine.worker()
        machine.runs("watch")
        until(lambda: list(machine.client.events(pipeline="watch")))
        ill = [event["id"] for event in machine.client.events(camera="plaza") if event["type"] in ILL]
        for hours in (1, 0, -1, 0):
            accepted = {event["id"] for event in machine.client.events()}
            at = jump(hours)
            until(lambda at=at: len(events_from(at)) > 2, told=machine.said)  # type: ignore[misc]
            assert accepted <= {event["id"] for event in machine.client.events()}
            machine.runs("watch")
            assert machine.client.status()["problems"] == {}
        now = machine.worker()
        assert (now["pid"], now["restarts"]) == (worker["pid"], 0)
        assert ill == [event["id"] for event in machine.client.events(camera="plaza") if event["type"] in ILL]
        lasted = [
            (datetime.fromisoformat(event["ended_at"]) - datetime.fromisoformat(event["started_at"]))
            for event in machine.client.events(pipeline="watch")
            if event["ended_at"] is not None
        ]
        assert lasted
        assert all(timedelta(0) <= one < timedelta(minutes=1) for one in lasted)
