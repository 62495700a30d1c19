"""Workers that die, secrets, disks that are full, and files of a thousand documents."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from argus.control.client.errors import RequestInvalid
from argus.testing.rtsp import RtspServer, rtsp_server_problem
from tests.conftest import need
from tests.control.e2e.machine import Json, Machine, kill, new_home, until
from tests.control.e2e.scenes import camera, envelope, model, pipeline, watched

SECRET = "zq8-Not-To-Be-Shown-xj3"
PATIENT: Json = {"lost_after": "1s", "health": {"dark_below": 0, "frozen_after": 0}}
"""The camera with a password shows a picture that is black and still."""


@pytest.mark.soak
def test_a_worker_that_dies_at_every_start_backs_off_and_its_pipeline_says_why(machine: Machine) -> None:
    machine.start()
    machine.client.apply(watched())
    machine.worker()
    # Its folder becomes a file, as a careless clean-up would leave it: no worker can begin with that.
    spool = machine.settings.spool / "worker-people-0"
    aside = machine.home / "aside"
    spool.rename(aside)
    spool.write_text("no folder")
    kill(machine.worker()["pid"])

    def backs_off() -> Json | None:
        status: Json = machine.workload()["status"]
        return status if status["state"] == "backing-off" and status["restarts"] >= 4 else None

    status = until(backs_off, 60.0, told=machine.said)
    assert status["next_start"] is not None
    ready = machine.comes_to("pipeline", "watch", "Ready", "WorkerDied")
    assert "spool" in ready["message"]
    assert "WorkerDied" in machine.command("describe", "pipeline", "watch").stdout
    spool.unlink()
    aside.rename(spool)
    machine.runs("watch")


@pytest.mark.soak
def test_a_damaged_model_is_refused_with_a_reason_and_disturbs_nobody(
    machine: Machine, shared_data: Path
) -> None:
    damaged = machine.home / "damaged.onnx"
    damaged.write_bytes((shared_data / "models" / "nanodet_m_416.onnx").read_bytes()[:100_000])
    machine.start()
    machine.client.apply(watched())
    worker = machine.worker()
    machine.runs("watch")
    broken = pipeline("broken")
    broken["spec"]["detect"] = {"model": {"path": str(damaged)}}
    machine.client.apply([broken])
    said = until(
        lambda: (
            (c := machine.condition("pipeline", "broken", "Ready")).get("reason", "").startswith("Model")
            and c
        ),
        told=lambda: (machine.client.get("pipeline", "broken"), machine.said()),
    )
    assert "damaged.onnx" in said["message"]
    machine.runs("watch")
    assert machine.worker(name="worker-people-0")["pid"] == worker["pid"]


@pytest.fixture
def guarded() -> Iterator[RtspServer]:
    """A camera that asks for a password."""
    problem = rtsp_server_problem()
    need(problem is None, f"no RTSP server: {problem}")
    with RtspServer(pattern="320x240@10", user="admin", password=SECRET) as server:
        yield server


def everything(machine: Machine) -> Iterator[tuple[str, str]]:
    """Yield all that people get to see, by where."""
    url = machine.client.url
    for path in (
        "resources", "cameras", "cameras/gate", "cameras/gate/health", "pipelines", "models", "workloads",
        "status", "decisions", "events", "alerts", "detections", "tracks",
    ):  # fmt: skip
        yield path, httpx.get(f"{url}/api/v1/{path}", timeout=30).text
    yield "metrics", httpx.get(f"{url}/metrics", timeout=30).text
    yield "probe", httpx.post(f"{url}/api/v1/cameras/gate:probe", json={}, timeout=30).text
    yield "explain", httpx.get(f"{url}/api/v1/pipelines/watch:explain", timeout=30).text
    for workload in machine.client.workloads():
        port = workload["status"]["port"]
        for path in ("stats", "metrics", "healthz", "readyz"):
            yield f"worker/{path}", httpx.get(f"http://127.0.0.1:{port}/{path}", timeout=30).text
        yield "logs", b"".join(machine.client.logs(workload["metadata"]["name"])).decode()
    for words in (
        ["status"],
        ["get", "all"],
        ["get", "all", "-o", "yaml"],
        ["describe", "camera", "gate"],
        ["logs"],
    ):
        done = machine.command(*words)
        yield " ".join(words), done.stdout + done.stderr
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if f"ARGUS_HOME={machine.home}".encode() in (folder / "environ").read_bytes():
                    yield f"command line of {folder.name}", (folder / "cmdline").read_bytes().decode()
            except OSError:
                continue


@pytest.mark.soak
def test_a_secret_is_in_the_workers_config_and_nowhere_else(home: Path, guarded: RtspServer) -> None:
    url = guarded.url(user="admin", password="${GATE_PASSWORD}")
    with Machine(home, env={"GATE_PASSWORD": SECRET}) as machine:
        machine.start()
        machine.client.apply([camera("gate", url, **PATIENT), model(), pipeline(camera="gate")])
        machine.runs("watch")
        machine.comes_to("camera", "gate", "Online", "Online")
        # Wrong ones make more noise.
        machine.client.apply([camera("gate", url.replace("stream", "nothing-here"), **PATIENT)])
        machine.comes_to("camera", "gate", "Online", "Lost")
        shown = [where for where, text in everything(machine) if SECRET in text]
        assert shown == []
        machine.client.apply([camera("gate", url, **PATIENT)])
        machine.comes_to("camera", "gate", "Online", "Online")
        kill(machine.worker()["pid"])
        machine.comes_to("camera", "gate", "Online", "Online")
        found = [
            path
            for path in machine.home.rglob("*")
            if path.is_file() and SECRET.encode() in path.read_bytes()
        ]
        assert found
        assert all(path.is_relative_to(machine.home / "run" / "workloads") for path in found), found
        assert {path.stat().st_mode & 0o777 for path in found} == {0o600}


@pytest.mark.soak
def test_a_secret_that_is_missing_is_said_and_taken_up_when_it_is_there(
    home: Path, guarded: RtspServer
) -> None:
    with Machine(home) as machine:
        machine.start()
        url = guarded.url(user="admin", password="${GATE_PASSWORD}")
        machine.client.apply([camera("gate", url, **PATIENT), model(), pipeline(camera="gate")])
        said = machine.comes_to("pipeline", "watch", "Ready", "SecretMissing")
        assert "GATE_PASSWORD" in said["message"]
        secrets = machine.home / "secrets.env"
        secrets.touch(mode=0o600)
        secrets.write_text(f"GATE_PASSWORD={SECRET}\n")
        machine.comes_to("camera", "gate", "Online", "Online")


def test_a_thousand_documents_are_applied_or_none_of_them(machine: Machine) -> None:
    machine.start()
    documents = [camera(f"camera-{number}") for number in range(1000)]
    documents[-1]["spec"]["colour"] = "red"
    began_s = time.monotonic()
    with pytest.raises(RequestInvalid) as refused:
        machine.client.apply(documents)
    refused_s = time.monotonic() - began_s
    assert "colour" in str(refused.value)
    assert machine.client.list("camera") == []
    del documents[-1]["spec"]["colour"]
    (machine.home / "many.yaml").write_text(yaml.safe_dump_all(documents))
    began_s = time.monotonic()
    machine.command("apply", "-f", "many.yaml")
    applied_s = time.monotonic() - began_s
    assert len(machine.client.list("camera")) == 1000
    # A version that is overtaken is found last of all, and undoes the rest.
    overtaken = [
        envelope("Camera", f"camera-{number}", {"url": "synthetic:plaza", "fps": 3}) for number in range(1000)
    ]
    overtaken[-1]["metadata"]["resourceVersion"] = "1"
    assert (
        httpx.post(
            f"{machine.client.url}/api/v1/apply", json={"documents": overtaken}, timeout=60
        ).status_code
        == 409
    )
    assert all(resource["spec"].get("fps") is None for resource in machine.client.list("camera"))
    print(f"refused after {refused_s:.2f} s; applied by command after {applied_s:.2f} s")


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk of 24 MB."""
    with new_home() as folder:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=24m", "argus-test", str(folder)],
            capture_output=True,
            check=False,
        )
        if mounted.returncode:
            pytest.skip(f"no disk of its own: {mounted.stderr.decode().strip()}")
        try:
            yield folder
        finally:
            Machine(folder).remove()
            subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.soak
