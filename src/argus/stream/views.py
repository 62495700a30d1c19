"""What there is to be looked at: a camera's newest picture, or a pipeline's with what it sees drawn in.

Here frames become JPEGs, one at a time, for whoever asks; that each is made once is for `channels` to see.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Protocol

from argus.core.errors import UnknownName
from argus.core.frame import Frame, Image
from argus.core.resources.pipeline import PipelineSpec
from argus.stream.converge import Running
from argus.stream.recorder import Recorder
from argus.vision.crop_view import crop_frame
from argus.vision.draw import Annotator
from argus.vision.engine.engine import Engine
from argus.vision.results import FrameResult
from argus.vision.sinks.pictures import encode_picture

QUALITY: Final = 80
_REMEMBERED: Final = 128
_STALE_S: Final = 0.5
"""When a pipeline has looked at nothing for so long (nothing moves, say), a newer picture is shown."""


class Scene(Protocol):
    """Something to be looked at. Called from one thread at a time."""

    def newest(self) -> Frame | None:
        """Return the newest picture, the very same object until there is another; None: there is none yet.

        Raises:
            UnknownName: it is gone.
        """
        ...

    def jpeg(self, width: int | None) -> bytes:
        """Return what `newest` returned last as a JPEG, at most so many pixels wide."""
        ...

    def close(self) -> None:
        """Nobody looks any more; whoever looks again begins with `newest`."""
        ...


class Source(Protocol):
    """What runs; see `argus.stream.converger.Converger`."""

    @property
    def running(self) -> Running:
        """What has been applied."""
        ...

    @property
    def recorders(self) -> Mapping[str, Recorder]:
        """By pipeline."""
        ...


class CameraScene:
    """A camera's picture as it is; see `Scene`."""

    def __init__(self, engine: Engine, name: str) -> None:
        """Begin to look."""
        self._engine = engine
        self._name = name
        self._frame: Frame | None = None

    def newest(self) -> Frame | None:
        """Return the newest frame."""
        if self._name not in self._engine.cameras:
            raise UnknownName("camera", self._name, self._engine.cameras)
        self._frame = self._engine.cameras[self._name].latest
        return self._frame

    def jpeg(self, width: int | None) -> bytes:
        """Encode it."""
        assert self._frame is not None
        return encode_picture(_sized(self._frame, width), quality=QUALITY)

    def close(self) -> None:
        """Nothing is held."""


class PipelineScene:
    """A pipeline's picture with boxes, zones and lines; see `Scene`.

    It sees every result while somebody looks, so that no crossing is missing in the counts although not every
    picture is drawn.
    """

    def __init__(self, engine: Engine, source: Source, name: str) -> None:
        """Begin to look."""
        self._engine = engine
        self._source = source
        self._name = name
        self._results: deque[FrameResult] = deque(maxlen=_REMEMBERED)
        self._watched: Recorder | None = None
        self._shown: FrameResult | None = None
        self._spec: PipelineSpec | None = None
        self._annotator = Annotator()

    def newest(self) -> Frame | None:
        """Return the newest frame that was looked at, or one in which there was nothing to look for."""
        recorder = self._source.recorders.get(self._name)
        member = self._engine.members.get(self._name)
        plan = self._source.running.pipelines.get(self._name)
        if recorder is None or member is None or plan is None:
            raise UnknownName("pipeline", self._name, self._source.recorders)
        if recorder is not self._watched or plan.spec is not self._spec:
            self.close()
            recorder.watch(self._see)
            self._watched, self._spec = recorder, plan.spec
            self._annotator = Annotator(plan.spec)
            self._shown = member.last
        elif self._results:
            results = [self._results.popleft() for _ in range(len(self._results))]
            events = tuple(event for result in results for event in result.events)
            alerts = tuple(alert for result in results for alert in result.alerts)
            self._shown = replace(results[-1], events=events, alerts=alerts)
        elif self._shown is not None and member.camera in self._engine.cameras:
            camera = self._engine.cameras[member.camera].latest
            if camera is not None and camera.time_s - self._shown.frame.time_s > _STALE_S:
                frame = camera if plan.spec.crop is None else crop_frame(camera, plan.spec.crop)
                self._shown = replace(self._shown, frame=frame, events=(), alerts=())
        return None if self._shown is None else self._shown.frame

    def jpeg(self, width: int | None) -> bytes:
        """Draw and encode it."""
        assert self._shown is not None
        image = self._annotator.draw_on(_sized(self._shown.frame, width, writable=True), self._shown)
        return encode_picture(image, quality=QUALITY)

    def close(self) -> None:
        """See no further results."""
        if self._watched is not None:
            self._watched.unwatch(self._see)
            self._watched = None
        self._results.clear()

    def _see(self, result: FrameResult) -> None:
        self._results.append(result)


def _sized(frame: Frame, width: int | None, *, writable: bool = False) -> Image:
    if width is not None and width < frame.width:
        return frame.resized(width, max(1, round(frame.height * width / frame.width)), "bgr")
    return frame.bgr.copy() if writable else frame.bgr
