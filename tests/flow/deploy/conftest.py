"""A system of four nodes in a folder, and the schema that its manifests must obey."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from tests.flow.deploy.schema import Schema

MAIN = """
    from argus import QoS, System

    sys = System("my-robot"{broker})
    url = "rtsp://user:hunter2@10.0.0.5/s"
    env = {{"HF_TOKEN": "s3cr3t", "MODE": "fast", "SIGN": "$$(A)$"}}
    cam = sys.node("nodes/camera", fps=30, url=url, env=env)
    gpu = sys.node("nodes/yolo", replicas=2, arch="amd64", resources={{"cpu": "2", "memory": "4Gi"}})
    gw = sys.node("nodes/gateway")
    log = sys.node("nodes/logger")
    sys.link(cam).to(gpu, qos=QoS.REALTIME).to(gw)
    sys.link(cam).to(log, qos=QoS.{log})
    sys.run()
"""
NODES = {
    "camera/node.py": """
        from pydantic import BaseModel
        from argus import ProducerNode

        class Camera(ProducerNode):
            class Params(BaseModel):
                url: str = ""

            def loop(self):
                return 1
    """,
    "yolo/node.py": """
        from argus import ConsumerNode

        class Yolo(ConsumerNode):
            def loop(self, data):
                return data
    """,
    "yolo/node.toml": """
        [node]
        class = "Yolo"
        base = "nvidia/cuda:12.4.1-runtime-ubuntu22.04"
        dependencies = ["ultralytics==8.3.0", "numpy>=2"]
        system = ["libgl1", "ffmpeg"]
        files = ["weights/yolo.onnx"]
        device = "gpu"
    """,
    "gateway/node.py": """
        from argus.flow.gateway.node import Gateway

        class Show(Gateway):
            pass
    """,
    "logger/node.py": """
        from argus import SinkNode

        class Logger(SinkNode):
            def loop(self, data):
                pass
    """,
}


def system_in(folder: Path, *, broker: str = "", log: str = "DURABLE") -> Path:
    """Write a system into a folder; return its file."""
    for name, text in NODES.items():
        path = folder / "nodes" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
    file = folder / "main.py"
    file.write_text(dedent(MAIN).format(broker=f", broker={broker!r}" if broker else "", log=log))
    return file


@pytest.fixture
def main_py(tmp_path: Path) -> Path:
    return system_in(tmp_path)


@pytest.fixture(scope="session")
def schema(shared_data: Path) -> Schema:
    return Schema(shared_data / "k8s" / "swagger.json")
