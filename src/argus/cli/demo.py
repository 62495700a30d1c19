"""`argus demo`: the main job on the built-in scene; no camera, weights or server needed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for what the demo writes.")] = Path(
        "argus-demo"
    ),
    seconds: Annotated[int, typer.Option(min=1, max=600, help="How much of the scene to watch.")] = 40,
    seed: Annotated[int, typer.Option(help="Another seed, another day on the plaza.")] = 7,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Watch the synthetic plaza: people and vehicles, zones, a line and a crowd rule.

    Writes the annotated video, events and detections as JSON lines, snapshots and an HTML report.

    **Example**

    `argus demo --seconds 20 --out /tmp/plaza`
    """
    from argus.cli.job import run_in_terminal
    from argus.core.resources.pipeline import PipelineSpec
    from argus.vision.runner.job import Job
    from argus.vision.synthetic import PLAZA_CROWDS, PLAZA_LINES, PLAZA_ZONES

    scene = (
        f"synthetic:plaza?width=960&height=540&fps=15&people=9&vehicles=2&seed={seed}&frames={seconds * 15}"
    )
    job = Job(
        source=scene,
        model="builtin:plaza",
        pipeline=PipelineSpec.read(
            {"zones": PLAZA_ZONES, "lines": PLAZA_LINES, "crowds": PLAZA_CROWDS}, "demo"
        ),
        out=out / "annotated.mp4",
        events=out / "events.jsonl",
        detections=out / "detections.jsonl",
        report=out / "report.html",
        snapshots=out / "snapshots",
    )
    run_in_terminal(job, json=json)
    if not json:
        typer.echo(f"\nOpen {out / 'report.html'} in a browser, and {out / 'annotated.mp4'} in a player.")