def test_a_full_disk_stops_nobody_and_what_was_accepted_is_there_afterwards(small_disk: Path) -> None:
    with Machine(small_disk) as machine:
        machine.start()
        machine.client.apply(watched())
        worker = machine.worker()
        machine.runs("watch")
        until(lambda: list(machine.client.events()))
        filler = machine.home / "filler"
        with filler.open("wb") as file:
            try:
                while True:
                    file.write(bytes(1 << 16))
                    file.flush()
            except OSError:
                pass
        names: list[str] = []
        refused = 0
        for number in range(5):
            answer = httpx.post(
                f"{machine.client.url}/api/v1/cameras", json=camera(f"camera-{number}"), timeout=60
            )
            if answer.status_code == 201:
                names.append(f"camera-{number}")
            else:
                assert (answer.status_code, answer.headers["content-type"]) == (
                    503,
                    "application/problem+json",
                ), answer.text
                refused += 1
        port = machine.workload()["status"]["port"]

        def raised() -> int:
            told = httpx.get(f"http://127.0.0.1:{port}/stats", timeout=10).json()
            return int(sum(one["events"] for one in told["pipelines"]))

        before = raised()
        until(lambda: raised() > before + 3, told=machine.said)
        assert machine.worker()["pid"] == worker["pid"]
        until(lambda: "disk is full" in str(machine.client.status()["problems"]), told=machine.client.status)
        assert "disk is full" in machine.command("status").stdout
        print(f"{refused} of 5 changes refused; problems: {machine.client.status()['problems']}")
        filler.unlink()
        enough = raised()
        until(lambda: len(list(machine.client.events(pipeline="watch"))) >= enough, told=machine.said)
        assert {r["metadata"]["name"] for r in machine.client.list("camera")} == {"plaza", *names}
        until(lambda: machine.client.create(camera("afterwards")))
        machine.kill()
        machine.start()
        assert {r["metadata"]["name"] for r in machine.client.list("camera")} == {
            "plaza",
            "afterwards",
            *names,
        }
        assert machine.worker()["pid"] == worker["pid"]
