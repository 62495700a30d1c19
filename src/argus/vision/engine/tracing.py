"""Who wants to know what a pipeline does, and telling them once a second: whether frames come or not.

What is told is collected in `argus.vision.trace`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import structlog

from argus.core.resources.phases import CameraPhase
from argus.vision.engine.member import Member
from argus.vision.engine.reporting import camera_phase
from argus.vision.trace import Tracer, Tracing

if TYPE_CHECKING:
    from argus.vision.engine.engine import Engine

_SECOND_S: Final = 1.0


class Traces:
    """Those of one engine. `tick` belongs to the thread that watches it."""

    def __init__(self, engine: Engine, clock: Callable[[], float]) -> None:
        """Begin with nobody who wants to know."""
        self._engine = engine
        self._clock = clock
        self._lock = threading.Lock()
        self._heard: dict[str, Tracing] = {}
        self._since: dict[str, tuple[float, datetime]] = {}

    def set(self, pipeline: str, hear: Tracing | None) -> None:
        """Tell somebody of a pipeline from now on, as long as one of that name is there."""
        with self._lock:
            self._since.pop(pipeline, None)
            if hear is None:
                self._heard.pop(pipeline, None)
            else:
                self._heard[pipeline] = hear
        if hear is not None:
            self._begin(pipeline)

    def forget(self, member: Member) -> None:
        """Tell the last of a pipeline that ends; one of the same name goes on with its trace."""
        if member.tracer is not None:
            self._tell(member.name, member)

    def tick(self) -> None:
        """Tell of every pipeline whose second is over."""
        now_s = self._clock()
        for pipeline in list(self._heard):
            member = self._engine.members.get(pipeline)
            if member is None:
                continue
            since = self._since.get(pipeline)
            if member.tracer is None or since is None:
                self._begin(pipeline)
            elif now_s - since[0] >= _SECOND_S:
                self._tell(pipeline, member)

    def _begin(self, pipeline: str) -> None:
        member = self._engine.members.get(pipeline)
        if member is not None:
            tracer = Tracer(member.spec, member.look.model)
            tracer.second(member.counts, "", "", 0.0)  # what was before is nobody's second
            self._since[pipeline] = (self._clock(), datetime.now(UTC))
            member.tracer = tracer

    def _tell(self, pipeline: str, member: Member) -> None:
        with self._lock:
            hear, since, tracer = self._heard.get(pipeline), self._since.get(pipeline), member.tracer
            if hear is None or since is None or tracer is None:
                return
            now_s = self._clock()
            self._since[pipeline] = (now_s, datetime.now(UTC))
        camera = self._engine.cameras.get(member.camera)
        state: CameraPhase
        state, reason = ("lost", "the camera was removed") if camera is None else camera_phase(camera)
        try:
            hear(since[1], tracer.second(member.counts, state, reason, now_s - since[0], member.error))
        except Exception:  # noqa: BLE001 - it is called from the thread that watches all cameras
            structlog.get_logger().exception("engine.trace_not_heard", pipeline=pipeline)
