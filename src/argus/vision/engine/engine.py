"""Many cameras, pipelines and models in one process, added, changed and removed while it runs.

Puts the parts together and owns their lives: streams (`argus.vision.sources.hub`), cameras, feeds,
lanes. What a part can decide is decided there; what follows from the passing of time is `overseer`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Self

import structlog

from argus.core.errors import ArgusError, SpecError, UnknownName
from argus.core.resources.camera import CameraSpec
from argus.core.resources.model import ModelSpec
from argus.core.resources.pipeline import EventType, PipelineSpec
from argus.core.urls import mask_url
from argus.vision.branches.lanes import BranchLanes
from argus.vision.engine.agreement_report import AgreementReport
from argus.vision.engine.assembly import lower, make_member
from argus.vision.engine.camera import EngineCamera
from argus.vision.engine.lane import Lane
from argus.vision.engine.lanes import Lanes, OpenModel
from argus.vision.engine.member import Listener, Member
from argus.vision.engine.models import LaneSpec, model_of, open_detector, spec_of
from argus.vision.engine.notices import Facts, Notice, Tell
from argus.vision.engine.overseer import Overseer
from argus.vision.engine.reporting import status_of
from argus.vision.engine.shadow import Shadow
from argus.vision.engine.status import EngineStatus
from argus.vision.models.protocols import Detector
from argus.vision.sources.hub import Hub, open_by_options
from argus.vision.sources.options import SourceOptions
from argus.vision.sources.shared import SharedStream
from argus.vision.sources.sharing import Open, StreamSpec

_FINISH_S: Final = 30.0
"""How long a pipeline that ends waits for its model to hand out what is under way."""
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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with nothing, and the thread that watches time pass.

        Args:
            tell: Hears notices.
            model: Looks for pipelines that name none.
            open_source: Opens an address.
            open_model: Opens a model.
            clock: Monotonic seconds.
        """
        self.hub = Hub(open_source, clock=clock)
        self.cameras: dict[str, EngineCamera] = {}
        self.members: dict[str, Member] = {}
        self.lanes = Lanes(open_model, self._lane_failed, clock=clock)
        self.branch_lanes = BranchLanes()
        self._streams: dict[str, SharedStream] = {}
        self._model = model or _DEFAULT
        self._told = tell
        self._clock = clock
        self._run = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.facts = Facts(clock, self._run)
        self._changing = threading.RLock()
        self._closed = False
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
        timeout_s: float | None = None,
    ) -> None:
        """Read one more camera. Returns at once; what comes of it is told.

        Args:
            name: Not used yet.
            spec: Where and how; a text is its address.
            live: True plays recordings and synthetic scenes at their own speed, as a camera would. False
                reads them as fast as they are looked at, every frame.
            insists: False gives up where the very first opening fails.
            timeout_s: How long a server may be silent; None: `lost_after`.

        Raises:
            SpecError: the name is taken.
        """
        spec = CameraSpec.read(spec, f"camera {name}") if isinstance(spec, str) else spec
        with self._changing:
            self._expect_open()
            if name in self.cameras:
                raise SpecError(
                    f"camera {name} is there already: change it, or give the new one another name"
                )
            camera = EngineCamera(name, spec, live=live, tell=self.tell, stream=self._run, clock=self._clock)
            options = SourceOptions(
                name=mask_url(spec.url),
                timeout_s=timeout_s or spec.lost_after,
                transport=spec.transport,
                decoder=spec.decoder,
            )
            stream = StreamSpec(
                spec.url, options, spec.reconnect, paced=live, insists=insists, alone="" if live else name
            )
            self.cameras[name] = camera
            self._streams[name] = self.hub.join(stream, camera)

    def change_camera(self, name: str, spec: CameraSpec | str) -> None:
        """Give a camera another spec; its pipelines go on with what it brings then.

        Raises:
            UnknownName: there is no such camera.
        """
        with self._changing:
            feeds = self._camera(name).feeds
            live = self.cameras[name].health is not None
            self._leave(name)
            self.add_camera(name, spec, live=live)
            for feed in feeds:
                self.cameras[name].attach(feed)
            for member in [m for m in self.members.values() if m.camera == name]:
                self.set_rate(member, member.rung.fps if member.ladder is not None else member.spec.fps)

    def remove_camera(self, name: str) -> None:
        """Read a camera no longer; its pipelines end with it.

        Raises:
            UnknownName: there is no such camera.
        """
        with self._changing:
            self._camera(name)
            for member in [m for m in self.members.values() if m.camera == name]:
                self.remove_pipeline(member.name)
            self._leave(name)

    def reconnect(self, name: str) -> None:
        """Call a camera now that waits for its next attempt.

        Raises:
            UnknownName: there is no such camera.
        """
        self._camera(name)
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
        with self._changing:
            self._expect_open()
            if name in self.members:
                raise SpecError(
                    f"pipeline {name} is there already: change it, or give the new one another name"
                )
            member = self._member(name, spec, camera or spec.camera or "", listener)
        try:
            if detector is None:
                self.lanes.attach(member, member.look)
            else:
                self.lanes.move([member], self.lanes.adopt(detector, member.look))
        except BaseException:
            member.discard()
            raise
        with self._changing:
            if self._closed or member.camera not in self.cameras:
                self.lanes.release(member)
                member.discard()
                raise SpecError(f"pipeline {name}: camera {member.camera} was removed meanwhile")
            self.members[name] = member
            self.cameras[member.camera].attach(member.feed)
            self._streams[member.camera].retune()
        self._cast_shadow(member)

    def change_pipeline(self, name: str, spec: PipelineSpec) -> None:
        """Give a pipeline another spec, with its model opened before anything ends.

        Another model or rate alone leaves tracks and open events as they are; anything else begins anew.

        Raises:
            UnknownName: there is no such pipeline.
            ModelError: the new model cannot be opened; the pipeline goes on as it was.
        """
        with self._changing:
            member = self._pipeline(name)
        kept = {"detect": None, "fps": None, "max_age": 1.0, "degrade": (), "camera": None}
        if member.error is None and member.spec.model_copy(update=kept) == spec.model_copy(update=kept):
            look = member.look if spec.detect == member.spec.detect else self.look_of(spec)
            self.lanes.attach(member, look)
            member.respec(spec, look)
            self.set_rate(member, spec.fps)
            self._cast_shadow(member)
            return
        with self._changing:
            fresh = self._member(name, spec, spec.camera or member.camera, member.listener)
        try:
            opened = self.lanes.open(fresh.look)
        except BaseException:
            fresh.discard()
            raise
        with self._changing:
            fresh.before = member.counts
            self.lanes.move([fresh], opened)
            self.remove_pipeline(name)
            self.members[name] = fresh
            self.cameras[fresh.camera].attach(fresh.feed)
            self._streams[fresh.camera].retune()
        self._cast_shadow(fresh)

    def remove_pipeline(self, name: str) -> None:
        """End a pipeline: what waits is let go, what is under way is finished, open events are told.

        Raises:
            UnknownName: there is no such pipeline.
        """
        with self._changing:
            member = self._pipeline(name)
            del self.members[name]
            camera = self.cameras.get(member.camera)
            if camera is not None:
                camera.detach(member.feed)
                self._streams[member.camera].retune()
            member.feed.close()
        self._finish(member)

    def swap_model(self, before: str | ModelSpec, after: str | ModelSpec) -> tuple[str, ...]:
        """Let another model look for all pipelines that a model looks for, from their next frame on.

        The new one is opened and warmed up beside the old; where that fails, nothing has changed.

        Returns:
            The pipelines concerned.

        Raises:
            UnknownName: no pipeline is looked at by such a model.
            ModelError: the new one cannot be opened.
        """
        old = spec_of(before)
        found = [o for o in self.lanes.all if o.spec.model == old or o.spec.model.path == old.path]
        if not found:
            raise UnknownName("model in use", old.path, sorted({o.spec.model.path for o in self.lanes.all}))
        names: list[str] = []
        for lane in found:
            wanted = LaneSpec(spec_of(after), lane.spec.appearance)
            try:
                opened = self.lanes.open(wanted)
            except ArgusError as error:
                self._say_of(lane.lane, "model.failed", f"{wanted.model.path}: {error}")
                raise
            members = [m for m in lane.lane.members if isinstance(m, Member)]
            self.lanes.move(members, opened)
            names += [m.name for m in members]
            for member in members:
                member.look = wanted
                message = f"{opened.lane.description} in place of {lane.lane.description}"
                self.tell(self.facts.instant("model.swapped", member.camera, member.name, message))
        return tuple(names)

    def agreement(self, pipeline: str) -> AgreementReport | None:
        """Return how well the candidate in the shadow of a pipeline's model agrees with it; None without one.

        Raises:
            UnknownName: there is no such pipeline.
        """
        shadow = self._pipeline(pipeline).comparison
        return shadow.agreement.report() if isinstance(shadow, Shadow) else None

    def status(self) -> EngineStatus:
        """Return how everything is doing."""
        return status_of(self)

    def stream_of(self, camera: str) -> SharedStream:
        """Return the stream that a camera reads.

        Raises:
            UnknownName: there is no such camera.
        """
        self._camera(camera)
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
        with self._changing:
            if self._closed:
                return
            self._closed = True
            members, cameras = list(self.members.values()), list(self.cameras)
            for name in cameras:
                self._leave(name)
            for member in members:
                member.feed.close()
            self.members.clear()
        self.overseer.close()
        for member in members:
            self._finish(member)
        self.lanes.close()
        self.branch_lanes.close()
        self.hub.close()

    def set_rate(self, member: Member, fps: float | None) -> None:
        """Let a pipeline take so many frames per second at most, and decode no more than that."""
        with self._changing:
            camera = self.cameras.get(member.camera)
            if camera is None:
                return
            member.feed.set_fps(lower(fps, camera.spec.fps))
            self._streams[member.camera].retune()

    def look_of(self, spec: PipelineSpec) -> LaneSpec:
        """Return what looks at the frames of a pipeline in full service."""
        appearance = None if spec.track is None else spec.track.appearance_model
        return LaneSpec(model_of(spec, self._model), appearance)

    def _member(self, name: str, spec: PipelineSpec, camera: str, listener: Listener | None) -> Member:
        return make_member(
            name,
            spec,
            self._camera(camera),
            listener,
            look=self.look_of(spec),
            branch_lanes=self.branch_lanes,
            run=self._run,
            clock=self._clock,
        )

    def _cast_shadow(self, member: Member) -> None:
        """Begin, go on with or end the comparison that a pipeline's spec asks for."""
        if member.comparison is not None:
            member.comparison.close()
            member.comparison = None
        wanted = None if member.spec.detect is None else member.spec.detect.shadow
        if wanted is None:
            return
        candidate = LaneSpec(spec_of(wanted.model))
        names = (member.look.model.path, candidate.model.path)
        shadow = Shadow(member.name, names, wanted.share, member.max_age_s, self.lanes.release, self._clock)
        self.lanes.attach(shadow, candidate)
        member.comparison = shadow

    def _finish(self, member: Member) -> None:
        """Wait for what is under way and tell what is open."""
        member.feed.wait_over(_FINISH_S)
        self.lanes.release(member)
        member.finish()

    def _leave(self, name: str) -> None:
        camera, stream = self.cameras.pop(name), self._streams.pop(name)
        self.hub.leave(stream, camera)
        camera.finish()

    def _lane_failed(self, lane: Lane, error: ArgusError) -> None:
        self._say_of(lane, "model.failed", str(error))
        self.overseer.replace(lane)

    def _say_of(self, lane: Lane, type_: EventType, message: str) -> None:
        for member in lane.members:
            if isinstance(member, Member):
                self.tell(self.facts.instant(type_, member.camera, member.name, message))

    def _camera(self, name: str) -> EngineCamera:
        if name not in self.cameras:
            raise UnknownName("camera", name, sorted(self.cameras))
        return self.cameras[name]

    def _pipeline(self, name: str) -> Member:
        if name not in self.members:
            raise UnknownName("pipeline", name, sorted(self.members))
        return self.members[name]

    def _expect_open(self) -> None:
        if self._closed:
            raise SpecError("the engine was closed: make another")
