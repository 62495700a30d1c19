"""The report of a run: one HTML file that needs nothing else, not even a network.

Pictures, charts, style and the few lines of script are inside the file, and its content
security policy forbids the browser to load anything. What it shows is drawn up in `content`;
this module only fills in the page and puts it in its place.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

from markupsafe import Markup

from argus.core.errors import OutputError
from argus.core.resources.pipeline import PipelineSpec
from argus.core.version import __version__
from argus.vision.runner.summary import RunSummary
from argus.vision.sinks.history import History
from argus.vision.sinks.report.content import draw_up
from argus.vision.sinks.report.ticks import clock, duration, number

__all__ = ["render_report", "write_report"]


def write_report(
    path: Path,
    summary: RunSummary,
    history: History,
    snapshots: Mapping[str, bytes],
    spec: PipelineSpec | None,
    title: str,
) -> None:
    """Write the report of a run as one HTML file; a file of that name is replaced at once or not at all.

    Args:
        path: where the file goes; its folder is made if need be.
        summary: the sums of the run.
        history: what was seen over time.
        snapshots: JPEG bytes by event id; damaged ones are left out.
        spec: zones and lines to draw on the scene, if there are any.
        title: heading of the page.

    Raises:
        OutputError: the file cannot be written there.
    """
    page = render_report(summary, history, snapshots, spec, title)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(page, encoding="utf-8", errors="replace")
        part.replace(path)
    except OSError as error:
        raise OutputError(path, error.strerror or error) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def render_report(
    summary: RunSummary,
    history: History,
    snapshots: Mapping[str, bytes],
    spec: PipelineSpec | None,
    title: str,
    *,
    written_at: datetime | None = None,
) -> str:
    """Return the page that `write_report` writes, dated `written_at` or now."""
    import jinja2  # here, as nearly every run starts without a page to write

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters |= {"clock": clock, "duration": duration, "number": number}
    script = _part("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.from_string(_part("page.html.j2")).render(
        title=title,
        summary=summary,
        source=summary.source,
        written_at=written_at or datetime.now(UTC),
        version=__version__,
        style=Markup(_part("page.css")),  # noqa: S704  a file of this package
        script=Markup(script),  # noqa: S704  likewise
        # Only this very script may run, whatever a name in the data manages to say.
        script_digest=f"sha256-{digest}",
        svg=Markup,  # charts are built as trees, so what they hold is escaped already
        **draw_up(summary, history, snapshots, spec),
    )


def _part(name: str) -> str:
    return (resources.files(__package__) / "templates" / name).read_text(encoding="utf-8")
