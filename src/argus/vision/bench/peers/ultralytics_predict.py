"""`ultralytics predict` on a video, measured; run by the Python of the peers, never imported.

Usage: python ultralytics_predict.py MODEL VIDEO FRAMES. Prints one JSON object.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
import time
import types

WARM_UP = 10


def main(model: str, video: str, frames: int) -> None:
    """Predict `frames` frames after a warm-up and print what that took."""
    os.environ["YOLO_OFFLINE"] = "1"
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        importlib.metadata.version("torchvision")
    except importlib.metadata.PackageNotFoundError:
        # There is no CPU build of torchvision everywhere; ultralytics asks for its version and, for the
        # suppression of boxes, falls back to a function of its own, which is what it gets here.
        ask = importlib.metadata.version
        importlib.metadata.version = lambda distribution_name: (
            "0.0.0" if distribution_name == "torchvision" else ask(distribution_name)
        )
        from ultralytics.utils.nms import TorchNMS

        stub = types.ModuleType("torchvision")
        stub.ops = types.SimpleNamespace(nms=TorchNMS.nms)  # type: ignore[attr-defined]
        sys.modules["torchvision"] = stub
    from ultralytics import YOLO

    count, wall, cpu = 0, 0.0, 0.0
    for _ in YOLO(model, task="detect").predict(video, stream=True, verbose=False):
        count += 1
        if count == WARM_UP:
            wall, cpu = time.perf_counter(), time.process_time()
        if count == WARM_UP + frames:
            break
    took = {
        "frames": count - WARM_UP,
        "wall_s": time.perf_counter() - wall,
        "cpu_s": time.process_time() - cpu,
    }
    print(json.dumps(took))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
