"""Whatever is killed, alone or with others: nothing accepted is lost, nothing runs twice, all comes back."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from pathlib import Path

import pytest

from argus.control.client import Client
from argus.core.errors import ArgusError
from tests.control.e2e.lives_seen import LivesSeen
from tests.control.e2e.machine import Machine, kill, until
from tests.control.e2e.scenes import camera, watched
from tests.ports import ports_in_a_row


def events_of(machine: Machine) -> set[str]:
    return {event["id"] for event in machine.client.events()}


def test_whatever_is_killed_comes_back_once_and_has_lost_nothing(machine: Machine) -> None:
    machine.start()
    starts = [machine.started_s]
    machine.client.apply(watched())
    first = machine.worker()
    until(lambda: len(events_of(machine)) >= 3)
    seen = events_of(machine)
    with LivesSeen(machine.home) as lives:
        # The control plane: its worker goes on, and is adopted.
        made = machine.client.create(camera("made-just-before"))
        machine.kill()
        starts.append(machine.start().started_s)
        found = machine.client.get("camera", "made-just-before")
        assert (found["metadata"]["uid"], found["spec"]) == (made["metadata"]["uid"], made["spec"])
        assert machine.worker()["pid"] == first["pid"]
        assert machine.worker()["restarts"] == 0

        # The worker: another one is there at once.
        killed_s = time.monotonic()
        kill(first["pid"])
        until(lambda: machine.workload()["status"]["pid"] not in (None, first["pid"]))
        back_s = time.monotonic() - killed_s
        second = machine.worker(other_than=first["pid"])
        ready_s = time.monotonic() - killed_s

        # The keeper: its workers end with it, and the control plane starts both anew.
        keeper = machine.keeper
        killed_s = time.monotonic()
        kill(keeper)
        third = machine.worker(other_than=second["pid"])
        keeper_s = time.monotonic() - killed_s
        assert machine.keeper != keeper

        # All that there is.
        machine.kill_all()
        starts.append(machine.start().started_s)
        machine.worker(other_than=third["pid"])
        machine.runs("watch")
        before = events_of(machine)
        until(lambda: events_of(machine) - before, told=machine.said)
    print(
        f"control plane's starts: {', '.join(f'{one:.2f}' for one in starts)} s; "
        f"worker runs again after {back_s:.2f} s and is ready after {ready_s:.2f} s, "
        f"with its keeper after {keeper_s:.2f} s; {lives.looks} looks"
    )
    assert lives.doubled == []
    assert len(lives.processes["worker-people-0"]) == 4
    assert seen <= events_of(machine)
    assert {r["metadata"]["name"] for r in machine.client.list("camera")} == {"plaza", "made-just-before"}


def test_every_resource_that_was_accepted_outlives_a_kill_in_the_middle_of_many(machine: Machine) -> None:
    machine.start()
    accepted: list[str] = []

    def create() -> None:
        for number in range(10_000):
            try:
                machine.client.create(camera(f"camera-{number}"))
            except ArgusError:
                return
            accepted.append(f"camera-{number}")

    creating = threading.Thread(target=create)
    creating.start()
    until(lambda: len(accepted) > 50)
    machine.kill()
    creating.join(30)
    machine.start()
    assert set(accepted) <= {resource["metadata"]["name"] for resource in machine.client.list("camera")}


@pytest.mark.soak
def test_an_upload_goes_on_where_a_kill_broke_it_off(home: Path, tmp_path: Path) -> None:
    film = tmp_path / "long.mp4"
    digest = hashlib.sha256()
    chunk = random.Random(5).randbytes(1 << 20)
    with film.open("wb") as file:
        for number in range(150):
            data = number.to_bytes(4, "big") + chunk[4:]
            digest.update(data)
            file.write(data)
    with Machine(home, "--port", str(ports_in_a_row(1))) as machine:
        machine.start()
        again: list[threading.Timer] = []

        def killed() -> None:
            machine.kill()
            machine.start()

        def progress(there: int, _: int) -> None:
            if there and not again:
                again.append(threading.Timer(0.05, killed))
                again[0].start()

        with Client(machine.client.url) as client:
            upload = client.upload(film, on_progress=progress)
        again[0].join(60)
        assert upload["state"] == "complete"
        stored = hashlib.sha256()
        for portion in machine.client.blob(upload["key"]):
            stored.update(portion)
    assert stored.digest() == digest.digest()


@pytest.mark.soak
def test_who_listens_to_alerts_misses_none_though_the_control_plane_is_killed(home: Path) -> None:
    with Machine(home, "--port", str(ports_in_a_row(1))) as machine:
        machine.start()
        machine.client.apply(watched())
        machine.runs("watch")
        heard: list[str] = []

        over = threading.Event()

        def listen(url: str) -> None:
            with Client(url) as client:
                for alert in client.stream("alerts", after=0):
                    heard.append(alert["id"])
                    if over.is_set():
                        return

        listening = threading.Thread(target=listen, args=(machine.client.url,), daemon=True)
        listening.start()
        for _ in range(2):
            count = len(heard)
            until(lambda count=count: len(heard) > count + 5, told=machine.said)  # type: ignore[misc]
            machine.kill()
            machine.start()
        count = len(heard)
        until(lambda: len(heard) > count + 5, told=machine.said)
        there = {alert["id"] for alert in machine.client.alerts()}
        until(lambda: there <= set(heard), told=lambda: there - set(heard))
        over.set()
        listening.join(30)
        assert not listening.is_alive()


def test_two_control_planes_never_work_on_one_home(machine: Machine) -> None:
    machine.start()
    second = machine.command("up", "--port", "0", check=False)
    assert second.returncode == 1
    assert "runs on" in second.stderr
    assert machine.client.status()["pid"] == machine.pid


@pytest.mark.soak
def test_sixty_random_kills_double_nothing_and_lose_nothing(machine: Machine) -> None:
    chance = random.Random(11)
    machine.start()
    machine.client.apply(watched())
    machine.worker()
    accepted: set[str] = set()
    events: set[str] = set()
    starts: list[float] = []

    def worker() -> None:
        pid = machine.workload()["status"]["pid"]
        if pid is not None:  # it may be waiting: who dies so often is started later and later
            kill(pid)

    def plane() -> None:
        machine.kill()
        starts.append(machine.start().started_s)

    def keeper() -> None:
        kill(machine.keeper)

    def both() -> None:
        kill(machine.keeper, machine.pid)
        plane()

    def all_() -> None:
        machine.kill_all()
        starts.append(machine.start().started_s)

    with LivesSeen(machine.home) as lives:
        for number in range(60):
            until(lambda: machine.workload() and True, told=machine.said)
            chance.choice([worker, plane, keeper, both, all_])()
            name = f"camera-{number}"
            until(lambda: machine.client.create(camera(name)), told=machine.said)  # noqa: B023 - asked at once
            accepted.add(name)
            until(lambda: machine.client.status()["ready"], told=machine.said)
            events |= events_of(machine)
            time.sleep(chance.uniform(0, 2))
        machine.worker(within_s=330)
        before = events_of(machine)
        until(lambda: events_of(machine) - before, 60, told=machine.said)
    starts.sort()
    print(
        f"{len(starts)} starts of the control plane: median {starts[len(starts) // 2]:.2f} s, "
        f"longest {starts[-1]:.2f} s; {len(lives.processes['worker-people-0'])} workers, {lives.looks} looks"
    )
    assert lives.doubled == []
    assert accepted <= {resource["metadata"]["name"] for resource in machine.client.list("camera")}
    assert events <= events_of(machine)
