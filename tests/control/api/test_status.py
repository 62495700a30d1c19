"""What the control plane says of itself: status, metrics, docs, schemas, explanations."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections import deque
from typing import Any

import httpx

from argus.control.plane import Decision
from argus.core.resources.kinds import kinds
from argus.storage.records import TraceRecord
from tests.control.api.harness import NOW, Live, World, event, problem, until
from tests.control.api.workers import Worker, reads, working


def test_the_status_counts_what_there_is(world: World) -> None:
    world.camera("gate")
    asyncio.run(world.results.write([event("e")]))
    told = world.get("/api/v1/status").json()
    assert (told["resources"]["cameras"], told["resources"]["models"]) == (1, 0)
    assert told["results"]["event"] == 1
    assert told["ready"] is True
    assert told["uptimeSeconds"] >= 0
    assert told["problems"] == {}


def test_it_is_ready_as_long_as_all_parts_answer(world: World) -> None:
    assert world.get("/readyz").json()["ready"] is True
    world.store.fail("locked")
    assert "store: locked" in problem(world.get("/readyz"), 503)["detail"]
    assert world.get("/healthz").status_code == 200
    assert world.get("/api/v1/status").json()["problems"] == {"store": "locked"}


def test_decisions_come_the_latest_first(world: World) -> None:
    world.plane.decisions = deque(Decision(NOW, "start", f"worker-{n}", "wanted") for n in range(3))
    items = world.get("/api/v1/decisions?limit=2").json()["items"]
    assert [item["subject"] for item in items] == ["worker-2", "worker-1"]


def test_metrics_are_those_of_the_control_plane_and_of_its_workers(world: World) -> None:
    world.camera("gate")
    with working(Worker()) as worker:
        reads(world, worker)
        answer = world.get("/metrics")
        again = world.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    text = answer.text
    assert 'argus_camera_frames_decoded_total{camera="gate",workload="worker-0"} 7' in text
    assert 'argus_resources{kind="Camera"} 1' in text
    assert 'argus_workload_ready{workload="worker-0"} 1' in text
    assert 'argus_database_up{database="results"} 1' in text
    assert re.search(
        r'argus_api_requests_total\{method="POST",route="/api/v1/cameras",status="201"\} 1', text
    )
    assert again.text == text
    assert worker.asked.count("/metrics") == 1


def test_metrics_go_on_when_a_worker_or_a_store_is_gone(world: World) -> None:
    with working(Worker()) as gone:
        pass
    reads(world, gone)
    world.store.fail("locked")
    text = world.get("/metrics").text
    assert 'argus_database_up{database="resources"} 0' in text
    assert "argus_camera_frames_decoded_total" not in text


def test_streams_and_uploads_are_counted(live: Live) -> None:
    def says(line: str) -> bool:
        text = httpx.get(f"{live.url}/metrics", trust_env=False).text
        return line in text

    httpx.post(f"{live.url}/api/v1/uploads", content=b"x" * 1000, trust_env=False)
    with httpx.stream("GET", f"{live.url}/api/v1/alerts/stream", trust_env=False) as answer:
        portions = answer.iter_raw()  # kept: without it the answer would be closed
        next(portions)
        until(lambda: says('argus_api_streams{stream="alerts"} 1'))
        assert says('argus_uploads_total{outcome="complete"} 1')
        assert says("argus_upload_bytes_total 1000")
    until(lambda: says('argus_api_streams{stream="alerts"} 0'))


def test_what_a_part_of_the_plane_counts_is_told_too(world: World) -> None:
    world.plane.samplers.append(lambda samples: samples.set("argus_reconcile_failures_total", 3))
    assert "argus_reconcile_failures_total 3" in world.get("/metrics").text


def test_every_kind_has_its_schema(world: World) -> None:
    for kind in kinds():
        schema = world.get(f"/api/v1/schema/{kind.plural}").json()
        assert isinstance(schema, dict)
        assert schema
    assert "cameras" in world.get("/api/v1/schema").text
    assert "did you mean" in problem(world.get("/api/v1/schema/camaras"), 404)["detail"]


def test_the_document_describes_every_kind_and_every_path(world: World) -> None:
    told = world.get("/openapi.json").json()
    for kind in kinds():
        path = told["paths"][f"/api/v1/{kind.plural}/{{name}}"]
        assert {"get", "put", "patch", "delete"} <= set(path)
        body = path["put"]["requestBody"]["content"]["application/json"]["schema"]
        assert body == {"$ref": f"#/components/schemas/{kind.name}"}
        assert f"{kind.name}Spec" in told["components"]["schemas"]
    spec = told["components"]["schemas"]["CameraSpec"]["properties"]
    assert "url" in spec
    names = set(told["components"]["schemas"])
    assert {ref.rpartition("/")[2] for ref in _refs(told)} <= names


def _refs(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(_refs(inner) for inner in value.values()))
    return set().union(*(_refs(inner) for inner in value)) if isinstance(value, list) else set()


def test_the_page_of_docs_needs_no_other_host_and_no_script(world: World) -> None:
    answer = world.get("/docs")
    assert answer.headers["content-type"].startswith("text/html")
    assert "script" not in answer.text.lower().replace("description", "")
    assert not re.search(r"(src|href)\s*=\s*[\"']?(https?:)?//", answer.text)
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    for path in world.get("/openapi.json").json()["paths"]:
        assert path in answer.text
    home = world.get("/")
    assert (home.status_code, home.headers["location"]) == (307, "/docs")


def test_why_no_alert_came_is_explained(world: World) -> None:
    spec = {"camera": "gate", "detect": {"model": "builtin:people"}}
    world.post("/api/v1/pipelines", json={"metadata": {"name": "p"}, "spec": spec})
    told = world.get("/api/v1/pipelines/p:explain", params={"at": NOW.isoformat()}).json()
    assert (told["pipeline"], told["verdict"][:8]) == ("p", "No alert")
    assert told["reasons"]
    asyncio.run(world.results.write([TraceRecord(pipeline="p", camera="gate", at=NOW, data={})]))
    assert world.get("/api/v1/pipelines/p:explain", params={"at": NOW.isoformat()}).status_code == 200
    problem(world.get("/api/v1/pipelines/other:explain"), 404)
    for params in ({"at": "tomorrow"}, {"at": "9999-01-01"}, {"zone": "none"}, {"window": 0}):
        problem(world.get("/api/v1/pipelines/p:explain", params=params), 422)
    assert world.get("/api/v1/pipelines/p:explain", params={"at": "0001-01-01"}).status_code in {200, 422}


def test_the_api_is_there_before_any_codec_is() -> None:
    code = (
        "import sys, argus.control.api.app, argus.control.client\n"
        "heavy = {'cv2', 'av', 'onnxruntime', 'openvino', 'torch', 'scipy', 'numpy', 'shapely'}\n"
        "print(*heavy & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
