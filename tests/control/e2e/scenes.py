"""Resources that cost little to run, and tell events all the time."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
EVERYWHERE = [[0, 0], [1, 0], [1, 1], [0, 1]]
STRIPS = {
    f"strip-{number}": {
        "polygon": [[number / 12, 0], [(number + 1) / 12, 0], [(number + 1) / 12, 1], [number / 12, 1]],
        "severity": "high",
        "exit_after": "100ms",
    }
    for number in range(12)
}
"""Whoever walks enters and leaves one after the other."""
PLAZA = "synthetic:plaza?width=320&height=240&fps=10&people=12&vehicles=0"


def camera(name: str = "plaza", url: str = PLAZA, **spec: Any) -> Json:
    """Return a camera."""
    return envelope("Camera", name, {"url": url, **spec})


def model(name: str = "people", path: str = "builtin:plaza", **spec: Any) -> Json:
    """Return a model that is run as it is: to try precisions takes longer than most tests."""
    return envelope("Model", name, {"path": path, "precision": "f32", **spec})


def pipeline(name: str = "watch", camera: str = "plaza", **spec: Any) -> Json:
    """Return a pipeline that tells several events a second."""
    return envelope(
        "Pipeline",
        name,
        {"camera": camera, "detect": {"model": "people"}, "zones": STRIPS, "cooldown": "1s", **spec},
    )


def envelope(kind: str, name: str, spec: Json) -> Json:
    """Return a resource in its envelope."""
    return {"apiVersion": "argus.dev/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def watched(**spec: Any) -> list[Json]:
    """Return a camera, a model and a pipeline."""
    return [camera(), model(), pipeline(**spec)]
