"""A control plane from nothing to the first alert, in a folder that is gone afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from argus.control.client import Client, find_server

RESOURCES = Path(__file__).with_name("argus.yaml")


def argus(*words: str, environment: Mapping[str, str]) -> None:
    """Run a command as a shell would."""
    subprocess.run([sys.executable, "-m", "argus", *words], env=environment, check=True)


def watch(client: Client, folder: Path) -> None:
    """Print the first alert, and why there was one."""
    for camera in client.list("cameras"):
        print("camera", camera["metadata"]["name"], camera["spec"]["url"])

    # Those from the beginning, then those that come; each again when its picture or clip is there.
    for alert in client.stream("alerts", after=0):
        if alert["snapshot"]:
            break
    print(f"ALERT {alert['severity']}: {alert['rule']}, {alert['class_name']} {alert['object_id']}")

    picture = folder / "intruder.jpg"
    client.save_blob(alert["snapshot"], picture)
    print(f"its snapshot has {picture.stat().st_size // 1000} kB")

    told = client.explain("plaza-safety", at=alert["at"])
    while told["reasons"][0]["code"] == "no_trace":  # what happened in a second is known shortly after it
        time.sleep(0.2)
        told = client.explain("plaza-safety", at=alert["at"])
    print(told["verdict"])
    for stage in told["stages"]:
        print(f"  {stage['name']}: {stage['passed']} of {stage['of']} {stage['unit']}")

    for workload in client.workloads():
        status = workload["status"]
        print(f"{workload['metadata']['name']} {status['state']}, restarts: {status['restarts']}")


def main() -> None:
    """Start a control plane, watch the plaza, end everything."""
    with tempfile.TemporaryDirectory(prefix="argus-", ignore_cleanup_errors=True) as home:
        others = {name: value for name, value in os.environ.items() if not name.startswith("ARGUS_")}
        environment = {**others, "ARGUS_HOME": home}
        argus("up", "--detach", "--port", "0", "--filename", str(RESOURCES), environment=environment)
        try:
            with Client(find_server(environment).url) as client:
                watch(client, Path(home))
        finally:
            argus("down", environment=environment)


if __name__ == "__main__":
    main()
