"""Several cameras in a terminal: names, Ctrl-C, what is said meanwhile. The tables are `camera_tables`."""

from __future__ import annotations

import contextlib
import json as json_format
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import typer
from rich.console import Console
from rich.live import Live

from argus.cli.camera_tables import CamerasNow, sums, written
from argus.cli.job import say_default_model, stopping_on_signals
from argus.cli.notices import say_notice
from argus.cli.tables import show
from argus.core.errors import SpecError, UnknownName
from argus.core.resources.camera import CameraSpec
from argus.core.resources.files import read_pipeline
from argus.core.urls import scheme_of
from argus.vision.engine.engine import Engine
from argus.vision.engine.notices import Notice
from argus.vision.runner.cameras import Watch, Watched, watch_cameras
from argus.vision.runner.job import Job, camera_of, leave_cores_to_the_engine, resolve, spec_for_many
from argus.vision.runner.showing import GridShow, open_grid
from argus.vision.sources import open_source
from argus.vision.sources.opening import is_path, known_schemes
from argus.vision.sources.protocol import Source

_NAMED: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]*)=(.+)", re.DOTALL)
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def watch_in_terminal(
    cameras: Mapping[str, str],
    job: Job,
    *,
    declared: Mapping[str, CameraSpec],
    latest: bool,
    grid: str | None,
    json: bool = False,
    quiet: bool = False,
) -> int:
    """Watch cameras with a table on stderr; print the sums to stdout as a table or as JSON.

    Args:
        cameras: Addresses by name.
        job: What to do with each, and what to write.
        declared: Those of them that a file declares.
        latest: Treat recordings as cameras.
        grid: Where to show all in one picture; None: nowhere.
        json: Print the sums as JSON.
        quiet: Say nothing but errors.

    Returns:
        The exit code: 1 where a camera was given up, 130 where recordings were cut short.
    """
    errors = Console(stderr=True)
    leave_cores_to_the_engine()
    spec, model = resolve(replace(job, source=next(iter(cameras.values()))))
    spec = spec_for_many(spec, job)
    specs = {name: camera_of(job, url, declared.get(name)) for name, url in cameras.items()}
    live = latest or bool(declared) or any(_calls_again(url) for url in cameras.values())
    watch = Watch(specs, spec, model, job.paths, live=live, limit=job.limit)
    if not quiet:
        say_default_model(errors, job)
    stop = threading.Event()
    shows: list[GridShow] = []

    def on_notice(notice: Notice) -> None:
        for one in shows:
            one.hear(notice)
        if not quiet:
            say_notice(errors, notice)

    with contextlib.ExitStack() as held:
        held.enter_context(stopping_on_signals(stop))
        opened = _opened(cameras, job, held)
        page, file = (None, None) if grid is None else open_grid(grid)
        for part in (page, file):
            if part is not None:
                held.callback(part.close)

        @contextlib.contextmanager
        def onlooker(engine: Engine) -> Iterator[None]:
            with contextlib.ExitStack() as looking:
                if page is not None or file is not None:
                    shows.append(looking.enter_context(GridShow(engine, page=page, file=file)))
                if page is not None and not quiet:
                    errors.print(
                        f"the cameras are to be seen at {page.url}",
                        highlight=False,
                        markup=False,
                        soft_wrap=True,
                    )
                if not quiet and errors.is_terminal:
                    table = CamerasNow(engine)
                    looking.enter_context(
                        Live(console=errors, transient=True, refresh_per_second=2, get_renderable=table.draw)
                    )
                yield

        watched = watch_cameras(watch, opened=opened, onlooker=onlooker, on_notice=on_notice, stop=stop)
    shared = [str(path) for path in (watch.paths.events, file and file.path) if path is not None]
    if json:
        typer.echo(json_format.dumps(to_json(watched, shared), indent=2))
    elif not quiet:
        show(*sums(watched))
        for path in written(watched, shared):
            typer.echo(f"wrote  {path}")
    for name, error in watched.given_up.items():
        text = f"error: camera {name} was given up: {error}"
        errors.print(text, style="red", highlight=False, markup=False, soft_wrap=True)
    cut_short = not live and any(summary.interrupted for summary in watched.summaries)
    return 1 if watched.given_up else 130 if cut_short else 0


def split_name(source: str) -> tuple[str | None, str]:
    """Return name and address of `NAME=ADDRESS`; the name is None where none is given.

    Raises:
        SpecError: it cannot be a name.
    """
    found = _NAMED.fullmatch(source)
    if found is None or is_path(source):
        return None, source
    if _NAME.fullmatch(found[1]) is None:
        raise SpecError(
            f"camera name {found[1]!r}: use small letters, digits and hyphens, at most 63: gate-2=ADDRESS"
        )
    return found[1], found[2]


def declared_in(pipeline: Path | None, sources: list[str]) -> dict[str, CameraSpec]:
    """Return those sources that are names of cameras in the file of a pipeline.

    Raises:
        SpecError: the file makes no sense.
    """
    names = [source for source in sources if _NAME.fullmatch(source) and not is_path(source)]
    if pipeline is None or not names:
        return {}
    _, resources = read_pipeline(pipeline)
    return {name: resources.cameras[name] for name in names if name in resources.cameras}


def named(sources: list[str], declared: Mapping[str, CameraSpec]) -> dict[str, str]:
    """Return cameras by name: as `NAME=ADDRESS` or a file says, or `cam1`, `cam2` … by their place.

    Raises:
        SpecError: two have one name, or one cannot be a name.
    """
    cameras: dict[str, str] = {}
    for number, source in enumerate(sources, 1):
        given, url = split_name(source)
        name = given or f"cam{number}"
        if source in declared:
            name, url = source, declared[source].url
        if name in cameras:
            raise SpecError(f"two cameras are called {name}: give each its own name, NAME=ADDRESS")
        cameras[name] = url
    return cameras


def to_json(watched: Watched, shared: list[str]) -> dict[str, object]:
    """Return the sums of all cameras, the files they share and the engine's last status as one object."""
    return {
        "cameras": [summary.to_json() for summary in watched.summaries],
        "given_up": {name: str(error) for name, error in watched.given_up.items()},
        "outputs": shared,
        "engine": watched.status.to_json(),
    }


def _opened(cameras: Mapping[str, str], job: Job, held: contextlib.ExitStack) -> dict[str, Source]:
    """Return the recordings, opened: what cannot be read is said before anything is written.

    Cameras that are away may come back; of them only the kind is looked at.

    Raises:
        SourceError: a recording cannot be opened.
        SpecError: an address makes no sense.
    """
    opened: dict[str, Source] = {}
    for name, url in cameras.items():
        scheme = scheme_of(url)
        if not _calls_again(url):
            if url not in {cameras[other] for other in opened}:
                opened[name] = held.enter_context(open_source(url, fps=job.fps, name=name))
        elif scheme is not None and scheme not in known_schemes():
            raise UnknownName("kind of source", scheme, known_schemes())
    return opened


def _calls_again(url: str) -> bool:
    """Return whether an address is a camera's, as far as its form tells, and not a recording's."""
    scheme = None if is_path(url) else scheme_of(url)
    return (scheme is not None and scheme not in {"file", "synthetic"}) or url.startswith("/dev/video")
