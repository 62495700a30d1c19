"""Workloads, jobs and models over HTTP."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx

from argus.control.runtime.protocol import Workload
from argus.storage.records import Run
from tests.control.api.harness import NOW, Live, World, listening, problem, until


def _run(world: World, name: str = "worker-0") -> None:
    workload = Workload(name=name, command=("python", "-m", "x"), env={"TOKEN": "s3cret"}, config="s3cret")
    asyncio.run(world.runtime.ensure(workload))


def test_workloads_are_told_like_resources_and_without_their_secrets(world: World) -> None:
    _run(world)
    answer = world.get("/api/v1/workloads")
    assert "s3cret" not in answer.text
    (item,) = answer.json()["items"]
    assert (item["kind"], item["metadata"]["name"]) == ("Workload", "worker-0")
    assert item["spec"]["command"] == ["python", "-m", "x"]
    assert (item["status"]["pid"], item["status"]["restarts"]) == (1000, 0)
    assert world.get("/api/v1/workloads/worker-0").json()["status"]["state"] == "running"
    assert "did you mean" in problem(world.get("/api/v1/workloads/worker-1"), 404)["detail"]


def test_a_restart_is_a_new_process_and_wakes_the_reconciler(world: World) -> None:
    woken: list[bool] = []
    world.plane.wake = lambda: woken.append(True)
    _run(world)
    answer = world.post("/api/v1/workloads/worker-0:restart")
    assert answer.status_code == 202
    assert answer.json()["status"]["pid"] == 1001
    assert woken == [True]
    problem(world.post("/api/v1/workloads/other:restart"), 404)


def test_logs_are_the_last_lines(world: World) -> None:
    _run(world)
    world.runtime.print("worker-0", "one\ntwo\nthree\n")
    assert world.get("/api/v1/workloads/worker-0/logs").text == "one\ntwo\nthree\n"
    answer = world.get("/api/v1/workloads/worker-0/logs?tail=1")
    assert (answer.text, answer.headers["content-type"]) == ("three\n", "text/plain; charset=utf-8")
    problem(world.get("/api/v1/workloads/other/logs?follow=true"), 404)
    problem(world.get("/api/v1/workloads/worker-0/logs?tail=-1"), 422)


def test_logs_are_followed_until_the_client_goes(live: Live) -> None:
    live.do(live.world.runtime.ensure(Workload(name="w", command=("x",))))
    live.call(lambda: live.world.runtime.print("w", "old\n"))
    url = f"{live.url}/api/v1/workloads/w/logs?follow=true"
    with httpx.stream("GET", url, trust_env=False, timeout=10) as answer:
        lines = answer.iter_lines()
        assert next(lines) == "old"
        live.call(lambda: live.world.runtime.print("w", "new\n"))
        assert next(lines) == "new"


def test_a_runtime_that_does_not_answer_is_a_503(world: World) -> None:
    world.runtime.unavailable = "the keeper is gone"
    assert "keeper" in problem(world.get("/api/v1/workloads"), 503)["detail"]
    body = problem(world.get("/readyz"), 503)
    assert body["parts"] == {"store": "ok", "results": "ok", "runtime": "the keeper is gone"}
    assert world.get("/api/v1/status").json()["problems"] == {"runtime": "the keeper is gone"}


def test_a_swapped_model_remembers_what_it_was_and_goes_back(world: World) -> None:
    world.post("/api/v1/models", json={"metadata": {"name": "people"}, "spec": {"path": "a.onnx"}})
    for path in ("b.onnx", "c.onnx", "c.onnx"):
        assert world.post("/api/v1/models/people:swap", json={"path": path}).json()["spec"]["path"] == path
    told = world.get("/api/v1/models/people").json()
    assert json.loads(told["metadata"]["annotations"]["argus.dev/previous-paths"]) == ["a.onnx", "b.onnx"]
    for path in ("b.onnx", "a.onnx"):
        assert world.post("/api/v1/models/people:rollback").json()["spec"]["path"] == path
    assert "no other weights" in problem(world.post("/api/v1/models/people:rollback"), 409)["detail"]
    problem(world.post("/api/v1/models/people:swap", json={"path": ""}), 422)
    problem(world.post("/api/v1/models/people:swap", json={"paht": "x"}), 422)
    problem(world.post("/api/v1/models/other:swap", json={"path": "x"}), 404)


def test_an_annotation_that_somebody_has_spoilt_is_no_history(world: World) -> None:
    metadata = {"name": "people", "annotations": {"argus.dev/previous-paths": "{nonsense"}}
    world.post("/api/v1/models", json={"metadata": metadata, "spec": {"path": "a.onnx"}})
    problem(world.post("/api/v1/models/people:rollback"), 409)


def _job(world: World, **status: Any) -> None:
    spec = {"source": "a.mp4", "pipeline": "p"}
    made = world.post("/api/v1/jobs", json={"metadata": {"name": "nightly"}, "spec": spec}).json()
    if status:
        uid = made["metadata"]["uid"]
        asyncio.run(world.store.set_status("BatchJob", "nightly", uid, status))


def test_a_job_is_suspended_and_resumed(world: World) -> None:
    _job(world)
    assert world.post("/api/v1/jobs/nightly:suspend").json()["spec"]["suspend"] is True
    assert world.post("/api/v1/jobs/nightly:resume").json()["spec"]["suspend"] is False
    problem(world.post("/api/v1/jobs/other:suspend"), 404)


def test_the_present_run_of_a_job_is_cancelled_and_without_one_nothing_is(world: World) -> None:
    _job(world, run=3, runState="active")
    told = world.post("/api/v1/jobs/nightly:cancel").json()
    assert told["metadata"]["annotations"]["argus.dev/cancel"] == "3"
    uid = told["metadata"]["uid"]
    asyncio.run(world.store.set_status("BatchJob", "nightly", uid, {"run": 3, "runState": "cancelled"}))
    problem(world.post("/api/v1/jobs/nightly:cancel"), 409)


def test_a_job_is_run_once_more(world: World) -> None:
    _job(world)
    first = world.post("/api/v1/jobs/nightly:run").json()["metadata"]["annotations"]["argus.dev/run-at"]
    until(
        lambda: (
            world.post("/api/v1/jobs/nightly:run").json()["metadata"]["annotations"]["argus.dev/run-at"]
            != first
        )
    )


def test_the_runs_of_a_job_are_told(world: World) -> None:
    _job(world)
    asyncio.run(
        world.results.put_run(Run(id="u-1", job="nightly", started_at=NOW, updated_at=NOW, progress=0.5))
    )
    (told,) = world.get("/api/v1/jobs/nightly/runs").json()["items"]
    assert (told["id"], told["progress"]) == ("u-1", 0.5)
    problem(world.get("/api/v1/jobs/other/runs"), 404)


def test_followed_logs_end_when_the_server_stops(world: World) -> None:
    with listening(world) as live:
        live.do(world.runtime.ensure(Workload(name="w", command=("x",))))
        live.call(lambda: world.runtime.print("w", "old\n"))
        url = f"{live.url}/api/v1/workloads/w/logs?follow=true"
        with httpx.stream("GET", url, trust_env=False, timeout=10) as answer:
            lines = answer.iter_lines()
            assert next(lines) == "old"
            live.server.should_exit = True
            assert list(lines) == []
