"""A running engine as a grid of pictures: one thread that paints a few times a second, if somebody looks.

What a grid looks like and where it goes is `argus.vision.grid`.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import structlog

from argus.core.errors import ArgusError
from argus.core.frame import Frame, Image
from argus.vision.draw import Annotator
from argus.vision.engine.accounting import FrameCounts
from argus.vision.engine.camera import EngineCamera
from argus.vision.engine.engine import Engine
from argus.vision.engine.member import Member
from argus.vision.engine.notices import Notice
from argus.vision.grid import GridFile, GridPage, GridPainter, Tile, grid_status
from argus.vision.results import Alert, FrameResult
from argus.vision.sinks.pictures import encode_picture

_EVERY_S: Final = 0.2
_RATE_S: Final = 2.0
"""Over how long frames per second are counted."""
_ALERT_S: Final = 5.0
"""How long an alert is shown."""


class GridShow:
    """Shows the cameras of an engine on a page, in a file, or both, until it is closed."""

    def __init__(self, engine: Engine, *, page: GridPage | None = None, file: GridFile | None = None) -> None:
        """Start; page and file become the show's and are closed with it."""
        self._engine = engine
        self._page = page
        self._file = file
        self._painter = GridPainter()
        self._faces: dict[str, _Face] = {}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="argus-grid", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def hear(self, notice: Notice) -> None:
        """Show the alerts of a camera's health."""
        for alert in notice.alerts:
            self._face(notice.camera).alarm(alert)

    def turn_to(self, engine: Engine) -> None:
        """Show another engine's cameras from now on, on the same page and in the same file."""
        self._engine, self._faces = engine, {}

    def close(self) -> None:
        """Paint once more where a picture is due, so that a short show leaves one, too; idempotent."""
        if not self._ending.is_set():
            self._ending.set()
            self._thread.join()
            if self._page is not None:
                self._page.close()
            if self._file is not None:
                self._file.close()

    def _face(self, name: str) -> _Face:
        return self._faces.setdefault(name, _Face(name, self._painter))

    def _run(self) -> None:
        last, failed = False, ""
        while not last:
            last = self._ending.wait(_EVERY_S)
            try:
                failed = "" if self._show() else failed
            except Exception as error:  # noqa: BLE001 - whoever looks on must not end what is looked at
                if repr(error) != failed:  # said once: a full disk is full five times a second
                    failed = repr(error)
                    defect = None if isinstance(error, ArgusError) else error
                    structlog.get_logger().warning("grid.failed", error=str(error), exc_info=defect)

    def _show(self) -> bool:
        """Paint and give away what is wanted now; return whether all is known to work."""
        now_s = time.monotonic()
        engine, faces = self._engine, self._faces
        members = {member.camera: member for member in list(engine.members.values())}
        cameras = list(engine.cameras.items())
        if not cameras and faces:
            return False  # the engine has ended: what was seen last stays
        wanted = (self._page is not None and self._page.wanted) or (
            self._file is not None and self._file.due(now_s)
        )
        tiles = [self._face(name).tile(camera, members.get(name), now_s, wanted) for name, camera in cameras]
        picture: Image | None = self._painter.paint(tiles) if wanted else None
        works = self._file is None
        if self._file is not None and picture is not None and self._file.due(now_s):
            self._file.write(picture, now_s)
            works = True
        if self._page is not None:
            jpeg = None if picture is None else lambda: encode_picture(picture, quality=80)
            self._page.publish(jpeg, grid_status(tiles))
        return works


class _Face:
    """One camera as the grid shows it."""

    def __init__(self, name: str, painter: GridPainter) -> None:
        self._name = name
        self._painter = painter
        self._annotator: Annotator | None = None
        self._member: Member | None = None
        self._drawn: tuple[object, Image] | None = None
        self._rate: tuple[float, FrameCounts] | None = None
        self._fps: float | None = None
        self._alarm: tuple[float, Alert] | None = None

    def alarm(self, alert: Alert) -> None:
        self._alarm = (time.monotonic(), alert)

    def tile(self, camera: EngineCamera, member: Member | None, now_s: float, wanted: bool) -> Tile:
        result = None if member is None else member.last
        if member is not None:
            self._count(member, now_s)
            if result is not None and result.alerts:
                self.alarm(result.alerts[-1])
        if self._alarm is not None and now_s - self._alarm[0] > _ALERT_S:
            self._alarm = None
        health = camera.health
        # What is shown tells how old it is: a camera may be far ahead of what looks at it.
        frame = camera.latest if result is None else result.frame
        age_s = None
        if frame is not None and frame.received_s is not None:
            age_s = max(0.0, now_s - frame.received_s)
        return Tile(
            self._name,
            picture=self._picture(frame, member, result) if wanted else None,
            state="online" if health is None else health.state,
            reason="" if health is None else health.reason,
            for_s=None if health is None else max(0.0, now_s - health.since_s),
            fps=self._fps,
            age_s=age_s,
            objects=None if result is None else len(result.detections),
            note="" if member is None else _note(member),
            alert=None if self._alarm is None else self._alarm[1].severity,
        )

    def _picture(
        self, frame: Frame | None, member: Member | None, result: FrameResult | None
    ) -> Image | None:
        """Return what is to be seen, drawn on; the same array for as long as it is the same."""
        if frame is None:
            return None
        if self._drawn is not None and self._drawn[0] is frame:
            return self._drawn[1]
        picture = frame.resized(*self._painter.size_for(frame.width, frame.height), "bgr")
        if member is not None and result is not None:
            if self._annotator is None or member is not self._member:
                self._annotator, self._member = Annotator(member.spec), member
            picture = self._annotator.draw_on(picture, result)
        self._drawn = (frame, picture)
        return picture

    def _count(self, member: Member, now_s: float) -> None:
        if self._rate is None:
            self._rate = (now_s, member.counts)
        elif now_s - self._rate[0] >= _RATE_S:
            counts = member.counts
            window = counts.minus(self._rate[1])
            self._fps = (window.processed + window.gated) / (now_s - self._rate[0])
            self._rate = (now_s, counts)


def _note(member: Member) -> str:
    """Return what is special about a pipeline, in a few words."""
    if member.error is not None:
        return f"failed: {member.error}"
    return "" if member.rung.index == 0 else f"degraded: {member.rung.title}"


def open_grid(where: str) -> tuple[GridPage | None, GridFile | None]:
    """Return the page or the file that a text means: a file's path, a port, or an address with one.

    Raises:
        SpecError: it means neither, or the port is taken.
        OutputError: the file cannot be written.
    """
    host, _, port = where.rpartition(":")
    if port.isdecimal() and "/" not in where:
        return GridPage(host or "127.0.0.1", int(port)), None
    return None, GridFile(Path(where))
