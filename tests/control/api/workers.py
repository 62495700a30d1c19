"""A worker as the API sees one: it listens, and gives pictures of its cameras."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from argus.control.runtime.protocol import WorkloadStatus
from argus.core.resources.resource import utc_now
from argus.stream.report import CameraReport, PipelineReport, WorkerReport
from tests.control.api.harness import World

JPEG = b"\xff\xd8\xff\xe0 a picture \xff\xd9"
PART = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + JPEG + b"\r\n"


@dataclass(slots=True)
class Worker:
    """What it does, and what it was asked."""

    port: int = 0
    state: str = "online"
    picture: bytes | None = JPEG
    sent: int = 0
    """Bytes of streams that it has sent."""
    watching: int = 0
    """Connections of streams that are open."""
    metrics: bytes = b'argus_camera_frames_decoded_total{camera="gate"} 7\n'
    asked: list[str] = field(default_factory=list)
    part: bytes = PART


@contextmanager
def working(worker: Worker) -> Iterator[Worker]:
    """Let a worker listen, in a thread of its own."""
    started, stop = threading.Event(), []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split(" ")[1]
        worker.asked.append(path)
        try:
            if path.startswith("/snapshot.jpg"):
                _answer(writer, worker.picture, "image/jpeg")
            elif path.startswith("/stream.mjpeg") and worker.picture is not None:
                await _stream(writer, worker)
            elif path == "/metrics":
                _answer(writer, worker.metrics, "text/plain")
            else:
                _answer(writer, None, "text/plain")
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        worker.port = server.sockets[0].getsockname()[1]
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        stop.append(lambda: loop.call_soon_threadsafe(ended.set))
        started.set()
        await ended.wait()
        server.close()

    thread = threading.Thread(target=lambda: asyncio.run(main()), name="worker")
    thread.start()
    assert started.wait(10)
    try:
        yield worker
    finally:
        stop[0]()
        thread.join(10)


async def _stream(writer: asyncio.StreamWriter, worker: Worker) -> None:
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n"
        b"Connection: close\r\n\r\n"
    )
    worker.watching += 1
    try:
        while True:
            writer.write(worker.part)
            worker.sent += len(worker.part)
            await writer.drain()
            await asyncio.sleep(0.005)
    finally:
        worker.watching -= 1


def _answer(writer: asyncio.StreamWriter, body: bytes | None, kind: str) -> None:
    status = "200 OK" if body is not None else "503 Service Unavailable"
    said = body if body is not None else b'{"detail": "the camera has shown nothing yet"}'
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(said)}\r\nConnection: close\r\n"
    )
    writer.write(f"{head}X-Argus-Index: 12\r\n\r\n".encode() + said)


def reads(world: World, worker: Worker, camera: str = "gate") -> None:
    """Let a world know that a worker reads a camera."""
    world.plane.workloads = {
        "worker-0": WorkloadStatus(
            name="worker-0", kind="service", state="running", pid=4711, port=worker.port, ready=True,
            since=utc_now(),
        )
    }  # fmt: skip
    world.plane.reports = {
        "worker-0": WorkerReport(
            worker="worker-0", pid=4711, started_at=utc_now(), ready=True, healthy=True,
            cameras=(CameraReport(name=camera, state=worker.state, width=1280, height=720),),
            pipelines=(PipelineReport(name="gate-safety", camera=camera, generation=1),),
        )
    }  # fmt: skip
