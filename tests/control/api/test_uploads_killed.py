"""An upload through the API of a real process that is killed at any moment: whole in the end, and once."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from argus.control.client import Client
from tests.control.e2e.machine import Machine, new_home
from tests.ports import ports_in_a_row

_MB = 1 << 20
_KILLS = 3
MOST_GROWN = 32 * _MB
"""Bytes of memory that a control plane may take more for uploads, however long they are."""


@pytest.fixture
def machine() -> Iterator[Machine]:
    with new_home() as home, Machine(home, "--port", str(ports_in_a_row(1))) as machine:
        yield machine.start()


def film(path: Path, megabytes: int, seed: int) -> str:
    """Write a file that is nowhere the same; return the digest of its bytes."""
    digest, dice = hashlib.sha256(), random.Random(seed)
    with path.open("wb") as file:
        for _ in range(megabytes):
            data = dice.randbytes(_MB)
            digest.update(data)
            file.write(data)
    return digest.hexdigest()


def digest_of(client: Client, key: str) -> str:
    digest = hashlib.sha256()
    for portion in client.blob(key):
        digest.update(portion)
    return digest.hexdigest()


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 10))])
def test_whenever_it_is_killed_an_upload_ends_whole_with_one_job(
    machine: Machine, tmp_path: Path, seed: int
) -> None:
    dice = random.Random(seed)
    path = tmp_path / "night.mp4"
    digest = film(path, 96, seed)
    begun = threading.Event()

    def kill_again_and_again() -> None:
        begun.wait(30)
        for _ in range(_KILLS):
            threading.Event().wait(dice.uniform(0.0, 0.25))
            machine.kill()
            machine.start()

    killer = threading.Thread(target=kill_again_and_again)
    killer.start()
    with Client(machine.client.url) as client:
        upload = client.upload(path, pipeline="watch", on_progress=lambda *_: begun.set())
        killer.join(120)
        assert not killer.is_alive()
        assert (upload["state"], upload["offset"]) == ("complete", 96 * _MB)
        assert digest_of(client, upload["key"]) == digest
        assert [job["metadata"]["name"] for job in client.list("jobs")] == [upload["job"]]
        assert [one["id"] for one in client.uploads()] == [upload["id"]]
    assert list((machine.home / "uploads").glob("*.part")) == []


def memory_bytes(pid: int) -> int:
    """Return the most memory that a process has ever had."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmHWM"].split()[0]) * 1024


@pytest.mark.soak
def test_an_upload_of_a_gigabyte_takes_constant_memory(machine: Machine, tmp_path: Path) -> None:
    small, large = tmp_path / "small.mp4", tmp_path / "large.mp4"
    small.write_bytes(bytes(32 * _MB))
    with large.open("wb") as file:
        file.truncate(1024 * _MB)
    machine.client.upload(small)
    before = memory_bytes(machine.pid)
    upload = machine.client.upload(large)
    assert upload["offset"] == 1024 * _MB
    grown = memory_bytes(machine.pid) - before
    print(f"grown by {grown / _MB:.1f} MiB")
    assert grown < MOST_GROWN
