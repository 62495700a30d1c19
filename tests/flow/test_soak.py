"""A whole system under fire for long."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from argus import QoS, System
from argus.flow.local import LocalSystem
from argus.processes.policy import RestartPolicy
from tests.flow.test_local import NODES, kept, link, replica
from tests.sources.settling import comes_true

_FRAMES = 1000
_KILLS = 40


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("where", ["log", "redis"])
def test_a_thousand_durable_frames_through_two_nodes_that_are_killed_all_the_time(
    tmp_path: Path, where: str, request: pytest.FixtureRequest
) -> None:
    broker = request.getfixturevalue("redis").url if where == "redis" else None
    for name, text in NODES.items():
        (tmp_path / "nodes" / name).mkdir(parents=True)
        (tmp_path / "nodes" / name / "node.py").write_text(text)
    system = System(f"t-soak-{os.getpid()}", script=str(tmp_path / "main.py"), broker=broker)
    promise = QoS.DURABLE(tries=1000, backoff=0.0)
    soon = RestartPolicy(longest_s=0.2)
    source = system.node("nodes/count", upto=_FRAMES)
    middle = system.node("nodes/keep", name="middle", file=str(tmp_path / "middle"), takes=0.01, restart=soon)
    last = system.node(
        "nodes/keep", name="last", file=str(tmp_path / "kept"), replicas=2, takes=0.01, restart=soon
    )
    system.link(source).to(middle, qos=promise).to(last, qos=promise)
    random.seed(7)
    with LocalSystem(system.graph()) as running:
        kills, descriptors = 0, None
        while kills < _KILLS and not running.over.is_set():
            time.sleep(random.uniform(0.05, 0.6))
            name, at = random.choice([("middle", 0), ("last", 0), ("last", 1)])
            seen = replica(running, name, at)
            if seen.state == "running" and seen.pid is not None:
                os.kill(seen.pid, signal.SIGKILL)
                kills += 1
            if kills == 5 and descriptors is None:
                descriptors = len(list(Path("/proc/self/fd").iterdir()))
        assert running.over.wait(240)
        counts = {one: link(running.status(), one).counts for one in ("count->middle", "middle->last")}
        assert descriptors is not None
        assert len(list(Path("/proc/self/fd").iterdir())) <= descriptors + 4
    assert set(kept(tmp_path)) == set(range(_FRAMES))
    assert all(one.closes and one.pending == 0 for one in counts.values())
    assert counts["count->middle"].delivered == _FRAMES
    # Twice is allowed, and counted: no more than what was under way at each kill.
    assert counts["middle->last"].sent - _FRAMES <= _KILLS
    assert comes_true(lambda: len(kept(tmp_path)) - _FRAMES <= 2 * _KILLS)
