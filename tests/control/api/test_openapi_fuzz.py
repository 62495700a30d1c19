"""Schemathesis over the whole OpenAPI document: whatever is asked, the server never fails.

A part of the control plane that does not answer is a 503, and none of its parts is gone here; so a 5xx that
is found is a defect.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, status_code_conformance

from argus.control.runtime.protocol import Workload
from argus.control.store.opening import open_store
from argus.storage.opening import open_results
from tests.control.api.harness import Live, World, alert, event, listening
from tests.control.api.workers import Worker, reads, working

schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")

_MANY = int(os.environ.get("ARGUS_FUZZ_EXAMPLES", "20"))
_ENDLESS = ("/api/v1/events/stream", "/api/v1/alerts/stream", "/api/v1/cameras/{name}/stream.mjpeg")
"""A stream never ends, and so would the test."""


_DOCUMENTS = {
    "cameras": {"a": "rtsp://10.0.0.5/1"},
    "models": {"a": {"path": "a.onnx"}},
    "pipelines": {"a": {"camera": "a", "detect": {"model": "a"}}},
    "jobs": {"a": {"source": "a.mp4", "pipeline": "a"}},
}


@contextmanager
def _busy(world: World, before: Callable[[], Awaitable[None]] | None = None) -> Iterator[Live]:
    """Let a world with something in it listen."""
    with working(Worker()) as worker, listening(world, before=before) as live:
        reads(world, worker, "a")
        live.do(world.plane.results.write([event("a"), alert("a")]))
        live.do(world.runtime.ensure(Workload(name="a", command=("x",))))
        world.blobs.put("a.jpg", b"picture")
        answer = httpx.post(f"{live.url}/api/v1/apply", json=_DOCUMENTS, trust_env=False)
        assert answer.status_code == 200, answer.text
        yield live


def _asked(live: Live, examples: int, *, seed: int) -> int:
    """Ask for everything that the document describes, in many ways; return how many requests that were."""
    schema = schemathesis.openapi.from_dict(live.world.app.openapi())
    asked, negative = 0, schemathesis.GenerationMode.NEGATIVE
    for found in schema.get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]  # a document that is wrong fails here
        if operation.path in _ENDLESS:
            continue

        @hypothesis.seed(seed)
        @hypothesis.settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=False,
            suppress_health_check=list(hypothesis.HealthCheck),
            phases=[hypothesis.Phase.generate],
        )
        @hypothesis.given(case=operation.as_strategy() | operation.as_strategy(negative))
        def ask(case: Any) -> None:
            nonlocal asked
            if case.query.get("watch") or case.query.get("follow"):
                return
            asked += 1
            case.call_and_validate(base_url=live.url, checks=_CHECKS, timeout=20)

        ask()
    return asked


_CHECKS = [not_a_server_error, content_type_conformance, status_code_conformance]


def test_no_request_makes_the_server_fail(tmp_path: Path) -> None:
    with _busy(World(tmp_path)) as live:
        assert _asked(live, 1, seed=5) > 50


@pytest.mark.soak
def test_no_request_of_very_many_makes_a_server_with_real_databases_fail(tmp_path: Path) -> None:
    world = World(tmp_path)

    async def with_databases() -> None:
        world.plane.store = await open_store(f"sqlite:///{tmp_path}/resources.db")
        world.plane.results = await open_results(f"sqlite:///{tmp_path}/results.db")
        world.rebuild()

    async def closed() -> None:
        await world.plane.store.close()
        await world.plane.results.close()

    with _busy(world, before=with_databases) as live:
        assert _asked(live, _MANY, seed=7) > 1000
        live.do(closed())
