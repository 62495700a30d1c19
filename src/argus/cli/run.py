"""`argus run`: one source through one pipeline in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def run(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Video, picture, folder, camera (`rtsp://…`, `http://…`, `/dev/video0`), `synthetic:plaza`;"
            " several, each `NAME=ADDRESS` if you like, or the name of a camera in the file of `--pipeline`.",
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="ONNX file, registered name or `builtin:plaza|people|motion`.",
            show_default=False,
        ),
    ] = None,
    pipeline: Annotated[
        Path | None,
        typer.Option("--pipeline", "-p", help="YAML file with zones, lines, alerts …", show_default=False),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="What to call the camera in events and the report.", show_default="its address"),
    ] = None,
    engine: Annotated[
        str | None, typer.Option(help="`auto`, `openvino` or `onnxruntime`.", show_default="auto")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="`auto`, `f32`, `bf16`, `f16` or `int8`.", show_default="auto")
    ] = None,
    device: Annotated[str | None, typer.Option(help="`auto`, `cpu`, `cuda` …", show_default="auto")] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Text file with one class name a line.", show_default=False)
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(
            help="How to read the network's output, where it is not recognised.", show_default="auto"
        ),
    ] = None,
    trusted: Annotated[
        bool, typer.Option("--trusted", help="Allow weights that can run code (`.pt`).")
    ] = False,
    classes: Annotated[
        str | None, typer.Option(help="Only these, separated by commas: `person,car`.", show_default="all")
    ] = None,
    confidence: Annotated[
        float | None, typer.Option(min=0, max=1, help="Leave out what scores lower.", show_default="0.25")
    ] = None,
    iou: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Overlap above which two boxes are one object.", show_default="0.7"),
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option(min=0.01, help="Look at so many frames a second at most.", show_default="all"),
    ] = None,
    track: Annotated[
        bool | None,
        typer.Option("--track/--no-track", help="Follow objects.", show_default="videos yes, pictures no"),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many frames.", show_default="none")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Annotated video, picture or folder of pictures.", show_default=False
        ),
    ] = None,
    events: Annotated[Path | None, typer.Option(help="Events as JSON lines.", show_default=False)] = None,
    detections: Annotated[
        Path | None, typer.Option(help="Detections as JSON lines, one a frame.", show_default=False)
    ] = None,
    report: Annotated[Path | None, typer.Option(help="HTML report.", show_default=False)] = None,
    snapshots: Annotated[
        Path | None, typer.Option(help="Folder for the best picture of each event.", show_default=False)
    ] = None,
    agreement: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the report on the candidate: `detect.shadow` in the file of `--pipeline`.",
            show_default=False,
        ),
    ] = None,
    latest: Annotated[
        bool,
        typer.Option(
            "--latest", help="Treat recordings as cameras: at their own speed, only the newest frame."
        ),
    ] = False,
    retries: Annotated[
        int,
        typer.Option(
            min=-1, help="Attempts in a row to reach a camera that broke off.", show_default="for ever"
        ),
    ] = -1,
    transport: Annotated[
        Literal["tcp", "udp"] | None,
        typer.Option(
            help="How RTSP carries the picture: `tcp` loses nothing, `udp` waits for nothing.",
            show_default="tcp",
        ),
    ] = None,
    grid: Annotated[
        str | None,
        typer.Option(
            help="Show all cameras in one picture: a port (`8090`, opened for this machine alone), or a file"
            " (`grid.jpg`, `grid.mp4`).",
            show_default=False,
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress bar and no summary table.")
    ] = False,
) -> None:
    """Run sources through a model and a pipeline: detections, tracks, events, alerts, annotated video.

    A progress bar runs along; Ctrl-C ends the run and finishes the files. Cameras are opened again when they
    break off. With several sources `--out`, `--detections`, `--report`, `--snapshots` and `--agreement` name
    folders.

    **Examples**

    `argus run street.mp4 --model yolox-nano --out annotated.mp4 --events events.jsonl`

    `argus run rtsp://user:secret@10.0.0.5/stream1 -m yolov8n.onnx -p zones.yaml --report report.html`

    `argus run gate=rtsp://10.0.0.5/1 yard=rtsp://10.0.0.6/1 --fps 5 --grid 8090 --events events.jsonl`

    `argus run photos/ -m yolov8n.onnx --classes person,dog --detections found.jsonl --out annotated/`
    """
    from argus.cli.job import run_in_terminal
    from argus.cli.watch import declared_in, named, split_name, watch_in_terminal
    from argus.core.errors import SpecError
    from argus.vision.runner.job import Job

    if name is not None and len(sources) > 1:
        raise SpecError("--name is for one source: name several as NAME=ADDRESS")
    given, first = split_name(sources[0])
    job = Job(
        source=first,
        name=name or given,
        model=model,
        pipeline=pipeline,
        engine=engine,
        precision=precision,
        device=device,
        labels=labels,
        layout=layout,
        trusted=trusted,
        classes=None
        if classes is None
        else tuple(name.strip() for name in classes.split(",") if name.strip()),
        confidence=confidence,
        iou=iou,
        fps=fps,
        track=track,
        limit=limit,
        out=out,
        events=events,
        detections=detections,
        report=report,
        snapshots=snapshots,
        agreement=agreement,
        retries=retries,
        transport=transport,
    )
    declared = declared_in(pipeline, sources)
    if len(sources) > 1 or latest or grid is not None or declared:
        cameras = {name: first} if name is not None and not declared else named(sources, declared)
        code = watch_in_terminal(
            cameras, job, declared=declared, latest=latest, grid=grid, json=json, quiet=quiet
        )
        raise typer.Exit(code)
    summary = run_in_terminal(job, json=json, quiet=quiet)
    if summary.interrupted and summary.source.frame_count is not None:
        raise typer.Exit(130)
