"""Databases that are locked, gone or damaged: what was accepted is there afterwards, and it was said."""

from __future__ import annotations

import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tests.control.e2e.machine import Json, Machine, kill, until
from tests.control.e2e.scenes import camera, watched
from tests.services.postgres import PASSWORD, PostgresServer


def report(machine: Machine) -> Json:
    """Return what the only worker says of itself."""
    port = machine.workload()["status"]["port"]
    told: Json = httpx.get(f"http://127.0.0.1:{port}/stats", timeout=10).json()
    return told


def raised(machine: Machine) -> int:
    """Return how many events the worker has raised since it began."""
    return sum(pipeline["events"] for pipeline in report(machine)["pipelines"])


def watching(machine: Machine) -> Machine:
    """Start, and wait until there are events."""
    machine.start()
    machine.client.apply(watched())
    machine.worker()
    until(lambda: len(list(machine.client.events(pipeline="watch"))) > 3, told=machine.said)
    return machine


def stored(machine: Machine) -> int:
    """Return how many events of the pipeline are in the database."""
    return len(list(machine.client.events(pipeline="watch")))


def since(machine: Machine, at: datetime) -> list[Json]:
    return list(machine.client.events(pipeline="watch", since=at.isoformat()))


@pytest.mark.soak
def test_what_happens_while_results_are_locked_is_there_afterwards(machine: Machine) -> None:
    watching(machine)
    event = next(machine.client.events(pipeline="watch"))
    with sqlite3.connect(machine.settings.results, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        locked_at, locked_s = datetime.now(UTC), time.monotonic()
        before = raised(machine)
        answer = httpx.post(f"{machine.client.url}/api/v1/events/{event['id']}:ack", json={}, timeout=60)
        waited_s = time.monotonic() - locked_s
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
        assert "results" in answer.json()["detail"]
        until(lambda: time.monotonic() - locked_s > 5 and raised(machine) > before + 2, told=machine.said)
        assert report(machine)["backlog"] > 0
        other.execute("ROLLBACK")
    other.close()
    enough = raised(machine)
    until(lambda: stored(machine) >= enough, told=machine.said)
    assert since(machine, locked_at)
    assert machine.worker()["restarts"] == 0
    machine.client.acknowledge("event", event["id"])
    print(f"503 after {waited_s:.1f} s")


@pytest.mark.soak
def test_a_worker_that_is_killed_while_results_are_locked_has_lost_nothing(machine: Machine) -> None:
    watching(machine)
    with sqlite3.connect(machine.settings.results, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        before = raised(machine)
        until(lambda: raised(machine) > before + 2, told=machine.said)
        enough, worker = raised(machine), machine.worker()
        kill(worker["pid"])
        machine.worker(other_than=worker["pid"])
        other.execute("ROLLBACK")
    other.close()
    until(lambda: stored(machine) >= enough, told=machine.said)


@pytest.mark.soak
def test_postgresql_that_is_gone_for_a_while_costs_no_event(
    home: Path, postgres_server: PostgresServer, postgres_url: str
) -> None:
    with Machine(home, env={"ARGUS_RESULTS": postgres_url}) as machine:
        watching(machine)
        worker = machine.worker()
        postgres_server.stop()
        gone_at = datetime.now(UTC)
        try:
            before = raised(machine)
            answer = httpx.get(f"{machine.client.url}/api/v1/events", timeout=60)
            assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
            assert PASSWORD not in answer.text
            assert machine.client.get("camera", "plaza")["metadata"]["name"] == "plaza"
            status = machine.client.status()
            assert not status["ready"]
            assert "results" in status["problems"]
            assert PASSWORD not in str(status)
            assert machine.command("status").returncode == 0
            until(lambda: raised(machine) > before + 2, told=machine.said)
            until(lambda: report(machine)["storage_problem"], told=machine.said)
        finally:
            postgres_server.start()
        enough = raised(machine)
        until(lambda: stored(machine) >= enough, told=machine.said)
        assert since(machine, gone_at)
        until(lambda: machine.client.status()["ready"], told=machine.said)
        assert machine.worker()["pid"] == worker["pid"]


@pytest.mark.soak
def test_a_control_plane_starts_while_postgresql_is_gone(
    home: Path, postgres_server: PostgresServer, postgres_url: str
) -> None:
    with Machine(home, env={"ARGUS_RESULTS": postgres_url}) as machine:
        watching(machine)
        postgres_server.stop()
        try:
            machine.kill()
            machine.start()
            assert machine.client.get("camera", "plaza")["metadata"]["name"] == "plaza"
            assert "results" in machine.client.status()["problems"]
        finally:
            postgres_server.start()
        until(lambda: machine.client.status()["ready"], told=machine.said)


def spoilt(path: Path) -> None:
    """Overwrite the middle of a file, as a failing disk does."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(min(4096, size // 3))
        file.write(b"\xa5" * max(4096, size // 2))


@pytest.mark.soak
def test_damaged_resources_are_restored_and_it_is_said(machine: Machine) -> None:
    machine.start()
    machine.client.apply([camera(f"camera-{number}") for number in range(50)])
    machine.client.patch("camera", "camera-7", {"spec": {"fps": 3}})
    machine.client.delete("camera", "camera-8")
    before = {r["metadata"]["name"]: (r["metadata"]["uid"], r["spec"]) for r in machine.client.list("camera")}
    assert machine.stop() == 0
    spoilt(machine.settings.resources)
    machine.start()
    after = {r["metadata"]["name"]: (r["metadata"]["uid"], r["spec"]) for r in machine.client.list("camera")}
    assert after == before
    assert "resources.db" in machine.log.read_text()
    problems = machine.client.status()["problems"]
    assert any("resources.db" in text for text in problems.values()), problems
    assert "resources.db" in machine.command("status").stdout


@pytest.mark.soak
def test_damaged_results_are_put_aside_and_it_is_said(machine: Machine) -> None:
    watching(machine)
    machine.stop()
    machine.command("down")
    spoilt(machine.settings.results)
    machine.start()
    machine.worker()
    begun = datetime.now(UTC)
    until(lambda: since(machine, begun), told=machine.said)
    assert list(machine.home.glob("results.db.damaged-*"))
    assert "results.db could not be read" in machine.log.read_text()
    assert "results.db could not be read" in str(machine.client.status()["problems"])


@pytest.mark.soak
def test_damaged_results_are_restored_from_the_last_good_copy(machine: Machine) -> None:
    watching(machine)
    copy = machine.home / "results.db.copy"
    until(copy.exists, 120)
    before = {
        event["id"]: event["type"]
        for event in machine.client.events(
            until=datetime.fromtimestamp(copy.stat().st_mtime - 2, UTC).isoformat()
        )
    }
    assert before
    machine.stop()
    machine.command("down")
    spoilt(machine.settings.results)
    machine.start()
    assert before.items() <= {event["id"]: event["type"] for event in machine.client.events()}.items()


@pytest.mark.soak
@pytest.mark.parametrize("how", ["moved", "removed"])
def test_results_that_are_taken_away_while_it_runs_hold_nobody_up(machine: Machine, how: str) -> None:
    watching(machine)
    aside = machine.home / "aside"
    aside.mkdir()
    at = datetime.now(UTC)
    for name in ("results.db", "results.db-wal", "results.db-shm"):
        (machine.home / name).rename(aside / name)
        if how == "removed":
            (aside / name).unlink()
    until(lambda: since(machine, at), told=machine.said)
    assert machine.worker()["restarts"] == 0
    assert "results.db" in str(machine.client.status()["problems"]) + machine.said()
