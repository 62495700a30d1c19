"""A job's engine: one model for all recordings, one recording after another, each in a thread of its own.

The recording's thread turns the model's loop too (`Engine(one_thread=True)`), which is cheapest where one
recording is all there is, and gives the same batches for the same file.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from argus.core.resources.camera import CameraSpec
from argus.core.resources.pipeline import PipelineSpec
from argus.stream.batch_reading import Reread, lent
from argus.vision.branches.runner import Branches
from argus.vision.engine.accounting import FrameCounts
from argus.vision.engine.engine import Engine
from argus.vision.engine.member import Listener
from argus.vision.engine.models import open_detector
from argus.vision.sources.options import SourceOptions
from argus.vision.sources.protocol import Source

_LOOK_S: Final = 0.05
"""How soon the end of a recording is noticed."""


class Looker:
    """Looks at recordings; use it with `with`, from one thread."""

    def __init__(self, spec: PipelineSpec) -> None:
        """Open the models of a pipeline.

        Raises:
            SpecError: one cannot be as it is described.
            ModelError: one cannot be opened.
            MissingExtra: an optional package is needed.
        """
        self._spec = spec
        self._ready: Source | None = None
        with contextlib.ExitStack() as held:
            self._engine = held.enter_context(Engine(open_source=self._open, one_thread=True))
            detector = open_detector(self._engine.look_of(spec))
            held.callback(detector.close)
            self._detector = lent(detector)
            if spec.branches:
                # Never asked for anything: their models stay open between two recordings.
                kept = Branches(spec.branches, self._engine.branch_lanes, "job", wait=True)
                held.callback(kept.close)
            self._held = held.pop_all()

    @property
    def model(self) -> str:
        """Name, engine and precision of the model."""
        return str(getattr(self._detector, "description", "") or self._detector.name)

    def look(
        self,
        name: str,
        source: Reread,
        spec: PipelineSpec,
        listener: Listener,
        *,
        tick: Callable[[FrameCounts], None],
    ) -> FrameCounts:
        """Look at one recording to its end; the listener has everything when this returns.

        Args:
            name: Stands as the camera in every event.
            source: The recording, opened; it is closed.
            spec: The pipeline as it fits this recording; its models are those of the job's.
            listener: Takes the results.
            tick: Called a few times a second.

        Returns:
            What became of its frames.

        Raises:
            ModelUnavailable: the model has failed.
            SourceError: the recording broke off.
            Exception: what the steps or the listener raised.
        """
        engine, self._ready = self._engine, source
        camera = CameraSpec.read({"url": "recording", "reconnect": {"max_retries": 0}}, f"recording {name}")
        engine.add_camera(name, camera, live=False, insists=False, held=True)
        try:
            engine.add_pipeline(name, spec, camera=name, listener=listener, detector=self._detector)
            member, read = engine.members[name], engine.cameras[name]
            engine.release(name)
            failure: Exception | None = None
            while failure is None and not (read.over.is_set() and member.feed.over):
                engine.stream_of(name).wait(_LOOK_S)
                failure = member.failure or _model_failure(engine)
                tick(member.feed.counts)
        finally:
            self._ready = None
            engine.remove_camera(name)
        failure = failure or member.failure or read.error
        if failure is not None:
            raise failure
        return member.feed.counts

    def close(self) -> None:
        """Close engine and models; idempotent."""
        self._held.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def _open(self, url: str, options: SourceOptions) -> Source:
        assert self._ready is not None
        return self._ready


def _model_failure(engine: Engine) -> Exception | None:
    failures = (opened.lane.failure for opened in engine.lanes.all)
    return next((error for error in failures if error is not None), None)
