"""`argus demo`: the whole system on the built-in scene; no camera, weights or server needed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

_WIDTH, _HEIGHT, _FPS = 960, 540, 15


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="Watch a while without a server, and write files instead.")
    ] = False,
    out: Annotated[Path, typer.Option("--out", "-o", help="With --once: folder for what is written.")] = Path(
        "argus-demo"
    ),
    seconds: Annotated[
        int | None,
        typer.Option(min=1, max=86_400, help="How long to watch; until Ctrl-C unless told, 40 with --once."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed, another day on the plaza.")] = 7,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the API; 0: any that is free.")] = 7070,
    json: Annotated[bool, typer.Option("--json", help="With --once: print the summary as JSON.")] = False,
) -> None:
    """Watch the synthetic plaza: people and vehicles, zones, a line and a crowd rule.

    Runs a control plane with a camera, a model and a pipeline on it, keeps events, alerts, snapshots and
    clips, and says where to look. With `--once` it writes the annotated video, events and detections as JSON
    lines, snapshots and an HTML report, and ends.

    **Examples**

    `argus demo`

    `argus demo --once --seconds 20 --out /tmp/plaza`
    """
    if once:
        _write_files(out, seconds or 40, seed, json=json)
    else:
        _run_all(seconds, seed, port)


def _scene(seed: int) -> str:
    return f"synthetic:plaza?width={_WIDTH}&height={_HEIGHT}&fps={_FPS}&people=9&vehicles=2&seed={seed}"


def _rules() -> dict[str, Any]:
    from argus.vision.synthetic import PLAZA_CROWDS, PLAZA_LINES, PLAZA_ZONES

    return {"zones": PLAZA_ZONES, "lines": PLAZA_LINES, "crowds": PLAZA_CROWDS}


def _run_all(seconds: int | None, seed: int, port: int) -> None:
    from argus.cli.up_running import in_foreground
    from argus.control.serve import Wish
    from argus.core.resources.manifest import read_drafts
    from argus.core.settings import read_settings

    clip = {"on": ["zone.entered", "zone.dwelled", "crowd.formed"], "snapshot": True, "clip": True}
    store = {"detections": "every 1s", "clips": {"before": "3s", "after": "3s"}}
    watch = {"camera": "plaza", "detect": "plaza", **_rules(), "actions": [clip], "store": store}
    drafts = read_drafts(
        [
            {
                "cameras": {"plaza": _scene(seed)},
                "models": {"plaza": "builtin:plaza"},
                "pipelines": {"plaza-safety": watch},
            }
        ],
        "demo",
    )
    # A home of its own: what is tried out must not stand among what is meant.
    settings = dataclasses.replace(read_settings(), home=read_settings().home / "demo")
    in_foreground(Wish(settings, port=port), drafts, greeting=_where_to_look, for_s=seconds)


def _where_to_look(url: str) -> str:
    return (
        "look at it:\n"
        f"  {url}/api/v1/cameras/plaza/stream.mjpeg   the picture, live, in a browser\n"
        f"  {url}/docs                                 the API\n"
        f"  ARGUS_SERVER={url} argus get alerts --watch\n"
        f"  ARGUS_SERVER={url} argus status\n"
        f"  ARGUS_SERVER={url} argus explain plaza-safety --zone restricted\n"
        "Ctrl-C ends it"
    )


def _write_files(out: Path, seconds: int, seed: int, *, json: bool) -> None:
    from argus.cli.job import run_in_terminal
    from argus.core.resources.pipeline import PipelineSpec
    from argus.vision.runner.job import Job

    job = Job(
        source=f"{_scene(seed)}&frames={seconds * _FPS}",
        model="builtin:plaza",
        pipeline=PipelineSpec.read(_rules(), "demo"),
        out=out / "annotated.mp4",
        events=out / "events.jsonl",
        detections=out / "detections.jsonl",
        report=out / "report.html",
        snapshots=out / "snapshots",
    )
    run_in_terminal(job, json=json)
    if not json:
        typer.echo(f"\nOpen {out / 'report.html'} in a browser, and {out / 'annotated.mp4'} in a player.")
