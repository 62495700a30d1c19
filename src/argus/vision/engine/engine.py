"""Many cameras, pipelines and models in one process, added, changed and removed while it runs.

Puts the parts together and owns their lives: streams (`argus.vision.sources.hub`), cameras, feeds,
lanes. What a part can decide is decided there; what follows from the passing of time is `overseer`.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import structlog

from argus.core.errors import ModelUnavailable, SpecError, UnknownName
from argus.core.frame import Frame
from argus.core.resources.camera import CameraSpec
from argus.core.resources.model import ModelSpec
from argus.core.resources.pipeline import PipelineSpec
from argus.core.urls import mask_url
from argus.vision.branches.lanes import BranchLanes
from argus.vision.clips.clip import Clip
from argus.vision.clips.cutting import cut
from argus.vision.clips.ring import MOST_BYTES
from argus.vision.engine.assembly import lower
from argus.vision.engine.camera import EngineCamera
from argus.vision.engine.lane import Lane
from argus.vision.engine.lanes import Lanes, OpenModel
from argus.vision.engine.member import Listener, Member
from argus.vision.engine.models import LaneSpec, model_of, open_detector
from argus.vision.engine.notices import Facts, Notice, Tell
from argus.vision.engine.overseer import Overseer
from argus.vision.engine.pipelines import Pipelines
from argus.vision.engine.reporting import status_of
from argus.vision.engine.shadow import Shadow
from argus.vision.engine.status import EngineStatus
from argus.vision.engine.swapping import swap_model
from argus.vision.engine.tracing import Traces
from argus.vision.models.protocols import Detector
from argus.vision.sources.hub import Hub, open_by_options
from argus.vision.sources.options import SourceOptions
from argus.vision.sources.shared import SharedStream
from argus.vision.sources.sharing import Open, StreamSpec
from argus.vision.trace import Tracing

if TYPE_CHECKING:
    from argus.vision.engine.agreement_report import AgreementReport

_DEFAULT: Final = ModelSpec.read({"path": "builtin:people"}, "model")


class Engine:
    """See the module. Safe from any thread; use it with `with`.

    Results go to each pipeline's listener, in the thread of its model; notices (health of cameras, models
    swapped, rungs of a ladder) to `tell`, in whatever thread meets them. Both must be quick.
    """

    def __init__(
        self,
        *,
        tell: Tell | None = None,
        model: ModelSpec | None = None,
        open_source: Open = open_by_options,
        open_model: OpenModel = open_detector,
        one_thread: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with nothing, and the thread that watches time pass.

        Args:
            tell: Hears notices.
            model: Looks for pipelines that name none.
            open_source: Opens an address.
            open_model: Opens a model.
            one_thread: True lets the thread of a recording turn the model's loop too, which is cheaper by
                0.3 ms a frame where there is one recording; a model that fails is not opened again then.
            clock: Monotonic seconds.
        """
        self.hub = Hub(open_source, clock=clock)
        self.cameras: dict[str, EngineCamera] = {}
        self.members: dict[str, Member] = {}
        self.lanes = Lanes(open_model, self._lane_failed, turned=one_thread, clock=clock)
        self.branch_lanes = BranchLanes()
        self._streams: dict[str, SharedStream] = {}
        self._kept: dict[str, tuple[float, int]] = {}
        self._model = model or _DEFAULT
        self._told = tell
        self._clock = clock
        self._run = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.facts = Facts(clock, self._run)
        self.traces = Traces(self, clock)
        self.changing = threading.RLock()
        self.closed = False
        self.replaces = not one_thread
        """True where a model that fails is opened again."""
        self._pipelines = Pipelines(self, self._run, clock)
        self.overseer = Overseer(self, clock)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def tell(self, notice: Notice) -> None:
        """Pass a notice on; whoever hears it cannot hurt the camera that it speaks of."""
        if self._told is None:
            return
        try:
            self._told(notice)
        except Exception:  # noqa: BLE001 - it is called from decoding threads, which must go on
            structlog.get_logger().exception("engine.notice_not_heard", camera=notice.camera)

    def add_camera(
        self,
        name: str,
        spec: CameraSpec | str,
        *,
        live: bool = True,
        insists: bool = True,
        held: bool = False,
        timeout_s: float | None = None,
        keep_s: float = 0.0,
        after: Frame | None = None,
    ) -> None:
        """Read one more camera. Returns at once; what comes of it is told.

        Args:
            name: Not used yet.
            spec: Where and how; a text is its address.
            live: True plays recordings and synthetic scenes at their own speed, as a camera would. False
                reads them as fast as they are looked at, every frame.
            insists: False gives up where the very first opening fails.
            held: True opens it with `release` alone: so all pipelines of a recording see its beginning.
            timeout_s: How long a server may be silent; None: `lost_after`.
            keep_s: Seconds of its stream to keep for clips from its very first packet on; see `keep_packets`.
            after: The last frame of the camera whose place it takes: time and index go on from there.

        Raises:
            SpecError: the name is taken.
        """
        spec = CameraSpec.read(spec, f"camera {name}") if isinstance(spec, str) else spec
        with self.changing:
            self.expect_open()
            if name in self.cameras:
                raise SpecError(
                    f"camera {name} is there already: change it, or give the new one another name"
                )
            camera = EngineCamera(
                name, spec, live=live, tell=self.tell, stream=self._run, after=after, clock=self._clock
            )
            options = SourceOptions(
                name=mask_url(spec.url),
                timeout_s=timeout_s or spec.lost_after,
                transport=spec.transport,
                decoder=spec.decoder,
                loop=spec.loop and live,
                # For pictures of a folder it says how fast they follow each other; others are asked for less.
                fps=spec.fps if os.path.isdir(spec.url) else None,  # noqa: PTH112 - an address is no path
            )
            stream = StreamSpec(
                spec.url, options, spec.reconnect, paced=live, insists=insists, alone="" if live else name
            )
            self.cameras[name] = camera
            if keep_s > 0:
                self._kept[name] = (keep_s, MOST_BYTES)
            kept = self._kept.get(name)
            # Nothing is read before it is known what is to be kept of it.
            self._streams[name] = joined = self.hub.join(stream, camera, held=held or kept is not None)
            if kept is not None:
                joined.ring.keep(name, *kept)
                if not held:
                    joined.begin()

    def release(self, name: str) -> None:
        """Read a camera that was held until all its pipelines would be there.

        Raises:
            UnknownName: there is no such camera.
        """
        self.stream_of(name).begin()

    def change_camera(self, name: str, spec: CameraSpec | str) -> None:
        """Give a camera another spec; its pipelines go on with what it brings then.

        Raises:
            UnknownName: there is no such camera.
        """
        with self.changing:
            feeds, latest = self.camera(name).feeds, self.cameras[name].latest
            live, held = self.cameras[name].health is not None, self._streams[name].held
            self._leave(name)
            self.add_camera(name, spec, live=live, held=held, after=latest)
            for feed in feeds:
                self.cameras[name].attach(feed)
            for member in [m for m in self.members.values() if m.camera == name]:
                self.set_rate(member, member.rung.fps if member.ladder is not None else member.spec.fps)

    def remove_camera(self, name: str) -> None:
        """Read a camera no longer; its pipelines end with it.

        Raises:
            UnknownName: there is no such camera.
        """
        with self.changing:
            self.camera(name)
            for member in [m for m in self.members.values() if m.camera == name]:
                self.remove_pipeline(member.name)
            self._leave(name)
            self._kept.pop(name, None)

    def keep_packets(self, camera: str, seconds: float, *, most_bytes: int = MOST_BYTES) -> None:
        """Keep the last seconds of a camera's compressed stream, for clips; 0 ends it.

        Begins with the next key frame, or with the very first where `add_camera(keep_s=…)` says it. Costs
        no decoding. A clip can be cut of what is not older: keep what comes before an event, the longest
        event itself, what comes after it, and some seconds for good measure.

        Args:
            camera: Its name.
            seconds: How many; a stream that several cameras share keeps as many as the most demanding wants.
            most_bytes: Memory at most; what is oldest is given up for it.

        Raises:
            UnknownName: there is no such camera.
        """
        with self.changing:
            self.camera(camera)
            self._kept[camera] = (seconds, most_bytes)
            self._streams[camera].ring.keep(camera, seconds, most_bytes)

    def cut_clip(self, camera: str, start_s: float, end_s: float, path: Path) -> Clip:
        """Write a piece of what is kept as an MP4; returns when it is written, so not for a lane's thread.

        Args:
            camera: Its name.
            start_s: `Frame.time_s` of the first picture; the clip begins at the key frame at or before it, or
                where what is kept of the connection begins.
            end_s: Likewise of the last; one more packet is taken.
            path: Where to; the file appears there when it is whole.

        Raises:
            ClipUnavailable: nothing of it is kept; `early` where the stream has not come so far yet.
            OutputError: it cannot be written.
            UnknownName: there is no such camera.
        """
        stream, shift_s = self.stream_of(camera), self.camera(camera).shift_s
        pieces = [replace(piece, base_s=piece.base_s + shift_s) for piece in stream.ring.pieces()]
        return cut(pieces, start_s, end_s, path, camera)

    def trace(self, pipeline: str, hear: Tracing | None) -> None:
        """Tell once a second what a pipeline did, for `argus.vision.explain`; None ends it.

        It goes on when the pipeline's spec is changed.

        Raises:
            UnknownName: there is no such pipeline.
        """
        member = self._pipelines.get(pipeline)
        self.traces.set(pipeline, hear)
        if hear is None:
            member.tracer = None

    def reconnect(self, name: str) -> None:
        """Call a camera now that waits for its next attempt, or was given up.

        Raises:
            UnknownName: there is no such camera.
        """
        self.camera(name)
        self._streams[name].try_now()

    def add_pipeline(
        self,
        name: str,
        spec: PipelineSpec,
        *,
        camera: str | None = None,
        listener: Listener | None = None,
        detector: Detector | None = None,
    ) -> None:
        """Let one more pipeline look at a camera. Returns when its model is open.

        Args:
            name: Not used yet.
            spec: What to do.
            camera: Whose frames; None: the one that the spec names.
            listener: Takes the results.
            detector: Looks instead of the spec's model; becomes the engine's.

        Raises:
            SpecError: the name is taken, or something in the spec cannot be.
            UnknownName: there is no such camera.
            ModelError: the model cannot be opened.
        """
        self._pipelines.add(name, spec, camera, listener, detector)

    def change_pipeline(self, name: str, spec: PipelineSpec) -> None:
        """Give a pipeline another spec, with its model opened before anything ends.

        Another model or rate alone leaves tracks and open events as they are; anything else begins anew.

        Raises:
            UnknownName: there is no such pipeline.
            ModelError: the new model cannot be opened; the pipeline goes on as it was.
        """
        self._pipelines.change(name, spec)

    def remove_pipeline(self, name: str) -> None:
        """End a pipeline: what waits is let go, what is under way is finished, open events are told.

        Raises:
            UnknownName: there is no such pipeline.
        """
        self._pipelines.remove(name)
        self.traces.set(name, None)

    def swap_model(self, before: str | ModelSpec, after: str | ModelSpec) -> tuple[str, ...]:
        """Let another model look for all pipelines that a model looks for, from their next frame on.

        The new one is opened and warmed up beside the old; where that fails, nothing has changed.

        Returns:
            The pipelines concerned.

        Raises:
            UnknownName: no pipeline is looked at by such a model.
            ModelError: the new one cannot be opened.
        """
        return swap_model(self, before, after)

    def agreement(self, pipeline: str) -> AgreementReport | None:
        """Return how well the candidate in the shadow of a pipeline's model agrees with it; None without one.

        Raises:
            UnknownName: there is no such pipeline.
        """
        shadow = self._pipelines.get(pipeline).comparison
        return shadow.agreement.report() if isinstance(shadow, Shadow) else None

    def status(self) -> EngineStatus:
        """Return how everything is doing."""
        return status_of(self)

    def stream_of(self, camera: str) -> SharedStream:
        """Return the stream that a camera reads; raises as `camera` does."""
        self.camera(camera)
        return self._streams[camera]

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until every recording has been looked at to its end; return whether they have.

        Cameras never end, unless they are given up.
        """
        until = float("inf") if timeout_s is None else time.monotonic() + timeout_s

        def left_s() -> float:
            return min(max(0.0, until - time.monotonic()), threading.TIMEOUT_MAX)

        cameras, members = list(self.cameras.values()), list(self.members.values())
        return all(camera.over.wait(left_s()) for camera in cameras) and all(
            member.feed.wait_over(left_s()) for member in members
        )

    def close(self) -> None:
        """End everything in good order; idempotent."""
        with self.changing:
            if self.closed:
                return
            self.closed = True
            members, cameras = list(self.members.values()), list(self.cameras)
            for name in cameras:
                self._leave(name)
            for member in members:
                member.feed.close()
            self.members.clear()
        self.overseer.close()
        for member in members:
            self._pipelines.finish(member)
        self.lanes.close()
        self.branch_lanes.close()
        self.hub.close()

    def conclude(self, member: Member) -> None:
        """Tell the last state of a pipeline's open events, for no frame will come; it stays in the status."""
        self._pipelines.finish(member)

    def set_rate(self, member: Member, fps: float | None) -> None:
        """Let a pipeline take so many frames per second at most, and decode no more than that."""
        with self.changing:
            camera = self.cameras.get(member.camera)
            if camera is None:
                return
            member.feed.set_fps(lower(fps, camera.spec.fps))
            self._streams[member.camera].retune()

    def look_of(self, spec: PipelineSpec) -> LaneSpec:
        """Return what looks at the frames of a pipeline in full service."""
        appearance = None if spec.track is None else spec.track.appearance_model
        return LaneSpec(model_of(spec, self._model), appearance)

    def _leave(self, name: str) -> None:
        camera, stream = self.cameras.pop(name), self._streams.pop(name)
        stream.ring.keep(name, 0.0)
        self.hub.leave(stream, camera)
        camera.finish()

    def _lane_failed(self, lane: Lane, error: ModelUnavailable) -> None:
        self.overseer.lane_failed(lane, error)

    def camera(self, name: str) -> EngineCamera:
        """Return a camera.

        Raises:
            UnknownName: there is no such one.
        """
        if name not in self.cameras:
            raise UnknownName("camera", name, sorted(self.cameras))
        return self.cameras[name]

    def expect_open(self) -> None:
        """Raise `SpecError` where nothing can be added any more."""
        if self.closed:
            raise SpecError("the engine was closed: make another")
